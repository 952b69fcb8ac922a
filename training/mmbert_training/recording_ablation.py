"""What each objective of recordings, the bridge and the shared transformer are worth: the recipe with one of its parts
left out, added or exchanged, three seeds each.

    python -m mmbert_training.recording_ablation PACK WEIGHTS SOUNDS [--out experiments/recordings] [--only NAME ...]
    python -m mmbert_training.recording_ablation --table [--json]

PACK is of ``mmbert_training.sound_pack``, SOUNDS the folder of real sounds of ``evaluate.real_sounds``. Every run
leaves one JSON file with a figure for every question; runs that have theirs are not done again. The table compares each
variant with the full recipe over the same questions (paired bootstrap over works, or over real sounds).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from mmbert.audio.mn04 import Mn04
from mmbert.console import print_json, warn
from mmbert.embed import Embedder
from mmbert.errors import DataError
from mmbert.metrics import paired_bootstrap, standing
from mmbert.retrieval.sound_words import SoundWords
from mmbert_training import hearing
from mmbert_training.ablation import print_rows
from mmbert_training.commit import commit
from mmbert_training.evaluate.real_sounds import check, real_sounds
from mmbert_training.recording_projection import ProjectionTeacher
from mmbert_training.recording_words import Said, asked_of, said
from mmbert_training.recordings import How, Teacher, asked, reciprocal_ranks, taught
from mmbert_training.sound_pack import Sounds, load_sounds

SEEDS = (1, 2, 3)
FULL, ALONE = "full", "mn04 alone"
HOW = How(steps=60, batch=32, bridge=48)  # an eighth of the steps and half of the batch of what is released
PROJECTED = "projection alone"
# Name -> fields of How that differ from the full recipe, in the order in which they are run.
VARIANTS: dict[str, dict[str, Any]] = {
    FULL: {},
    ALONE: {},
    PROJECTED: {},
    f"{PROJECTED}, no bridge": {"labels": 0.0},
    "no bridge": {"labels": 0.0},
    "no captions": {"words": 0.0},
    "no score": {"score": 0.0},
    "no other rendering": {"other": 0.0},
    "named sounds": {"sounds": 10.0},
    "named sounds, of captions too": {"sounds": 10.0, "told": 10.0},
    "masked seconds": {"masked": 0.3},
    "MIM": {"mutual": 0.3},
    "no facts": {"facts": 0.0},
}
COLUMNS = {  # of figures -> whose they are
    "both": "captions", "sounds": "captions", "seconds": "captions", "with facts": "captions", "two fonts": "fonts",
    "real": "real", "real, beside named sounds": "real",
}  # fmt: skip


class Bench:
    """The questions that every variant is asked.

    Args:
        sounds: A pack.
        words: Its frozen vectors.
        embedder: Made them; it reads the questions for real sounds.
        folder: Of the real sounds.

    Raises:
        DataError: where a real sound is missing or another one, or no validation work was rendered twice.
    """

    def __init__(self, sounds: Sounds, words: Said, embedder: Embedder, folder: Path) -> None:
        self.sounds, self.words, self.reader = sounds, words, SoundWords.load()
        rows, captions, self.own = asked(sounds, words)
        self.captioned = rows
        texts = [one.text for row in rows.tolist() for one in asked_of(sounds, row)]
        if len(texts) != len(captions):
            raise DataError("words", "are of another pack", "Delete said-*.safetensors beside the pack")
        self.directions = self._directions(texts, embedder)
        validation = sounds.rows("validation")
        work = np.array([sounds.heard[row].work for row in validation])
        same = (work[:, None] == work) & ~np.eye(len(work), dtype=bool)
        if not same.any():
            raise DataError("pack", "holds no validation work in two fonts", "Render more: --validation")
        self.rendered, self.twice, self.same = validation, same.any(axis=1), same
        check(folder)
        ear, some = Mn04.load(), real_sounds()
        self.real = [hearing.states(hearing.excerpt(s.file(folder), s.start_s, s.seconds), ear) for s in some]
        texts = [text for s in some for text in s.texts]
        self.answer = np.repeat(np.arange(len(some)), len(some[0].texts))
        self.question = embedder.embed_texts(texts)
        mean = torch.from_numpy(np.stack([run.astype(np.float32).mean(axis=0) for run in self.real]))
        self.named = self._directions(texts, embedder) @ self.reader.standardised(ear.sounds(mean).numpy()).T
        ids = [sounds.works[sounds.heard[row].work]["id"] for row in rows.tolist()]
        self.groups = {
            "captions": [ids[i] for i in self.own],
            "fonts": [sounds.works[w]["id"] for w in work[self.twice].tolist()],
            "real": [some[i].sha256[:12] for i in self.answer],
        }

    @torch.inference_mode()
    def asked(self, teacher: Teacher) -> dict[str, np.ndarray]:
        """Of what was taught, float64 by column: reciprocal ranks, of two fonts whether the other one is the first."""
        found = reciprocal_ranks(teacher)
        vectors = teacher.encoded([self.sounds.states_of(row) for row in self.rendered.tolist()]).numpy()
        found["two fonts"] = self._two_fonts(vectors)
        near = self.question @ teacher.encoded(self.real).numpy().T
        return found | self._real(near, _standard(near) + _standard(self.named))

    def alone(self) -> dict[str, np.ndarray]:
        """Of mn04 alone: words by the sounds that they speak of, two fonts by the mean of its states."""
        standard = self.reader.standardised(self.sounds.logits[self.captioned])
        ranks = standing(self.directions @ standard.T, self.own).reciprocal_rank()
        means = np.stack([self.sounds.states_of(r).astype(np.float32).mean(axis=0) for r in self.rendered.tolist()])
        fonts = self._two_fonts(means / np.linalg.norm(means, axis=1, keepdims=True))
        return {"both": ranks, "sounds": ranks, "two fonts": fonts, **self._real(self.named, self.named)}

    def _two_fonts(self, vectors: np.ndarray) -> np.ndarray:
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -2.0)  # below every cosine: nothing is asked for itself
        return standing(scores[self.twice], self.same[self.twice]).recall_at(1)

    def _real(self, near: np.ndarray, beside: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "real": standing(near, self.answer).reciprocal_rank(),
            "real, beside named sounds": standing(beside, self.answer).reciprocal_rank(),
        }

    def _directions(self, texts: Sequence[str], embedder: Embedder) -> np.ndarray:
        return self.reader.directions(texts, embedder.language(texts))


def run(name: str, seed: int, bench: Bench, embedder: Embedder) -> dict[str, Any]:
    """One variant with one seed: seconds, what its last batch said, and a figure for every question."""
    began, used, code = time.perf_counter(), time.process_time(), commit()
    figures: dict[str, float] = {}
    if name == ALONE:
        found = bench.alone()
    else:
        kind = ProjectionTeacher if name.startswith(PROJECTED) else Teacher
        how = replace(HOW, **VARIANTS[name])
        teacher = taught(bench.sounds, bench.words, embedder.model, seed, how, kind)
        figures = {key: round(float(value), 4) for key, value in teacher.figures.items()}
        found = bench.asked(teacher)
    return {
        "variant": name, "seed": seed, "commit": code, "threads": torch.get_num_threads(),
        "seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(time.process_time() - used, 1),
        "figures": figures, "asked": {column: np.round(values, 5).tolist() for column, values in found.items()},
        "groups": bench.groups,
    }  # fmt: skip


def compare(folder: Path) -> list[dict[str, Any]]:
    """A row a variant: means over questions and seeds, and the difference from the full recipe with its interval; and
    for JSON alone the difference of each seed."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*.json")):
        one = json.loads(file.read_text())
        runs.setdefault(one["variant"], []).append(one)
    rows = []
    for name in (n for n in VARIANTS if n in runs):
        row: dict[str, Any] = {"variant": name, "seeds": len(runs[name])}
        row["cpu_seconds"] = round(float(np.mean([r["cpu_seconds"] for r in runs[name]])))
        for column in (c for c in COLUMNS if c in runs[name][0]["asked"]):
            own = _mean(runs[name], column)
            row[column] = float(own.mean())
            if name != FULL and FULL in runs:
                full = _mean(runs[FULL], column)
                d = paired_bootstrap(own, full, runs[FULL][0]["groups"][COLUMNS[column]])
                row[f"{column}: difference"] = (round(d.mean, 4), round(d.low, 4), round(d.high, 4))
                row[f"{column}: seeds"] = _by_seed(runs[name], runs[FULL], column)
        rows.append(row)
    return rows


def _mean(runs: Sequence[dict[str, Any]], column: str) -> np.ndarray:
    """Each question's figure, a mean over seeds."""
    return np.mean([r["asked"][column] for r in runs], axis=0)


def _by_seed(runs: Sequence[dict[str, Any]], full: Sequence[dict[str, Any]], column: str) -> list[float]:
    """Differences from the full recipe of the same seed."""
    other = {r["seed"]: np.mean(r["asked"][column]) for r in full}
    return [round(float(np.mean(r["asked"][column]) - other[r["seed"]]), 4) for r in runs if r["seed"] in other]


def _standard(scores: np.ndarray) -> np.ndarray:
    """Scores [q, n] of each question less their mean, in standard deviations."""
    return (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True).clip(1e-9)


def _main(
    pack: Annotated[Path | None, typer.Argument(help="A pack of sounds.")] = None,
    weights: Annotated[Path | None, typer.Argument(help="The checkpoint folder that is taught.")] = None,
    sounds: Annotated[Path | None, typer.Argument(help="Folder of the real sounds.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the runs' results.")] = Path("experiments/recordings"),
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Variants to run; else all.")] = None,
    show: Annotated[bool, typer.Option("--table", help="Print the table of what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Run what is missing, or print the table."""
    if show:
        rows = compare(out)
        if as_json:
            print_json({"rows": rows})
        else:
            print_rows([{k: v for k, v in row.items() if not k.endswith(": seeds")} for row in rows])
        return
    if pack is None or weights is None or sounds is None:
        raise typer.BadParameter("name the pack, the weights and the folder of real sounds")
    embedder, rendered = Embedder.from_pretrained(weights), load_sounds(pack)
    bench = Bench(rendered, said(rendered, pack, embedder, data), embedder, sounds)
    out.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        for name in only or VARIANTS:
            target = out / f"{name.replace(',', '').replace(' ', '-').lower()}-{seed}.json"
            if not target.exists() and (name != ALONE or seed == SEEDS[0]):
                target.write_text(json.dumps(run(name, seed, bench, embedder)) + "\n")
                warn(f"{target.name} done")


if __name__ == "__main__":
    typer.run(_main)
