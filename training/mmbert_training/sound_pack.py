"""What is heard of rendered works, in one folder of arrays: for training what connects recordings, scores and words.

    python -m mmbert_training.sound_pack PACK --data DIR

renders a random 20 to 30 seconds of some works at 0.8 to 1.25 times their speed with the sound fonts that may be
trained on (:data:`mmbert_training.rendering.TRAIN`), every third work a second time with the other font, one of the two
from a room, an equaliser, a tape and a codec, and writes what mn04 and the chroma make of it. The sound itself is not
kept. Of every work there is the chroma of its score as well. Works are one a cluster, of the training and the
validation split; the test split is not read, nor are works that released weights may not see. A run that was broken off
goes on where it was.

To read a pack (:func:`load_sounds`) numpy and safetensors are enough.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import typer

from mmbert.console import progress
from mmbert.errors import DataError, ItemError
from mmbert.facets import from_mapping
from mmbert.symbolic.facets import score_facets
from mmbert.symbolic.score import TEMPO, Score
from mmbert.types import Facets
from mmbert_training import rendering
from mmbert_training.manifest import OPEN, Split, Work, load_item, load_works

VERSION = 2  # the first had no equaliser
ARRAYS, MANIFEST, PARTS = "sounds.safetensors", "sounds.json", f"parts-{VERSION}"
SPLITS: tuple[Split, ...] = ("train", "validation")
SEED = 7
SECONDS, SPEED = (20.0, 30.0), (0.8, 1.25)
_TWICE_EVERY = 3  # works: the second font takes five times as long
_CHANGED = 0.3  # share of single renderings that are changed
_ROOM, _EQUALISED, _NOISE = 0.6, 0.6, 0.6  # shares of what is changed
_GAIN_DB = 8.0  # of a band of the equaliser, at most
_LEAST_NOTES, _TRIES = 8, 20  # of an excerpt; draws of one
_A_PART = 24  # works that are written at once
_STEADY = np.array([(0, 120.0)], TEMPO)  # excerpts have no tempo of their own: their ticks are even in time
_HINT = "Make it again: python -m mmbert_training.sound_pack"
_WORK_FIELDS = ("id", "source", "cluster", "split")

Sound = tuple[dict[str, Any], np.ndarray]  # what is noted of a rendering, and float32 [samples]


@dataclass(frozen=True)
class Heard:
    """One rendering.

    Attributes:
        work: Index into the works of the pack.
        font: Its sound font.
        start_s: Second of the score at which it begins.
        speed: How many times as fast as the score it is.
        changed: Whether it went through a room, a tape or a codec.
        facets: What is true of what sounds.
    """

    work: int
    font: str
    start_s: float
    speed: float
    changed: bool
    facets: Facets


@dataclass(frozen=True, eq=False)
class Sounds:
    """A pack.

    Attributes:
        works: W rows with ``id``, ``source``, ``cluster`` and ``split``.
        heard: N renderings.
        states: float16 [seconds of all, 384], what mn04 says of each second.
        state_start: int64 [N + 1].
        logits: float32 [N, 527], of the mean of a rendering's states.
        chroma: uint8 [frames of all, 12].
        chroma_start: int64 [N + 1].
        score: uint8 [frames of all, 12], chroma of whole scores at their own speed.
        score_start: int64 [W + 1].
    """

    works: tuple[Mapping[str, str], ...]
    heard: tuple[Heard, ...]
    states: np.ndarray
    state_start: np.ndarray
    logits: np.ndarray
    chroma: np.ndarray
    chroma_start: np.ndarray
    score: np.ndarray
    score_start: np.ndarray

    def __len__(self) -> int:
        return len(self.heard)

    def rows(self, split: Split) -> np.ndarray:
        """int64, the renderings of works of a split."""
        return np.array([i for i, h in enumerate(self.heard) if self.works[h.work]["split"] == split], np.int64)

    def works_of(self, split: Split) -> np.ndarray:
        """int64, the works of a split."""
        return np.array([i for i, w in enumerate(self.works) if w["split"] == split], np.int64)

    def states_of(self, row: int) -> np.ndarray:
        """float16 [seconds, 384]."""
        return self.states[self.state_start[row] : self.state_start[row + 1]]

    def chroma_of(self, row: int) -> np.ndarray:
        """uint8 [frames, 12]."""
        return self.chroma[self.chroma_start[row] : self.chroma_start[row + 1]]

    def score_of(self, work: int) -> np.ndarray:
        """uint8 [frames, 12]."""
        return self.score[self.score_start[work] : self.score_start[work + 1]]


def chosen(works: Iterable[Work], split: Split) -> list[Work]:
    """One work a cluster, in an order that says nothing: any first part of it is a fair sample."""
    first: dict[str, Work] = {}
    for work in sorted(works, key=lambda w: w.id):
        if work.split == split and work.releasable:
            first.setdefault(work.cluster, work)
    return sorted(first.values(), key=lambda w: hashlib.sha256(f"{SEED}:{w.cluster}".encode()).hexdigest())


def rendered(score: Score, metadata: Mapping[str, str], number: int) -> Iterator[Sound]:
    """The renderings of one work; none where it has hardly any notes.

    Args:
        score: The work.
        metadata: As its source states them.
        number: Its place in its split, which with the seed of the pack decides all that is drawn.
    """
    rng = np.random.default_rng([SEED, number])
    speed = float(np.exp(rng.uniform(*np.log(SPEED))))
    length = float(rng.uniform(*SECONDS))
    for _ in range(_TRIES):
        start = float(rng.uniform(0, max(0.0, score.duration_s - length * speed)))
        part = rendering.excerpt(score, start, length, speed)
        if len(part.notes) >= _LEAST_NOTES:
            break
    else:
        return
    length = min(length, part.duration_s + 1)
    facets = heard_facets(part, score_facets(score, metadata), speed)
    fonts = rendering.TRAIN if number % _TWICE_EVERY == 0 else rendering.TRAIN[:1]
    changed = rng.permutation([True, False]) if len(fonts) > 1 else [rng.random() < _CHANGED]
    for font, other in zip(fonts, changed, strict=True):
        reverb = bool(rng.random() < 0.5)
        sound = rendering.render(score, font, start=start, seconds=length, speed=speed, reverb=reverb)
        row = {"font": font, "start_s": start, "speed": speed, "changed": bool(other), "facets": facets.known()}
        yield row, changed_sound(sound, rng) if other else sound


def heard_facets(part: Score, whole: Facets, speed: float) -> Facets:
    """What is true of an excerpt: key, instruments and texture of its own notes; tempo, metre and form of the work.

    Bars, length, title and composer are those of a piece and not of what is heard of it.
    """
    own = score_facets(replace(part, tempo_map=_STEADY))
    tempo = whole.tempo_bpm * speed if whole.tempo_bpm else None
    unknown: dict[str, Any] = dict.fromkeys(("bars", "duration_s", "notes_per_bar", "title", "composer"))
    return replace(own, tempo_bpm=tempo, metre=whole.metre, form=whole.form, **unknown)


def changed_sound(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rendering as from a room, a microphone and a tape, through a codec."""
    if rng.random() < _ROOM:
        sound = rendering.in_room(sound, float(rng.uniform(0.2, 1.2)), float(rng.uniform(0.1, 0.8)), rng)
    if rng.random() < _EQUALISED:
        sound = rendering.equalised(sound, rng.uniform(-_GAIN_DB, _GAIN_DB, rendering.BANDS))
    if rng.random() < _NOISE:
        sound = rendering.with_noise(sound, float(rng.uniform(10, 30)), rng)
    return rendering.through_codec(sound, get_args(rendering.Codec)[int(rng.integers(3))])


def build(data: Path | None, folder: Path, most: Mapping[Split, int]) -> dict[str, Any]:
    """Write a pack, or what is missing of one, and return its manifest.

    Args:
        data: The folder of data zips, or None for ``MMBERT_DATA``.
        folder: Where to write.
        most: How many works of each split are rendered; the scores of all are read.

    Raises:
        DataError: where the data, FluidSynth or a sound font are missing.
    """
    works = load_works(data, OPEN)
    ordered = {split: chosen(works, split) for split in SPLITS}
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    parts = [
        (begin / most[split], split, begin, ordered[split][: most[split]][begin : begin + _A_PART])
        for split in SPLITS
        for begin in range(0, min(most[split], len(ordered[split])), _A_PART)
    ]
    hear = _ear()
    with progress("rendering works", sum(len(some) for *_, some in parts)) as advance:
        for _, split, begin, some in sorted(parts, key=lambda part: part[0]):
            path = folder / PARTS / f"{split}-{begin:05d}.safetensors"
            if not path.is_file():
                _write(path, *_part(some, begin, hear))
            for _ in some:
                advance()
    for split in SPLITS:
        path = folder / PARTS / f"scores-{split}.safetensors"
        if not path.is_file():
            _write(path, *_scores(ordered[split]))
    return _joined(folder, [folder / PARTS / f"{split}-{begin:05d}.safetensors" for _, split, begin, _ in parts])


def load_sounds(folder: Path) -> Sounds:
    """Read a pack.

    Raises:
        DataError: where it is missing, damaged (the digest is checked) or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["version"] != VERSION:
            raise DataError(str(folder), "was made by another version of mmbert", f"{_HINT} {folder}")
        if _digest(folder / ARRAYS) != manifest["sha256"]:
            raise DataError(str(folder / ARRAYS), "is damaged (its digest differs)", f"{_HINT} {folder}")
        heard = tuple(Heard(**{**row, "facets": from_mapping(row["facets"])}) for row in manifest["heard"])
        return Sounds(tuple(manifest["works"]), heard, **load_file(folder / ARRAYS))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as e:
        raise DataError(str(folder), f"is not a readable pack of sounds ({type(e).__name__}: {e})", _HINT) from e


# ---- parts ---------------------------------------------------------------------------------------------

Arrays = dict[str, np.ndarray]
Ear = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _ear() -> Ear:
    """Sound float32 [samples] to states float16 [seconds, 384], logits float32 [527], chroma uint8 [frames, 12]."""
    from mmbert.audio.chroma import Chroma
    from mmbert.audio.mn04 import Mn04
    from mmbert_training import hearing

    network = Mn04.load()

    def hear(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chroma = Chroma(rendering.RATE)
        chroma.feed(sound)
        states = hearing.states(sound, network)
        return states, hearing.of_states(states, network), chroma.finish()

    return hear


def _part(works: Sequence[Work], begin: int, hear: Ear) -> tuple[Arrays, list[dict[str, Any]]]:
    rows, found = [], []
    for number, work in enumerate(works, begin):
        for row, sound in _renderings(work, number):
            rows.append({"id": work.id, **row})
            found.append(hear(sound))
    states, logits, chroma = zip(*found) if found else ((), (), ())
    return {
        "states": np.concatenate([np.zeros((0, 384), np.float16), *states]), "state_start": _starts(states),
        "logits": np.reshape(logits, (-1, 527)).astype(np.float32),
        "chroma": np.concatenate([np.zeros((0, 12), np.uint8), *chroma]), "chroma_start": _starts(chroma),
    }, rows  # fmt: skip


def _renderings(work: Work, number: int) -> list[Sound]:
    try:
        item = load_item(work)
    except ItemError:
        return []
    return [] if item.score is None else [*rendered(item.score, item.metadata, number)]


def _scores(works: Sequence[Work]) -> tuple[Arrays, list[dict[str, Any]]]:
    from mmbert.audio.chroma import score_chroma

    rows, found = [], []
    with progress("reading scores", len(works)) as advance:
        for work in works:
            try:
                score = load_item(work).score
            except ItemError:
                score = None
            if score is not None and len(score.notes):
                found.append(score_chroma(score))
                rows.append({name: getattr(work, name) for name in _WORK_FIELDS})
            advance()
    return {"score": np.concatenate(found), "score_start": _starts(found)}, rows


def _joined(folder: Path, parts: Sequence[Path]) -> dict[str, Any]:
    """Parts to one file and its manifest."""
    from safetensors.numpy import save_file

    scores = [_read(folder / PARTS / f"scores-{split}.safetensors") for split in SPLITS]
    works = [row for _, rows in scores for row in rows]
    place = {work["id"]: i for i, work in enumerate(works)}
    read = [_read(path) for path in parts]
    heard = [{"work": place[row.pop("id")], **row} for _, rows in read for row in rows]
    arrays = {}
    for name, of in (("states", read), ("logits", read), ("chroma", read), ("score", scores)):
        arrays[name] = np.concatenate([found[name] for found, _ in of])
    for name, of in (("state_start", read), ("chroma_start", read), ("score_start", scores)):
        lengths = np.concatenate([np.diff(found[name]) for found, _ in of])
        arrays[name] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / ARRAYS)
    manifest = {"version": VERSION, "sha256": _digest(folder / ARRAYS), "works": works, "heard": heard}
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def _write(path: Path, arrays: Arrays, rows: Sequence[Mapping[str, Any]]) -> None:
    from safetensors.numpy import save_file

    aside = path.with_suffix(".part")
    save_file(arrays, aside, metadata={"rows": json.dumps(rows, ensure_ascii=False)})
    aside.replace(path)


def _read(path: Path) -> tuple[Arrays, list[dict[str, Any]]]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["rows"])  # noqa: SIM118


def _starts(runs: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(run) for run in runs])]).astype(np.int64)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _main(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    training: Annotated[int, typer.Option(min=1, help="Training works that are rendered.")] = 1200,
    validation: Annotated[int, typer.Option(min=1, help="Validation works that are rendered.")] = 168,
) -> None:
    """Render works and write what is heard of them."""
    manifest = build(data, folder, {"train": training, "validation": validation})
    typer.echo(f"{folder}: {len(manifest['heard'])} renderings, scores of {len(manifest['works'])} works")


if __name__ == "__main__":
    typer.run(_main)
