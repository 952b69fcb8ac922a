"""What ``complete --export`` and ``accompany --export`` write, as MIDI and as sound: length, start, clipping, names.

    python benchmarks/exports.py LIBRARY [--pieces 20] [--json]

Pieces of the library, drawn with a fixed seed, are melodies; the best hit of each question is exported with the whole
melody, read back, and rendered twice with the page's SoundFont: the file as it is, as any other synthesizer would, and
with the page's own gain. What is found wrong is listed by piece. Exit code 1 where anything is.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mmbert.api import Library
from mmbert.console import print_json
from mmbert.errors import UsageError
from mmbert.items import load_items
from mmbert.retrieval.suggestions import Continuations, Suggestions
from mmbert.symbolic.score import Score
from mmbert.symbolic.windows import WINDOW_BARS

SEED = 11
HEARD = 0.004  # of full scale: softer is silence
LATE_S = 0.1  # an attack may take so long
TASKS = ("complete", "accompany")


@dataclass(frozen=True)
class Export:
    """One exported pair.

    Attributes:
        wrong: What is not as it should be, in words.
        silence_bars: Bars before the first note.
        late_s: Seconds from the first note to the first sound.
        length_s: Seconds of the notes.
        sounds_s: Seconds until nothing is heard any longer.
        peak: Of the file as it is, share of full scale.
        page_peak: As the page plays it.
    """

    wrong: tuple[str, ...]
    silence_bars: float
    late_s: float
    length_s: float
    sounds_s: float
    peak: float
    page_peak: float


def checked(data: bytes, found: Suggestions, renderer: Any) -> Export:
    """An exported file of the best hit with the whole melody, read back and rendered.

    Args:
        data: The file.
        found: What it was written from.
        renderer: ``mmbert_ui.render.Renderer``.
    """
    from mmbert_ui.notes import Playable
    from mmbert_ui.render import SAMPLE_RATE, TAIL_S

    with TemporaryDirectory() as folder:
        path = Path(folder) / "exported.mid"
        path.write_bytes(data)
        (item,) = load_items(path)
    score = item.score
    assert score is not None  # a MIDI file
    piece = Playable.of(score)
    wrong = as_midi(score, found)
    onsets = score.notes["onset"]
    first_s = float(score.seconds(int(onsets.min())))
    silence = float(onsets.min() / score.bar_lines[1])
    if silence >= 1:
        wrong.append(f"begins with {silence:.1f} bars of silence")
    raw = np.abs(rendered(renderer, data)).max(axis=1) / 32768
    page = np.abs(renderer.stretch("export", piece, 0, renderer.frames(piece)).astype(int)).max(axis=1) / 32768
    renderer.forget("export")
    heard = np.flatnonzero(page > HEARD) / SAMPLE_RATE
    late, sounds = float(heard[0]) - first_s, float(heard[-1])
    if not -0.01 <= late <= LATE_S:
        wrong.append(f"is first heard {late:.2f} s behind its first note")
    if sounds > piece.duration_s + TAIL_S:
        wrong.append(f"sounds for {sounds:.1f} s, its notes for {piece.duration_s:.1f}")
    wrong += [f"clips {where}" for where, sound in (("as it is", raw), ("on the page", page)) if sound.max() >= 0.9999]
    return Export(tuple(wrong), silence, late, piece.duration_s, sounds, float(raw.max()), float(page.max()))


def as_midi(score: Score, found: Suggestions) -> list[str]:
    """What is wrong with the names, maps and places of an exported pair."""
    asked, wrong = found.melody, []
    second = "continuation" if isinstance(found, Continuations) else "accompaniment: "
    names = [part.name for part in score.parts]
    if names[0] != "melody" or len(names) < 2 or not all(name.startswith(second) for name in names[1:]):
        wrong.append(f"its tracks are {names}")
    for name in ("key_map", "tempo_map", "metre_map"):
        rows = getattr(score, name)
        if not len(rows) or rows["tick"][0] != 0:
            wrong.append(f"begins without a {name.removesuffix('_map')}")
    behind = score.notes["part"] > 0
    scale = score.ticks_per_quarter / asked.line.ticks_per_quarter
    begin = asked.first(True)
    melody = asked.line.notes["onset"].astype(np.int64)
    there = np.sort(np.rint((melody[melody >= begin] - begin) * scale))
    if not np.array_equal(np.sort(score.notes["onset"][~behind]), there):
        wrong.append("its melody begins elsewhere than the one that was given")
    bar = score.ticks_per_quarter * 4 * asked.metre[0] / asked.metre[1]
    if isinstance(found, Continuations):
        low, high = (asked.behind - begin) * scale, (asked.behind - begin) * scale + WINDOW_BARS * bar
    else:
        low, high = (asked.begin - begin) * scale, (asked.end - begin) * scale
    onset = score.notes["onset"][behind].astype(np.int64)
    end = onset + score.notes["duration"][behind]
    if onset.min() < low or onset.min() >= low + bar or end.max() > high + 1:
        wrong.append(f"what was found lies in ticks {onset.min()}-{end.max()}, not {low:.0f}-{high:.0f}")
    return wrong


def rendered(renderer: Any, data: bytes) -> np.ndarray:
    """A MIDI file as it is, int [frames, 2]."""
    import midirenderer
    from mmbert_ui.render import wave_samples

    return wave_samples(midirenderer.render_wave_from(renderer.path.read_bytes(), data)).astype(int)


def measured(library: Library, pieces: int) -> dict[str, Any]:
    """All figures of one library."""
    from mmbert_ui.render import Renderer, find_soundfont

    font = find_soundfont()
    if font is None:
        raise UsageError("SoundFont", "is not on this machine", "Install pretty_midi, or fluid-soundfont-gm")
    renderer, known = Renderer(font), library.pieces()
    exports: list[Export] = []
    wrong, unanswered = [], 0
    for i in np.random.default_rng(SEED).permutation(len(known))[:pieces]:
        item = library.item(known[i].id)
        for task in TASKS:
            try:
                found = getattr(library, task)(item, limit=1)
            except UsageError:
                unanswered += 1
                continue
            if not found.hits:
                unanswered += 1
                continue
            exports.append(checked(found.midi(found.hits[0], whole=True), found, renderer))
            wrong += [f"{task}, {known[i].title}: {words}" for words in exports[-1].wrong]
    columns = {name: np.array([asdict(e)[name] for e in exports]) for name in ("silence_bars", "late_s", "peak")}
    return {
        "soundfont": font.name,
        "exports": len(exports),
        "unanswered": unanswered,
        "wrong": wrong,
        "most_silence_bars": round(float(columns["silence_bars"].max()), 3),
        "latest_sound_s": round(float(columns["late_s"].max()), 3),
        "highest_peak": round(float(columns["peak"].max()), 3),
        "highest_peak_on_the_page": round(max(e.page_peak for e in exports), 3),
        "seconds_of_music": round(sum(e.length_s for e in exports)),
    }


def main() -> int:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--pieces", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with Library.open(args.library) as library:
        figures = measured(library, args.pieces)
    if args.json:
        print_json(figures)
    else:
        print("\n".join(f"{name:<28}{value}" for name, value in figures.items()))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
