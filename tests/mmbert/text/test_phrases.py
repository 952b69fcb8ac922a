"""Pools of phrases: how a line is read, and what the known pool holds."""

from __future__ import annotations

import pytest

from mmbert.facets import TOKENS
from mmbert.text.phrases import Phrases, bare, content_words, known_phrases

POOL = """
# a remark
frame | looking for {}; {} please
noun | piece; tune
key | ~in {}; ={} piece
key+mode | ~in {k} {m}; ={k} {m} tune
instrument | ~for {}; ~with a {}; {}-led
family | ~full of {}; ={} music
instrument=oboe | oboe; shawm
instrument=violin | violin; strings
family=strings | strings
mode=minor | minor; ~in a minor key; =lament
"""


@pytest.fixture
def pool() -> Phrases:
    return Phrases(POOL)


def test_marks_say_where_a_phrase_stands_and_are_not_words(pool: Phrases) -> None:
    assert pool.marked("mode=minor") == ("minor", "~in a minor key", "=lament")
    assert pool.of("mode=minor") == ("minor", "in a minor key", "lament")
    assert pool.frames == ("looking for {}", "{} please")
    assert pool.nouns == ("piece", "tune")
    assert pool.of("mode=major") == ()


def test_names_fill_patterns_with_their_article_and_no_article_before_many(pool: Phrases) -> None:
    assert pool.of("instrument=oboe") == (
        "for oboe", "with an oboe", "oboe-led", "for shawm", "with a shawm", "shawm-led"
    )  # fmt: skip
    assert pool.of("instrument=violin") == ("for violin", "with a violin", "violin-led", "for strings", "strings-led")
    assert pool.of("family=strings") == ("full of strings",)


def test_keys_are_spelled_in_signs_and_in_words(pool: Phrases) -> None:
    assert pool.of("key=D") == ("in D", "D piece")
    assert set(pool.of("key=Bb")) == {"in Bb", "Bb piece", "in B flat", "B flat piece"}
    assert pool.of_key("key=F#", "mode=minor")[::2] == ("in F# minor", "in F sharp minor")
    assert pool.marked_key("key=D", "mode=major") == ("~in D major", "=D major tune")


def test_all_is_every_phrase_with_what_it_states(pool: Phrases) -> None:
    stated = dict(pool.all)
    assert stated["with an oboe"] == ("instrument=oboe",)
    assert stated["in D minor"] == ("key=D", "mode=minor")
    assert stated["in D"] == ("key=D",)
    assert not any(said[:1] in "~=" for said, _ in pool.all)


def test_content_words_leave_out_what_means_nothing() -> None:
    assert content_words("In 6/8 with Violins, F# and an E-flat") == {"6/8", "violin", "f#", "e", "flat"}
    assert content_words("a piece of the music") == frozenset()
    assert content_words("bass, brass") == {"bass", "brass"}


def test_the_known_pool_words_every_statement_and_states_nothing_else() -> None:
    pool = known_phrases()
    for token in TOKENS:
        assert len(set(pool.of(token))) == len(pool.of(token)) >= 5, token
        assert all(p == p.strip() and p and "{" not in p and "  " not in p for p in pool.of(token)), token
    assert {t for _, said in pool.all for t in said} == set(TOKENS)
    for frame in pool.frames:
        assert frame.count("{}") == frame.count("{") == frame.count("}") == 1, frame
    assert bare("=jig") == "jig"
