"""CLAP (Wu et al. 2023, "Large-scale contrastive language-audio pretraining") from a folder of published weights.

The folder is laid out as ``laion/clap-htsat-unfused`` on the Hugging Face hub. Its audio side is an encoder of
recordings, a vector for every ten seconds; its text side puts words into the same space. No weights are part of mmbert.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmbert.audio.encoder import AudioEncoder
from mmbert.errors import WeightsError
from mmbert.model.checkpoint import CONFIG

_FILES = (CONFIG, "preprocessor_config.json", "tokenizer_config.json")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_HINT = "Give the whole folder of a CLAP model, such as laion/clap-htsat-unfused"


class Clap(AudioEncoder):
    """Both sides of a CLAP model.

    Args:
        model: ``transformers.ClapModel``.
        features: Its ``ClapFeatureExtractor``.
        tokenizer: Of its text side.
    """

    def __init__(self, model: Any, features: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model, self.features, self.tokenizer = model.eval(), features, tokenizer
        self.rate, self.width = features.sampling_rate, model.config.projection_dim
        self.states_a_second = 1 / features.max_length_s

    @classmethod
    def load(cls, folder: Path) -> Clap:
        """The model of a folder.

        Raises:
            WeightsError: naming what is missing, or where the weights are damaged or of another model.
        """
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

        missing = [name for name in _FILES if not (folder / name).exists()]
        if not any((folder / name).exists() for name in _WEIGHTS):
            missing.append(_WEIGHTS[0])
        if missing:
            raise WeightsError(str(folder), f"misses {', '.join(missing)}", _HINT)
        here: dict[str, Any] = {"local_files_only": True}
        found: Any
        try:
            found = ClapModel.from_pretrained(folder, output_loading_info=True, **here)
            features = ClapFeatureExtractor.from_pretrained(folder, **here)
            tokenizer = AutoTokenizer.from_pretrained(folder, **here)
        except Exception as e:  # a damaged file may raise anything
            fault = f"is no CLAP model ({type(e).__name__}: {str(e).splitlines()[0]})"
            raise WeightsError(str(folder), fault, _HINT) from e
        model, info = found
        absent = sorted(info["missing_keys"])
        if absent:
            raise WeightsError(str(folder), f"misses {len(absent)} tensors of CLAP, such as {absent[0]}", _HINT)
        return cls(model, features, tokenizer)

    def layers(self, samples: Tensor) -> Tensor:
        length = round(self.rate / self.states_a_second)
        windows = max(1, samples.shape[1] // length)
        padded = F.pad(samples, (0, max(0, windows * length - samples.shape[1])))[:, : windows * length]
        parts = list(padded.reshape(-1, length).cpu().numpy())
        inputs = self.features(parts, sampling_rate=self.rate, return_tensors="pt").to(samples.device)
        vectors = self.model.audio_projection(self.model.audio_model(**inputs).pooler_output)
        return F.normalize(vectors, dim=-1).view(1, len(samples), windows, self.width)

    @torch.no_grad()
    def words(self, sentences: Sequence[str]) -> Tensor:
        """Sentences in the space of recordings, float [n, width] of unit length."""
        tokens = self.tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
        tokens = tokens.to(self.model.device)
        pooled = self.model.text_model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
        return F.normalize(self.model.text_projection(pooled), dim=-1)
