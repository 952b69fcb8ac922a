"""The released model of phrases: vectors to shortlist by, and one score to order a shortlist by.

A folder like other checkpoints: ``config.json``, ``model.safetensors`` (float16), ``README.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mmbert.errors import WeightsError
from mmbert.model.checkpoint import CARD, CONFIG, WEIGHTS, read_weights
from mmbert.model.pair_scorer import AccompanimentScorer, CompletionScorer, PairInputs, PairScorer
from mmbert.model.phrase_towers import AccompanimentTowers, CompletionTowers, Towers
from mmbert.symbolic.phrase_pairs import accompaniment, completion, weighted
from mmbert.symbolic.phrase_profiles import accompaniments, melodies
from mmbert.symbolic.phrases import TASKS, PhraseTable, Task

PREPROCESSING = "2: 1079 traits; 32 slots of 39"
"""What is done to a phrase before a tower reads it. Count up when :mod:`mmbert.symbolic.phrase_traits` or
:mod:`mmbert.symbolic.phrase_slots` changes."""

_BATCH = 256
_HINT = "Copy the whole folder again, or train it: python -m mmbert_training.phrase_towers"
Weights = Mapping[Task, Mapping[str, float]]


class PhraseModel:
    """What follows a melody, and what sounds with it.

    Args:
        towers: Of each task.
        pairs: The pair scorer of each task.
        weights: Of each task's sum: by the names of :mod:`mmbert.symbolic.phrase_pairs`, ``towers`` and ``pair``.

    Attributes:
        fingerprint: SHA-256 over all that decides a vector. An index stores it and refuses another. Pair scorers and
            the weights of the sum are not in it: vectors stay what they are.
        dims: Width of the vectors of each task.
    """

    def __init__(self, towers: Mapping[Task, Towers], pairs: Mapping[Task, PairScorer], weights: Weights) -> None:
        self.towers = {task: towers[task].eval() for task in TASKS}
        self.pairs = {task: pairs[task].eval() for task in TASKS}
        self.weights = {task: dict(weights[task]) for task in TASKS}
        self.dims: Mapping[Task, int] = {task: towers[task].out for task in TASKS}
        self.fingerprint = _fingerprint(self.towers)

    @classmethod
    def from_pretrained(cls, folder: Path | None = None) -> PhraseModel:
        """The model of a folder: float32, on the CPU.

        Args:
            folder: None for the released weights inside the package.

        Raises:
            WeightsError: where a file is missing or damaged, or they do not belong together.
        """
        folder = default_phrase_weights() if folder is None else folder
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            weights = {task: {str(k): float(v) for k, v in config["weights"][task].items()} for task in TASKS}
            stated = config["fingerprint"]
        except OSError as e:
            raise WeightsError(str(folder), "is no folder of phrase weights", _HINT) from e
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise WeightsError(str(folder / CONFIG), f"is damaged ({type(e).__name__}: {e})", _HINT) from e
        towers: dict[Task, Towers] = {"completion": CompletionTowers(), "accompaniment": AccompanimentTowers()}
        pairs: dict[Task, PairScorer] = {"completion": CompletionScorer(), "accompaniment": AccompanimentScorer()}
        parts = _parts(towers, pairs)
        read = read_weights(folder, {k: tuple(v.shape) for k, v in parts.state_dict().items()})
        parts.load_state_dict({k: v.float() for k, v in read.items()})
        model = cls(towers, pairs, weights)
        if model.fingerprint != stated:
            raise WeightsError(str(folder), "the fingerprint is not that of these weights", _HINT)
        return model

    def save(self, folder: Path, card: str) -> None:
        """Write a folder; what float16 rounds off is lost in this model too, so that both give the same vectors."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = _parts(self.towers, self.pairs)
        half = {k: v.detach().to(torch.float16).contiguous() for k, v in parts.state_dict().items()}
        parts.load_state_dict({k: v.float() for k, v in half.items()})
        self.fingerprint = _fingerprint(self.towers)
        save_file(half, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / WEIGHTS).chmod(0o644)
        config = {
            "fingerprint": self.fingerprint,
            "dims": dict(self.dims),
            "weights": {task: {k: round(v, 6) for k, v in self.weights[task].items()} for task in TASKS},
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (folder / CARD).write_text(card, encoding="utf-8")

    def query_vectors(self, table: PhraseTable, task: Task) -> np.ndarray:
        """Unit vectors to ask with, float32 [P, dims[task]].

        Raises:
            ValueError: for a phrase without a melody note.
        """
        return _vectors(self.towers[task].query, table, self.towers[task].read_query, self.dims[task])

    def document_vectors(self, table: PhraseTable, task: Task) -> np.ndarray:
        """Unit vectors of what may be found, float32 [P, dims[task]].

        Raises:
            ValueError: for a phrase without a melody note.
        """
        return _vectors(self.towers[task].document, table, self.towers[task].read_document, self.dims[task])

    def scores(self, query: PhraseTable, documents: PhraseTable, task: Task, products: np.ndarray) -> np.ndarray:
        """What to order a shortlist by, float32 [n]; comparable within one query alone.

        Args:
            query: One phrase.
            documents: n phrases.
            task: What is asked.
            products: float [n], inner products of the query's vector with the documents'.

        Raises:
            ValueError: where the query is not one phrase, or there are more or fewer products than documents.
        """
        if len(query) != 1:
            raise ValueError(f"query: {len(query)} phrases, not one")
        if len(products) != len(documents):
            raise ValueError(f"products: {len(products)} for {len(documents)} documents")
        figures = {"towers": np.asarray(products, np.float32), "pair": self._pair(query, documents, task)}
        if task == "completion":
            pairs = completion(melodies(query), melodies(documents))
        else:
            pairs = accompaniment(melodies(query), accompaniments(documents))
        figures |= {name: row[0] for name, row in pairs.items()}
        return weighted(figures, self.weights[task]).astype(np.float32)

    @torch.no_grad()
    def _pair(self, query: PhraseTable, documents: PhraseTable, task: Task) -> np.ndarray:
        scorer = self.pairs[task]
        inputs = PairInputs(scorer.read_query(query), scorer.read_document(documents))
        return inputs.scores(scorer, np.zeros(1, np.int64), np.arange(len(documents))[None])[0].numpy()


def default_phrase_weights() -> Path:
    """Folder of the released weights inside the installed package."""
    return Path(__file__).parent.parent / "pretrained" / "mmbert-phrases"


def _parts(towers: Mapping[Task, Towers], pairs: Mapping[Task, PairScorer]) -> nn.ModuleDict:
    parts: dict[str, nn.Module] = {f"{task}_towers": towers[task] for task in TASKS}
    return nn.ModuleDict(parts | {f"{task}_pair": pairs[task] for task in TASKS})


@torch.no_grad()
def _vectors(
    side: Callable[[Tensor], Tensor], table: PhraseTable, read: Callable[[PhraseTable], np.ndarray], dim: int
) -> np.ndarray:
    if (np.diff(table.melody_start) == 0).any():
        raise ValueError("table: a phrase without a melody note")
    rows = np.arange(len(table))
    out = np.zeros((len(table), dim), np.float32)
    for begin in range(0, len(table), _BATCH):
        some = rows[begin : begin + _BATCH]
        out[some] = side(torch.from_numpy(read(table.rows(some)))).numpy()
    return out


def _fingerprint(towers: Mapping[Task, Towers]) -> str:
    digest = hashlib.sha256(PREPROCESSING.encode())
    for task in TASKS:
        state: dict[str, Tensor] = towers[task].state_dict()
        for name in sorted(state):
            half = state[name].detach().to(torch.float16).contiguous()
            digest.update(f"\n{task} {name} {tuple(half.shape)}\n".encode())
            digest.update(half.numpy().tobytes())
    return digest.hexdigest()
