"""MidiTok's Octuple as a second opinion where its rules are ours: metres in quarters, onsets and lengths on the grid.

Elsewhere it differs by design: its positions in x/8 count from eighths, ties round up, lengths round to the nearest
step and are never 0, velocities have other bins, other metres become 4/4.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mmbert.symbolic.octuple import decode, encode
from mmbert.symbolic.octuple_vocabulary import DURATIONS, METRES, tempo_bpm
from mmbert.symbolic.score import Score

miditok = pytest.importorskip("miditok")
symusic = pytest.importorskip("symusic")
FIELDS = ("Bar", "Position", "Program", "Pitch", "Duration", "TimeSig", "Tempo")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    config = miditok.TokenizerConfig(
        pitch_range=(0, 127),
        drums_pitch_range=(0, 127),
        beat_res={(0, 1): 16, (1, 3): 8, (3, 7): 4, (7, 15): 2, (15, 31): 1},
        num_velocities=32,
        use_programs=True,
        use_tempos=True,
        num_tempos=49,
        tempo_range=(16, 256),
        log_tempos=True,
        use_time_signatures=True,
        time_signature_range={4: list(range(1, 9))},
        max_bar_embedding=1000,
    )
    return miditok.Octuple(config)


def as_symusic(score: Score) -> Any:
    out = symusic.Score(score.ticks_per_quarter)
    for part in range(len(score.parts)):
        notes = score.notes[score.notes["part"] == part]
        track = symusic.Track(program=int(notes["program"][0]), is_drum=bool(notes["is_drum"][0]))
        for note in notes:
            track.notes.append(symusic.Note(*(int(note[f]) for f in ("onset", "duration", "pitch", "velocity"))))
        out.tracks.append(track)
    for tick, bpm in score.tempo_map.tolist():
        out.tempos.append(symusic.Tempo(tick, bpm))
    for change in score.metre_map.tolist():
        out.time_signatures.append(symusic.TimeSignature(*change))
    return out


def theirs(tokenizer: Any, score: Score) -> list[tuple]:
    """Rows of what MidiTok says, in values: bar, position, program (-1 drums), pitch, quarters, metre, tempo."""
    sequence = tokenizer.encode(as_symusic(score))
    rows = []
    for tokens in sequence.tokens:
        said = dict(token.split("_") for token in tokens)
        said["Pitch"] = said.get("Pitch", said.get("PitchDrum"))
        beats, part, steps = map(int, said["Duration"].split("."))
        values = [int(said[f]) for f in FIELDS[:4]]
        rows.append((*values, beats + Fraction(part, steps), said["TimeSig"], round(float(said["Tempo"]), 1)))
    return sorted(rows)


def ours(score: Score) -> list[tuple]:
    rows = []
    for bar, position, program, pitch, duration, _, metre, tempo in encode(score).octuples.tolist():
        values = (bar, position, -1 if program == 128 else program, pitch % 128)
        length = Fraction(int(DURATIONS[duration]), 16)
        rows.append((*values, length, "{}/{}".format(*METRES[metre]), round(float(tempo_bpm(tempo)), 1)))
    return sorted(rows)


@pytest.mark.parametrize("seed", range(20))
def test_both_read_the_same_where_their_rules_agree(tokenizer: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, metre = [], 9
    steps = np.flatnonzero((DURATIONS > 0) & (DURATIONS <= 16 * 16))
    for bar in range(int(rng.integers(1, 12))):
        if rng.random() < 0.3:
            metre = int(rng.choice([7, 8, 9, 10, 11]))  # 2/4 to 6/4
        positions = {0, *rng.integers(0, 16 * METRES[metre][0], 4).tolist()}
        for position in sorted(positions):  # one at the bar's start: MidiTok sees a change of metre at notes alone
            program = int(rng.choice([0, 40, 128]))
            pitch = int(rng.integers(30, 90)) + 128 * (program == 128)
            rows.append((bar, position, program, pitch, int(rng.choice(steps)), 16, metre, 30))
    score = decode(np.array(sorted(rows)))
    assert len(score.notes) == len(rows)
    assert theirs(tokenizer, score) == ours(score)
