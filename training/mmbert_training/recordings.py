"""The recording stream of a model, taught beside everything else as it is.

    python -m mmbert_training.recordings PACK WEIGHTS OUT --data DIR

reads a pack of sounds (:mod:`mmbert_training.sound_pack`) and a checkpoint, teaches what reads recordings and writes a
checkpoint with it. Nothing that the checkpoint held changes by a bit: rows of scores and words stay what they are, and
so does the calibration, which is copied under the new fingerprint.

A batch holds renderings, some of them two of one excerpt, each shown as named sounds, as seconds or as both, half of
them beside facts: the instruments that are heard, and now and then the key or the tempo. They are drawn to the words
that are true of them and to no others, to the vector of their score, and to their other rendering. Beside them stand
*imagined recordings* (the bridge): labels that people gave to real recordings as mn04 would say them, with noise and
gaps, drawn to what people wrote about those recordings and to the names of sounds; they keep renderings from teaching
that all music sounds like a sound font.

Four objectives more are there to be measured (:mod:`mmbert_training.recording_ablation`) and are off: named sounds told
from the vector, those of captions by the same head, hidden seconds told apart, and mutual information with the vectors
of score and words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from mmbert.audio.mn04 import Mn04
from mmbert.audio.sounds import heard, sound_names
from mmbert.embed import Embedder
from mmbert.metrics import standing
from mmbert.model import MmbertModel, checkpoint
from mmbert.model.facets import facet_ids
from mmbert.objectives.alignment import pairs, pull
from mmbert.objectives.contrastive import Temperature, info_nce
from mmbert.objectives.facts import facts_loss
from mmbert.objectives.mutual import mutual_loss
from mmbert.objectives.vectors import mask_spans, masked_vectors_loss
from mmbert.retrieval.sound_words import SoundWords
from mmbert.types import Facets, Modality
from mmbert_training.phrase_teaching import teach
from mmbert_training.recording_heads import RecordingHeads
from mmbert_training.recording_words import Said, said
from mmbert_training.rendering import TRAIN
from mmbert_training.sound_pack import Sounds, load_sounds

_SHOWN = ((True, True), (True, False), (False, True))  # (named sounds, seconds) of a third of the rows each
_LEAST_S = 5  # of a rendering that are shown
_COUNTED = 0.5  # shares of rows with facts that show a key, and a tempo
_BUCKETS = 4  # of rows by length: most of a batch would be padding else
_LABEL = (1.0, 4.0)  # standard deviations by which an imagined recording's label stands out


@dataclass(frozen=True)
class How:
    """How the stream is taught; chosen on validation works.

    Attributes:
        steps: Batches.
        batch: Works a batch.
        bridge: Imagined recordings a batch.
        rate: The largest learning rate.
        decay: Of weights.
        words: Weight of the contrast with captions.
        score: Of the pull towards the vector of the score.
        other: Of the contrast with the other rendering.
        labels: Of the contrast of imagined recordings.
        sounds: Of the classification of named sounds: of renderings by mn04's own probabilities, of imagined recordings
            by the labels that people gave. A mean over 527 sounds, most of them absent, is small: so are its gradients.
        told: Of the same classification, by the same head, of what people wrote.
        masked: Of hidden seconds, among the seconds of their recording.
        mutual: Of MIM with the vectors of the score and of a caption, neither of which is ever an input.
        facts: Share of renderings that stand beside facts.
        noise: Standard deviations of noise on imagined recordings' labels.
        gaps: Share of their labels that are dropped.
    """

    steps: int = 500
    batch: int = 64
    bridge: int = 96
    rate: float = 2e-3
    decay: float = 0.05
    words: float = 1.0
    score: float = 0.5
    other: float = 0.3
    labels: float = 0.5
    sounds: float = 0.0
    told: float = 0.0
    masked: float = 0.0
    mutual: float = 0.0
    facts: float = 0.5
    noise: float = 0.7
    gaps: float = 0.3


def with_recordings(old: MmbertModel) -> MmbertModel:
    """The same model with a recording stream that has not learned anything; all else is frozen."""
    kept: tuple[Modality, ...] = tuple(m for m in old.config.modalities if m != "recording")
    model = MmbertModel(replace(old.config, modalities=(*kept, "recording")))
    missing = model.load_state_dict(
        {k: v for k, v in old.state_dict().items() if not belongs(k)}, strict=False
    ).missing_keys
    if left := [name for name in missing if not belongs(name)]:
        raise ValueError(f"old: has no {', '.join(left)}")
    weight = model.shared.weight
    if "facets" in weight:  # what is heard begins with as much weight as facts: one number learns too slowly
        weight["recording"].data.copy_(weight["facets"].data)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(belongs(name))
    return model


def belongs(name: str) -> bool:
    """Whether a parameter is of the recording stream alone."""
    return name.startswith(("recording.", "shared.norms.recording.")) or name in (
        "shared.modality.recording",
        "shared.weight.recording",
    )


class Teacher:
    """What a batch is made of.

    Args:
        sounds: A pack.
        words: Frozen vectors of its words and scores.
        model: With a recording stream.
        how: Sizes and weights.

    Attributes:
        figures: What the objectives said of the last batch beside their losses.
    """

    def __init__(self, sounds: Sounds, words: Said, model: MmbertModel, how: How) -> None:
        self.sounds, self.words, self.model, self.how = sounds, words, model, how
        self.ear = Mn04.load()
        self.temperature, self.wide = Temperature(), Temperature()
        rows = sounds.rows("train")
        self.rows: dict[int, list[int]] = {}
        for row in rows.tolist():
            self.rows.setdefault(sounds.heard[row].work, []).append(row)
        self.works = np.array(sorted(self.rows))
        order = np.argsort(words.caption_of, kind="stable")
        bounds = np.searchsorted(words.caption_of[order], np.arange(len(sounds) + 1))
        self.captions = [order[a:b] for a, b in pairwise(bounds)]
        if model.recording is None:
            raise ValueError("model: has no recording stream")
        self.encoder = model.recording
        self.heads = RecordingHeads(model.config)
        self.figures: dict[str, Tensor] = {}

    def learned(self) -> list[torch.nn.Parameter]:
        """What a step changes."""
        beside = (self.temperature, self.wide, self.heads)
        return [*self.own(), *(p for module in beside for p in module.parameters())]

    def own(self) -> list[torch.nn.Parameter]:
        """What of it makes vectors."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Of one batch."""
        how, words = self.how, self.words
        works = rng.choice(self.works, min(how.batch, len(self.works)), replace=False)
        rows = np.array([row for w in works.tolist() for row in rng.permutation(self.rows[w])[:2]])
        runs = self._runs(rows, rng)
        vectors = self._vectors(rows, runs, rng)
        work = torch.tensor([self.sounds.heard[r].work for r in rows])
        parts = [how.words * self._words(rows, vectors, work, rng)]
        score = torch.from_numpy(words.score[rows].astype(np.float32))
        parts.append(how.score * pull(vectors, score))
        if how.other:
            own = ~torch.eye(len(rows), dtype=torch.bool)
            positive = (work[:, None] == work[None, :]) & own
            if bool(positive.any()):
                parts.append(how.other * info_nce(self.wide() * vectors @ vectors.T, positive, ~own))
        if how.labels or how.sounds or how.told:
            parts.append(self._bridge(rng))
        if how.sounds:
            named = torch.from_numpy(self.sounds.logits[rows]).sigmoid()
            parts.append(how.sounds * self._named(vectors, named))
        if how.masked:
            parts.append(how.masked * self._masked(runs))
        if how.mutual:
            parts.append(how.mutual * self._mutual(rows, vectors, score, work, rng))
        return torch.stack(parts).sum()

    def encoded(
        self, runs: Sequence[np.ndarray], shown: Tensor | None = None, facts: Sequence[Facets | None] | None = None
    ) -> Tensor:
        """Unit vectors [n, d] of renderings.

        Args:
            runs: States, float16 [seconds, 384] each.
            shown: bool [n, 2], whether named sounds and seconds are shown; None for both.
            facts: What is counted of each, to be shown with the instruments that are heard; None for no facts.
        """
        states, mask, logits = self._heard(runs)
        told = None
        if facts is not None:
            told = [[] if f is None else facet_ids(_heard(f, row)) for f, row in zip(facts, logits.numpy())]
        return self.joined(states, mask, logits, shown, told)

    def joined(
        self,
        states: Tensor,
        mask: Tensor,
        logits: Tensor,
        shown: Tensor | None = None,
        told: Sequence[Sequence[int]] | None = None,
    ) -> Tensor:
        """Unit vectors [n, d] of what was heard.

        Args:
            states: float [n, T, 384].
            mask: bool [n, T].
            logits: float [n, 527].
            shown: bool [n, 2], whether named sounds and seconds are shown; None for both.
            told: Facet tokens beside them; None for no facts.
        """
        if shown is None:
            shown = torch.ones(len(states), 2, dtype=torch.bool)
        length = mask.sum(1) * shown[:, 1]
        order = length.argsort(stable=True)
        found = []
        for some in order.chunk(_BUCKETS):
            seconds = slice(int(length[some].max()))
            facets = None if told is None else [told[i] for i in some.tolist()]
            found.append(self._alike(states[some, seconds], mask[some, seconds], logits[some], shown[some], facets))
        return torch.cat(found)[order.argsort()]

    def _alike(
        self, states: Tensor, mask: Tensor, logits: Tensor, shown: Tensor, told: Sequence[Sequence[int]] | None
    ) -> Tensor:
        """As :meth:`joined`, of rows that are about as long."""
        stream = self.model.encode_recording(states, mask, logits)
        seen = torch.cat([shown[:, :1], shown[:, 1:].expand(-1, mask.shape[1])], dim=1)
        stream = replace(stream, mask=stream.mask & seen)
        streams = [stream] if told is None else [stream, self.model.encode_facets(told)]
        return self.model.project(self.model.join(streams), "document")

    def imagined(self, labels: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Unit vectors [n, d] of recordings of which people named the sounds, bool [n, 527]."""
        kept = labels & (rng.random(labels.shape) >= self.how.gaps)
        kept |= labels & ~kept.any(1, keepdims=True)
        standard = kept * rng.uniform(*_LABEL, labels.shape) + rng.normal(0, self.how.noise, labels.shape)
        logits = torch.from_numpy(standard.astype(np.float32)) * self.encoder.deviation + self.encoder.mean
        none = torch.zeros(len(labels), 1, dtype=torch.bool)
        return self.joined(torch.zeros(len(labels), 1, self.sounds.states.shape[1]), none, logits)

    def _runs(self, rows: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """States of a part of each rendering."""
        runs = []
        for row in rows.tolist():
            states = self.sounds.states_of(row)
            n = int(rng.integers(min(_LEAST_S, len(states)), len(states) + 1))
            at = int(rng.integers(len(states) - n + 1))
            runs.append(states[at : at + n])
        return runs

    def _vectors(self, rows: np.ndarray, runs: Sequence[np.ndarray], rng: np.random.Generator) -> Tensor:
        """Unit vectors [n, d] of parts of renderings, shown as named sounds, seconds or both."""
        shown = np.array(_SHOWN)[rng.integers(len(_SHOWN), size=len(rows))]
        counted = [_counted(self.sounds.heard[r].facets, rng) for r in rows]
        facts = [c if rng.random() < self.how.facts else None for c in counted]
        return self.encoded(runs, torch.from_numpy(shown), facts)

    def _heard(self, runs: Sequence[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
        """States, their mask, and what mn04 names over all of each run."""
        states, mask = padded(runs)
        with torch.no_grad():
            return states, mask, self.ear.sounds((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    def _words(self, rows: np.ndarray, vectors: Tensor, work: Tensor, rng: np.random.Generator) -> Tensor:
        some = [int(rng.choice(self.captions[r])) for r in rows if len(self.captions[r])]
        some = [*dict.fromkeys(some)]
        text = torch.from_numpy(self.words.caption[some].astype(np.float32))
        facts = torch.from_numpy(self.words.facts[some])
        of = torch.tensor([self.sounds.heard[r].work for r in self.words.caption_of[some]])
        told = torch.from_numpy(self.words.tokens[rows])
        keep = told.any(1)
        same = (text @ text.T) > 1 - 1e-4
        positive, ignored = pairs(facts, told[keep], of, work[keep], same)
        return info_nce(self.temperature() * text @ vectors[keep].T, positive, ignored)

    def _bridge(self, rng: np.random.Generator) -> Tensor:
        how = self.how
        some = rng.choice(len(self.words.noted), how.bridge, replace=False)
        labels = self.words.labels[some]
        text = torch.from_numpy(self.words.noted[some].astype(np.float32))
        hot = torch.from_numpy(labels.astype(np.float32))
        parts = [torch.zeros(())]
        if how.labels or how.sounds:
            vectors = self.imagined(labels, rng)
            shared = hot @ hot.T
            alike = shared / (hot.sum(1)[:, None] + hot.sum(1)[None, :] - shared).clamp(min=1) > 0.5
            positive = torch.eye(len(some), dtype=torch.bool)
            parts.append(how.labels * info_nce(self.temperature() * text @ vectors.T, positive, alike))
            parts.append(how.sounds * self._named(vectors, hot))
        if how.told:
            parts.append(how.told * self._named(text, hot))
        return torch.stack(parts).sum()

    def _named(self, vectors: Tensor, true: Tensor) -> Tensor:
        """Classification of named sounds, float [n, 527] in 0-1, from unit vectors [n, d]."""
        wide = vectors * vectors.shape[1] ** 0.5  # numbers about 1: a few steps move a linear head by too little else
        logits = self.encoder.mean + self.encoder.deviation * self.heads.sounds(wide)
        return facts_loss(logits, true, torch.ones_like(true, dtype=torch.bool))

    def _masked(self, runs: Sequence[np.ndarray]) -> Tensor:
        states, mask, logits = self._heard(runs)
        hidden = mask_spans(mask)
        stream = self.model.encode_recording(states, mask, logits)
        shown = torch.where(hidden[..., None], self.heads.hidden, stream.states[:, 1:])
        # Named sounds are of hidden seconds too: that token is not seen.
        seen = torch.cat([torch.zeros_like(mask[:, :1]), mask], dim=1)
        stream = replace(stream, states=torch.cat([stream.states[:, :1], shown], dim=1), mask=seen)
        last = self.model.shared.every_layer([stream])[-1][:, 2:]  # behind [CLS] and named sounds
        loss, figures = masked_vectors_loss(self.heads.second(last), states, hidden, mask)
        self.figures |= figures
        return loss

    def _mutual(
        self, rows: np.ndarray, vectors: Tensor, score: Tensor, work: Tensor, rng: np.random.Generator
    ) -> Tensor:
        told = [int(rng.choice(self.captions[r])) if len(self.captions[r]) else -1 for r in rows]
        text = torch.from_numpy(self.words.caption[told].astype(np.float32))
        same = work[:, None] == work[None, :]
        losses = []
        for name, critic, other, usable in (
            ("score", self.heads.with_score, score, score.any(1)),
            ("caption", self.heads.with_caption, text, torch.tensor(told) >= 0),
        ):
            loss, found = mutual_loss(critic, vectors, other, usable, same)
            self.figures |= {f"{figure}_{name}": value for figure, value in found.items()}
            losses.append(loss)
        return torch.stack(losses).mean()


def taught(
    sounds: Sounds, words: Said, old: MmbertModel, seed: int, how: How, kind: type[Teacher] = Teacher
) -> Teacher:
    """A teacher of which what makes vectors has learned; all else is as in ``old``."""
    torch.manual_seed(seed)
    teacher = kind(sounds, words, with_recordings(old), how)
    usual = SoundWords.load()
    teacher.encoder.mean.copy_(torch.from_numpy(usual.mean))
    teacher.encoder.deviation.copy_(torch.from_numpy(usual.deviation))
    teach(teacher.learned(), teacher.loss, steps=how.steps, rate=how.rate, decay=how.decay, seed=seed)
    teacher.model.eval()
    return teacher


def train(sounds: Sounds, words: Said, old: MmbertModel, seed: int, how: How) -> MmbertModel:
    """A model with a recording stream that has learned; all else is as in ``old``."""
    return taught(sounds, words, old, seed, how).model


def asked(sounds: Sounds, words: Said) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Validation: renderings int64 [n], one a work, captions int64 [q] and where among the n the own one of each is."""
    first: dict[int, int] = {}
    for row in sounds.rows("validation").tolist():
        if words.tokens[row].any():
            first.setdefault(sounds.heard[row].work, row)
    rows = np.array([*first.values()])
    captions = np.flatnonzero(np.isin(words.caption_of, rows))
    return rows, captions, np.searchsorted(rows, words.caption_of[captions])


@torch.inference_mode()
def reciprocal_ranks(teacher: Teacher) -> dict[str, np.ndarray]:
    """Captions of validation works among their renderings (:func:`asked`), float64 [q] by row.

    ``both`` shows named sounds and seconds, ``with facts`` besides the instruments that are heard.
    """
    rows, captions, own = asked(teacher.sounds, teacher.words)
    text = teacher.words.caption[captions].astype(np.float32)
    runs = [teacher.sounds.states_of(r) for r in rows.tolist()]
    scores = {}
    for name, shown in (("both", None), ("sounds", (True, False)), ("seconds", (False, True))):
        seen = None if shown is None else torch.tensor([shown]).expand(len(runs), -1)
        scores[name] = text @ teacher.encoded(runs, seen).numpy().T
    scores["with facts"] = text @ teacher.encoded(runs, None, [Facets()] * len(runs)).numpy().T
    return {name: standing(s, own).reciprocal_rank() for name, s in scores.items()}


def measured(model: MmbertModel, sounds: Sounds, words: Said) -> dict[str, float]:
    """Mean of :func:`reciprocal_ranks`, between chance and what others reach.

    ``facts`` counts how many statements of a caption are true (a perfect reader); ``score`` asks the frozen vectors of
    the scores.
    """
    rows, captions, own = asked(sounds, words)
    text = words.caption[captions].astype(np.float32)
    others = {
        "chance": np.zeros((len(captions), len(rows))),
        "score": text @ words.score[rows].astype(np.float32).T,
        "facts": words.facts[captions].astype(np.float32) @ words.tokens[rows].T.astype(np.float32),
    }
    found = reciprocal_ranks(Teacher(sounds, words, model, How()))
    found |= {name: standing(s, own).reciprocal_rank() for name, s in others.items()}
    return {name: float(ranks.mean()) for name, ranks in found.items()}


def _heard(facets: Facets, logits: np.ndarray) -> Facets:
    """Facts with the instruments that are heard, as :class:`mmbert.audio.ears.Ears` has them."""
    said = heard(logits, sound_names())
    return replace(facets, instruments=said.instruments, families=said.families, has_drums=said.has_drums or None)


def _counted(facets: Facets, rng: np.random.Generator) -> Facets:
    """What may be counted in a recording's sound: now and then its key, now and then its tempo."""
    keyed, timed = rng.random(2) < _COUNTED
    return Facets(
        key=facets.key if keyed else None,
        mode=facets.mode if keyed else None,
        tempo_bpm=facets.tempo_bpm if timed else None,
    )


def padded(runs: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """States [seconds, d] of some recordings as a batch float32 [n, T, d], and its mask."""
    lengths = torch.tensor([len(run) for run in runs])
    states = torch.zeros(len(runs), int(lengths.max()), runs[0].shape[1])
    for row, run in zip(states, runs):
        row[: len(run)] = torch.from_numpy(run.astype(np.float32))
    return states, torch.arange(states.shape[1]) < lengths[:, None]


_CARD = """
## Recordings

`encode_recording` reads what mn04 (`mmbert/pretrained/mn04`, frozen) says of a recording: a state a second, and the
logits of AudioSet's 527 sounds. Its encoder was taught by

    python -m mmbert_training.sound_pack PACK
    python -m mmbert_training.recordings PACK WEIGHTS OUT

on {rows} renderings of {works} training works (FluidSynth with {fonts}; {steps} steps, seed {seed}),
with everything else frozen, and on labels and captions of MusicCaps (Agostinelli et al. 2023, CC BY-SA 4.0; AudioSet's
evaluation part left out). Captions in known wording among renderings of {validation} validation works, mean reciprocal
rank:

| shown | |
|---|---|
| nothing (chance) | {chance:.3f} |
| named sounds | {sounds:.3f} |
| seconds | {seconds:.3f} |
| both | {both:.3f} |
| both, beside the instruments that are heard | {with_facts:.3f} |
| the score instead | {score:.3f} |
| a perfect reader of facts | {facts:.3f} |

What is known of real recordings comes from mn04; renderings are easier than they are.
"""


def _main(
    pack: Annotated[Path, typer.Argument(help="A pack of sounds.")],
    weights: Annotated[Path, typer.Argument(help="The checkpoint folder that is taught.")],
    out: Annotated[Path, typer.Argument(help="Where the checkpoint is written.")],
    data: Annotated[Path | None, typer.Option(help="Folder of data zips; else MMBERT_DATA.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Batches.")] = How.steps,
    seed: int = 1,
) -> None:
    """Teach a checkpoint to read recordings."""
    sounds, embedder = load_sounds(pack), Embedder.from_pretrained(weights)
    words = said(sounds, pack, embedder, data)
    before = measured(embedder.model, sounds, words) if "recording" in embedder.model.config.modalities else None
    model = train(sounds, words, embedder.model, seed, How(steps=steps))
    found = measured(model, sounds, words)
    rows = sounds.rows("train")
    card = (weights / checkpoint.CARD).read_text(encoding="utf-8").partition("\n## Recordings\n")[0] + _CARD.format(
        rows=len(rows), works=len({sounds.heard[r].work for r in rows}), fonts=" and ".join(TRAIN), steps=steps,
        seed=seed, validation=len({sounds.heard[r].work for r in sounds.rows("validation")}),
        **{name.replace(" ", "_"): value for name, value in found.items()},
    )  # fmt: skip
    fingerprint = checkpoint.save(model, out, card)
    if embedder.calibration:
        embedder.calibration.save(out, fingerprint)
    typer.echo(json.dumps(found | {"before": before}))


if __name__ == "__main__":
    typer.run(_main)
