"""A toy pack of sounds: each work is a row of chords, and what plays it says a sound and shows in the states."""

from __future__ import annotations

import numpy as np
from mmbert_training.recording_words import Said
from mmbert_training.rendering import TRAIN
from mmbert_training.sound_pack import Heard, Sounds
from mmbert_training.tonal import resampled, unclean

from mmbert.facets import TOKENS, tokens_of
from mmbert.types import Facets

KINDS = (("flute", "pipe"), ("violin", "strings"), ("trumpet", "brass"), ("church organ", "organ"))
DIM = 256


def toy_sounds(works: int = 40, seed: int = 0) -> Sounds:
    rng = np.random.default_rng(seed)
    rows, heard, states, logits, chroma, scores = [], [], [], [], [], []
    for i in range(works):
        split = "validation" if i % 4 == 3 else "train"
        rows.append({"id": f"w{i}", "source": "toy", "cluster": f"w{i}", "split": split})
        roots = np.repeat(rng.integers(0, 12, 80), 3)
        score = np.zeros((240, 12), np.uint8)
        for up in (0, 4, 7):
            score[np.arange(240), (roots + up) % 12] = 147
        scores.append(score)
        kind = KINDS[(i // 2) % 4]
        for font in TRAIN if i % 2 == 0 else TRAIN[:1]:
            start, speed = float(rng.uniform(0, 50)), float(rng.uniform(0.8, 1.25))
            facets = Facets(instruments=(kind[0],), families=(kind[1],), mode="minor" if i % 3 else "major")
            heard.append(Heard(i, font, start, speed, False, facets))
            chroma.append(unclean(resampled(score, start * 2.5, speed, 60), rng))
            mean = np.zeros(384)
            mean[KINDS.index(kind)] = 2.0
            states.append((mean + 0.3 * rng.standard_normal((24, 384))).astype(np.float16))
            said = rng.standard_normal(527).astype(np.float32) - 5
            said[KINDS.index(kind)] += 6
            logits.append(said)
    return Sounds(
        tuple(rows), tuple(heard), np.concatenate(states), starts(states), np.array(logits), np.concatenate(chroma),
        starts(chroma), np.concatenate(scores), starts(scores),
    )  # fmt: skip


def toy_said(sounds: Sounds, seed: int = 0) -> Said:
    """Captions that name the instrument, as vectors that only the family decides."""
    rng = np.random.default_rng(seed)
    axes = unit(rng.standard_normal((4, DIM)))
    kind = np.array([[k[0] for k in KINDS].index(h.facets.instruments[0]) for h in sounds.heard])
    tokens = np.array([np.isin(TOKENS, tokens_of(h.facets)) for h in sounds.heard])
    facts = np.array([np.isin(TOKENS, [f"instrument={h.facets.instruments[0]}"]) for h in sounds.heard])
    labels = np.zeros((400, 527), bool)
    said = rng.integers(0, 4, 400)
    labels[np.arange(400), said] = True
    return Said(
        tokens=tokens, caption=unit(axes[kind] + 0.1 * rng.standard_normal((len(kind), DIM))).astype(np.float16),
        caption_of=np.arange(len(kind)), facts=facts, score=unit(axes[kind]).astype(np.float16),
        noted=unit(axes[said] + 0.1 * rng.standard_normal((400, DIM))).astype(np.float16), labels=labels,
    )  # fmt: skip


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def starts(runs: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(r) for r in runs])]).astype(np.int64)
