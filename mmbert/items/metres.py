"""Written bars to a metre map: a pickup is a short first metre, an irregular bar has a metre of its own."""

from __future__ import annotations

from collections.abc import Sequence

Metre = tuple[int, int]
VALID_DENOMINATORS = (1, 2, 4, 8, 16, 32, 64)


def metre_map(
    lines: Sequence[int], metres: Sequence[Metre | None], ticks_per_quarter: int
) -> list[tuple[int, int, int]]:
    """Rows of ``score.METRE`` for bars as written.

    A bar shorter than its metre whose other half follows (a repeat sign or a double bar stands within it) is one
    bar; the last bar may be short; a multiple of the metre is that many bars. Any other length is an irregular bar.

    Args:
        lines: Tick of each bar's start, and of the end of the last bar.
        metres: Nominal metre of each bar, None where none is stated.
        ticks_per_quarter: Resolution.

    >>> metre_map([0, 480, 2400, 4320], [(4, 4)] * 3, 480)
    [(0, 1, 4), (480, 4, 4)]
    >>> metre_map([0, 1920, 3360, 3840, 5280], [(4, 4)] * 4, 480)
    [(0, 4, 4)]
    """
    out: list[tuple[int, int, int]] = []
    current: Metre | None = None
    last = len(lines) - 2
    i = 0
    while i <= last:
        metre, step = metres[i], 1
        if metre is not None:
            length, full = lines[i + 1] - lines[i], round(ticks_per_quarter * 4 * metre[0] / metre[1])
            if length < full and i < last and length + lines[i + 2] - lines[i + 1] == full and metres[i + 1] == metre:
                step = 2
            elif abs(length - full) > 1 and length % full and (i < last or length > full):
                metre = of_length(length, metre, ticks_per_quarter)
            if metre != current:
                out.append((lines[i], *metre))
                current = metre
        i += step
    return out


def of_length(length: int, metre: Metre, ticks_per_quarter: int) -> Metre:
    """A metre of ``length`` ticks in the coarsest beats that fit, none coarser than the nominal metre's.

    >>> of_length(240, (6, 8), 480), of_length(240, (4, 4), 480), of_length(1440, (4, 4), 480)
    ((1, 8), (1, 8), (3, 4))
    """
    for denominator in VALID_DENOMINATORS:
        if denominator >= metre[1] and length * denominator % (4 * ticks_per_quarter) == 0:
            break
    numerator = max(1, round(length * denominator / (4 * ticks_per_quarter)))
    return (numerator, denominator) if numerator <= 255 else metre


def valid(numerator: int, denominator: int) -> bool:
    """Whether a time signature is one that a bar can be counted by."""
    return 1 <= numerator <= 255 and denominator in VALID_DENOMINATORS
