"""A frozen BERT sentence model read from its folder: token states, and nothing else of it.

Loading MiniLM through sentence-transformers takes five processor seconds, all but 0.2 of them for imports, and a
question from the command line waits for them. Architecture: Devlin et al. 2019, section 3 and appendix A. The states
are those that sentence-transformers gives, to within 1e-5 (held by a test).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F


class Bert:
    """Token states of sentences.

    Args:
        folder: ``config.json``, ``model.safetensors``, ``tokenizer.json`` and ``sentence_bert_config.json``.
        device: A torch device.

    Attributes:
        dim: Width of the states.

    Raises:
        OSError, ValueError, KeyError: a file is missing or is no such model's.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        config = json.loads((folder / "config.json").read_bytes())
        if (config["model_type"], config["hidden_act"]) != ("bert", "gelu"):
            raise ValueError("it is no BERT with GELU")
        self.dim, self._heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        self._eps, self._layers = float(config["layer_norm_eps"]), int(config["num_hidden_layers"])
        self.device = torch.device(device)
        self._weights = {k: v.to(self.device) for k, v in load_file(folder / "model.safetensors").items()}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        longest = json.loads((folder / "sentence_bert_config.json").read_bytes())["max_seq_length"]
        self._tokenizer.enable_truncation(int(longest))
        self._tokenizer.enable_padding(pad_id=int(config["pad_token_id"]))

    def states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """float32 [n, T, dim] and bool [n, T]; states where the mask is False mean nothing."""
        ids, mask = self.tokens(texts)
        return self.read(ids, mask), mask

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids of word pieces int64 [n, T], padded, and bool [n, T]; the first and last of a text are marks."""
        found = self._tokenizer.encode_batch(list(texts))
        mask = torch.tensor([f.attention_mask for f in found], dtype=torch.bool, device=self.device)
        return torch.tensor([f.ids for f in found], device=self.device), mask

    @property
    def mask_id(self) -> int:
        """The word piece that stands for a hidden one."""
        return self._tokenizer.encode("[MASK]", add_special_tokens=False).ids[0]

    def read(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Word pieces to states float32 [n, T, dim]."""
        seen = None if bool(mask.all()) else mask[:, None, None, :]
        w = self._weights
        x = F.embedding(ids, w["embeddings.word_embeddings.weight"])
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = self._norm(x, "embeddings")
        for i in range(self._layers):
            x = self._layer(x, seen, f"encoder.layer.{i}.")
        return x

    def _layer(self, x: Tensor, seen: Tensor | None, name: str) -> Tensor:
        q, k, v = (
            self._linear(x, f"{name}attention.self.{part}").unflatten(-1, (self._heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2)
        x = self._norm(x + self._linear(h, f"{name}attention.output.dense"), f"{name}attention.output")
        h = F.gelu(self._linear(x, f"{name}intermediate.dense"))
        return self._norm(x + self._linear(h, f"{name}output.dense"), f"{name}output")

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.LayerNorm.weight"], self._weights[f"{name}.LayerNorm.bias"]
        return F.layer_norm(x, (self.dim,), weight, bias, self._eps)
