"""How music and words become vectors: encoders, the shared transformer, heads, checkpoints."""

from __future__ import annotations

from mmbert.model.config import ModelConfig
from mmbert.model.mmbert import MmbertModel

__all__ = ["MmbertModel", "ModelConfig"]
