"""Making a pack: read every work, measure it, write its sentences, encode them.

Works of the test split never enter, nor works that released weights may not see.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mmbert.errors import DataError, ItemError
from mmbert.facets import TOKENS, tokens_of
from mmbert.types import Facets
from mmbert_training.borrowed import Borrowed, read_borrowed
from mmbert_training.captions import Caption, caption, free_caption, names_caption
from mmbert_training.evaluate.hand_written import hand_written
from mmbert_training.imagined import imagined
from mmbert_training.manifest import Work, load_item, load_works
from mmbert_training.pack import (
    HAND,
    HIDDEN,
    IMAGINED,
    KNOWN,
    MANIFEST,
    MUSIC,
    SENTENCES,
    STATES,
    TEXTS,
    UNSEEN,
    VERSION,
    WORKS,
    PackConfig,
    digest,
    quantised,
)
from mmbert_training.phrases import NAMED, phrases
from mmbert_training.precision import half_precision

if TYPE_CHECKING:
    from mmbert.text.encoder import TextEncoder

T = TypeVar("T")
_ID = {token: i for i, token in enumerate(TOKENS)}
_ENCODE_AT_ONCE = 512
_HIDDEN_SHARE = 0.15  # of the word pieces of a sentence with hidden words
_PATTERNED = 12  # phrases of a name or key that are learned alone; the patterns around it recur


def build_pack(
    data: Path | None,
    folder: Path,
    config: PackConfig,
    text: tuple[str, str | None],
    advance: Callable[..., None] = lambda *a, **k: None,
) -> dict[str, Any]:
    """Write a pack and return its manifest; pieces that cannot be read are counted by their code.

    Args:
        data: The folder of data zips, or None for ``MMBERT_DATA``.
        folder: Where to write; made where missing.
        config: What goes in.
        text: The text model and its digest, as in ``ModelConfig``.
        advance: Called with 1 after each work.

    Raises:
        DataError: where the data are missing, or not one work could be read.
    """
    wanted = [w for w in load_works(data, config.sources) if w.split != "test" and w.releasable]
    advance(0, total=len(wanted))
    kept, facets, runs = [], [], []
    rejects: dict[str, int] = {}
    for work in wanted:
        try:
            found = _measured(work, config.passages)
        except ItemError as e:
            rejects[e.code] = rejects.get(e.code, 0) + 1
        else:
            kept.append(work)
            facets.append(found[0])
            runs.append(found[1])
        advance(1)
    if not kept:
        raise DataError(str(data or "MMBERT_DATA"), "holds no work that could be read", f"Rejects by code: {rejects}")
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / MUSIC, _music(runs + [[]] * config.imagined))
    rows = [{"id": w.id, "source": w.source, "cluster": w.cluster, "split": w.split} for w in kept]
    learned = [f for w, f in zip(kept, facets) if w.split == "train"]
    if not learned:
        raise DataError(str(data or "MMBERT_DATA"), "holds no work of the training split", "Name more sources")
    facets += imagined(learned, config.imagined, config.seed)
    names = [f"{IMAGINED}:{i}" for i in range(config.imagined)]
    rows += [{"id": name, "source": IMAGINED, "cluster": name, "split": IMAGINED} for name in names]
    (folder / WORKS).write_text(
        json.dumps([r | {"facets": f.known()} for r, f in zip(rows, facets)], ensure_ascii=False)
    )
    words = read_borrowed(data)
    captions = [*_captions(kept, facets, config, words), *_of_imagined(facets, len(kept), config, words)]
    captions += [(-1, KNOWN, c) for c in _phrases(config.seed)]
    _write_texts(folder, captions, _to_hide(captions, kept, config.hidden), text, config, advance)
    manifest = {
        "version": VERSION, "config": asdict(config), "text_model": text[0], "text_sha256": text[1],
        "tokens": len(TOKENS),
        "works": len(kept), "by_source": _count(w.source for w in kept), "by_split": _count(w.split for w in kept),
        "notes": int(sum(len(r[1]) for run in runs for r in run)), "sentences": len(captions), "rejects": rejects,
        "sha256": {n: digest(folder / n) for n in (WORKS, MUSIC, TEXTS, STATES, HIDDEN, SENTENCES)},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


# ---- music ---------------------------------------------------------------------------------------------


def _measured(work: Work, most: int) -> tuple[Facets, list[tuple[int, np.ndarray]]]:
    """Facets of a work and its passages: first bar and octuples."""
    from mmbert.symbolic.facets import score_facets
    from mmbert.symbolic.octuple import encode
    from mmbert.symbolic.windows import passages, timeline

    item = load_item(work)
    if item.score is None or not len(item.score.notes):
        raise ItemError(work.path, "holds no notes", code="E_NO_NOTES")
    facets = score_facets(item.score, item.metadata)
    runs = [r for r in passages(encode(timeline(item.score, facets.free_time))) if len(r.tokens)]
    if not runs:
        raise ItemError(work.path, "holds no notes that can be encoded", code="E_NO_NOTES")
    chosen = np.unique(np.linspace(0, len(runs) - 1, min(most, len(runs))).round().astype(int))
    return facets, [(int(runs[i].place.start_bar or 0), runs[i].tokens.astype(np.uint8)) for i in chosen]


def _music(runs: Sequence[Sequence[tuple[int, np.ndarray]]]) -> dict[str, np.ndarray]:
    flat = [r for run in runs for r in run]
    return {
        "octuples": np.concatenate([tokens for _, tokens in flat]),
        "passage_start": _starts([len(tokens) for _, tokens in flat]),
        "passage_bar": np.array([bar for bar, _ in flat], np.int64),
        "work_start": _starts([len(run) for run in runs]),
    }


# ---- sentences -----------------------------------------------------------------------------------------


def _captions(
    works: Sequence[Work], facets: Sequence[Facets], config: PackConfig, words: Borrowed
) -> Iterator[tuple[int, int, Caption]]:
    asked = {q.work: q for q in hand_written("validation")}
    for i, (work, known) in enumerate(zip(works, facets)):
        rng = _rng(config.seed, work.id)
        tokens = tokens_of(known)
        if work.split == "validation":
            for pool, name in ((KNOWN, "known"), (UNSEEN, "unseen")):
                for _ in range(2 if tokens else 0):
                    yield i, pool, caption(tokens, rng, name, (2, 5))  # type: ignore[arg-type]
            if work.id in asked:
                yield i, HAND, Caption(asked[work.id].text, asked[work.id].facts)
            continue
        for _ in range(config.captions):
            named = names_caption(work.metadata, rng) if rng.random() < config.names or not tokens else None
            if named or tokens:
                yield i, KNOWN, named or _told(known, config, words, rng)


def _of_imagined(
    facets: Sequence[Facets], first: int, config: PackConfig, words: Borrowed
) -> Iterator[tuple[int, int, Caption]]:
    for i in range(first, len(facets)):
        rng = _rng(config.seed, f"{IMAGINED}:{i - first}")
        for _ in range(config.imagined_captions if tokens_of(facets[i]) else 0):
            yield i, KNOWN, _told(facets[i], config, words, rng)


def _told(known: Facets, config: PackConfig, words: Borrowed, rng: np.random.Generator) -> Caption:
    """A caption: borrowed, free, or phrases alone."""
    kind = rng.random()
    borrowed = words.caption(known, rng) if kind < config.borrowed else None
    if borrowed:
        return borrowed
    if kind < config.borrowed + config.free:
        return free_caption(known, rng, words.asides)
    return caption(tokens_of(known), rng)


def _phrases(seed: int) -> list[Caption]:
    """Known phrases of every statement, of names and keys a few; every key with its mode."""
    said: list[Caption] = []
    keyed = [(k, m) for k in TOKENS if k.startswith("key=") for m in ("mode=major", "mode=minor")]
    for facts in [*((t,) for t in TOKENS), *keyed]:
        some = phrases("known").of(facts[0]) if len(facts) == 1 else phrases("known").of_key(*facts)
        if facts[0].split("=")[0] in NAMED:
            order = _rng(seed, facts[0]).permutation(len(some))
            some = tuple(some[i] for i in order[:_PATTERNED])
        said += [Caption(p, facts) for p in some]
    return said


def _rng(seed: int, name: str) -> np.random.Generator:
    digest_ = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest_[:8])]))


def _write_texts(
    folder: Path,
    captions: Sequence[tuple[int, int, Caption]],
    to_hide: Sequence[tuple[int, str]],
    text: tuple[str, str | None],
    config: PackConfig,
    advance: Callable[..., None],
) -> None:
    from mmbert.text.encoder import TextEncoder

    encoder = TextEncoder.load(*text)
    facts = np.zeros((len(captions), len(TOKENS)), bool)
    states: list[tuple[np.ndarray, np.ndarray]] = []
    lengths: list[int] = []
    advance(0, description="Sentences", total=len(captions))
    for some in _batched(captions):
        with half_precision():
            rows, mask = encoder.encode([c.text for _, _, c in some])
        states.append(quantised(rows[mask].float().cpu().numpy()))
        for row, (_, _, c) in enumerate(some, len(lengths)):
            facts[row, [_ID[f] for f in c.facts]] = True
        lengths += mask.sum(1).tolist()
        advance(len(some))
    arrays = {
        "sentence_start": _starts(lengths), "sentence_work": np.array([w for w, _, _ in captions], np.int64),
        "sentence_pool": np.array([p for _, p, _ in captions], np.uint8), "facts": facts,
    }  # fmt: skip
    codes, scale = (np.concatenate(parts) for parts in zip(*states))
    np.save(folder / STATES, codes)
    _save(folder / TEXTS, arrays | {"scale": scale} | _hide(folder, to_hide, encoder, codes.shape[1], config.seed))
    (folder / SENTENCES).write_text(json.dumps([c.text for _, _, c in captions], ensure_ascii=False))


def _to_hide(captions: Sequence[tuple[int, int, Caption]], works: Sequence[Work], most: int) -> list[tuple[int, str]]:
    """The first captions of each training work that state facts."""
    taken: dict[int, int] = {}
    out = []
    for work, _, c in captions:
        if 0 <= work < len(works) and works[work].split == "train" and c.facts and taken.get(work, 0) < most:
            taken[work] = taken.get(work, 0) + 1
            out.append((work, c.text))
    return out


def _hide(
    folder: Path, chosen: Sequence[tuple[int, str]], encoder: TextEncoder, dim: int, seed: int
) -> dict[str, np.ndarray]:
    """Sentences read with words hidden, to ``hidden.npy`` and arrays."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    states = [(np.zeros((0, dim), np.int8), np.zeros(0, np.float32))]
    lengths: list[int] = []
    places, pieces = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]
    for some in _batched(chosen):
        with half_precision():
            rows, mask, place, piece = encoder.encode_hidden([t for _, t in some], _HIDDEN_SHARE, generator)
        states.append(quantised(rows[mask].float().cpu().numpy()))
        places.append(place.cpu().numpy() + np.array([len(lengths), 0]))
        pieces.append(piece.cpu().numpy())
        lengths += mask.sum(1).tolist()
    codes, scale = (np.concatenate(parts) for parts in zip(*states))
    np.save(folder / HIDDEN, codes)
    words, word = np.unique(np.concatenate(pieces), return_inverse=True)
    return {
        "hidden_scale": scale, "hidden_start": _starts(lengths), "hidden_place": np.concatenate(places),
        "hidden_work": np.array([w for w, _ in chosen], np.int64), "hidden_word": word.astype(np.int64),
        "words": words,
    }  # fmt: skip


def _batched(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), _ENCODE_AT_ONCE):
        yield rows[start : start + _ENCODE_AT_ONCE]


# ---- files ---------------------------------------------------------------------------------------------


def _starts(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _save(path: Path, arrays: dict[str, Any]) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({k: torch.as_tensor(v).contiguous() for k, v in arrays.items()}, path)


def _count(values: Iterable[str]) -> dict[str, int]:
    out: dict[str, int] = {}
    for value in values:
        out[value] = out.get(value, 0) + 1
    return out
