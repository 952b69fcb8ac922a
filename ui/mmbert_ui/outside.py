"""Errors as they are told to people who may sit elsewhere: in the same words, with no path of the server.

Every way out goes through here: JSON routes, the page, Gradio's functions, and what a build says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from mmbert.errors import MmbertError
from mmbert_ui.paths import shown_path, unplaced


def outside(error: MmbertError, places: Iterable[str | os.PathLike[str]] = ()) -> MmbertError:
    """The error for the world.

    Args:
        error: As it was raised.
        places: The library, its folders of music, its weights: their own names are told, nothing above them.

    >>> print(outside(MmbertError("/home/ann/my music/a.mid", "is damaged", "See /home/ann/my music/a.mid"), []))
    a.mid: is damaged. See a.mid
    >>> print(outside(MmbertError("/home/ann/my music/a.mid", "is damaged"), ["/home/ann/my music"]))
    my music/a.mid: is damaged.
    """
    known, subject = [os.fspath(place) for place in places], error.subject
    told = type(error).__new__(type(error), *error.args)  # a copy calls __init__, which of some takes other arguments
    told.__dict__ |= error.__dict__
    told.subject = shown_path(subject, known) if os.path.isabs(subject) else unplaced(subject, *known)
    told.fault, told.hint = (unplaced(text, *known, subject) for text in (error.fault, error.hint))
    return told


def error_words(error: MmbertError) -> dict[str, str]:
    """An error for the page: ``{fault, hint}``."""
    return {"fault": f"{error.subject} {error.fault}".strip(), "hint": error.hint}
