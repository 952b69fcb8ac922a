"""The nearest words of a piece: hubs do not win, facts are not contradicted, everything is read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from mmbert.facets import TOKENS
from mmbert.retrieval.describe import AT_ONCE, Vocabulary
from mmbert.types import Facets

DIM = 400
HUB = "form=reel"


class Axes:
    """Every statement has an axis of its own. Words lie on that of their statement; what is said of reels also lies
    half way to everything, as hubs do."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        from mmbert.text.phrases import known_phrases

        self.batches.append(list(texts))
        makes = dict(reversed(known_phrases().all))
        rows = np.zeros((len(texts), DIM), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for statement in makes[text]:
                row[TOKENS.index(statement)] += 1.0
            if HUB in makes[text]:
                row[:] += 0.5
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_statements(self) -> np.ndarray:
        return np.eye(len(TOKENS), DIM, dtype=np.float32) * 0.8 + 0.03


def piece(*statements: str) -> np.ndarray:
    rows = np.zeros(DIM, np.float32)
    for i, statement in enumerate(statements):
        rows[TOKENS.index(statement)] = 1.0 - 0.1 * i
    rows += 0.03
    return rows / np.linalg.norm(rows)


@pytest.fixture(scope="module")
def speaker() -> Axes:
    return Axes()


@pytest.fixture(scope="module")
def vocabulary(speaker: Axes) -> Vocabulary:
    return Vocabulary.of(speaker)


def test_the_words_are_read_once_in_batches_and_are_not_too_many(speaker: Axes, vocabulary: Vocabulary) -> None:
    read = [text for batch in speaker.batches for text in batch]
    assert len(read) == len(vocabulary.phrases) <= 1500
    assert max(map(len, speaker.batches)) <= AT_ONCE
    made = Counter(statements for _, statements in vocabulary.phrases)
    assert {(t,) for t in TOKENS} <= set(made)
    assert all(n <= 2 for (first, *_), n in made.items() if first.startswith(("instrument=", "family=", "key=")))


def test_the_nearest_tags_are_those_of_the_piece(vocabulary: Vocabulary) -> None:
    tags, phrases, _ = vocabulary.nearest(piece("form=jig", "mood=happy"), Facets(), "score", 2)
    assert [tag.statements for tag in tags] == [("form=jig",), ("mood=happy",)]
    assert [tag.words for tag in tags] == ["jig", "happy (derived)"]
    assert [tag.statements for tag in phrases] == [("form=jig",), ("mood=happy",)]
    assert all(tag.z > 3 and 0 < tag.similarity <= 1 and not tag.agrees for tag in tags)


def test_what_is_near_to_everything_does_not_win(vocabulary: Vocabulary) -> None:
    at = piece("form=jig", "mood=happy", "texture=thin")
    cosines = vocabulary.tags @ at
    tags, _, _ = vocabulary.nearest(at, Facets(), "score", len(TOKENS))
    by_cosine = [TOKENS[i] for i in np.argsort(-cosines)]
    by_z = [tag.statements[0] for tag in tags]
    assert by_z.index(HUB) > by_cosine.index(HUB)
    assert [tag.z for tag in tags] == sorted((tag.z for tag in tags), reverse=True)


def test_what_the_facts_speak_against_is_left_out_and_told(vocabulary: Vocabulary) -> None:
    facets = Facets(key="D", mode="major", form="jig")
    tags, phrases, left_out = vocabulary.nearest(piece("mode=minor", "form=jig", "metre=6/8"), facets, "score", 3)
    assert left_out == ("mode=minor",)
    assert [tag.statements[0] for tag in tags][:2] == ["form=jig", "metre=6/8"]
    assert len(tags) == 3
    assert [tag.agrees for tag in tags][:2] == [True, False]
    assert all("mode=minor" not in tag.statements for tag in (*tags, *phrases))


def test_a_phrase_stands_for_others_that_say_the_same(vocabulary: Vocabulary) -> None:
    _, phrases, _ = vocabulary.nearest(piece("form=jig", "mode=minor"), Facets(), "score", 50)
    said = [tag.statements for tag in phrases]
    assert len(said) == len(set(said)) == 50


def test_two_times_the_same_is_the_same(vocabulary: Vocabulary) -> None:
    one, other = (vocabulary.nearest(piece("form=jig"), Facets(), "score", 8) for _ in range(2))
    assert one == other


def test_a_recording_is_not_described_by_instruments_that_are_not_heard_in_it(vocabulary: Vocabulary) -> None:
    facets = Facets(instruments=("trumpet",), families=("brass",), sounds=("Trumpet",))
    vector = piece("instrument=gunshot", "family=sound effects", "drums=yes", "instrument=trumpet", "form=march")
    tags, phrases, left_out = vocabulary.nearest(vector, facets, "recording", 3)
    for found in (tags, phrases):
        assert [tag.statements for tag in found][:2] == [("instrument=trumpet",), ("form=march",)]
        assert len(found) == 3
    assert left_out == ()
    assert vocabulary.nearest(vector, Facets(), "score", 1)[0][0].statements == ("instrument=gunshot",)


def test_a_tag_is_worded_once(vocabulary: Vocabulary) -> None:
    facets = Facets(instruments=("drums",), families=("drums",), has_drums=True, sounds=("Drum kit",))
    tags, _, _ = vocabulary.nearest(piece("drums=yes", "family=drums", "form=march"), facets, "recording", 50)
    assert [tag.words for tag in tags][:2] == ["drums", "march"]
    assert len({tag.words for tag in tags}) == len(tags)
