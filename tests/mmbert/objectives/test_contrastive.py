"""The contrasts and the alignment against losses computed by hand."""

import math

import pytest
import torch

from mmbert.objectives import alignment, contrastive

SIMILARITY = torch.tensor([[2.0, 0.0, 1.0, 0.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 2.0]])
DIAGONAL = torch.eye(4, dtype=torch.bool)


def by_hand(similarity, positive, ignored, decoupled=False):
    """The definition, with loops."""

    def one_way(s, p, i):
        rows = []
        for k in range(4):
            seen = [j for j in range(4) if not i[k][j] and not (decoupled and p[k][j])]
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


def test_decoupled_is_the_hand_computed_number():
    none = torch.zeros(4, 4, dtype=torch.bool)
    several = DIAGONAL.clone()
    several[0, 2] = several[3, 0] = True
    ignored = none.clone()
    ignored[1, 2] = ignored[3, 1] = True
    for positive, left_out in ((DIAGONAL, none), (several, none), (several, ignored)):
        found = contrastive.info_nce(SIMILARITY, positive, left_out, decoupled=True).item()
        assert found == pytest.approx(by_hand(SIMILARITY, positive, left_out, decoupled=True))
        assert found < contrastive.info_nce(SIMILARITY, positive, left_out).item()  # the denominator lacks a term


def test_a_positive_is_pulled_alike_whatever_it_scores_only_where_decoupled():
    pulls = {}
    for decoupled in (False, True):
        for score in (0.0, 8.0):
            s = SIMILARITY.clone()
            s[1, 1] = score
            s.requires_grad_()
            contrastive.info_nce(s, DIAGONAL, decoupled=decoupled).backward()
            pulls[decoupled, score] = s.grad[1, 1].item()
            assert (s.grad[DIAGONAL] < 0).all()
            assert (s.grad[~DIAGONAL] > 0).all()
    assert pulls[True, 0.0] == pytest.approx(pulls[True, 8.0]) == pytest.approx(-1 / 4)  # of four rows, both ways
    assert abs(pulls[False, 8.0]) < 0.02 * abs(pulls[False, 0.0])


@pytest.mark.parametrize("decoupled", [False, True])
def test_a_row_without_negatives_has_finite_gradients(decoupled):
    positive = DIAGONAL.clone()
    positive[1] = True  # a sentence that fits all
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[2] = ignored[:, 3] = True  # nothing but the positive is left of a row and of a column
    s = SIMILARITY.clone().requires_grad_()
    loss = contrastive.info_nce(s, positive, ignored, decoupled)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(s.grad).all()
    assert not s.grad[ignored & ~positive].any()


def sigmoid_by_hand(similarity, bias, positive, ignored):
    total = 0.0
    for row, own, left_out in zip(similarity.tolist(), positive.tolist(), ignored.tolist()):
        for score, belongs, skip in zip(row, own, left_out):
            if belongs:
                total += math.log(1 + math.exp(-(score + bias))) / sum(own)
            elif not skip:
                total += math.log(1 + math.exp(score + bias))
    return total / len(similarity)


def test_the_sigmoid_loss_is_the_hand_computed_number():
    positive = DIAGONAL.clone()
    positive[0, 2] = positive[0, 3] = True
    positive[2, 2] = False  # a sentence that fits nothing counts by its negatives
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[1, 0] = ignored[0, 0] = True  # a positive is never left out
    found = contrastive.sigmoid_loss(SIMILARITY, torch.tensor(-1.5), positive, ignored).item()
    assert found == pytest.approx(sigmoid_by_hand(SIMILARITY, -1.5, positive, ignored))
    none = torch.zeros_like(ignored)
    whole = contrastive.sigmoid_loss(SIMILARITY, torch.tensor(-1.5), positive).item()
    assert whole == pytest.approx(sigmoid_by_hand(SIMILARITY, -1.5, positive, none))
    assert whole > found


def test_sigmoid_gradients_pull_positives_and_push_negatives_and_leave_ignored_alone():
    positive = DIAGONAL.clone()
    positive[0, 2] = True
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[3, 1] = True
    s, bias = SIMILARITY.clone().requires_grad_(), torch.tensor(-10.0, requires_grad=True)
    contrastive.sigmoid_loss(s, bias, positive, ignored).backward()
    assert (s.grad[positive] < 0).all()
    assert (s.grad[~positive & ~ignored] > 0).all()
    assert s.grad[3, 1] == 0
    assert bias.grad < 0  # at -10 everything is called a negative: the positives pull it up
    assert s.grad[0, [0, 2]].sum() == pytest.approx(s.grad[1, 1].item(), rel=0.01)  # two positives weigh as one


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


def test_alike_is_the_share_of_statements_in_common():
    facts = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=torch.bool)
    for share, expected in ((0.6, True), (0.7, False)):  # two of three
        near = alignment.alike(facts, share)
        assert near[0, 1].item() is near[1, 0].item() is expected
        assert near.diagonal().tolist() == [True, True, True, False]  # titles are like nothing, not even themselves
        assert not near[0, 2]
    assert alignment.alike(facts, 0.0)[1, 2]  # one of four is more than none
    assert not alignment.alike(facts, 1.0).any()


def test_pull_moves_the_vector_and_not_the_target():
    a = torch.tensor([[1.0, 0.0]], requires_grad=True)
    b = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = alignment.pull(a, b)
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert a.grad is not None
    assert b.grad is None
