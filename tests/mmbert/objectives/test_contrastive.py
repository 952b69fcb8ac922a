"""The contrast and the alignment against losses computed by hand."""

import math

import pytest
import torch

from mmbert.objectives import alignment, contrastive

SIMILARITY = torch.tensor([[2.0, 0.0, 1.0, 0.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 2.0]])
DIAGONAL = torch.eye(4, dtype=torch.bool)


def by_hand(similarity, positive, ignored):
    """The definition, with loops."""

    def one_way(s, p, i):
        rows = []
        for k in range(4):
            seen = [j for j in range(4) if not i[k][j]]
            total = math.log(sum(math.exp(s[k][j]) for j in seen))
            own = [total - s[k][j] for j in range(4) if p[k][j]]
            if own:
                rows.append(sum(own) / len(own))
        return sum(rows) / len(rows)

    lists = [t.tolist() for t in (similarity, positive, ignored)]
    turned = [t.T.tolist() for t in (similarity, positive, ignored)]
    return (one_way(*lists) + one_way(*turned)) / 2


def test_info_nce_is_the_hand_computed_number():
    none = torch.zeros(4, 4, dtype=torch.bool)
    assert contrastive.info_nce(SIMILARITY, DIAGONAL).item() == pytest.approx(by_hand(SIMILARITY, DIAGONAL, none))
    two = DIAGONAL.clone()
    two[0, 2] = two[3, 0] = True
    assert contrastive.info_nce(SIMILARITY, two).item() == pytest.approx(by_hand(SIMILARITY, two, none))
    ignored = none.clone()
    ignored[0, 2] = ignored[3, 0] = True
    masked = contrastive.info_nce(SIMILARITY, DIAGONAL, ignored).item()
    assert masked == pytest.approx(by_hand(SIMILARITY, DIAGONAL, ignored))
    assert masked < contrastive.info_nce(SIMILARITY, DIAGONAL).item()


def test_rows_without_a_positive_do_not_count_and_a_batch_without_one_is_refused():
    positive = DIAGONAL.clone()
    positive[1, 1] = False
    assert torch.isfinite(contrastive.info_nce(SIMILARITY, positive))
    with pytest.raises(ValueError, match="positive pair"):
        contrastive.info_nce(SIMILARITY, torch.zeros(4, 4, dtype=torch.bool))


def test_gradients_pull_positives_and_push_negatives_and_leave_ignored_alone():
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[0, 2] = True
    s = SIMILARITY.clone().requires_grad_()
    contrastive.info_nce(s, DIAGONAL, ignored).backward()
    assert (s.grad[DIAGONAL] < 0).all()
    assert (s.grad[~DIAGONAL & ~ignored] > 0).all()
    assert s.grad[0, 2] == 0


def test_the_scale_is_clamped():
    t = contrastive.Temperature(0.05)
    assert t().item() == pytest.approx(20)
    with torch.no_grad():
        t.log_scale.fill_(9.0)
    assert t().item() == pytest.approx(100)


def test_a_sentence_fits_where_all_that_it_says_is_true():
    facts = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=torch.bool)
    tokens = torch.tensor([[1, 1, 1], [1, 0, 0]], dtype=torch.bool)
    assert alignment.fitting(facts, tokens).tolist() == [[True, False], [True, False], [False, False]]


def test_pairs_hold_titles_to_their_work_and_ignore_the_rest_of_the_work():
    facts = torch.tensor([[1, 0], [0, 0], [0, 1]], dtype=torch.bool)  # says 0; a title; says 1
    tokens = torch.tensor([[1, 0], [0, 0], [0, 1]], dtype=torch.bool)
    work = torch.tensor([7, 8, 7])
    positive, ignored = alignment.pairs(facts, tokens, work, torch.tensor([7, 8, 9]), torch.eye(3, dtype=torch.bool))
    assert positive.tolist() == [[True, False, False], [False, True, False], [False, False, True]]
    assert ignored.tolist() == [[False, False, False], [False, False, False], [True, False, False]]


def test_pull_moves_the_vector_and_not_the_target():
    a = torch.tensor([[1.0, 0.0]], requires_grad=True)
    b = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = alignment.pull(a, b)
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert a.grad is not None
    assert b.grad is None
