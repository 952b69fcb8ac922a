"""Dynamic marks as MIDI velocities, for every score format that has the marks."""

from __future__ import annotations

DEFAULT_VELOCITY = 80
VELOCITIES: dict[str, int] = {
    "pppp": 20, "ppp": 28, "pp": 38, "p": 50, "mp": 64, "mf": 76, "f": 90, "ff": 104, "fff": 116, "ffff": 124,
}  # fmt: skip
