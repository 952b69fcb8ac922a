"""MIM: half is dropped, what was dropped is not seen, the bound cannot exceed log N, twins are no negatives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from mmbert.model import ModelConfig
from mmbert.model.shared import SharedTransformer
from mmbert.objectives.mutual import Critic, hide_half, mutual_loss
from mmbert.types import Stream

N, DIM = 8, 16
NO_TWINS = torch.eye(N, dtype=torch.bool)
ALL = torch.ones(N, dtype=torch.bool)


class Dot(nn.Module):
    """A critic that tells the truth."""

    def forward(self, state: Tensor, vector: Tensor) -> Tensor:
        return 50.0 * state @ vector.T


def test_half_of_the_bars_is_dropped_in_one_run_and_never_all() -> None:
    torch.manual_seed(0)
    present = torch.rand(400, 30) < torch.rand(400, 1)  # bars without notes lie between
    present[:3] = False
    present[3:6] = torch.arange(30) == 4
    dropped = hide_half(present)
    count = present.sum(1)
    assert not (dropped & ~present).any()
    assert torch.equal(dropped.sum(1), count // 2)
    assert (present & ~dropped).any(1)[count > 0].all()
    for here, gone in zip(present.tolist(), dropped.tolist()):
        among = "".join("x" if d else "." for p, d in zip(here, gone) if p)
        assert len(among.strip(".").split(".")) == 1
    whole = torch.ones(2000, 10, dtype=torch.bool)
    assert hide_half(whole).float().mean(0)[[0, 9]].tolist() == pytest.approx([1 / 6, 1 / 6], abs=0.03)


def test_the_dropped_bars_do_not_change_the_state() -> None:
    torch.manual_seed(0)
    shared = SharedTransformer(ModelConfig(dim=DIM, heads=2, ffn=32, layers=2, dropout=0.0)).eval()
    for layer in shared.layers:  # the layers begin as the identity, which mixes nothing
        nn.init.ones_(layer.gates)
    bars, present = torch.randn(5, 12, DIM), torch.ones(5, 12, dtype=torch.bool)
    dropped = hide_half(present)
    position = torch.arange(12).expand(5, -1)

    def state(bars: Tensor) -> Tensor:
        return shared([Stream(bars, present & ~dropped, "score", position)])

    noise = torch.randn_like(bars)
    assert torch.equal(state(bars), state(torch.where(dropped[..., None], noise, bars)))
    assert (state(bars) - state(torch.where(dropped[..., None], bars, noise))).abs().amax(1).min() > 0.1
    bars.requires_grad_()
    state(bars).square().sum().backward()
    assert bars.grad is not None
    assert not bars.grad[dropped].any()


def test_the_bound_is_log_n_where_all_is_told_and_nothing_where_nothing_is() -> None:
    vectors = torch.eye(N, DIM)
    loss, scalars = mutual_loss(Dot(), vectors, vectors, ALL, NO_TWINS)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert scalars["information"].item() == pytest.approx(math.log(N))
    loss, scalars = mutual_loss(Dot(), torch.zeros(N, DIM), vectors, ALL, NO_TWINS)
    assert loss.item() == pytest.approx(math.log(N))
    assert scalars["information"].item() == pytest.approx(0, abs=1e-6)
    _, scalars = mutual_loss(Dot(), vectors, vectors.roll(1, 0), ALL, NO_TWINS)
    assert scalars["information"].item() < -10


@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_never_more_than_log_n(seed: int) -> None:
    torch.manual_seed(seed)
    same = torch.arange(N) // 2
    twins = same[:, None] == same[None, :]
    for state in (torch.randn(N, DIM), torch.eye(N, DIM)):
        for pairs, most in ((NO_TWINS, N), (twins, N - 1)):  # one of the others is a twin
            _, scalars = mutual_loss(Dot(), state, torch.eye(N, DIM), ALL, pairs)
            assert scalars["information"].item() <= math.log(most) + 1e-6


def test_pieces_of_one_work_are_no_negatives_of_each_other() -> None:
    vectors = torch.eye(N, DIM)
    vectors[1] = vectors[0]  # another setting, which sounds the same
    twins = NO_TWINS.clone()
    twins[0, 1] = twins[1, 0] = True
    strict, _ = mutual_loss(Dot(), vectors, vectors, ALL, NO_TWINS)
    lenient, scalars = mutual_loss(Dot(), vectors, vectors, ALL, twins)
    assert strict.item() == pytest.approx(2 * math.log(2) / N, rel=1e-4)
    assert lenient.item() == pytest.approx(0, abs=1e-6)
    assert scalars["information"].item() == pytest.approx((6 * math.log(N) + 2 * math.log(N - 1)) / N)
    state = torch.randn(N, DIM, requires_grad=True)
    scored = vectors.clone().requires_grad_()
    mutual_loss(Critic(DIM), state[:2], scored[:2], ALL[:2], twins[:2, :2])[0].backward()
    assert scored.grad is not None
    assert not scored.grad.any()  # the only other piece is a twin: nothing to tell apart


def test_pieces_of_which_nothing_was_dropped_take_no_part() -> None:
    vectors = torch.eye(N, DIM)
    usable = torch.arange(N) < 5
    noisy = torch.where(usable[:, None], vectors, torch.full_like(vectors, 9.0))
    expected = mutual_loss(Dot(), vectors[:5] / 50, vectors[:5], ALL[:5], NO_TWINS[:5, :5])
    found = mutual_loss(Dot(), vectors / 50, noisy, usable, NO_TWINS)
    assert found[0].item() == pytest.approx(expected[0].item())
    assert found[1]["information"].item() == pytest.approx(expected[1]["information"].item())
    state = torch.randn(N, DIM, requires_grad=True)
    loss, scalars = mutual_loss(Dot(), state, vectors, torch.arange(N) == 2, NO_TWINS)
    loss.backward()
    assert loss.item() == 0
    assert scalars == {}


def test_a_critic_learns_what_goes_together() -> None:
    torch.manual_seed(0)
    critic, state = Critic(DIM, 32), torch.randn(N, DIM)
    vectors = state @ torch.randn(DIM, DIM) / 4
    optimiser = torch.optim.Adam(critic.parameters(), 0.01)
    found = []
    for _ in range(60):
        optimiser.zero_grad()
        loss, scalars = mutual_loss(critic, state, vectors, ALL, NO_TWINS)
        loss.backward()
        optimiser.step()
        found.append(scalars["information"].item())
    assert found[0] < 0.5
    assert 0.95 * math.log(N) < found[-1] <= math.log(N)
