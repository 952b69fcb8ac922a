"""mmbert: search a folder of music by words, by example and by sound, on your own machine.

The public names are loaded when they are first used, so that ``import mmbert`` stays instant:

>>> import mmbert
>>> sorted(mmbert.__all__)
['Embedder', 'Library', 'MmbertError', 'load_items']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmbert.errors import MmbertError

if TYPE_CHECKING:
    from mmbert.api import Library
    from mmbert.embed import Embedder
    from mmbert.items import load_items

__version__ = "0.1.0"
__all__ = ["Embedder", "Library", "MmbertError", "load_items"]

_HOME = {"Library": "mmbert.api", "Embedder": "mmbert.embed", "load_items": "mmbert.items"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'mmbert' has no attribute {name!r}")
