"""Two towers for phrases: what is asked with and what is found have sides of their own, and time keeps its order.

    python -m mmbert_training.phrase_towers PACK OUT --task accompaniment --data DIR

trains on a folder of phrases (:mod:`mmbert_training.phrase_pack`), without the tenth that weights are fitted on, and
prints how the towers, and their sum with the single figures, rank the validation works.

A phrase is 32 slots of an eighth of a bar. Each side is a small convolution over them; its vector holds numbers of
every slot, in order, and some of the whole phrase. Averaged over a phrase, a vector no longer tells which note sounds
against which.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.objectives.contrastive import Temperature
from mmbert.symbolic.phrase_pairs import weighted
from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, PhraseTable
from mmbert_training.evaluate.phrase_candidates import Task, repeats
from mmbert_training.evaluate.phrase_ranking import Asked, rank
from mmbert_training.evaluate.phrase_rows import Scorer, fitted_weights, looked_up
from mmbert_training.phrase_pack import WorkPhrases, in_tenth, load_phrases

SLOTS = 32  # of a phrase
CHANNELS = 39
WEIGHTS = "towers.safetensors"
_MIDDLE = 60  # MIDI pitch
_FURTHEST = 4  # semitones that both sides of a pair are moved by, at most
_WARM_UP = 0.05


def slots(notes: np.ndarray, start: np.ndarray, length: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Phrases as slots, float32 [P, 32, 39]: share of the slot in which each pitch class sounds [12]; whether it begins
    [12]; the lowest that sounds [12]; mean height in octaves from middle C; how many notes begin; the length of a bar.

    Args:
        notes: int32 [n, 3], as in :class:`PhraseTable`.
        start: int64 [P + 1].
        length: int64 [P], of the phrases.
        shift: int [P], semitones that are added.
    """
    n = len(length)
    phrase = np.repeat(np.arange(n), np.diff(start))
    slot_length = length[phrase] / SLOTS
    begin = notes[:, ONSET] / slot_length
    end = np.minimum((notes[:, ONSET] + notes[:, DURATION]) / slot_length, SLOTS)
    first = np.minimum(begin.astype(np.int64), SLOTS - 1)
    count = np.maximum(np.ceil(end - 1e-6).astype(np.int64), first + 1) - first
    of = np.repeat(np.arange(len(notes)), count)
    at = first[of] + np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    pitch = notes[:, PITCH].astype(np.int64) + shift[phrase]
    row, height = phrase[of], pitch[of]
    share = (np.minimum(end[of], at + 1) - np.maximum(begin[of], at)).clip(0, 1)
    out = np.zeros((n, SLOTS, CHANNELS), np.float32)
    np.maximum.at(out, (row, at, height % 12), share)
    out[phrase, first, 12 + pitch % 12] = 1
    lowest = np.full((n, SLOTS), 999, np.int64)
    np.minimum.at(lowest, (row, at), height)
    where = np.nonzero(lowest < 999)
    out[*where, 24 + lowest[where] % 12] = 1
    cell = row * SLOTS + at
    sounding = np.bincount(cell, minlength=n * SLOTS)
    total = np.bincount(cell, height - _MIDDLE, n * SLOTS)
    out[:, :, 36] = (total / np.maximum(sounding, 1) / 12).reshape(n, SLOTS)
    out[:, :, 37] = np.bincount(phrase * SLOTS + first, minlength=n * SLOTS).reshape(n, SLOTS) / 4
    out[:, :, 38] = (length / 768 - 1)[:, None]
    return out


class Side(nn.Module):
    """One side: slots [B, 32, 39] to unit vectors [B, 32 * per_slot + whole]."""

    def __init__(self, dim: int = 96, layers: int = 3, per_slot: int = 24, whole: int = 128) -> None:
        super().__init__()
        self.into = nn.Linear(CHANNELS, dim)
        self.place = nn.Parameter(torch.zeros(SLOTS, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.mixers = nn.ModuleList(nn.Conv1d(dim, dim, 5, padding=2) for _ in range(layers))
        self.slot = nn.Linear(dim, per_slot)
        self.whole = nn.Linear(2 * dim, whole)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, grid: Tensor) -> Tensor:
        """Unit vectors."""
        x = self.into(grid) + self.place
        for norm, mixer in zip(self.norms, self.mixers):
            x = x + F.gelu(mixer(norm(x).transpose(1, 2))).transpose(1, 2)
        in_order = F.normalize(self.slot(x).flatten(1), dim=1)
        pooled = F.normalize(self.whole(torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=1)), dim=1)
        share = self.share.sigmoid()
        return torch.cat([share.sqrt() * in_order, (1 - share).sqrt() * pooled], dim=1)


class Towers(nn.Module):
    """The two sides and the scale of their inner products."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.document = Side(), Side()
        self.temperature = Temperature()


def sides(table: PhraseTable, task: Task, moved: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What is asked with and what would be found, as slots, of some phrases.

    Args:
        table: The phrases.
        task: Completion finds melodies, accompaniment what sounds with them.
        moved: int [P], further semitones.
    """
    shift = table.shift + (0 if moved is None else moved)
    melody = slots(table.melody, table.melody_start, table.length, shift)
    if task == "completion":
        return melody, melody
    return melody, slots(table.accompaniment, table.accompaniment_start, table.length, shift)


def train(found: WorkPhrases, task: Task, steps: int, batch: int, seed: int, rate: float = 2e-3) -> Towers:
    """Towers learned by in-batch contrast: each work once a batch, all others wrong but literal repeats.

    Args:
        found: Phrases of every bar; of them those of training works outside the fitting tenth are used.
        task: What is asked.
        steps: Batches.
        batch: Works a batch.
        seed: Of weights and batches.
        rate: The largest learning rate.
    """
    torch.manual_seed(seed)
    learns = np.array([w.split == "train" and not in_tenth(w.cluster) for w in found.works])
    open_ = learns[found.work]
    own = repeats(found.table, task)
    if task == "completion":
        open_ &= found.following >= 0
        open_ &= own[found.following] != own
    else:
        open_ &= np.diff(found.table.accompaniment_start) > 0
    rows = np.flatnonzero(open_)
    clusters, first = np.unique(np.sort(found.cluster[rows]), return_index=True)
    by_cluster = rows[np.argsort(found.cluster[rows], kind="stable")]
    size = np.diff(np.append(first, len(rows)))
    towers = Towers()
    optimiser = torch.optim.AdamW(towers.parameters(), rate, weight_decay=0.01)
    began, total = time.monotonic(), 0.0
    for step in range(steps):
        rng = np.random.default_rng([seed, step])
        chosen = rng.choice(len(clusters), min(batch, len(clusters)), replace=False)
        query = by_cluster[first[chosen] + (rng.random(len(chosen)) * size[chosen]).astype(np.int64)]
        answer = found.following[query] if task == "completion" else query
        moved = rng.integers(-_FURTHEST, _FURTHEST + 1, len(query))
        asked, _ = sides(found.table.rows(query), "completion", moved)
        _, given = sides(found.table.rows(answer), task, moved)
        a, b = towers.query(torch.from_numpy(asked)), towers.document(torch.from_numpy(given))
        alike = torch.from_numpy((own[answer][:, None] == own[answer][None]) & ~np.eye(len(query), dtype=bool))
        sums = (towers.temperature() * a @ b.T).masked_fill(alike, -1e4)
        target = torch.arange(len(query))
        loss = (F.cross_entropy(sums, target) + F.cross_entropy(sums.T, target)) / 2
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(towers.parameters(), 1.0)
        done = step / steps
        factor = min(1.0, done / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimiser.param_groups:
            group["lr"] = rate * max(factor, 1e-3)
        optimiser.step()
        total += float(loss.detach())
        if (step + 1) % 50 == 0:
            typer.echo(f"step {step + 1}: loss {total / 50:.3f}, {time.monotonic() - began:.0f} s", err=True)
            total = 0.0
    return towers.eval()


@torch.no_grad()
def products(towers: Towers, table: PhraseTable, task: Task) -> np.ndarray:
    """Inner products of all phrases as queries with all as answers, float32 [P, P]."""
    asked, given = sides(table, task)
    parts = [
        torch.cat([side(torch.from_numpy(x[i : i + 256])) for i in range(0, len(x), 256)])
        for side, x in ((towers.query, asked), (towers.document, given))
    ]
    return (parts[0] @ parts[1].T).numpy()


def rows_of(towers: Towers, task: Task, asked: Asked, learned: Asked) -> Mapping[str, Scorer]:
    """``towers`` alone, and ``towers_fitted``: their fitted sum with the single figures."""
    here, there = (products(towers, a.phrases.table, task) for a in (asked, learned))
    weights = fitted_weights([({**learned.figures, "towers": there}, learned.candidates)])
    return {
        "towers": looked_up(here),
        "towers_fitted": looked_up(weighted({**asked.figures, "towers": here}, weights)),
    }


def _main(
    pack: Annotated[Path, typer.Argument(help="A folder of phrases.")],
    out: Annotated[Path, typer.Argument(help="Where the weights are written.")],
    task: Annotated[Task, typer.Option(help="What is asked.")] = "accompaniment",
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    steps: int = 600,
    batch: int = 192,
    seed: int = 1,
) -> None:
    """Train two towers and rank the validation works with them."""
    from safetensors.torch import save_file

    towers = train(load_phrases(pack), task, steps, batch, seed)
    out.mkdir(parents=True, exist_ok=True)
    save_file(towers.state_dict(), out / WEIGHTS)
    result = rank(
        task, data, "validation", (("towers", "fitted"), ("towers_fitted", "fitted")),
        lambda asked, learned: rows_of(towers, task, asked, learned),
    )  # fmt: skip
    for row in result["rows"]:
        if row["row"] in ("fitted", "towers", "towers_fitted"):
            typer.echo(json.dumps({k: row.get(k) for k in ("row", "source", "set", "map", "hits@1", "hits@10")}))
    for row in result["differences_of_map"]:
        typer.echo(json.dumps(row))


if __name__ == "__main__":
    typer.run(_main)
