"""Where products of matrices are taken in bfloat16 while something is taught."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def half_precision(device: str = "cpu") -> AbstractContextManager[Any]:
    """bfloat16 where the device has it: nearly twice as fast. A processor without its instructions would take up to
    twenty times as long, and computes in float32."""
    if device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return nullcontext()
    return torch.autocast(device, torch.bfloat16)
