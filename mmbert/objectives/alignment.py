"""Which sentence fits which piece, and pulling one side to the other."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def fitting(facts: Tensor, tokens: Tensor) -> Tensor:
    """Whether every statement of a sentence is true of a piece.

    Args:
        facts: bool [n, v], the statements that sentence i makes; at least one in a row that can fit.
        tokens: bool [m, v], the statements that are true of piece j.

    Returns:
        bool [n, m]; a sentence without statements (a title) fits nothing by its facts.
    """
    stated = facts.float()
    wrong = stated @ (~tokens).float().T
    return (wrong == 0) & facts.any(1, keepdim=True)


def alike(facts: Tensor, share: float) -> Tensor:
    """Sentences that say nearly the same: Jaccard similarity of their statements above ``share``, bool [n, n].

    Args:
        facts: bool [n, v].
        share: 0-1.
    """
    stated = facts.float()
    both = stated @ stated.T
    size = stated.sum(1)
    return both / (size[:, None] + size[None, :] - both).clamp(min=1) > share


def pairs(
    facts: Tensor, tokens: Tensor, text_work: Tensor, piece_work: Tensor, same_text: Tensor
) -> tuple[Tensor, Tensor]:
    """Positive and ignored pairs of sentences and pieces.

    A sentence belongs to every piece that it fits; a title to the pieces of its work. Pairs of one work where
    the sentence does not fit (the piece was transposed, another setting of the tune) are ignored, and so are
    those with a sentence that equals the sentence of a fitting piece.

    Args:
        facts: bool [n, v] of the sentences.
        tokens: bool [m, v] of the pieces as they are heard (after augmentation).
        text_work: int64 [n], work of the sentence; negative for a sentence of no work.
        piece_work: int64 [m].
        same_text: bool [n, n], sentences that are equal.

    Returns:
        bool [n, m] positive, bool [n, m] ignored.
    """
    same_work = text_work[:, None] == piece_work[None, :]
    named = ~facts.any(1, keepdim=True)
    positive = fitting(facts, tokens) | (named & same_work)
    twin = (same_text.float() @ positive.float()) > 0
    return positive, (same_work | twin) & ~positive


def pull(vectors: Tensor, targets: Tensor) -> Tensor:
    """One minus the cosine, mean over rows: unit vectors [n, d] towards fixed unit vectors [n, d]."""
    return (1 - F.cosine_similarity(vectors, targets.detach(), dim=-1)).mean()
