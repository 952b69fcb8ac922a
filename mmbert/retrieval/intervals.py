"""Distances of pitch in words."""

from __future__ import annotations

_INTERVALS = (
    "", "a semitone", "a whole tone", "a minor third", "a major third", "a fourth", "a tritone", "a fifth",
    "a minor sixth", "a major sixth", "a minor seventh", "a major seventh", "an octave",
)  # fmt: skip


def apart(semitones: int) -> str:
    """How far one thing lies from another.

    >>> apart(0), apart(5), apart(-24), apart(-15)
    ('at the same pitch', 'a fourth higher', '2 octaves lower', 'a minor third and an octave lower')
    """
    octaves, rest = divmod(abs(semitones), 12)
    if semitones == 0:
        return "at the same pitch"
    if octaves and not rest:
        interval = "an octave" if octaves == 1 else f"{octaves} octaves"
    else:
        interval = _INTERVALS[rest] + (
            f" and {'an octave' if octaves == 1 else f'{octaves} octaves'}" if octaves else ""
        )
    return f"{interval} {'higher' if semitones > 0 else 'lower'}"
