"""Long texts in passages: of whole sentences, bounded in length and number, nothing lost where it fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmbert.text.chunks import CHUNK, chunks

SENTENCE = "The fiddler plays a slow air and nobody dances."


def test_sentences_stay_whole():
    found = chunks(" ".join(SENTENCE for _ in range(40)), 100)
    assert len(found) > 1
    assert all(chunk.startswith("The") and chunk.endswith("dances.") for chunk in found)
    assert sum(chunk.count("fiddler") for chunk in found) == 40


def test_of_many_passages_some_are_read_from_first_to_last():
    text = "\n\n".join(f"Verse {i} {'la ' * 60}" for i in range(500))
    found = chunks(text, 32)
    assert len(found) == 32
    assert found[0].startswith("Verse 0 ")
    assert found[-1].startswith("Verse 499 ")


@given(st.text(max_size=3000))
def test_no_passage_is_empty_or_too_long_and_no_word_is_lost(text):
    found = chunks(text, 10_000)
    assert all(0 < len(chunk) <= CHUNK for chunk in found)
    assert "".join("".join(found).split()) == "".join(text.split())
