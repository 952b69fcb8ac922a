"""Masked text: the words that a sentence hides, told from its other words and from the music beside it.

BERT's objective (Devlin et al. 2019, section 3.1) over a frozen text model: the text model itself reads the mask, so
that no state of it has seen the word. A word is told from its own place's state and the joint state of the shared
transformer; the vocabulary is the words of the captions.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class WordHead(nn.Module):
    """Logits over the words of captions.

    Args:
        text_dim: Width of a token state.
        dim: Width of the joint state.
        words: Size of the vocabulary.
    """

    def __init__(self, text_dim: int, dim: int, words: int) -> None:
        super().__init__()
        self.place, self.joint = nn.Linear(text_dim, dim), nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.words = nn.Linear(dim, words)

    def forward(self, place: Tensor, joint: Tensor) -> Tensor:
        """States of the masked places float [n, text_dim] and of their sentences [n, dim] to logits [n, words]."""
        return self.words(self.norm(F.gelu(self.place(place) + self.joint(joint))))


def masked_words_loss(logits: Tensor, words: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross entropy in nats over n masked places, and ``accuracy_word``; zero where n is 0.

    Args:
        logits: float [n, words].
        words: int64 [n].
    """
    if not len(words):
        return logits.sum() * 0, {}
    right = (logits.detach().argmax(1) == words).float().mean()
    return F.cross_entropy(logits.float(), words), {"accuracy_word": right}


def masked_text_loss(
    head: WordHead, tokens: Tensor, joint: Tensor, place: Tensor, words: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The objective over a batch of sentences.

    Args:
        head: See :class:`WordHead`.
        tokens: float [B, T, text_dim], adapted token states of sentences that were read with their masks.
        joint: float [B, dim], state of [CLS] over those sentences and their music.
        place: int64 [n, 2], sentence and token of each masked word.
        words: int64 [n], the words.
    """
    sentence, token = place.unbind(1)
    return masked_words_loss(head(tokens[sentence, token], joint[sentence]), words)
