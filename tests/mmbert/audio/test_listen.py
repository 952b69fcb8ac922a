"""One run through a recording gives spectra and counts, at any rate, and tells what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmbert.audio.listen import MOST_FRAMES, PART_S, Listener, SoundFacts, count
from mmbert.audio.mel import FRAMES_A_SECOND
from mmbert.audio.tempo import TempoEstimate
from mmbert.errors import ItemError
from mmbert.items import load_items
from mmbert.prepare import prepare_heard
from mmbert.symbolic.keys import KeyEstimate
from mmbert.types import Item, Recording, Source

pytest.importorskip("soxr")


class Tone:
    """So many seconds of a tone, in blocks."""

    def __init__(self, seconds: float, rate: int, loud: float, flaw: str = "") -> None:
        self.clipped = 0
        self.flaw, self._n, self._rate, self._loud = flaw, round(seconds * rate), rate, loud

    def __iter__(self) -> Iterator[np.ndarray]:
        for begin in range(0, self._n, 10_000):
            t = np.arange(begin, min(begin + 10_000, self._n)) / self._rate
            block = (self._loud * np.sin(2 * np.pi * 440 * t)).astype(np.float32).clip(-1, 1)
            self.clipped += int((np.abs(block) == 1).sum())
            yield block


def tone(seconds: float, rate: int = 16_000, loud: float = 0.5, flaw: str = "") -> Recording:
    return Recording(rate, lambda: Tone(seconds, rate, loud, flaw))


@pytest.mark.parametrize("rate", [8_000, 22_050, 32_000, 44_100, 96_000])
def test_any_rate(rate):
    listener = Listener(tone(3, rate))
    (part,) = listener.parts()
    facts = listener.facts()
    assert part.dtype == np.float16
    assert len(part) == pytest.approx(3 * FRAMES_A_SECOND, abs=1)
    assert facts.duration_s == pytest.approx(3)
    assert facts.loudness_db == pytest.approx(20 * np.log10(0.5) - 3, abs=0.1)
    assert facts.chroma[1:-1].argmax(axis=1).tolist() == [9] * (len(facts.chroma) - 2)
    assert not facts.flaws


@pytest.mark.parametrize("seconds", [0.01, 0.5, 59.9, 60, 69.9, 70.1, 131])
def test_parts_of_a_minute_and_no_short_last_one(seconds):
    parts = list(Listener(tone(seconds)).parts())
    assert sum(map(len, parts)) == pytest.approx(seconds * FRAMES_A_SECOND, abs=2)
    assert all(len(part) == PART_S * FRAMES_A_SECOND for part in parts[:-1])
    assert len(parts[-1]) <= MOST_FRAMES
    assert len(parts) == 1 or len(parts[-1]) >= 10 * FRAMES_A_SECOND


def test_flaws_are_told():
    assert count(tone(2, flaw="breaks off")).flaws == ("breaks off",)
    clipped = count(tone(2, loud=3.0))
    assert "is clipped in" in clipped.flaws[0]
    item = Item("recording", Source(Path("a.wav"), "0" * 64), {"title": "A"}, recording=tone(2))
    prepared = prepare_heard(item, clipped)
    assert prepared.item.metadata == {"title": "A", "flaws": clipped.flaws[0]}
    assert prepared.facets.duration_s == pytest.approx(2)
    assert [(p.start_s, p.end_s) for p in prepared.places] == [(0, pytest.approx(2))]


@pytest.mark.parametrize(
    ("seconds", "known"), [(0.2, set()), (7.9, set()), (8, {"key"}), (11.9, {"key"}), (12, {"key", "tempo_bpm"})]
)
def test_a_snippet_has_no_key_and_no_tempo(seconds, known):
    sure = SoundFacts(seconds, -12.0, np.zeros((0, 12), np.uint8), KeyEstimate(0, "major", 1), TempoEstimate(90, 1), ())
    item = Item("recording", Source(Path("a.wav"), "0" * 64), recording=tone(1))
    facets = prepare_heard(item, sure).facets.known()
    assert {"key", "tempo_bpm"} & set(facets) == known
    assert len({"key", "mode", "key_confidence"} & set(facets)) in (0, 3)
    assert len({"tempo_bpm", "tempo_confidence"} & set(facets)) in (0, 2)


def test_one_clipped_channel_is_told(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    t = np.arange(16_000) / 8000
    loud, soft = np.clip(2 * np.sin(1000 * t), -1, 1), 0.2 * np.sin(700 * t)
    soundfile.write(tmp_path / "a.wav", np.stack([soft, loud], 1), 8000)
    soundfile.write(tmp_path / "b.wav", np.stack([soft, loud / 2], 1), 8000)
    (flaw,) = count(next(load_items(tmp_path / "a.wav")).recording).flaws
    assert re.fullmatch(r"is clipped in 6\d % of its samples", flaw)
    assert count(next(load_items(tmp_path / "b.wav")).recording).flaws == ()


def test_silence_between_does_not_count():
    class Half(Tone):
        def __iter__(self) -> Iterator[np.ndarray]:
            yield from super().__iter__()
            yield np.zeros(10 * self._rate, np.float32)

    facts = count(Recording(16_000, lambda: Half(10, 16_000, 0.5)))
    assert facts.loudness_db == pytest.approx(-9, abs=0.2)
    assert not facts.chroma[-5:].any()


def test_a_fault_at_the_end(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    samples = 0.3 * np.sin(np.arange(200_000) / 9)
    samples[-1] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    item = next(load_items(tmp_path / "a.wav"))
    with pytest.raises(ItemError, match="no numbers"):
        count(item.recording)
