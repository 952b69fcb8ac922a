"""The vocabulary of OctupleMIDI (MusicBERT, Zeng et al. 2021, section 3.2): the integer of each value of each field.

Times are counted in *positions*, sixteenths of a quarter note whatever the metre.

>>> dict(zip(FIELDS, SIZES))["metre"], METRES[9], metre_id(6, 8), bar_length(6, 8)
(254, (4, 4), 19, 48)
"""

from __future__ import annotations

import numpy as np

FIELDS = ("bar", "position", "program", "pitch", "duration", "velocity", "metre", "tempo")
SIZES = (256, 128, 129, 256, 128, 32, 254, 49)
PAD_ID = SIZES  # of each field, behind its values
MASK_ID = tuple(size + 1 for size in SIZES)
VOCABULARY = tuple(size + 2 for size in SIZES)

POSITIONS_PER_QUARTER = 16
MOST_BARS = 32_768  # of a piece: bars are kept as int16
LONGEST_BAR = 128  # positions: two whole notes
DRUM_PROGRAM = 128  # and 128 is added to the pitch of drums
VELOCITY_STEP = 4

METRES: tuple[tuple[int, int], ...] = tuple(
    (numerator, denominator) for denominator in (1, 2, 4, 8, 16, 32, 64) for numerator in range(1, 2 * denominator + 1)
)
DENOMINATORS = frozenset(denominator for _, denominator in METRES)


def bar_length(numerator: int, denominator: int) -> int:
    """Positions of a bar of a metre of the table."""
    return 4 * POSITIONS_PER_QUARTER * numerator // denominator


BAR_LENGTHS = np.array([bar_length(*metre) for metre in METRES], np.int64)


def metre_id(numerator: int, denominator: int) -> int | None:
    """Index of a metre in :data:`METRES`, None where it is not one of them."""
    if denominator not in DENOMINATORS or not 1 <= numerator <= 2 * denominator:
        return None
    return 2 * (denominator - 1) + numerator - 1


def reduced(numerator: int, denominator: int) -> tuple[int, int]:
    """MusicBERT's reduction of a metre before it is looked up; the result may still be outside the table.

    >>> reduced(12, 4), reduced(17, 4), reduced(6, 128), reduced(5, 128)
    ((6, 4), (1, 4), (3, 64), (5, 128))
    """
    while denominator > 64 and denominator % 2 == 0 and numerator % 2 == 0:
        numerator, denominator = numerator // 2, denominator // 2
    while numerator > 2 * denominator:
        numerator //= next(d for d in range(2, numerator + 1) if numerator % d == 0)
    return numerator, denominator


def nearest(numerator: int, denominator: int) -> tuple[int, int, bool]:
    """The nearest metre of the table whose bars, whole or the last one cut short, fill a bar of the given metre.

    Returns:
        Numerator, denominator, and whether the given bar is a whole number of such bars.

    >>> nearest(12, 4), nearest(15, 4), nearest(17, 4), nearest(5, 128)
    ((6, 4, True), (5, 4, True), (6, 4, False), (3, 64, False))
    """
    numerator, exact = max(1, numerator), True
    if denominator not in DENOMINATORS:
        exact = 64 * numerator % denominator == 0
        numerator, denominator = -(-64 * numerator // denominator), 64
    fewest = -(-numerator // (2 * denominator))
    for bars in range(fewest, 2 * fewest):
        if numerator % bars == 0:
            return numerator // bars, denominator, exact
    return -(-numerator // fewest), denominator, False


# Duration 16 k + j stands for 16 (2^k - 1) + j 2^k positions: fine steps for short notes, coarse ones for long notes.
DURATIONS = np.array([16 * (2**k - 1) + j * 2**k for k in range(8) for j in range(16)], np.int64)
LONGEST = 4080  # positions, from which on the ladder has no step
_DURATION_ID = (np.searchsorted(DURATIONS, np.arange(LONGEST + 1), side="right") - 1).astype(np.int64)


def duration_id(positions: np.ndarray) -> np.ndarray:
    """Lengths in positions, int [n], to the longest step of the ladder that is no longer, int64 [n].

    >>> duration_id(np.array([0, 16, 17, 18, 48, 9999])).tolist()
    [0, 16, 16, 17, 32, 127]
    """
    return _DURATION_ID[np.minimum(positions, LONGEST)]


def tempo_id(bpm: np.ndarray) -> np.ndarray:
    """Quarter notes a minute, float [n], to twelfths of an octave above 16, at most 256; int64 [n].

    >>> tempo_id(np.array([10.0, 120.0, 400.0])).tolist()
    [0, 35, 48]
    """
    return np.rint(np.log2(np.clip(bpm, 16, 256) / 16) * 12).astype(np.int64)


def tempo_bpm(ids: np.ndarray) -> np.ndarray:
    """Inverse of :func:`tempo_id`: float64 [n]."""
    return 16 * 2 ** (np.asarray(ids, np.float64) / 12)
