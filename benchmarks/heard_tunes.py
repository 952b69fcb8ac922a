"""Tunes as they are heard in a recording: how well they are set in bars, and how several voices are told from one.

    python benchmarks/heard_tunes.py metre [--json]
    python benchmarks/heard_tunes.py voices [--works 40] [--json]

Validation works alone, one a cluster. ``metre``: of the first half minute of each melody the onsets are moved by 20 ms
(one deviation) and set in bars (:mod:`mmbert.audio.barred`), once by themselves and once with the metre said; printed
for each metre is how often metre and tempo are right, and the tempo with its multiples. ``voices``: half a minute of
each work is rendered with FluidR3_GM, once its melody alone and once all of it, transcribed and looked at
(:func:`mmbert.audio.heard_tune.together`); printed is the share of recordings of each kind that lie above a share
of time, from which on several voices are said to sound.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import numpy as np
import typer
from mmbert_training.evaluate.rendered import RATE, draw_all, one_a_cluster, scores_of
from mmbert_training.manifest import load_works
from mmbert_training.rendering import TRAIN, excerpt, render

from mmbert.audio.barred import barred
from mmbert.audio.heard_tune import together
from mmbert.audio.transcribe import leading, transcribe
from mmbert.console import print_json
from mmbert.symbolic.melody import voices as divided
from mmbert.symbolic.score import Score
from mmbert.symbolic.tune_line import tune_line
from mmbert.types import Recording

SECONDS, UNEVEN_S, NEAR, SEED = 30.0, 0.02, 0.04, 0
LEAST = 16  # notes of a melody
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
MULTIPLES = (1, 2, 3, 1 / 2, 1 / 3, 3 / 2, 2 / 3)

app = typer.Typer(add_completion=False)
Json = Annotated[bool, typer.Option("--json")]


def validation_scores() -> dict[str, Score]:
    """Validation works by id, one a cluster."""
    works = one_a_cluster(w for w in load_works(None) if w.split == "validation")
    return {work.id: score for work, score in scores_of(works)}


class Blocks(list):
    """Sound that is all there."""

    flaw, clipped = "", 0


# ---- metre -----------------------------------------------------------------------------------------------------------


def played(score: Score, rng: np.random.Generator) -> Score | None:
    """The melody's first half minute as people play it; None where it is too short or has no one metre and tempo."""
    if len(score.tempo_map) != 1 or len({tuple(m) for m in score.bar_metres[1:].tolist()}) != 1:
        return None
    line = tune_line(score)
    line = line[line["second"] < line["second"][:1] + SECONDS]
    if len(line) < LEAST:
        return None
    second = np.maximum.accumulate(line["second"] - line["second"][0] + rng.normal(0, UNEVEN_S, len(line)).clip(-0.05))
    length = line["duration"] * 60 / float(score.tempo_map["bpm"][0])
    rows = [
        (round(960 * (at + 0.1)), max(1, round(960 * long)), pitch, 80, 0, False, 0)
        for at, long, pitch in zip(second.tolist(), length.tolist(), line["pitch"].tolist(), strict=True)
    ]
    return Score.build(rows, 480)


@app.command()
def metre(as_json: Json = False) -> None:
    """How often metre and tempo are right, the metre being said or not."""
    rng, found = np.random.default_rng(SEED), defaultdict(list)
    for score in validation_scores().values():
        if (heard := played(score, rng)) is None:
            continue
        true = (int(score.bar_metres[-1][0]), int(score.bar_metres[-1][1]))
        bpm, row = float(score.tempo_map["bpm"][0]), []
        for said in (None, true):
            set_in_bars = barred(heard, said)
            if set_in_bars is None:
                break
            ratio = float(set_in_bars.tempo_map["bpm"][0]) / bpm
            near = [abs(ratio / times - 1) < NEAR for times in MULTIPLES]
            if said is None:
                row.append(tuple(set_in_bars.bar_metres[0].tolist()) == true)
            row += [near[0], any(near)]
        else:
            found["{}/{}".format(*true)].append(row)
            found["all"].append(row)
    names = ("metre", "tempo", "or a multiple", "tempo, metre said", "or a multiple, metre said")
    table = {
        name: {"tunes": len(rows)} | dict(zip(names, np.mean(rows, axis=0).round(3).tolist(), strict=True))
        for name, rows in sorted(found.items())
    }
    _tell(table, as_json)


# ---- voices ----------------------------------------------------------------------------------------------------------


def shares(works: int) -> dict[str, list[float]]:
    """Share of time in which several voices sound, of single lines and of full pieces."""
    scores, found = validation_scores(), {"single lines": [], "full pieces": []}
    fit = {}
    for work, score in scores.items():
        cut = divided(score)
        if cut.rule != "skyline" and len(cut.melody) >= LEAST and len(cut.accompaniment) > len(cut.melody):
            fit[work] = score
    for one in draw_all(fit, "validation")[:works]:
        score = fit[one.work]
        for kind, part in (("single lines", score.with_notes(divided(score).melody)), ("full pieces", score)):
            if len(excerpt(part, one.start, SECONDS, one.speed).notes) < LEAST:
                continue
            sound = render(part, TRAIN[0], start=one.start, seconds=SECONDS, speed=one.speed)
            heard = transcribe(Recording(RATE, lambda sound=sound: Blocks([sound])))
            found[kind].append(together(leading(heard)))
    return found


@app.command()
def voices(works: Annotated[int, typer.Option(min=1)] = 40, as_json: Json = False) -> None:
    """In what share of time several voices sound."""
    found = shares(works)
    table: dict[str, dict[str, Any]] = {}
    for kind, values in found.items():
        cut = np.percentile(values, [5, 25, 50, 75, 95]).round(3).tolist()
        above = {f"above {share:g}": round(float(np.mean(np.array(values) > share)), 3) for share in SHARES}
        table[kind] = {"recordings": len(values), "percentiles 5, 25, 50, 75, 95": cut} | above
    _tell(table, as_json)


def _tell(table: dict[str, dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(table)
        return
    for name, row in table.items():
        print(f"{name:13}", "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    app()
