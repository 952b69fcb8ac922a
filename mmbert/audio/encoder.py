"""What every encoder of recordings is: a batch of windows of sound in, a stream out (a seam of ARCHITECTURE.md)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmbert.types import Stream

POSITIONS_A_SECOND = 2  # the common time base counts half seconds


class AudioEncoder(nn.Module):
    """A network that reads sound.

    A kind of encoder gives :meth:`layers`, and says what it reads and returns:

    Attributes:
        rate: Hz of the sound it reads.
        width: Of a state.
        states_a_second: How many states a second of sound gives.
    """

    rate: int
    width: int
    states_a_second: float

    def layers(self, samples: Tensor) -> Tensor:
        """States of every layer that may be read, the last one last.

        Args:
            samples: float [B, n], mono at :attr:`rate`, in [-1, 1]; less than one state needs is followed by silence.

        Returns:
            float [layers, B, T, width], T at least 1.
        """
        raise NotImplementedError

    def forward(self, samples: Tensor) -> Stream:
        """The last layer's states, with their places in half seconds; ``samples`` as for :meth:`layers`."""
        states = self.layers(samples)[-1]
        b, t = states.shape[:2]
        at = torch.arange(t, device=states.device) * (POSITIONS_A_SECOND / self.states_a_second) + 1e-6
        mask = torch.ones(b, t, dtype=torch.bool, device=states.device)
        return Stream(states, mask, "recording", at.long().expand(b, t))
