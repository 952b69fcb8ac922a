"""A library on disk: immutable generations of records and vectors, and the one file that names the current one."""

from __future__ import annotations

from mmbert.store.generations import Generation, LibraryFolder, open_library

__all__ = ["Generation", "LibraryFolder", "open_library"]
