"""Does pre-training help to say which phrase goes on from a melody, or goes under it?

    python benchmarks/phrase_pretrained.py PACK --out FOLDER [--tasks completion ...] [--seeds 1 2 3] [--json]

The direction of MusicBERT (Zeng et al. 2021, section 4): both phrases in one sequence of octuples, the melody's program
80, the accompaniment's 0, at 120 quarters a minute and one velocity; what goes on begins in the fifth bar, what goes
under sounds at once. The sequence passes through mmbert-small's Octuple BERT, its bar states through its shared
transformer; a head reads [CLS] and the notes' mean and maximum. ``pretrained`` begins with the released weights,
``scratch`` with random ones of the same shape: the same lists (one right, five wrong), steps and rate. ``relations``
is the pair scorer that reads how notes lie to one another, taught for as many seconds as ``pretrained`` took;
``relations, released`` the one that ships. ``pretrained + relations`` adds both, each in standard deviations of a list.

MAP over some queries of every source's validation works, the same for all rows; mean and spread (largest less
smallest) over seeds. FOLDER keeps a JSON file a task and seed; runs that have theirs are not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmbert_training import pair_scorers
from mmbert_training.evaluate.phrase_candidates import SOURCES, Candidates
from mmbert_training.evaluate.phrase_ranking import SHORT, load_asked, ranks
from mmbert_training.evaluate.phrase_rows import Scorer
from mmbert_training.pair_scorers import lists, onsets_of
from mmbert_training.phrase_examples import Examples
from mmbert_training.phrase_model import pair_scores
from mmbert_training.phrase_pack import WorkPhrases, load_phrases
from mmbert_training.phrase_teaching import half_precision, teach
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.console import print_json, stdout_console
from mmbert.metrics import paired_bootstrap
from mmbert.model import MmbertModel
from mmbert.model.checkpoint import default_weights
from mmbert.model.pair_scorer import PairScorer
from mmbert.model.phrase_model import PhraseModel
from mmbert.symbolic.octuple_vocabulary import (
    LONGEST_BAR,
    PAD_ID,
    POSITIONS_PER_QUARTER,
    duration_id,
    metre_id,
    nearest,
    tempo_id,
)
from mmbert.symbolic.phrases import DURATION, ONSET, PITCH, TASKS, UNIT, PhraseTable, Task
from mmbert.symbolic.windows import WINDOW_BARS
from mmbert.types import Stream

STEPS = {"completion": 140, "accompaniment": 60}
EQUAL_TIME = {"completion": 5.0, "accompaniment": 3.9}  # steps of the pair scorer in the time of one of these
LISTS, RATE, DECAY = 8, 5e-4, 0.02
SHOWN = (0, 1, 5, 9, 10, 11)  # of a list of 13: the right one, one of its work, one near, three at random
QUERIES = 60  # of each source, evenly spaced, so that all works have some
MOST_NOTES = 112  # of a sequence; the rest is left out
PROGRAMS = {"melody": 80, "accompaniment": 0}
VELOCITY, BPM = 20, 120.0
SETS = ("paper", "hard")
ROWS = ("pretrained", "scratch", "relations", "relations, released", "pretrained + relations")
_STEP = UNIT // POSITIONS_PER_QUARTER
_SCORED = 64  # queries with their lists at once


def octuples(table: PhraseTable, part: str, first_bar: int) -> tuple[np.ndarray, np.ndarray]:
    """Notes of one part of phrases after the shift to no sharps or flats, int64 [n, 8], and each one's phrase."""
    notes, start = getattr(table, part), getattr(table, f"{part}_start")
    phrase = np.repeat(np.arange(len(table)), np.diff(start))
    pairs, which = np.unique(table.metre, axis=0, return_inverse=True)
    metre = np.array([metre_id(*nearest(*pair)[:2]) for pair in pairs.tolist()])[which.reshape(-1)]
    length = (table.length // WINDOW_BARS)[phrase]
    onset = notes[:, ONSET].astype(np.int64)
    columns = [
        np.minimum(onset // length, WINDOW_BARS - 1) + first_bar,
        np.minimum(onset % length // _STEP, LONGEST_BAR - 1),
        np.full(len(phrase), PROGRAMS[part]),
        np.clip(notes[:, PITCH].astype(np.int64) + table.shift[phrase], 0, 127),
        duration_id(np.maximum(notes[:, DURATION] // _STEP, 1)),
        np.full(len(phrase), VELOCITY),
        metre[phrase],
        np.full(len(phrase), tempo_id(np.array([BPM]))[0]),
    ]
    return np.stack(columns, axis=1), phrase


def sequences(queries: PhraseTable, documents: PhraseTable, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of phrases, row by row, as padded sequences: int64 [N, T, 8] and bool [N, T]."""
    other, first_bar = ("melody", WINDOW_BARS) if task == "completion" else ("accompaniment", 0)
    (one, of_one), (two, of_two) = octuples(queries, "melody", 0), octuples(documents, other, first_bar)
    notes, of = np.concatenate([one, two]), np.concatenate([of_one, of_two])
    order = np.lexsort((notes[:, 3], notes[:, 2], notes[:, 1], notes[:, 0], of))
    notes, of = notes[order], of[order]
    count = np.bincount(of, minlength=len(queries))
    at = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    kept = at < MOST_NOTES
    tokens = np.tile(np.array(PAD_ID, np.int64), (len(queries), min(int(count.max()), MOST_NOTES), 1))
    tokens[of[kept], at[kept]] = notes[kept]
    return tokens, np.arange(tokens.shape[1]) < count[:, None]


class Together(nn.Module):
    """Octuples of two phrases to a score: Octuple BERT, bars, shared transformer, head."""

    def __init__(self, model: MmbertModel) -> None:
        super().__init__()
        self.symbolic, self.bars, self.shared = model.symbolic, model.bars, model.shared
        width = model.config.dim + 2 * model.config.symbolic_dim
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 128), nn.GELU(), nn.Linear(128, 1))

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """int64 [N, T, 8] and bool [N, T] to float [N]."""
        n, bars = len(tokens), 2 * WINDOW_BARS
        states = self.symbolic(tokens, valid).float()
        segment = (torch.arange(n)[:, None] * bars + tokens[..., 0])[valid]
        pooled, there = self.bars(states[valid], segment, n * bars)
        position = torch.arange(bars).expand(n, bars)
        cls = self.shared([Stream(pooled.view(n, bars, -1), there.view(n, bars), "score", position)])
        mean = (states * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)
        most = states.masked_fill(~valid[..., None], -torch.inf).amax(1)
        return self.head(torch.cat([cls.float(), mean, most], dim=1))[:, 0]

    def of_rows(self, table: PhraseTable, task: Task, queries: np.ndarray, documents: np.ndarray) -> Tensor:
        """Scores float [q, n] of queries int64 [q] with documents int64 [q, n]. Sequences of near lengths go together:
        padding would be half of the work."""
        of = np.repeat(queries, documents.shape[1])
        tokens, valid = sequences(table.rows(of), table.rows(documents.ravel()), task)
        order = np.argsort(valid.sum(axis=1), kind="stable")
        said = []
        for some in np.array_split(order, max(len(order) // 24, 1)):
            longest = int(valid[some].sum(axis=1).max())
            said.append(self(torch.from_numpy(tokens[some, :longest]), torch.from_numpy(valid[some, :longest])))
        back = torch.from_numpy(np.argsort(order, kind="stable"))
        return torch.cat(said).float()[back].view(documents.shape)


def taught(
    examples: Examples, onsets: tuple[np.ndarray, np.ndarray], pretrained: bool, seed: int, steps: int
) -> Together:
    """The scorer, taught by a softmax over lists."""
    torch.manual_seed(seed)
    released = MmbertModel.from_pretrained(default_weights())
    scorer = Together(released if pretrained else MmbertModel(released.config))

    def loss_of(rng: np.random.Generator) -> Tensor:
        query, answer = examples.draw(rng, LISTS)
        documents, there = (x[:, SHOWN] for x in lists(rng, examples, onsets, query, answer))
        with half_precision():
            said = scorer.of_rows(examples.found.table, examples.task, query, documents)
        sums = said.masked_fill(torch.from_numpy(~there), -1e4)
        return F.cross_entropy(sums, torch.zeros(len(query), dtype=torch.long))

    learned = [p for part in (scorer.symbolic, scorer.bars, scorer.shared, scorer.head) for p in part.parameters()]
    teach(learned, loss_of, steps=steps, rate=RATE, decay=DECAY, seed=seed)
    return scorer.eval()


@torch.no_grad()
def scores(scorer: Together, table: PhraseTable, task: Task, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """float32 [q, n]; of -1 nought."""
    out = []
    for begin in range(0, len(queries), _SCORED):
        rows = np.maximum(documents[begin : begin + _SCORED], 0)
        with half_precision():
            out.append(scorer.of_rows(table, task, queries[begin : begin + _SCORED], rows).numpy())
    return np.where(documents >= 0, np.concatenate(out), 0)


@dataclass(frozen=True, eq=False)
class Asked:
    """Some questions of one source."""

    source: str
    phrases: WorkPhrases
    candidates: Candidates


def questions(task: Task, data: Path | None) -> list[Asked]:
    """Evenly spaced queries of every source's validation works, with their short lists."""
    out = []
    for source in SOURCES:
        phrases, every = load_asked(task, source, data, "validation")
        rows = np.unique(np.linspace(0, len(every.queries) - 1, QUERIES).astype(np.int64))
        lists_ = {name: every.lists[name][rows] for name in SETS}
        out.append(
            Asked(source, phrases, Candidates(every.queries[rows], every.answers[rows], lists_, every.open[rows]))
        )
    return out


def run(examples: Examples, seed: int, steps: int, asked: list[Asked], compared: bool) -> dict[str, Any]:
    """Teach those of one seed and measure them; with the pair scorers where they are compared."""
    taken: dict[str, dict[str, float]] = {}
    together: dict[str, Together] = {}
    found, task = examples.found, examples.task
    onsets = onsets_of(found.table, task)
    for name in ("pretrained", "scratch"):
        began = time.process_time()
        together[name] = taught(examples, onsets, name == "pretrained", seed, steps)
        taken[name] = {"steps": steps, "seconds": round(time.process_time() - began)}
    pairs: dict[str, PairScorer] = {}
    if compared:
        as_many = round(steps * EQUAL_TIME[task])
        began = time.process_time()
        pairs["relations"] = pair_scorers.train(found, task, seed, replace(pair_scorers.HOW[task], steps=as_many))
        taken["relations"] = {"steps": as_many, "seconds": round(time.process_time() - began)}
        pairs["relations, released"] = PhraseModel.from_pretrained().pairs[task]
    measured = []
    for one in asked:
        candidates, table = one.candidates, one.phrases.table
        for name in SETS:
            shown = candidates.lists[name]
            said = {k: scores(s, table, task, candidates.queries, shown) for k, s in together.items()}
            said |= {k: pair_scores(s, table, candidates.queries, shown) for k, s in pairs.items()}
            if compared:
                both = (said["pretrained"], said["relations"])
                said["pretrained + relations"] = np.sum([_standard(s, shown >= 0) for s in both], axis=0)
            which, standings = ranks({k: _as_they_are(s, candidates) for k, s in said.items()}, candidates, name)
            works = one.phrases.cluster[candidates.queries[which]].tolist()
            ranked = {k: np.round(s.reciprocal_rank(), 4).tolist() for k, s in standings.items()}
            measured.append({"source": SHORT[one.source], "set": name, "works": works, "reciprocal_ranks": ranked})
    return {"task": task, "seed": seed, "taken": taken, "measured": measured}


def _standard(said: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Less a list's mean, by its deviation."""
    count = there.sum(axis=1, keepdims=True)
    off = np.where(there, said - np.where(there, said, 0).sum(axis=1, keepdims=True) / count, 0)
    return off / np.maximum(np.sqrt((off**2).sum(axis=1, keepdims=True) / count), 1e-6)


def _as_they_are(said: np.ndarray, candidates: Candidates) -> Scorer:
    row = {int(query): i for i, query in enumerate(candidates.queries)}
    return lambda queries, shown: said[[row[int(q)] for q in queries]][:, : shown.shape[1]]


def table_of(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """MAP of every row: mean and spread over seeds; of ``pretrained`` less ``scratch`` with its 95 % over works."""
    out: list[dict[str, Any]] = []
    for i, place in enumerate(runs[0]["measured"]):
        ranked = [r["measured"][i]["reciprocal_ranks"] for r in runs]
        line: dict[str, Any] = {"source": place["source"], "set": place["set"]}
        for row in ROWS:
            means = [float(np.mean(r[row])) for r in ranked if row in r]
            line[row] = {"mean": float(np.mean(means)), "spread": float(np.ptp(means))}
        gains = [np.mean(r["pretrained"]) - np.mean(r["scratch"]) for r in ranked]
        begun, anew = (np.mean([r[row] for r in ranked], axis=0) for row in ("pretrained", "scratch"))
        d = paired_bootstrap(begun, anew, np.array(place["works"]))
        line["gain"] = {"mean": d.mean, "low": d.low, "high": d.high, "spread": float(np.ptp(gains))}
        out.append(line)
    return out


def main() -> int:
    """Teach what has not been taught, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="a folder of phrases")
    parser.add_argument("--out", type=Path, required=True, help="where every run leaves its JSON file")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help="of both tasks, for a quick look")
    parser.add_argument("--data", type=Path, help="folder of data zips; else MMBERT_DATA")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    found: WorkPhrases | None = None
    told: dict[str, Any] = {}
    for task in args.tasks:
        asked: list[Asked] = []
        examples: Examples | None = None
        runs = []
        for seed in args.seeds:
            path = args.out / f"{task}-{seed}.json"
            if not path.exists():
                print(f"{task}, seed {seed}", file=sys.stderr)
                found = found or load_phrases(args.pack)
                asked = asked or questions(task, args.data)
                examples = examples or Examples.of(found, task)
                made = run(examples, seed, args.steps or STEPS[task], asked, seed == args.seeds[0])
                path.write_text(json.dumps(made) + "\n")
            runs.append(json.loads(path.read_text()))
        told[task] = {"runs": [{"seed": r["seed"], **r["taken"]} for r in runs], "map": table_of(runs)}
    if args.json:
        print_json(told)
        return 0
    for task, said in told.items():
        table = Table("source", "set", *ROWS, "pretrained - scratch", title=task)
        for line in said["map"]:
            gain = line["gain"]
            cells = [f"{line[row]['mean']:.3f} ({line[row]['spread']:.3f})" for row in ROWS]
            cells.append(f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}] ({gain['spread']:.3f})")
            table.add_row(line["source"], line["set"], *cells)
        stdout_console().print(table)
        for one in said["runs"]:
            stdout_console().print(one)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
