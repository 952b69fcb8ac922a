"""The model's laws: any subset of streams, and no vector depends on padding, batch or order."""

from __future__ import annotations

import itertools
import math
from copy import deepcopy

import pytest
import torch

from mmbert.facets import TOKENS
from mmbert.model import MmbertModel, ModelConfig
from mmbert.model.facets import facet_ids
from mmbert.model.shared import SharedTransformer
from mmbert.symbolic.octuple import SIZES
from mmbert.types import Facets, Stream


@pytest.fixture(scope="module")
def fresh() -> MmbertModel:
    torch.manual_seed(0)
    return MmbertModel(ModelConfig()).eval()


@pytest.fixture(scope="module")
def model(fresh: MmbertModel) -> MmbertModel:
    """One whose layers do something: gates begin at zero."""
    model = deepcopy(fresh)
    for name, parameter in model.named_parameters():
        if name.endswith("gates"):
            torch.nn.init.normal_(parameter, 1.0, 0.1)
    return model


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


def row_of(stream: Stream, i: int) -> Stream:
    position = None if stream.position is None else stream.position[i : i + 1]
    return Stream(stream.states[i : i + 1], stream.mask[i : i + 1], stream.modality, position)


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
        assert (model.join([row_of(s, i) for s in parts.values()]) - together[i : i + 1]).abs().max() < 1e-5


@torch.inference_mode()
def test_layers_begin_as_the_identity(fresh: MmbertModel, model: MmbertModel) -> None:
    """An untrained model reads each note by itself, and [CLS] is the mean of the means of the streams."""
    tokens, valid = random_octuples(2, 12), torch.ones(2, 12, dtype=torch.bool)
    embedded = fresh.symbolic.norm(fresh.symbolic.embed(tokens))
    assert torch.equal(fresh.encode_passages(tokens, valid), embedded)
    assert (model.encode_passages(tokens, valid) - embedded).abs().max() > 0.1
    parts = list(streams(fresh).values())
    first, *_, last = fresh.shared.every_layer(parts)
    assert torch.equal(last, fresh.shared.norm(first))
    assert (first[:, 0] - fresh.shared.cls - mean_of_means(fresh.shared, first, parts)).abs().max() < 1e-5
    assert torch.equal(fresh.join(parts), last[:, 0])


def mean_of_means(shared: SharedTransformer, first: torch.Tensor, parts: list[Stream]) -> torch.Tensor:
    """By hand, from the states before the first layer: what is not there has no part in it."""
    rows = []
    ordered = sorted(parts, key=lambda s: s.modality)
    for b in range(len(first)):
        total, weights, at = torch.zeros(first.shape[2]), 0.0, 1
        for stream in ordered:
            states, at = first[b, at : at + stream.mask.shape[1]], at + stream.mask.shape[1]
            if stream.mask[b].any():
                share = math.exp(shared.weight[stream.modality])
                total, weights = total + share * states[stream.mask[b]].mean(0), weights + share
        rows.append(total / weights)
    return torch.stack(rows)


@torch.inference_mode()
def test_a_modality_weighs_as_its_learned_scalar_says(fresh: MmbertModel) -> None:
    shared, parts = deepcopy(fresh.shared), list(streams(fresh).values())
    shared.weight["score"] += 1.5
    shared.weight["facets"] -= 0.5
    first = shared.every_layer(parts)[0]
    assert (first[:, 0] - shared.cls - mean_of_means(shared, first, parts)).abs().max() < 1e-5
    assert (first - fresh.shared.every_layer(parts)[0])[:, 0].abs().max() > 0.1
    for stream in (parts[0], parts[2]):  # alone a stream has all the weight
        assert (shared([stream]) - fresh.shared([stream])).abs().max() < 1e-5


def test_a_gate_opens_by_its_own_gradient(fresh: MmbertModel) -> None:
    """At the identity the gates learn, and only then what is behind them."""
    layer = deepcopy(fresh.shared.layers[0]).requires_grad_()
    x = torch.randn(2, 5, 256, generator=torch.Generator().manual_seed(5))
    layer(x, None).square().sum().backward()
    assert layer.gates is not None
    assert layer.gates.grad is not None
    assert layer.gates.grad.abs().min() > 0
    assert all(not p.grad.any() for n, p in layer.named_parameters() if n != "gates" and p.grad is not None)


@torch.inference_mode()
def test_a_layer_is_left_out_only_where_it_is_and_stays_the_identity(fresh: MmbertModel, model: MmbertModel) -> None:
    shared, parts = deepcopy(fresh.shared), list(streams(fresh).values())
    whole = shared(parts)
    first = shared.layers[0]
    assert not first.closed  # its gates learn
    shared.layers.requires_grad_(False)
    assert all(layer.closed for layer in shared.layers)
    assert torch.equal(shared(parts), whole)
    first.gates[0, 0] = 1.0
    assert not first.closed
    assert (shared(parts) - whole).abs().max() > 1e-4
    working = deepcopy(model.shared).requires_grad_(False)
    assert (working(parts) - model.shared(parts)).abs().max() < 1e-5


@torch.inference_mode()
def test_every_layer_ends_in_what_join_gives(model: MmbertModel) -> None:
    parts = list(streams(model).values())
    found = model.shared.every_layer(parts)
    assert len(found) == model.config.layers + 1
    assert {x.shape for x in found} == {(3, 1 + sum(s.mask.shape[1] for s in parts), 256)}
    assert (found[-1][:, 0] - model.join(parts)).abs().max() < 1e-5
    assert all((a - b).abs().max() > 0.1 for a, b in itertools.pairwise(found))


@torch.inference_mode()
def test_readers_do_not_see_padding_or_the_rest_of_a_batch(model: MmbertModel) -> None:
    g = torch.Generator().manual_seed(6)
    states, length = torch.randn(4, 9, 384, generator=g), torch.tensor([9, 1, 4, 6])
    mask = torch.arange(9)[None] < length[:, None]
    together = model.encode_text(states, mask)
    assert together.states.shape == (4, model.config.text_readers + 1, 256)
    assert together.mask.all()
    noisy = torch.where(mask[..., None], states, torch.randn(states.shape, generator=g) * 50)
    assert torch.equal(model.encode_text(noisy, mask).states, together.states)
    order = torch.tensor([2, 0, 3, 1])
    assert (model.encode_text(states[order], mask[order]).states - together.states[order]).abs().max() < 1e-5
    for i, n in enumerate(length):
        alone = model.encode_text(states[i : i + 1, :n], mask[i : i + 1, :n])
        assert (alone.states - together.states[i : i + 1]).abs().max() < 1e-5


@torch.inference_mode()
def test_a_reader_goes_where_it_looks_and_the_last_is_the_mean(model: MmbertModel) -> None:
    text = deepcopy(model.text)
    states = torch.randn(1, 6, 384, generator=torch.Generator().manual_seed(7))
    mask = torch.ones(1, 6, dtype=torch.bool)
    weighed = []
    text.weigh.register_forward_hook(lambda _, inputs, __: weighed.append(inputs[0]))
    alone = torch.stack([text(states[:, i : i + 1], mask[:, :1]).states[0] for i in range(6)])
    assert (alone - alone[:, :1]).abs().max() < 1e-5  # of one token, all readers read the same
    read = text(states, mask).states[0]
    assert (read[-1] - alone[:, -1].mean(0)).abs().max() < 1e-5
    assert all((a - b).abs().max() > 1e-3 for a, b in itertools.combinations(read[:-1], 2))
    text.weigh.weight[0] = 100 * weighed[3][0, 0]  # the first reader looks for the fourth token
    assert (text(states, mask).states[0, 0] - alone[3, 0]).abs().max() < 1e-4


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
