"""Readers against their referees, on the shared data: ``python benchmarks/readers.py --data DIR [--json]``.

midi      every MIDI file with the installed symusic: how many parse, how many notes, CPU milliseconds a file
abc       every tune of Nottingham, Open Hymnal and La Taberna: how many give notes, CPU milliseconds a tune
twins     Nottingham's melodies in ABC against their MIDI twins, and against abc2midi (through symusic)
musicxml  Lieder, OpenEWLD and quartets: how many give notes, CPU milliseconds a file
referee   twelve MusicXML files against music21: what sounds at each twelfth of a quarter, and the time of both
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from mmbert_training.manifest import data_folder

from mmbert.console import print_json
from mmbert.errors import ItemError
from mmbert.items import load_items
from mmbert.symbolic.score import Score

MIDI = ("asap", "bimmuda", "freedoom_music", "mutopia_sample", "nottingham", "pianist8", "pop909", "simutrans_music")
ABC = ("nottingham", "openhymnal", "taberna_abc")
MUSICXML = ("openscore_lieder", "openewld", "openscore_quartets")
REFEREE = {"openscore_lieder": 6, "openewld": 5, "openscore_quartets": 1}


def unpack(data: Path, source: str, suffix: str, folder: Path) -> list[Path]:
    """The files of one source with a suffix, unpacked into a folder, in the order of their names."""
    with zipfile.ZipFile(data / f"{source}.zip") as z:
        names = sorted(n for n in z.namelist() if n.lower().endswith(suffix))
        return [Path(z.extract(n, folder / source)) for n in names]


def read_all(paths: list[Path]) -> dict:
    """Reads every piece; counts, rejects by code, and CPU milliseconds a piece."""
    rejects: list[ItemError] = []
    pieces = notes = 0
    began = time.process_time()
    for path in paths:
        for item in load_items(path, on_reject=rejects.append):
            pieces += 1
            notes += len(item.score.notes)
    elapsed = time.process_time() - began
    codes = {code: sum(r.code == code for r in rejects) for code in sorted({r.code for r in rejects})}
    per_piece = round(1000 * elapsed / max(pieces + len(rejects), 1), 2)
    return {"files": len(paths), "pieces": pieces, "notes": notes, "rejects": codes, "ms_a_piece": per_piece}


def parse_midi(paths: list[Path]) -> dict:
    """The same files by symusic alone."""
    import symusic

    failed = notes = 0
    began = time.process_time()
    for path in paths:
        try:
            notes += sum(len(t.notes) for t in symusic.Score(str(path)).tracks)
        except RuntimeError:
            failed += 1
    return {"failed": failed, "notes": notes, "ms_a_file": round(1000 * (time.process_time() - began) / len(paths), 2)}


@contextlib.contextmanager
def no_terminal() -> Iterator[None]:
    """abc2midi prints to the terminal from its own process."""
    sys.stdout.flush()
    kept, nowhere = (os.dup(1), os.dup(2)), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        for number, fd in enumerate(kept, 1):
            os.dup2(fd, number)
            os.close(fd)
        os.close(nowhere)


def melody(score: Score) -> np.ndarray:
    """Notes of the first part."""
    return score.notes[score.notes["part"] == 0]


def sounding(score: Score) -> np.ndarray:
    """The highest pitch of the first part at each 24th of a quarter, from its first note on; -1 where it rests."""
    notes, quarter = melody(score), score.ticks_per_quarter
    start = np.rint(notes["onset"] * 24 / quarter).astype(int)
    stop = np.rint((notes["onset"].astype(float) + notes["duration"]) * 24 / quarter).astype(int)
    line = np.full(stop.max(), -1)
    for a, b, pitch in zip(start, stop, notes["pitch"]):
        line[a:b] = np.maximum(line[a:b], pitch)
    return line[start.min() :]


def against_twins(tunes: list[Path], twins: dict[str, Path]) -> dict:
    """Nottingham: how often our melody is the twin's, and abc2midi's."""
    import symusic

    count = dict.fromkeys(("pitches", "sound", "beginning", "abc2midi", "abc2midi_beginning"), 0)
    for path in tunes:
        ours, twin = next(load_items(path)).score, next(load_items(twins[path.stem])).score
        mine, theirs = melody(ours)["pitch"].tolist(), melody(twin)["pitch"].tolist()
        count["pitches"] += mine == theirs
        a, b = sounding(ours), sounding(twin)
        count["sound"] += len(a) == len(b) and bool((a == b).all())
        count["beginning"] += mine[: len(theirs)] == theirs or theirs[: len(mine)] == mine
        with no_terminal():
            referee = symusic.Score.from_abc(path.read_text(encoding="utf-8"))
        notes = next(t for t in referee.tracks if len(t.notes)).notes.numpy()
        # abc2midi strikes the notes of a chord a few ticks apart: compare in order of beat, then pitch
        order = np.lexsort((notes["pitch"], np.round(notes["time"] / referee.ticks_per_quarter, 1)))
        theirs = notes["pitch"][order].tolist()
        beats = np.round(melody(ours)["onset"] / ours.ticks_per_quarter, 1)
        mine = melody(ours)["pitch"][np.lexsort((melody(ours)["pitch"], beats))].tolist()
        count["abc2midi"] += mine == theirs
        count["abc2midi_beginning"] += mine[: len(theirs)] == theirs
    return {"tunes": len(tunes)} | {f"same_{k}": v for k, v in count.items()}


Cells = set[tuple[int, int]]  # (twelfth of a quarter, sounding pitch): the same with and without joined ties


def cells(notes: Iterable[tuple[float, float, int]]) -> Cells:
    """Notes as (onset, duration) in quarters and pitch."""
    return {
        (t, pitch)
        for onset, duration, pitch in notes
        for t in range(round(onset * 12), max(round((onset + duration) * 12), round(onset * 12) + 1))
    }


def by_music21(path: Path) -> tuple[Cells, float]:
    """What sounds as music21 reads it, chord symbols and grace notes left out, and seconds."""
    import music21

    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = music21.converter.parseFile(str(path), forceSource=True, storePickle=False).toSoundingPitch()
    seconds = time.process_time() - began
    return cells(
        (float(note.getOffsetInHierarchy(score)), float(note.duration.quarterLength), pitch.midi)
        for note in score.recurse().notes
        if not isinstance(note, music21.harmony.Harmony) and not note.duration.isGrace and note.style.noteSize != "cue"
        for pitch in getattr(note, "pitches", ())
    ), seconds


def by_us(path: Path) -> tuple[Cells, float]:
    """What sounds as we read it, chord symbols left out, and seconds."""
    began = time.process_time()
    score = next(load_items(path)).score
    seconds = time.process_time() - began
    quarter = score.ticks_per_quarter
    notes = score.notes[np.isin(score.notes["part"], [i for i, p in enumerate(score.parts) if p.written])]
    rows = zip(notes["onset"] / quarter, notes["duration"] / quarter, notes["pitch"].tolist())
    return cells(rows), seconds


def against_music21(paths: list[Path]) -> dict:
    """Jaccard index of what sounds in each file, and CPU milliseconds a file of both readers."""
    agreement, ours_s, theirs_s = {}, 0.0, 0.0
    for path in paths:
        (ours, a), (theirs, b) = by_us(path), by_music21(path)
        agreement[path.name] = round(len(ours & theirs) / len(ours | theirs), 4)
        ours_s, theirs_s = ours_s + a, theirs_s + b
    return {
        "files": len(paths),
        "identical": sum(v == 1 for v in agreement.values()),
        "mean": round(float(np.mean(list(agreement.values()))), 4),
        "differ": {k: v for k, v in sorted(agreement.items(), key=lambda x: x[1]) if v < 1},
        "ours_ms_a_file": round(1000 * ours_s / len(paths), 1),
        "music21_ms_a_file": round(1000 * theirs_s / len(paths), 1),
    }


def run(data: Path) -> dict:
    """All rows."""
    import importlib.metadata

    out: dict = {"symusic": importlib.metadata.version("symusic"), "midi": {}, "abc": {}, "musicxml": {}}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        twins: dict[str, Path] = {}
        for source in MIDI:
            paths = unpack(data, source, ".mid", folder)
            out["midi"][source] = read_all(paths) | {"symusic": parse_midi(paths)}
            if source == "nottingham":
                twins = {p.stem: p for p in paths}
        for source in ABC:
            paths = unpack(data, source, ".abc", folder)
            out["abc"][source] = read_all(paths)
            if source == "nottingham":
                out["twins"] = against_twins(paths, twins)
        chosen: list[Path] = []
        for source in MUSICXML:
            paths = unpack(data, source, ".musicxml", folder)
            out["musicxml"][source] = read_all(paths)
            chosen += random.Random(1).sample(paths, REFEREE[source])
        out["referee"] = against_music21(chosen)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="the shared data; else MMBERT_DATA")
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
    arguments = parser.parse_args()
    result = run(data_folder(arguments.data))
    if arguments.json:
        print_json(result)
        return
    for name, rows in result.items():
        print(name, rows if not isinstance(rows, dict) else "")
        for key, value in rows.items() if isinstance(rows, dict) else ():
            print(f"  {key:20} {value}")


if __name__ == "__main__":
    main()
