"""Statements of a library agree with those of its pieces, and the phrase book reads what the pool holds."""

from __future__ import annotations

import pytest

from mmbert.facets import TOKENS, tokens_of
from mmbert.retrieval.phrasebook import said
from mmbert.retrieval.statements import by_statements, holds
from mmbert.store import open_library
from mmbert.text.phrases import known_phrases


def test_statements_are_those_of_every_piece(library_path) -> None:
    generation = open_library(library_path).current()
    for row in range(generation.n_pieces):
        own = set(tokens_of(generation.facets(row)))
        found = {t for t in TOKENS if holds(generation, t)[row]}
        assert own <= found
        assert {t for t in found - own if not t.startswith("instrument=")} == set()


def test_what_is_said_is_weighed(library_path) -> None:
    generation = open_library(library_path).current()
    first = tokens_of(generation.facets(0))[0]
    scores = by_statements(generation, {first: 0.5})
    assert scores.tolist() == [0.5 if holds(generation, first)[i] else 0.0 for i in range(generation.n_pieces)]


@pytest.mark.parametrize("kind", ["mode", "metre", "tempo", "pace", "mood", "parts", "form", "register"])
def test_whole_phrases_are_read(kind: str) -> None:
    wrong = [
        (statement, phrase)
        for statement in (t for t in TOKENS if t.startswith(f"{kind}="))
        for phrase in known_phrases().of(statement)
        if said(f"something {phrase}, please").get(statement) != 1.0
    ]
    assert not wrong


def test_single_words_say_less_than_phrases() -> None:
    weights = said("a whirling tune").values()
    assert all(w < 1 for w in weights)
    assert said("") == {}
