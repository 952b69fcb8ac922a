"""Which code a run was of."""

from __future__ import annotations

import subprocess
from functools import cache


@cache
def commit() -> str:
    """The short hash of the commit that is checked out, ``-dirty`` behind it where files differ from it; empty outside
    of a repository. It is looked up once a process, so ask before long work, during which it may change."""
    said = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    return subprocess.run(said, capture_output=True, text=True, check=False).stdout.strip()
