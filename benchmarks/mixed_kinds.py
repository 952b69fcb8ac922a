"""How recordings and scores mix in one list of answers to words: as the truth has it, or one kind before the other?

    python benchmarks/mixed_kinds.py WORK [--recordings 100] [--scores 200] [--json]

Half a minute of some validation works is rendered with the fonts of training, other validation works are scores; all
become one library, the recordings under names that say nothing. WORK keeps what was heard and may be that of ``mmbert
eval recording-facets``, whose works are rendered: the library is given that, in place of sound to hear again.

Questions are captions of two to five facts, two of each piece; facts that half a minute has none of (bars, length,
density, form) are not said. What is true of a recording is what is true of the notes that sound in it. Printed are, for
each rule of mixing: the share of recordings among the first ten beside the share that an oracle has there, which counts
true facts and lets chance decide among equals; how far the two are apart in a question (mean); MRR of the first piece
of which all is true, nDCG of the first ten (gain 1 where all is true), and MRR of the questions for recordings and for
scores alone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from mmbert_indexer.build import build_library
from mmbert_training.captions import caption
from mmbert_training.evaluate.queries import FACTS, QUERIES, SEED, seed_of
from mmbert_training.evaluate.recording_facets import answerable
from mmbert_training.evaluate.rendered import SECONDS, draw_all, hear, one_a_cluster, scores_of
from mmbert_training.manifest import load_works, read
from mmbert_training.rendering import excerpt
from mmbert_training.sound_pack import heard_facets

from mmbert.api import Library
from mmbert.audio.chroma import recording_key
from mmbert.audio.listen import SoundFacts
from mmbert.audio.mel import FRAMES_A_SECOND
from mmbert.audio.tempo import estimate_tempo
from mmbert.embed import Embedder
from mmbert.errors import ItemError
from mmbert.facets import tokens_of
from mmbert.prepare import STATE, Prepared, prepare_heard
from mmbert.retrieval import fuse, search
from mmbert.retrieval.fuse import WEIGHTS, Lists
from mmbert.symbolic.facets import score_facets
from mmbert.types import Embedded

FIRST = 10
_RATE = 8000  # Hz, of the files
UNSAID = ("bars", "length", "density", "form")
Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A question and what its truth is.

    Attributes:
        text: The words.
        of_recording: Whether it was written for a recording.
        true: How many of its facts are true of each piece, of all: float [n], 0-1.
    """

    text: str
    of_recording: bool
    true: np.ndarray


def unlevelled(lists: Lists) -> np.ndarray:
    """Sums as they are, whatever kind of piece they are of."""
    usual, fuse._levelled = fuse._levelled, lambda recordings, others: recordings
    try:
        return fuse.fuse(lists)
    finally:
        fuse._levelled = usual


def throughout(weight: float) -> Callable[[Lists], np.ndarray]:
    """What is heard weighs the same, whatever a question states."""
    return lambda lists: fuse.fuse(lists, replace(WEIGHTS, sounds=weight, sounds_beside_facts=weight))


RULES: dict[str, Callable[[Lists], np.ndarray]] = {
    "released": fuse.fuse,
    "not levelled": unlevelled,
    **{f"sounds {weight:g} throughout": throughout(weight) for weight in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)},
}


@dataclass(frozen=True)
class Kept:
    """A rendering: what was counted in it, the states that mn04 made of it, float16 [seconds, 384], what is true."""

    counted: SoundFacts
    states: np.ndarray
    tokens: Tokens


class Remembering(Embedder):
    """Gives recordings, by the name of their file, what was heard in them before."""

    kept: dict[str, Kept]

    def hear(self, mel: np.ndarray) -> np.ndarray:
        """Nothing: the files of recordings are empty."""
        return np.zeros((round(len(mel) / FRAMES_A_SECOND), STATE), np.float16)

    def embed_prepared(self, ready: Sequence[Prepared]) -> list[Embedded | ItemError]:
        """As of any embedder."""
        return super().embed_prepared([self._remembered(p) for p in ready])

    def _remembered(self, p: Prepared) -> Prepared:
        one = self.kept.get(p.item.source.path.stem)
        return p if one is None else replace(prepare_heard(p.item, one.counted), states=one.states)


def written(folder: Path, work: Path, recordings: int, scores: int) -> dict[str, Kept]:
    """Write scores, and files in place of recordings; returns what was heard, by the name of its file."""
    works = scores_of(one_a_cluster(w for w in load_works(None) if w.split == "validation"))
    by_id, notes = {w.id: w for w, _ in works}, {w.id: score for w, score in works}
    drawn = draw_all(notes, "validation")
    played = answerable(drawn, by_id, notes)[:recordings]
    heard = {kind: hear(played, notes, work, kind) for kind in ("states", "chroma", "onsets")}
    kept = {}
    for i, (one, states, chroma, onsets) in enumerate(zip(played, heard["states"], heard["chroma"], heard["onsets"])):
        name, score = f"recording-{i:03d}", notes[one.work]
        ticks = np.full(round(SECONDS * _RATE), 0.1, np.float32)
        ticks[:: 2 + i] = -0.1  # files differ, else they would be one piece
        soundfile.write(folder / f"{name}.wav", ticks, _RATE)
        part = excerpt(score, one.start, SECONDS, one.speed)
        tokens = tokens_of(heard_facets(part, score_facets(score, by_id[one.work].metadata), one.speed))
        counted = SoundFacts(SECONDS, None, chroma, recording_key(chroma), estimate_tempo(onsets), ())
        kept[name] = Kept(counted, states, tokens)
    others = [one for one in drawn if one not in played]
    for i, one in enumerate(others[:scores]):
        suffix = Path(by_id[one.work].path.partition("#")[0]).suffix
        (folder / f"score-{i:03d}{suffix}").write_bytes(read(by_id[one.work]))
    return kept


def asked_of(library: Library, recordings: dict[str, Kept]) -> list[Asked]:
    """Two questions of each piece, in order of piece."""
    generation = library.generation
    names = [Path(path).stem for path in generation.pieces.path]
    own = (recordings[name].tokens if name in recordings else None for name in names)
    tokens = [tokens_of(generation.facets(row)) if some is None else some for row, some in enumerate(own)]
    said = [{t for t in some if t.split("=")[0] not in UNSAID} for some in tokens]
    found = []
    for name, true_of in zip(names, said):
        for n in range(QUERIES if true_of else 0):
            made = caption(tuple(sorted(true_of)), np.random.default_rng([SEED, seed_of(name), n]), "known", FACTS)
            true = np.array([np.mean([fact in some for fact in made.facts]) for some in said])
            found.append(Asked(made.text, name in recordings, true))
    return found


def lists_of(library: Library, question: str) -> Lists:
    """What each way of looking says of all pieces."""
    kept: list[Lists] = []
    search.fuse = lambda lists: kept.append(lists) or fuse.fuse(lists)  # type: ignore[attr-defined,func-returns-value]
    try:
        library.search(question, limit=1)
    finally:
        search.fuse = fuse.fuse  # type: ignore[attr-defined]
    return kept[0]


def expected_share(true: np.ndarray, recording: np.ndarray) -> float:
    """The share of recordings among the first ten by the number of true facts, equals in any order."""
    level = np.sort(true)[-FIRST]
    above, at = true > level, true == level
    left = FIRST - above.sum()
    return float((recording[above].sum() + left * recording[at].mean()) / FIRST)


def figures(asked: list[Asked], orders: list[np.ndarray], recording: np.ndarray) -> dict[str, float]:
    """One rule's row; ``orders`` are rows of pieces, best first."""
    share = np.array([recording[order[:FIRST]].mean() for order in orders])
    truth = np.array([expected_share(a.true, recording) for a in asked])
    reciprocal, gain = [], []
    discount = 1 / np.log2(np.arange(FIRST) + 2)
    for a, order in zip(asked, orders):
        right = a.true[order] == 1
        reciprocal.append(1 / (1 + int(right.argmax())))
        gain.append(float((right[:FIRST] * discount).sum() / discount[: min(FIRST, int(right.sum()))].sum()))
    of_recording = np.array([a.of_recording for a in asked])
    mrr = np.array(reciprocal)
    return {
        "share": float(share.mean()), "oracle_share": float(truth.mean()), "apart": float(np.abs(share - truth).mean()),
        "mrr": float(mrr.mean()), "ndcg@10": float(np.mean(gain)), "mrr_recordings": float(mrr[of_recording].mean()),
        "mrr_scores": float(mrr[~of_recording].mean()),
    }  # fmt: skip


def main(
    work: Annotated[Path, typer.Argument(help="Folder of what was heard.")],
    recordings: Annotated[int, typer.Option(min=1, help="Works that are rendered.")] = 100,
    scores: Annotated[int, typer.Option(min=1, help="Other works, as scores.")] = 200,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a row for each rule."""
    with tempfile.TemporaryDirectory() as scratch:
        music, folder = Path(scratch, "music"), Path(scratch, "library")
        music.mkdir()
        embedder = Remembering.from_pretrained()
        assert isinstance(embedder, Remembering)
        embedder.kept = written(music, work, recordings, scores)
        build_library(folder, [music], embedder)
        with Library.open(folder) as library:
            asked = asked_of(library, embedder.kept)
            lists = [lists_of(library, a.text) for a in asked]
            recording = np.array(library.generation.pieces.kind) == "recording"
    every = np.arange(len(recording))
    rows = {
        name: figures(asked, [fuse.ranking(rule(some), every) for some in lists], recording)
        for name, rule in RULES.items()
    }
    found = {"pieces": len(every), "recordings": int(recording.sum()), "questions": len(asked), "rows": rows}
    if as_json:
        print(json.dumps(found))
        return
    print(f"{found['questions']} questions, {found['recordings']} recordings among {found['pieces']} pieces")
    for name, row in rows.items():
        print(f"{name:22} " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
