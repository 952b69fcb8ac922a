"""The model's laws: any subset of streams, and no vector depends on padding, batch or order."""

from __future__ import annotations

import itertools

import pytest
import torch

from mmbert.facets import TOKENS
from mmbert.model import MmbertModel, ModelConfig
from mmbert.model.facets import facet_ids
from mmbert.symbolic.octuple import SIZES
from mmbert.types import Facets, Stream


@pytest.fixture(scope="module")
def model() -> MmbertModel:
    torch.manual_seed(0)
    return MmbertModel(ModelConfig()).eval()


def random_octuples(*shape: int, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, size, shape, generator=g) for size in SIZES], -1)


def streams(model: MmbertModel, batch: int = 3) -> dict[str, Stream]:
    g = torch.Generator().manual_seed(1)
    bars = torch.randn(batch, 5, 256, generator=g)
    mask = torch.ones(batch, 5, dtype=torch.bool)
    return {
        "score": Stream(bars, mask, "score", torch.arange(5).expand(batch, -1)),
        "facets": model.encode_facets([[0, 40], [3], []][:batch]),
        "text": model.encode_text(torch.randn(batch, 7, 384, generator=g), torch.ones(batch, 7, dtype=torch.bool)),
    }


@torch.inference_mode()
def test_notes_become_unit_vectors(model: MmbertModel) -> None:
    tokens, valid = random_octuples(2, 12), torch.ones(2, 12, dtype=torch.bool)
    notes = model.encode_passages(tokens, valid)
    assert notes.shape == (2, 12, 192)
    bars, present = model.pool_bars(notes[valid], torch.arange(24) // 6, 5)
    assert bars.shape == (5, 256)
    assert present.tolist() == [True] * 4 + [False]
    stream = Stream(bars[None, :4], present[None, :4], "score", torch.arange(4)[None])
    vector = model.project(model.join([stream]), "document")
    assert vector.shape == (1, 256)
    assert vector.norm(dim=-1) == pytest.approx(1)


@torch.inference_mode()
def test_any_subset_of_streams_in_any_order_gives_a_vector(model: MmbertModel) -> None:
    parts = streams(model)
    seen = []
    for n in (1, 2, 3):
        for names in itertools.combinations(sorted(parts), n):
            cls = model.join([parts[name] for name in names])
            assert torch.equal(cls, model.join([parts[name] for name in reversed(names)]))
            assert torch.isfinite(cls).all()
            seen.append(cls)
    for a, b in itertools.combinations(seen, 2):
        assert (a - b).abs().max() > 1e-3  # every stream is read


def test_a_foreign_stream_and_no_stream_are_refused(model: MmbertModel) -> None:
    with pytest.raises(ValueError, match="at least one stream"):
        model.join([])
    sound = Stream(torch.zeros(1, 2, 256), torch.ones(1, 2, dtype=torch.bool), "recording")
    with pytest.raises(ValueError, match="no recording stream"):
        model.join([sound])


@torch.inference_mode()
def test_padding_and_neighbours_do_not_change_a_passage(model: MmbertModel) -> None:
    long, short = random_octuples(1, 40, seed=2), random_octuples(1, 9, seed=3)
    alone = model.encode_passages(short, torch.ones(1, 9, dtype=torch.bool))
    padded = torch.cat([short, torch.tensor(SIZES).expand(1, 31, -1)], 1)
    valid = torch.arange(40)[None] < torch.tensor([[40], [9]])
    both = model.encode_passages(torch.cat([long, padded]), valid)
    assert (both[1, :9] - alone[0]).abs().max() < 1e-5


@torch.inference_mode()
def test_pooling_a_bar_does_not_depend_on_other_bars_or_order(model: MmbertModel) -> None:
    states = torch.randn(30, 192, generator=torch.Generator().manual_seed(4))
    segment = torch.arange(30) // 10
    together, _ = model.pool_bars(states, segment, 3)
    alone, _ = model.pool_bars(states[10:20].flip(0), torch.zeros(10, dtype=torch.int64), 1)
    assert (together[1] - alone[0]).abs().max() < 1e-5
    expected = torch.cat((states[10:20].mean(0), states[10:20].amax(0), torch.tensor(10.0).log1p()[None]))
    assert (model.bars.project(expected) - together[1]).abs().max() < 1e-5


@torch.inference_mode()
def test_padding_and_batch_do_not_change_a_join(model: MmbertModel) -> None:
    parts = streams(model)
    together = model.join(list(parts.values()))
    wide = parts["text"]
    padded = Stream(
        torch.cat([wide.states, torch.randn(3, 4, 256)], 1), torch.cat([wide.mask, torch.zeros(3, 4).bool()], 1), "text"
    )
    assert (model.join([padded, parts["score"], parts["facets"]]) - together).abs().max() < 1e-5
    for i in range(3):
        row = [
            Stream(s.states[i : i + 1], s.mask[i : i + 1], s.modality, None if s.position is None else s.position[:1])
            for s in parts.values()
        ]
        assert (model.join(row) - together[i : i + 1]).abs().max() < 1e-5


@torch.inference_mode()
def test_projecting_tables_is_projecting_the_concatenation(model: MmbertModel) -> None:
    embed, tokens = model.symbolic.embed, random_octuples(4, 6)
    rows = torch.cat([table(tokens[..., f]) for f, table in enumerate(embed.tables)], -1)
    assert (embed(tokens) - embed.project(rows)).abs().max() < 1e-5


def test_order_of_notes_and_place_of_bars_matter(model: MmbertModel) -> None:
    tokens, valid = random_octuples(1, 8), torch.ones(1, 8, dtype=torch.bool)
    forward, backward = model.encode_passages(tokens, valid), model.encode_passages(tokens.flip(1), valid).flip(1)
    assert (forward - backward).abs().max() > 1e-3
    score = streams(model)["score"]
    assert score.position is not None
    moved = Stream(score.states, score.mask, "score", score.position.flip(1))
    assert (model.join([score]) - model.join([moved])).abs().max() > 1e-4


def test_an_id_outside_its_field_is_refused_by_name(model: MmbertModel) -> None:
    tokens = torch.zeros(1, 2, 8, dtype=torch.int64)
    tokens[0, 1, 3] = SIZES[3] + 2
    with pytest.raises(ValueError, match="field pitch holds an id outside 0-257"):
        model.encode_passages(tokens, torch.ones(1, 2, dtype=torch.bool))


def test_masked_head_answers_field_by_field(model: MmbertModel) -> None:
    assert tuple(p.shape for p in model.predict_fields(torch.zeros(5, 192))) == tuple((5, size) for size in SIZES)


def test_facets_are_tokens_of_name_and_value(model: MmbertModel) -> None:
    ids = facet_ids(Facets(metre="6/8", form="jig"))
    assert [TOKENS[i] for i in ids] == ["metre=6/8", "form=jig"]
    stream = model.encode_facets([ids, []])
    assert stream.states.shape == (2, 2, 256)
    assert stream.mask.tolist() == [[True, True], [False, False]]
    assert model.encode_facets([[]]).states.shape == (1, 1, 256)


def test_every_part_learns(model: MmbertModel) -> None:
    parts = streams(model)
    tokens, valid = random_octuples(1, 12), torch.ones(1, 12, dtype=torch.bool)
    notes = model.encode_passages(tokens, valid)
    bars, present = model.pool_bars(notes[valid], torch.arange(12) // 4, 3)
    score = Stream(bars[None], present[None], "score", torch.arange(3)[None])
    facets, text = (Stream(s.states[:1], s.mask[:1], s.modality) for s in (parts["facets"], parts["text"]))
    cls = model.join([score, facets, text])
    out = model.project(cls, "document").sum() + model.project(cls, "query").sum()
    (out + sum(p.square().sum() for p in model.predict_fields(notes))).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    model.zero_grad(set_to_none=True)
    assert without == []
