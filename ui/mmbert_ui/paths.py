"""Where a file lies, as told to people who may sit elsewhere: below the folder of music, never the whole path.

Requests name pieces by id alone; nothing is ever looked up by a path that came in.
"""

from __future__ import annotations

import os
from collections.abc import Sequence


def shown_path(path: str, sources: Sequence[str]) -> str:
    """A file's path from the name of the folder on that the library was built from; else its name alone.

    >>> shown_path("/home/ann/Music/jigs/door.abc", ["/home/ann/Music"])
    'Music/jigs/door.abc'
    >>> shown_path("/home/ann/Music/jigs/door.abc", ["/home/ann/Music", "/home/ann/Music/jigs"])
    'jigs/door.abc'
    >>> shown_path("/home/ann/tune.mid", ["/home/ann/tune.mid"]), shown_path("/elsewhere/x.mid", ["/home/ann/Music"])
    ('tune.mid', 'x.mid')
    """
    for source in sorted(sources, key=len, reverse=True):
        if path.startswith(source.rstrip(os.sep) + os.sep):
            return os.path.join(os.path.basename(source.rstrip(os.sep)), os.path.relpath(path, source))
    return os.path.basename(path)


def unplaced(text: str, library: str | os.PathLike[str]) -> str:
    """Words about a library without the folders above it.

    >>> unplaced("Run: mmbert index verify /home/ann/music.mmbert", "/home/ann/music.mmbert")
    'Run: mmbert index verify music.mmbert'
    """
    whole = os.fspath(library)
    return text.replace(whole, os.path.basename(whole.rstrip(os.sep))) if os.path.isabs(whole) else text
