"""What is logged of a space, on spaces of which it is known."""

import math

import pytest
import torch
from mmbert_training import diagnose
from torch.nn import functional as F

SAME = torch.ones(6, 4) / 2
ORTHOGONAL = torch.eye(6, 8)
ALL = torch.ones(3, 5, dtype=torch.bool)


def test_alignment_is_the_squared_distance_of_what_belongs_together():
    assert diagnose.alignment(SAME, SAME) == 0
    assert diagnose.alignment(ORTHOGONAL, ORTHOGONAL.roll(1, 0)) == pytest.approx(2)
    assert diagnose.alignment(ORTHOGONAL, -ORTHOGONAL) == pytest.approx(4)


def test_uniformity_is_zero_of_one_point_and_lower_the_better_spread():
    assert diagnose.uniformity(SAME) == 0
    assert diagnose.uniformity(ORTHOGONAL) == pytest.approx(-4)  # every squared distance is 2
    two = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert diagnose.uniformity(two) == pytest.approx(-8)
    assert diagnose.uniformity(F.normalize(SAME + 0.1 * torch.eye(6, 4), dim=1)) > diagnose.uniformity(ORTHOGONAL)


def test_effective_rank_counts_directions_that_are_used():
    assert diagnose.effective_rank(SAME) == pytest.approx(1, abs=1e-3)
    assert diagnose.effective_rank(ORTHOGONAL) == pytest.approx(6, rel=1e-4)
    assert diagnose.effective_rank(torch.eye(6)[[0, 0, 1, 1]]) == pytest.approx(2, rel=1e-4)
    uneven = torch.diag(torch.tensor([3.0, 1.0]))
    assert diagnose.effective_rank(uneven) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


def test_modality_gap_is_the_distance_of_the_means():
    assert diagnose.modality_gap(ORTHOGONAL, ORTHOGONAL.roll(2, 0)) == pytest.approx(0, abs=1e-6)
    assert diagnose.modality_gap(SAME, -SAME) == pytest.approx(2)
    texts, documents = torch.eye(2)[[0, 0]], torch.eye(2)[[1, 1]]
    assert diagnose.modality_gap(texts, documents) == pytest.approx(math.sqrt(2))


def test_variance_within_is_nothing_where_bars_of_a_piece_are_alike_and_all_where_pieces_are():
    pieces = torch.randn(3, 1, 4, generator=torch.Generator().manual_seed(0)).expand(-1, 5, -1)
    assert diagnose.variance_within(pieces, ALL) == pytest.approx(0, abs=1e-6)
    bars = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(1)).expand(3, -1, -1)
    assert diagnose.variance_within(bars, ALL) == pytest.approx(1)
    both = torch.tensor([[[0.0], [2.0]], [[4.0], [6.0]]])  # within 1, between 4
    assert diagnose.variance_within(both, torch.ones(2, 2, dtype=torch.bool)) == pytest.approx(1 / 5)


def test_neighbour_cosine_is_one_where_attention_has_blurred_and_less_where_it_has_not():
    blurred = torch.ones(3, 5, 4) + torch.arange(5)[None, :, None]
    assert diagnose.neighbour_cosine(blurred, ALL) == pytest.approx(1)
    sharp = torch.eye(5).expand(3, -1, -1)
    assert diagnose.neighbour_cosine(sharp, ALL) == 0
    half = (sharp + blurred.new_ones(5)) / 2
    assert 0 < diagnose.neighbour_cosine(half, ALL) < 1
    assert diagnose.neighbour_cosine(torch.tensor([[[1.0], [-1.0]]]), torch.ones(1, 2, dtype=torch.bool)) == -1


def test_bars_without_notes_count_nowhere():
    states = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(2))
    present = torch.tensor([[1, 1, 0, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1]], dtype=torch.bool)
    wild = torch.where(present[..., None], states, torch.full_like(states, 99.0))
    for measure in (diagnose.variance_within, diagnose.neighbour_cosine):
        assert measure(wild, present) == pytest.approx(measure(states, present))
    pairs = [(0, 0), (0, 3), (1, 0), (1, 1)]  # both bars with notes, side by side
    expected = sum(float(F.cosine_similarity(states[b, t], states[b, t + 1], dim=0)) for b, t in pairs) / 4
    assert diagnose.neighbour_cosine(states, present) == pytest.approx(expected)
    assert diagnose.neighbour_cosine(states, torch.zeros_like(present)) == 0
