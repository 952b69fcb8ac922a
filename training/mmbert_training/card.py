"""The model card: what a checkpoint was made from, how, how good it is and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmbert_training.recipe import Recipe

# Source -> licence and what a release owes it; SOURCES.md has the whole story.
LICENCES = {
    "pop909": "MIT (music-x-lab/POP909-Dataset; the arrangements)",
    "openscore_lieder": "CC0 1.0 (OpenScore Lieder Corpus)",
    "openscore_quartets": "CC0 1.0 (OpenScore String Quartets)",
    "openewld": "public domain as stated by OpenEWLD; songs dated 1930 or earlier alone",
    "openhymnal": "public domain by file (Open Hymnal Project)",
    "freedoom_music": "BSD-3-Clause (Freedoom)",
    "simutrans_music": "Artistic License 1.0 (Simutrans)",
    "mutopia_sample": "by piece: public domain, CC BY or CC BY-SA (Mutopia Project)",
    "nottingham": "GPL-3.0 (Nottingham dataset, cleaned edition); tunes traditional",
}


def model_card(recipe: Recipe, manifest: dict[str, Any], events: Sequence[dict[str, Any]], command: str) -> str:
    """README.md of a checkpoint: Markdown with the hub's front matter."""
    validation = [e for e in events if e["event"] == "validation"]
    sources = "\n".join(f"| {s} | {n} | {LICENCES.get(s, 'not known')} |" for s, n in manifest["by_source"].items())
    stages = "\n".join(_stage_line(i, s, events) for i, s in enumerate(recipe.stages))
    return f"""---
license: apache-2.0
library_name: mmbert
tags: [music, symbolic-music, retrieval, text-to-music-retrieval]
---

# {recipe.name}

Words and scores in one space of {recipe.model.out_dim} dimensions: for searching MIDI, MusicXML and ABC by a
sentence or by an example.

    from mmbert import Embedder
    embedder = Embedder.from_pretrained("{recipe.name}")  # this folder

## How it was made

    {command}

{manifest["works"]} works ({manifest["by_split"].get("train", 0)} to learn from, the others to validate),
{manifest["notes"]} notes, {manifest["config"]["imagined"]} imagined pieces (facts of works mixed, without notes) and
{manifest["sentences"]} sentences written from facts. The test split of the works was not read. The sentences' token
states come from a frozen text model ({recipe.model.text_model}), which is no part of this checkpoint.
Seed {recipe.seed}; one run.

| stage | kind | steps | works a step | seconds |
|---|---|---|---|---|
{stages}

## Data and licences

| source | works | licence |
|---|---|---|
{sources}

Sentences are written for this project; for at most {manifest["config"]["borrowed"]:.0%} of the captions templates of
MuseCoco are filled (Lu et al. 2023; microsoft/muzic, MIT, Copyright (c) Microsoft Corporation), and into
{manifest["config"]["free"]:.0%} words are strewn that musicians noted in MusicCaps (Agostinelli et al. 2023, CC BY-SA
4.0; its evaluation part left out).

Weights: Apache-2.0. They hold no notes and no sentences of the data.

## Figures

{_figures(validation[-1]) if validation else "None: the run has no validation."}

## Limits

The sentences are written by rules from a closed list of facts (key, mode, metre, tempo, pace, instruments, form,
size, texture, register, dynamics): what they do not name, these weights do not know. Moods are derived by rule from
mode, speed, density and register. Two thirds of the works are European art songs, folk tunes and Chinese pop
arrangements; other music is far from them. The figures are of one seed. Mean reciprocal ranks depend on how many facts
a sentence holds and how many works there are: compare them with the row of a perfect reader of facts, not with other
papers.
"""


def _stage_line(number: int, stage: Any, events: Sequence[dict[str, Any]]) -> str:
    last = [e for e in events if e["event"] == "train" and e["stage"] == number]
    seconds = round(last[-1]["s_per_step"] * stage.steps) if last else 0
    return f"| {number + 1} | {stage.kind} | {stage.steps} | {stage.batch} | {seconds} |"


def _figures(event: dict[str, Any]) -> str:
    """Validation at the end of the last stage, as a table."""
    columns = ("facets", "notes", "both", "facts")
    head = "| wording | facets alone | notes alone | both | perfect reader of facts |\n|---|---|---|---|---|\n"
    rows = "\n".join(
        f"| {name} | " + " | ".join(f"{event[key][c]:.3f}" for c in columns) + " |"
        for name, key in (("known", "known"), ("unseen", "unseen"), ("hand-written", "hand"))
        if key in event
    )
    accuracy = ", ".join(f"{k} {v:.2f}" for k, v in event["masked_accuracy"].items())
    return (
        f"Mean reciprocal rank of the sentence's own work among {event['works']} validation works. Known and unseen "
        f"wording: sentences of two to five facts; hand-written: questions for some of the works.\n\n{head}{rows}"
        f"\n\nAccuracy on masked fields of notes: {accuracy}."
    )
