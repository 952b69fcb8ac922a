"""Rendered sound to train encoders of recordings with and to probe them: works and single notes, with what they are.

    python -m mmbert_training.audio_segments OUT [--data DIR] [--played FOLDER]

| pack | what | font |
|---|---|---|
| ``train`` | ten seconds of training works, with the families of instruments that sound | FluidR3_GM |
| ``notes-train``, ``-validation``, ``-test`` | a second of one note: family of its instrument, pitch | one each |
| ``notes-played`` | a second of one note that somebody played (:mod:`mmbert_training.evaluate.played_notes`) | none |
| ``key-train``, ``-validation``, ``-test`` | eight seconds of a work of known key, transposed at random | below |

Notes are learned in FluidR3_GM, chosen by in MuseScore_General and measured in TimGM6mb: an instrument is never heard
again from the same samples, as in NSynth. Keys are learned from training works and chosen by one half of the validation
works in FluidR3_GM, and measured on the other half in TimGM6mb. No test work is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mmbert.errors import ItemError
from mmbert.symbolic.instruments import FAMILIES
from mmbert.symbolic.score import NOTE, Part, Score
from mmbert_training.audio_pack import save_audio
from mmbert_training.evaluate import labels
from mmbert_training.evaluate.played_notes import played_notes
from mmbert_training.manifest import Work, load_item, load_works
from mmbert_training.rendering import HELD_OUT, RATE, TRAIN, fitted, render

SEED = 1
WORKS, WORK_S = 480, 10.0
KEYS, KEY_S = {"train": 300, "validation": 96, "test": 96}, 8.0
NOTES_EACH = {"train": 12, "validation": 4, "test": 8}  # of each of the 112 pitched programs
NOTE_FONTS = {"train": TRAIN[0], "validation": TRAIN[1], "test": HELD_OUT}
NOTE_FAMILIES = FAMILIES[:14]  # those that play pitches
PITCHES = range(36, 85)
_NOTE_S, _SLOT_S, _HELD_S = 1.0, 2.0, 0.8
_TICKS = 960  # a second
_SOUNDS = 1e-3  # peak of the loudest that counts as silence
_FULL = 0.7
_MODES = ("major", "minor")
KEY_NAMES = tuple(f"key {tonic} {mode}" for mode in _MODES for tonic in range(12))


def works(found: list[Work], most: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Sound and families of one excerpt of each of some works, sources in turn."""
    rng = np.random.default_rng(SEED)
    for _, score in _drawn(found, most, rng):
        start = rng.uniform(0, max(0.0, score.duration_s - WORK_S))
        notes = score.notes
        onset = score.seconds(notes["onset"])
        heard = notes[(onset >= start) & (onset < start + WORK_S)]
        if len(heard):
            programs = np.unique(heard["program"][~heard["is_drum"]])
            yield render(score, TRAIN[0], start=start, seconds=WORK_S), [FAMILIES[p // 8] for p in programs]


def keys(found: list[Work], most: int, font: str) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Sound and key of the beginning of each of some works, moved by a random interval."""
    rng = np.random.default_rng(SEED)
    for work, score in _drawn([w for w in found if labels.key(w)], most, rng):
        stated = labels.key(work)
        assert stated is not None
        by = int(rng.integers(-5, 7))
        try:
            sound = render(score, font, seconds=KEY_S, semitones=by)
        except ValueError:  # outside of MIDI's pitches
            continue
        yield sound, [KEY_NAMES[(stated[0] + by) % 12 + 12 * stated[1]]]


def notes(each: int, font: str, seed: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Single notes of random pitch and velocity of every pitched program, a rendering for each family."""
    rng = np.random.default_rng(seed)
    for first, family in enumerate(NOTE_FAMILIES):
        pitches = rng.integers(PITCHES.start, PITCHES.stop, 8 * each)
        rows = np.zeros(8 * each, NOTE)
        rows["onset"] = np.arange(8 * each) * int(_SLOT_S * _TICKS)
        rows["duration"], rows["pitch"] = int(_HELD_S * _TICKS), pitches
        rows["velocity"], rows["part"] = rng.integers(60, 111, 8 * each), np.arange(8 * each) // each
        rows["program"] = first * 8 + rows["part"]
        parts = tuple(Part(program=first * 8 + i) for i in range(8))
        sound = render(Score.build(rows, _TICKS // 2, parts=parts), font, reverb=False)
        for at, pitch in enumerate(pitches):
            begin = round(at * _SLOT_S * RATE)
            note = fitted(sound[begin : begin + round(_NOTE_S * RATE)], round(_NOTE_S * RATE))
            if (peak := float(np.abs(note).max())) > _SOUNDS:
                yield note * (_FULL / peak), [f"family {family}", f"pitch {pitch}"]


def played(folder: Path) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Single notes that people played, as loud as those of :func:`notes`."""
    for sound, program, pitch in played_notes(folder, PITCHES, _NOTE_S):
        yield sound * (_FULL / np.abs(sound).max()), [f"family {FAMILIES[program // 8]}", f"pitch {pitch}"]


def _drawn(found: list[Work], most: int, rng: np.random.Generator) -> Iterator[tuple[Work, Score]]:
    """Works of the sources in turn, one of each cluster."""
    sources: dict[str, list[Work]] = {}
    for i in rng.permutation(len(found)):
        sources.setdefault(found[i].source, []).append(found[i])
    seen: set[str] = set()
    n = 0
    for turn in range(max(len(s) for s in sources.values())):
        for rows in sources.values():
            if turn >= len(rows) or rows[turn].cluster in seen or n == most:
                continue
            seen.add(rows[turn].cluster)
            try:
                score = load_item(rows[turn]).score
            except ItemError:
                continue
            if score is not None and len(score.notes):
                n += 1
                yield rows[turn], score


def _save(folder: Path, name: str, names: tuple[str, ...], found: Iterator[tuple[np.ndarray, list[str]]]) -> None:
    if (folder / name).exists():
        return
    rows = list(found)
    held = np.array([[n in said for n in names] for _, said in rows])
    save_audio(folder / name, [sound for sound, _ in rows], RATE, names, held)
    typer.echo(f"{name}: {len(rows)}", err=True)


def _main(
    out: Annotated[Path, typer.Argument(help="Folder of the packs; what is there is kept.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data; else MMBERT_DATA.")] = None,
    people: Annotated[
        Path | None, typer.Option("--played", help="Folder of evaluate.played_notes; else no such pack is made.")
    ] = None,
) -> None:
    """Render what encoders are trained and probed with."""
    note_names = (*(f"family {f}" for f in NOTE_FAMILIES), *(f"pitch {p}" for p in PITCHES))
    for seed, (split, each) in enumerate(NOTES_EACH.items()):
        _save(out, f"notes-{split}", note_names, notes(each, NOTE_FONTS[split], seed))
    if people is not None:
        _save(out, "notes-played", note_names, played(people))
    found = load_works(data)
    train = [w for w in found if w.split == "train"]
    clusters = sorted({w.cluster for w in found if w.split == "validation" and labels.key(w)})
    halves = [set(clusters[i::2]) for i in range(2)]
    validation, test = ([w for w in found if w.split == "validation" and w.cluster in half] for half in halves)
    _save(out, "key-train", KEY_NAMES, keys(train, KEYS["train"], TRAIN[0]))
    _save(out, "key-validation", KEY_NAMES, keys(validation, KEYS["validation"], TRAIN[0]))
    _save(out, "key-test", KEY_NAMES, keys(test, KEYS["test"], HELD_OUT))
    _save(out, "train", FAMILIES, works(train, WORKS))


if __name__ == "__main__":
    typer.run(_main)
