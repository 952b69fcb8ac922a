"""Where a file lies, as told to people who may sit elsewhere: below the folder of music, never the whole path.

Requests name pieces by id alone; nothing is ever looked up by a path that came in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_FOLDERS = re.compile(r"(?<![\w:/.~])/(?:[^\s/'\"“”]+/)+")  # of a whole path; no part of an address of the web


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


def unplaced(text: str, *places: str | os.PathLike[str]) -> str:
    """Words without the folders above anything: above the places that are named, and of any other whole path.

    Args:
        text: What is told.
        places: Folders and files that the words may name, whose names may hold spaces.

    >>> unplaced("Run: mmbert index verify /home/ann/my music.mmbert", "/home/ann/my music.mmbert")
    'Run: mmbert index verify my music.mmbert'
    >>> unplaced("/srv/models/tiny/head.json is missing. See https://example.org/a/b or docs/HTTP.md")
    'head.json is missing. See https://example.org/a/b or docs/HTTP.md'
    """
    for place in sorted((os.fspath(p) for p in places), key=len, reverse=True):
        if os.path.isabs(place):
            text = text.replace(place, os.path.basename(place.rstrip(os.sep)))
    return _FOLDERS.sub("", text)
