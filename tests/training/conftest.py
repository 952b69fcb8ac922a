"""A toy pack: works whose notes say their metre, register and pace, with sentences in a toy text model's states.

The toy text model has one state a fact; a hidden word is a fact whose state is nought.
"""

import zlib

import numpy as np
import pytest
from mmbert_training.augment import AugmentConfig
from mmbert_training.captions import caption
from mmbert_training.pack import HAND, KNOWN, UNSEEN, Pack, quantised
from mmbert_training.phrases import POOLS, phrases
from mmbert_training.recipe import Recipe, StageConfig
from mmbert_training.recording_words import Said
from mmbert_training.sound_pack import Sounds

from mmbert.facets import TOKENS, tokens_of
from mmbert.model.config import ModelConfig
from mmbert.symbolic.octuple import SIZES
from mmbert.types import Facets
from tests.training.toy_sounds import toy_said, toy_sounds

TEXT_DIM = 16
METRES = {"2/4": 10, "3/4": 20, "4/4": 30, "6/8": 40}  # ids are the toy's own


def fact_state(fact: str) -> np.ndarray:
    """The toy text model knows what each phrase means: one state a fact."""
    return np.random.default_rng(zlib.crc32(fact.encode())).normal(size=TEXT_DIM)


def toy_facets(i: int, rng: np.random.Generator) -> Facets:
    return Facets(
        key=str(rng.choice(["C", "D", "G", "A"])),
        mode=str(rng.choice(["major", "minor"])),
        metre=list(METRES)[i % 4],
        pace=float(rng.choice([1.0, 9.0])),
        bars=8,
        parts=1,
        pitch_low=(low := int(rng.choice([30, 60, 80]))),
        pitch_high=low + 10,
    )


def toy_notes(facets: Facets, rng: np.random.Generator) -> np.ndarray:
    per_bar = 2 if facets.pace == 1.0 else 6
    bar = np.repeat(np.arange(8), per_bar)
    n = len(bar)
    assert facets.pitch_low is not None
    columns = [
        bar, np.tile(np.arange(per_bar) * 4, 8), np.zeros(n), facets.pitch_low + rng.integers(0, 11, n),
        np.full(n, 16 // per_bar), np.full(n, 20), np.full(n, METRES[facets.metre or ""]), np.full(n, 30),
    ]  # fmt: skip
    return np.stack(columns, 1).astype(np.uint8)


def make_pack(works: int = 120, seed: int = 0) -> Pack:
    rng = np.random.default_rng(seed)
    facets = [toy_facets(i, rng) for i in range(works)]
    split = ["validation" if i % 5 == 4 else "train" for i in range(works)]
    runs = [toy_notes(f, rng) for f in facets]
    made = []
    for i, known in enumerate(facets):
        pools = [KNOWN] * 6 if split[i] == "train" else [KNOWN, UNSEEN]
        # A generator a caption: what the toy states does not depend on how many phrases the pools hold.
        draws = [np.random.default_rng([seed, i, n]) for n in range(len(pools))]
        made += [(i, p, caption(tokens_of(known), d, POOLS[p], (2, 4))) for p, d in zip(pools, draws)]
    texts = [(i, pool, c.text, c.facts) for i, pool, c in made]
    asked = [i for i, s in enumerate(split) if s == "validation"][::2]
    texts += [(i, HAND, f"written for {i}", tokens_of(facets[i])[:3]) for i in asked]
    true = sorted({t for f in facets for t in tokens_of(f)} | {t for t in TOKENS if t.startswith("key=")})
    texts += [(-1, KNOWN, p, (t,)) for t in true for p in phrases("known").of(t)[:8]]
    facts = np.array([[t in said for t in TOKENS] for _, _, _, said in texts])
    states = [np.stack([fact_state(f) for f in said]) for *_, said in texts]
    codes, scale = quantised(np.concatenate(states))
    gaps = [(i, c.facts, int(rng.integers(len(c.facts)))) for i, _, c in made[::6] if split[i] == "train"]
    words = sorted({said[place] for _, said, place in gaps})
    hidden = [np.stack([fact_state(f) * (k != place) for k, f in enumerate(said)]) for _, said, place in gaps]
    hidden_codes, hidden_scale = quantised(np.concatenate(hidden))
    starts = [np.concatenate([[0], np.cumsum([len(r) for r in rows])]) for rows in (runs, states, hidden)]
    return Pack(
        works=[{"id": f"w{i}", "source": "toy", "cluster": f"c{i}", "split": s} for i, s in enumerate(split)],
        facets=facets,
        octuples=np.concatenate(runs),
        passage_start=starts[0],
        passage_bar=np.zeros(works, np.int64),
        work_start=np.arange(works + 1),
        states=codes,
        scale=scale,
        sentence_start=starts[1],
        sentence_work=np.array([t[0] for t in texts]),
        sentence_pool=np.array([t[1] for t in texts], np.uint8),
        facts=facts,
        sentences=[t[2] for t in texts],
        hidden=hidden_codes,
        hidden_scale=hidden_scale,
        hidden_start=starts[2],
        hidden_work=np.array([i for i, _, _ in gaps]),
        hidden_place=np.array([(row, place) for row, (_, _, place) in enumerate(gaps)]),
        hidden_word=np.array([words.index(said[place]) for _, said, place in gaps]),
        words=np.arange(1000, 1000 + len(words)),  # ids of word pieces; the toy's mean nothing
    )


@pytest.fixture(scope="session")
def toy_pack() -> Pack:
    assert len(SIZES) == 8
    return make_pack()


@pytest.fixture(scope="session")
def toy_recipe() -> Recipe:
    model = ModelConfig(
        symbolic_dim=32, symbolic_layers=1, symbolic_heads=2, symbolic_ffn=64, field_dims=(8,) * 8, dim=32, layers=2,
        heads=2, ffn=64, out_dim=32, dropout=0.1, text_model="toy", text_dim=TEXT_DIM,
    )  # fmt: skip
    kinds = ("words", "notes", "together")
    stages = tuple(StageConfig(kind=k, steps=6, batch=16, lr=3e-3) for k in kinds)  # type: ignore[arg-type]
    return Recipe(name="toy", stages=stages, model=model, augment=AugmentConfig(), save_every=2, log_every=1)


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    """A small pack of sounds."""
    return toy_sounds()


@pytest.fixture(scope="module")
def words(sounds: Sounds) -> Said:
    """Its captions and vectors."""
    return toy_said(sounds)
