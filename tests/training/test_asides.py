"""Asides are many, short and distinct, and say nothing that the known phrases say."""

import re

from mmbert_training.asides import asides
from mmbert_training.phrases import POOLS, phrases

from mmbert.facets import FORMS

PIECES = r"[^\W_]+"
# A form's name that stands for a passage, a section or a way of moving, or is another word, never for the piece.
NOT_THE_PIECE = frozenset((
    "to study to",
    "swings into six-eight for a moment",
    "the theme comes back in the bass",
    "the theme returns upside down",
    "the theme is split between the hands at one point",
    "dolce over the second theme",
    "the trio section moves to the subdominant",
    "six-eight in the trio, back to two for the end",
    "a waltz-like episode that lasts only a line",
    "a little march-like bit in the third section",
    "a hymn-like passage in the middle",
    "a chorale-like ending",
    "a fugue-like entry in the second half",
    "the bridge quotes a lullaby",
    "quotes a carol in the last verse",
    "a snatch of a polka in the coda",
    "a jig rhythm peeps through near the end",
    "a hint of tango in the bass of the bridge",
    "a six-four chord that hangs in the air",
))  # fmt: skip


def test_there_are_many_and_each_stands_once():
    assert len(asides()) >= 600
    assert len(set(asides())) == len(asides())


def test_each_is_a_few_words_in_lower_case():
    for aside in asides():
        assert aside == aside.lower().strip(), aside
        assert 1 <= len(aside.split()) <= 14, aside


def test_none_is_a_phrase_of_either_pool():
    for pool in map(phrases, POOLS):
        said = {phrase.lower() for phrase, _ in pool.all} | {p.lower() for p in (*pool.frames, *pool.nouns)}
        assert not said & set(asides())


def test_none_holds_a_phrase_that_the_unseen_pool_alone_has():
    known = {words(phrase) for phrase, _ in phrases("known").all}
    unseen = {words(phrase) for phrase, _ in phrases("unseen").all} - known
    unseen -= {words("one"), words("for two")}  # of one or two parts; they stand in any sentence
    assert not {a for a in asides() if any(phrase in words(a) for phrase in unseen)}


def words(text):
    return f" {' '.join(re.findall(PIECES, text.lower()))} "


def test_none_names_the_form_of_the_piece():
    form = re.compile(rf"\b(?:{'|'.join(FORMS)})s?\b")
    assert {aside for aside in asides() if form.search(aside)} == NOT_THE_PIECE
