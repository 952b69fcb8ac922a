"""Colours of the rolls: six voices that tell apart for every eye, and stand out from their ground."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from mmbert_ui.routes import asset

# Full deficiency, linear RGB: Machado, Oliveira & Fernandes (2009), table 1, severity 1.0.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ]),
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART, CONTRAST = 39.0, 3.0
SCRIPT = asset("roll.js").decode()


def linear(colour: str) -> np.ndarray:
    """Linear RGB of ``#rrggbb``."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* under D65."""
    t = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a: str, b: str) -> float:
    """WCAG 2.1 contrast ratio."""
    one, two = sorted(float(TO_XYZ[1] @ linear(c)) for c in (a, b))
    return (two + 0.05) / (one + 0.05)


def voices(shade: str) -> list[str]:
    return re.findall(r"#[0-9A-F]{6}", re.search(rf"{shade}: (\[.*?\])", SCRIPT)[1])


def ground(shade: str) -> str:
    return re.search(rf'{shade}: {{ ground: "(#\w+)"', SCRIPT)[1]


@pytest.mark.parametrize("shade", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_voices_tell_apart(shade, sight):
    seen = [lab(SIGHT[sight] @ linear(c)) for c in voices(shade)]
    assert len(seen) == 6
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= APART - 0.5


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_every_voice_stands_out_from_the_ground(shade):
    assert min(contrast(c, ground(shade)) for c in voices(shade)) >= CONTRAST
