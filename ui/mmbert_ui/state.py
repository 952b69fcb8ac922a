"""What one running page holds, and what one request of it sees: one state of the library, from start to end."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from mmbert.console import warn
from mmbert.errors import BusyError, LibraryError, MissingExtraError, MmbertError, WeightsError
from mmbert.follow import Follower
from mmbert.retrieval.in_words import sentence
from mmbert.retrieval.suggestions import Suggestions
from mmbert.symbolic.score import Score
from mmbert.titles import title_of
from mmbert.types import Answer, Embedded, Facets, Item, Kind
from mmbert_ui.catalogue import Catalogue
from mmbert_ui.found import FOUND_ID, FoundStore
from mmbert_ui.notes import Playable
from mmbert_ui.outside import outside
from mmbert_ui.paths import shown_path, unplaced
from mmbert_ui.recordings import Recordings
from mmbert_ui.render import Renderer
from mmbert_ui.uploads import Upload, Uploads

PIECE_ID = re.compile(r"[0-9a-f]{32}-\d{1,6}")
UPLOAD_ID = re.compile(r"upload-[0-9a-f]{32}")
KEPT_PIECES = 256
MOST_SEARCHES = 32  # at once; fewer than the server's threads, so that who is one too many is told so at once


class Site:
    """One running page: the library as builds change it, dropped files, sounds. Safe to call from several threads.

    Args:
        library: An open ``mmbert.api.Library``, or what behaves like it; it belongs to the page from now on.
        renderer: Plays scores with a SoundFont; None where the machine has none.
    """

    def __init__(self, library: Any, renderer: Renderer | None = None) -> None:
        forget = renderer.forget if renderer else lambda any_id: None
        self.renderer, self.recordings = renderer, Recordings()
        self.uploads, self.found = Uploads(self._embedder, forget), FoundStore(forget)
        self.following = Follower(library, self._prepare)
        self.places = threading.BoundedSemaphore(MOST_SEARCHES)
        self._lock, self._cataloguing = threading.Lock(), threading.Lock()
        self._playables: OrderedDict[str, Playable] = OrderedDict()
        self._catalogues: WeakKeyDictionary[Any, Catalogue] = WeakKeyDictionary()

    @contextmanager
    def now(self) -> Iterator[PageState]:
        """What a request sees until its block ends, whatever a build does meanwhile."""
        with self.following.reading() as library:
            yield PageState(self, library)

    def start(self) -> None:
        """Load what the first question and the first file need, and follow builds; returns at once."""

        def warm() -> None:
            try:
                with self.now() as state:
                    self._prepare(state.library)
            finally:
                self.following.start()

        threading.Thread(target=warm, name="warm", daemon=True).start()
        self.uploads.warm()

    def close(self) -> None:
        """End the reading process, forget the dropped files and what was found, close the library."""
        self.uploads.close()
        self.found.close()
        self.following.close()

    def outside(self, error: MmbertError) -> MmbertError:
        """An error without any path of this machine."""
        with self.now() as state:
            return state.outside(error)

    def catalogue_of(self, library: Any) -> Catalogue:
        """All pieces of one state of the library."""
        with self._cataloguing:
            if library not in self._catalogues:
                self._catalogues[library] = Catalogue(library.pieces(), library.sources)
            return self._catalogues[library]

    def playable(self, any_id: str, item: Any) -> Playable | None:
        """The notes of a score; a piece's id names the same notes for ever. ``item()`` gives the piece where it is new.

        Those of a dropped file are not kept: they go with the file.
        """
        with self._lock:
            if any_id in self._playables:
                self._playables.move_to_end(any_id)
                return self._playables[any_id]
        found = item()
        if found is None or found.score is None:
            return None
        playable = Playable.of(found.score)
        if UPLOAD_ID.fullmatch(any_id):
            return playable
        with self._lock:
            self._playables[any_id] = playable
            while len(self._playables) > KEPT_PIECES:
                self._playables.popitem(last=False)
        return playable

    def _embedder(self) -> Any:
        """Of the library as it is now; a later state of it has the same."""
        with self.now() as state:
            return state.library.embedder

    def _prepare(self, library: Any) -> None:
        """What goes wrong is said here and again to who asks."""
        try:
            _ = self.catalogue_of(library).examples
            library.search("warm", limit=1)
            library.complete(_scale(), limit=1)
        except MmbertError as e:
            warn(str(e))


def _scale() -> Score:
    """Four bars that nobody played: what the first question about a melody needs is loaded with them."""
    return Score.build([(i * 480, 480, 60 + i % 8, 80, 0, False, 0) for i in range(16)], 480, metre_map=[(0, 4, 4)])


class PageState:
    """What one request sees.

    Attributes:
        library: One state of the library.
        renderer: Plays scores; None where the machine has no SoundFont.
        uploads: The dropped files.
        found: What was suggested for melodies.
    """

    def __init__(self, site: Site, library: Any) -> None:
        self._site, self.library = site, library
        self.renderer, self.uploads, self.found = site.renderer, site.uploads, site.found

    def search(self, words: str, **question: Any) -> Answer:
        """Ask the library; what can be asked is what ``mmbert.api.Library.search`` takes.

        Raises:
            BusyError: as many others are searching as this server takes.
        """
        with self._place():
            return self.library.search(words.strip() or None, **question)

    def find_tune(self, item: Item | None, notes: str | None, asked: dict[str, Any]) -> Answer:
        """Where a tune comes from.

        Args:
            item: What holds it; or
            notes: as text.
            asked: ``where``, ``folder`` and ``limit`` of it hold, as in :meth:`search`.

        Raises:
            BusyError: as :meth:`search`.
        """
        more = {name: asked[name] for name in ("where", "folder", "limit") if name in asked}
        with self._place():
            return self.library.find_tune(item, notes=notes, **more)

    def find_same(self, like: Item | Embedded | str, asked: dict[str, Any]) -> Answer:
        """The scores of a recording, the recordings of a score.

        Args:
            like: A dropped file, or the id of a piece.
            asked: ``where``, ``modality``, ``folder`` and ``limit`` of it hold, as in :meth:`search`.

        Raises:
            BusyError: as :meth:`search`.
        """
        more = {name: asked[name] for name in ("where", "modality", "folder", "limit") if name in asked}
        with self._place():
            return self.library.find_same(like, **more)

    def suggest(self, task: str, melody: Item | Score, **question: Any) -> Suggestions:
        """What the library has for a melody: ``complete`` or ``accompany``, as ``mmbert.api.Library`` takes them.

        Raises:
            BusyError: as :meth:`search`.
        """
        with self._place():
            return getattr(self.library, task)(melody, **question)

    def in_words(self, any_id: str) -> dict[str, Any] | None:
        """``{sentence, heard, tags, phrases, left_out}`` of a piece or a dropped file; None where the id names neither.

        Where the model is missing or another, the sentence stands alone, the rest is None: facts need no model.

        Raises:
            BusyError: as :meth:`search`.
            ItemError: the dropped file cannot be embedded.
        """
        upload = self.upload(any_id)
        if upload is None and not self.has(any_id):
            return None
        try:
            with self._place():
                found = self.library.describe(upload.like if upload else any_id)
        except (WeightsError, LibraryError, MissingExtraError):
            facets = self.facets(upload) if upload else self.library.piece(any_id).facets
            kind = upload.item.kind if upload else self.library.piece(any_id).kind
            return {"sentence": sentence(facets, kind), "heard": None, "tags": None, "phrases": None, "left_out": None}
        return {name: found.to_json()[name] for name in ("sentence", "heard", "tags", "phrases", "left_out")}

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for those who need the model.

        Raises:
            BusyError: all are taken.
        """
        if not self._site.places.acquire(blocking=False):
            raise BusyError("The server", "has too many questions at once", "Ask again in a moment")
        try:
            yield
        finally:
            self._site.places.release()

    @property
    def catalogue(self) -> Catalogue:
        """All pieces of the library."""
        return self._site.catalogue_of(self.library)

    def shown_path(self, path: str) -> str:
        """A file of the library, as it is told to people who may sit elsewhere."""
        return shown_path(path, self.library.sources)

    def outside(self, error: MmbertError) -> MmbertError:
        """An error without any path of this machine."""
        weights = self.library.weights
        return outside(error, [self.library.path, *self.library.sources, *([weights] if weights else [])])

    @property
    def notice(self) -> str:
        """What is wrong with the library; empty where nothing is."""
        return unplaced(self.library.generation.notice, self.library.path)

    def has(self, piece_id: str) -> bool:
        """Whether the library holds a piece of this id."""
        try:
            return PIECE_ID.fullmatch(piece_id) is not None and self.library.piece(piece_id) is not None
        except MmbertError:
            return False

    def is_recording(self, any_id: str) -> bool:
        """Whether an id names a recording of the library."""
        return self.has(any_id) and self.library.piece(any_id).kind == "recording"

    def other_form(self, kind: Kind) -> Kind | None:
        """The form in which a piece's music may be found as well: of a recording its score, of a score its recordings;
        None where the library has none."""
        forms: dict[Kind, Kind] = {"recording": "score", "score": "recording"}
        other = forms.get(kind)
        return other if other in self.catalogue.kinds else None

    def flaws(self, piece_id: str) -> str:
        """What is wrong with a recording of the library; empty where nothing is."""
        return self.library.metadata(piece_id).get("flaws", "") if self.is_recording(piece_id) else ""

    def title(self, any_id: str) -> str:
        """What a dropped file or a piece of the library is called; empty where the id names neither."""
        upload = self.upload(any_id)
        if upload is not None:
            return title_of(upload.item.metadata.get("title"), upload.name)
        if not self.has(any_id):
            return ""
        piece = self.library.piece(any_id)
        return title_of(piece.title, piece.path)

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
        """The notes of a score by its id; None where there is none, or no longer."""
        if FOUND_ID.fullmatch(any_id):
            found = self.found.get(any_id)
            return found.playable if found else None
        if self.upload(any_id) is None and not self.has(any_id):
            return None
        return self._site.playable(any_id, lambda: self.item(any_id))

    def facets(self, upload: Upload) -> Facets:
        """Facts of a dropped file, measured as a build measures them."""
        from mmbert.symbolic.facets import score_facets

        item = upload.item
        if upload.embedded is not None:
            return upload.embedded.facets
        if item.score is None:
            return Facets(title=item.metadata.get("title"), composer=item.metadata.get("composer"))
        return score_facets(item.score, item.metadata)
