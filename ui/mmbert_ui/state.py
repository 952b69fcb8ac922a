"""What one running page holds: the library, the files that were dropped, and the notes and sounds in use."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from mmbert.console import warn
from mmbert.errors import MmbertError
from mmbert.types import Answer, Facets, Item
from mmbert_ui.catalogue import Catalogue
from mmbert_ui.notes import Playable
from mmbert_ui.render import Renderer
from mmbert_ui.uploads import Upload, Uploads

PIECE_ID = re.compile(r"[0-9a-f]{32}-\d{1,6}")
UPLOAD_ID = re.compile(r"upload-[0-9a-f]{32}")
KEPT_PIECES = 256


class PageState:
    """Everything behind the handlers; safe to call from several threads.

    Args:
        library: ``mmbert.api.Library`` or what behaves like it; searches run one at a time.
        renderer: Plays scores with a SoundFont; None where the machine has none.
    """

    def __init__(self, library: Any, renderer: Renderer | None = None) -> None:
        self.library, self.renderer, self.uploads = library, renderer, Uploads()
        self._lock = threading.RLock()
        self._playables: OrderedDict[str, Playable] = OrderedDict()

    def search(self, words: str, *, like: Any = None, where: Sequence[str] = (), limit: int = 10) -> Answer:
        """Ask the library; ``like`` is an id or an item."""
        with self._lock:
            return self.library.search(words.strip() or None, like=like, where=tuple(where), limit=limit)

    def warm(self) -> None:
        """Load what the first question needs; what goes wrong is said here and again to who asks."""
        try:
            self.search("warm", limit=1)
        except MmbertError as e:
            warn(str(e))

    @cached_property
    def catalogue(self) -> Catalogue:
        """All pieces of the library."""
        return Catalogue(self.library.pieces())

    def upload(self, any_id: str) -> Upload | None:
        """A dropped file by its id."""
        return self.uploads.get(any_id) if UPLOAD_ID.fullmatch(any_id) else None

    def item(self, any_id: str) -> Item | None:
        """A piece of the library or a dropped file; None where the id names neither or its file is gone."""
        if UPLOAD_ID.fullmatch(any_id):
            upload = self.upload(any_id)
            return upload.item if upload else None
        if not PIECE_ID.fullmatch(any_id):
            return None
        try:
            return self.library.item(any_id)
        except (MmbertError, OSError):
            return None

    def playable(self, any_id: str) -> Playable | None:
        """The notes of a score by its id; None where there is none."""
        with self._lock:
            if any_id in self._playables:
                self._playables.move_to_end(any_id)
                return self._playables[any_id]
        item = self.item(any_id)
        if item is None or item.score is None:
            return None
        playable = Playable.of(item.score)
        with self._lock:
            self._playables[any_id] = playable
            while len(self._playables) > KEPT_PIECES:
                self._playables.popitem(last=False)
        return playable

    def facets(self, item: Item) -> Facets:
        """Facts of a dropped file, measured as a build measures them."""
        from mmbert.symbolic.facets import score_facets

        if item.score is None:
            return Facets(title=item.metadata.get("title"), composer=item.metadata.get("composer"))
        return score_facets(item.score, item.metadata)

    def close(self) -> None:
        """End the reading process and forget the dropped files."""
        self.uploads.close()
