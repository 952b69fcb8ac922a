"""A recording at another sample rate, in blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmbert.errors import MissingExtraError
from mmbert.types import Sound


def resampled(sound: Sound, rate: int, wanted: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The blocks of a sound as they are and at another rate, float32 [n] and [m]; the last may be empty.

    Args:
        sound: Blocks at ``rate`` Hz.
        rate: Hz.
        wanted: Hz.

    Raises:
        ItemError: the rest of the sound cannot be used.
        MissingExtraError: soxr is not installed.
    """
    try:
        import soxr
    except ImportError:
        raise MissingExtraError.of("soxr", "audio") from None
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for block in sound:
        yield block, stream.resample_chunk(block)
    nothing = np.zeros(0, np.float32)
    yield nothing, stream.resample_chunk(nothing, last=True)
