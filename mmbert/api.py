"""The public class: a library that is open, and the questions that can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmbert.audio.sounds import SOUNDS
from mmbert.errors import ItemError, LibraryError, UsageError
from mmbert.retrieval.chroma_match import ChromaIndex
from mmbert.retrieval.complete import open_phrases, suggest
from mmbert.retrieval.conditions import all_of, allowed, checked_modality
from mmbert.retrieval.describe import LIMIT, Subject, describe
from mmbert.retrieval.example import Like, read_embedded, read_example
from mmbert.retrieval.heard_words import HeardSounds
from mmbert.retrieval.melody_query import AskedMelody, notice, read_melody
from mmbert.retrieval.names import Names, names_of
from mmbert.retrieval.order import checked_order
from mmbert.retrieval.phrase_index import PhraseIndex
from mmbert.retrieval.same_music import read_sounding, search_same
from mmbert.retrieval.search import search
from mmbert.retrieval.suggestions import Accompaniments, Arranged, Continuations
from mmbert.retrieval.tune_index import TuneIndex
from mmbert.retrieval.tune_search import checked_tune, read_tune, search_tune, tune_query
from mmbert.retrieval.typed_notes import typed_notes
from mmbert.retrieval.understand import as_it_stands, understand
from mmbert.sharing import SharedEmbedder
from mmbert.store import Generation, open_library
from mmbert.symbolic.phrases import Task
from mmbert.symbolic.score import Score
from mmbert.types import Answer, Condition, Description, Embedded, Facets, Item, Kind, Order, Query

if TYPE_CHECKING:
    from mmbert.model.phrase_model import PhraseModel


@dataclass(frozen=True)
class Piece:
    """One piece of a library.

    Attributes:
        id: Stable id, as in hits.
        path: Its file; the piece within it is ``number``.
        number: Which piece within the file, from 0.
        kind: ``score``, ``recording`` or ``text``.
        title: From the file, else from its name.
        facets: Measured facts.
    """

    id: str
    path: str
    number: int
    kind: Kind
    title: str
    facets: Facets


class Library:
    """An open library. It keeps the state that it was opened in, whatever a build does meanwhile.

    Weights are loaded at the first question that needs them. Questions may come from several threads.

    >>> from tempfile import TemporaryDirectory
    >>> from mmbert.cli import main
    >>> folder = TemporaryDirectory()
    >>> music, path = Path(folder.name, "music"), Path(folder.name, "library")
    >>> music.mkdir()
    >>> door = "X:1\\nT:The Green Door\\nR:jig\\nM:6/8\\nL:1/8\\nK:D\\n|:DFA dfa|gec d3:|\\n"
    >>> evening = "X:2\\nT:Evening\\nR:hymn\\nM:4/4\\nL:1/2\\nQ:1/4=60\\nK:Am\\nA c|e d|c B|A2|\\n"
    >>> _ = (music / "book.abc").write_text(f"{door}\\n{evening}")
    >>> main(["index", "build", str(path), str(music)])  # doctest: +ELLIPSIS
    library...2 from 1 files...
    0
    >>> with Library.open(path) as library:
    ...     hit = library.search("a lively jig in D major", limit=1).hits[0]
    ...     slow = [piece.title for piece in library.pieces("pace=slow")]
    >>> hit.title, hit.number, hit.facets.key, slow
    ('The Green Door', 0, 'D', ['Evening'])
    >>> hit.why
    'Fast (5.0 onsets a bar, no tempo is stated), jig, in D major; bars 1-4 of 4 are nearest to your words.'
    >>> folder.cleanup()
    """

    def __init__(self, generation: Generation, path: Path, model: SharedEmbedder) -> None:
        self.path = path
        self._generation: Generation | None = generation
        self._model = model

    @classmethod
    def open(cls, path: str | Path, weights: str | Path | None = None) -> Library:
        """Open a library for reading.

        Args:
            path: The library's folder.
            weights: Checkpoint folder or hub name; None for the released ones. They must be those that the
                library was built with.

        Raises:
            LibraryError: there is no library, or it is damaged.
        """
        return cls(open_library(path).current(), Path(path), SharedEmbedder(weights))

    def reopened(self, *, hashes: bool = False) -> Library:
        """The library as it is now, beside this one, with the same model in memory.

        Args:
            hashes: Whether every byte is read; without, sizes are compared (small libraries are always read).

        Raises:
            LibraryError: it cannot be opened, or was built with other weights.
        """
        generation = open_library(self.path).current(hashes=hashes)
        try:
            generation.require(self.generation.fingerprint)
        except LibraryError:
            generation.close()
            raise
        return Library(generation, self.path, self._model)

    def __enter__(self) -> Library:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return self.generation.n_pieces

    def __repr__(self) -> str:
        holds = "closed" if self._generation is None else f"{len(self)} pieces"
        return f"Library({str(self.path)!r}, {holds})"

    @property
    def generation(self) -> Generation:
        """The state of the library that is read.

        Raises:
            LibraryError: the library was closed.
        """
        if self._generation is None:
            raise LibraryError(str(self.path), "was closed", "Open it again")
        return self._generation

    @property
    def weights(self) -> str | Path | None:
        """Checkpoint folder or hub name; None for the released weights."""
        return self._model.weights

    @property
    def embedder(self) -> SharedEmbedder:
        """What turns words and pieces into vectors of this library.

        Raises:
            LibraryError: the library was built with other weights.
        """
        return self._embedder

    @cached_property
    def _embedder(self) -> SharedEmbedder:
        self.generation.require(self._model.fingerprint)
        return self._model

    @cached_property
    def _names(self) -> Names:
        pieces = self.generation.pieces
        music = pieces.kind != "text"  # a text called "notes" makes no title of that word
        return names_of(pieces.composer[music], pieces.title[music])

    @cached_property
    def _tunes(self) -> TuneIndex:
        return TuneIndex(*self.generation.melodies())

    @cached_property
    def _sounds(self) -> HeardSounds | None:
        return HeardSounds.of(self.generation)

    @cached_property
    def _chroma(self) -> ChromaIndex:
        return ChromaIndex(*self.generation.chroma())

    @cached_property
    def _phrases(self) -> PhraseIndex:
        return PhraseIndex(*self.generation.phrase_heads())

    @cached_property
    def _phrase_model(self) -> PhraseModel:
        self.generation.require_phrases(self._model.phrases.fingerprint)
        return self._model.phrases

    def search(
        self,
        words: str | None = None,
        *,
        like: Like | None = None,
        where: str | Sequence[str | Condition] = (),
        limit: int = 10,
        modality: Kind | None = None,
        folder: str | None = None,
        order: Order = "best",
    ) -> Answer:
        """Find pieces by words, by an example, by conditions, or by all of them.

        Args:
            words: Such as ``a lively jig in D major``; beside an example also ``slower``, ``without drums``. The
                first 2,000 characters are read.
            like: A file, an :class:`~mmbert.types.Item`, an :class:`~mmbert.types.Embedded`, or the id of a piece. It
                is not among its own hits.
            where: Conditions that must hold, such as ``tempo_bpm<90``.
            limit: Hits wanted; more than there are pieces gives every piece. Versions of one piece share a hit.
            modality: Only ``score``, ``recording`` or ``text``. Texts are hits where they are asked for, and only then:
                a folder of music holds licences and notes as well, and whoever describes music looks for music.
            folder: Only pieces whose file lies in this folder, or deeper; a real path, as hits have it.
            order: ``best`` first; ``varied`` (one hit a composer first); or by ``title``, ``length`` or ``tempo``.
                With words or an example all but ``best`` arrange the hundred best hits.

        Returns:
            Hits best first, with what was understood; filled even where nothing fits.

        Raises:
            UsageError: nothing was asked, or a condition, the limit or the example cannot be understood.
            ItemError: the example's file cannot be read.
            LibraryError: the library was built with other weights.
        """
        words = (words or "").strip()
        if not words and like is None and not where and modality is None and folder is None:
            raise UsageError("question", "is empty", "Give words, an example (--like FILE) or a condition (--where)")
        if limit < 1:
            raise UsageError("limit", f"is {limit}", "Ask for at least one hit")
        conditions = all_of(where)
        example = None if like is None else read_example(like, self.generation, lambda: self._embedder)
        if modality == "text":
            query = as_it_stands(words, like=_shown(like))
        else:
            query = understand(words, self._names, example.facets if example else None, like=_shown(like))
        return search(
            self.generation,
            lambda: self._embedder,
            query,
            like=example,
            where=conditions,
            limit=limit,
            modality=modality,
            folder=folder,
            order=checked_order(order),
            sounds=self._sounds if query.meaning else None,
        )

    def find_tune(
        self,
        melody: Like | None = None,
        *,
        notes: str | None = None,
        where: str | Sequence[str | Condition] = (),
        folder: str | None = None,
        limit: int = 10,
    ) -> Answer:
        """Find the pieces that a tune comes from: in any key, faster or slower, with some notes wrong or missing.

        Args:
            melody: A file of notes (the melody of its first piece) or a recording of a tune, or an
                :class:`~mmbert.types.Item`.
            notes: Or notes as text: ``D4 E4 F#4 A4``, or ABC.
            where: Conditions that must hold.
            folder: Only pieces whose file lies in this folder, or deeper.
            limit: Hits wanted. Versions of one piece share a hit.

        Returns:
            Hits of type :class:`~mmbert.types.TuneHit`, best first; each begins at the bar where the tune does.

        Raises:
            UsageError: not exactly one tune was given, or it is none.
            ItemError: the file cannot be read.
            LibraryError: the library was built before melodies were kept.
        """
        if (melody is None) == (notes is None):
            raise UsageError("tune", "is not there" if notes is None else "was given twice", "Give melody or notes")
        if limit < 1:
            raise UsageError("limit", f"is {limit}", "Ask for at least one hit")
        tune = read_tune(melody) if melody is not None else checked_tune(typed_notes(notes or ""))
        query = tune_query(all_of(where), _shown(melody), notes or "")
        return search_tune(self.generation, self._tunes, tune, query, limit=limit, folder=folder)

    def find_same(
        self,
        like: Like,
        *,
        where: str | Sequence[str | Condition] = (),
        modality: Kind | None = None,
        folder: str | None = None,
        limit: int = 10,
    ) -> Answer:
        """Find the scores of a recording, the recordings of a score: pieces of the same notes, in any key.

        They may be played at half to twice the speed; what is far from the same speed must be the more alike.

        Args:
            like: A file (its first piece), an :class:`~mmbert.types.Item`, an :class:`~mmbert.types.Embedded`, or the
                id of a piece. It is not among its own hits.
            where: Conditions that must hold.
            modality: Only ``score`` or ``recording``.
            folder: Only pieces whose file lies in this folder, or deeper.
            limit: Hits wanted. Versions of one piece share a hit.

        Returns:
            Hits of type :class:`~mmbert.types.TuneHit`, best first; each begins where what was given does.

        Raises:
            UsageError: there is no such file, or it holds nothing with a pitch.
            ItemError: the file cannot be read.
            LibraryError: the library was built before recordings were compared with scores.
        """
        if limit < 1:
            raise UsageError("limit", f"is {limit}", "Ask for at least one hit")
        sounding = read_sounding(like, self.generation, self._chroma)
        conditions = all_of(where)
        return search_same(
            self.generation, self._chroma, sounding, conditions, limit=limit, modality=modality, folder=folder
        )

    def complete(
        self,
        melody: Like | Score,
        *,
        part: str | int | None = None,
        metre: str | None = None,
        same_key: bool = False,
        where: str | Sequence[str | Condition] = (),
        folder: str | None = None,
        limit: int = 10,
    ) -> Continuations:
        """Find phrases that go on from a melody: what comes after its last four full bars.

        They come from any key, and arrive in the melody's key and tempo. A melody shorter than four bars is asked
        about with what there is, at least four notes.

        Args:
            melody: A file of notes (its first piece), a recording of a tune (what is heard is set in bars, at the tempo
                of its notes), an :class:`~mmbert.types.Item` or a score.
            part: Name of the part that is the melody, or its number from 1; found by rule without.
            metre: Of a recording the metre that its tune is in, such as ``3/4``; 4/4 or 6/8 without.
            same_key: Only phrases of pieces in the melody's key.
            where: Conditions that must hold of the pieces.
            folder: Only pieces whose file lies in this folder, or deeper.
            limit: Hits wanted. A piece has one, its best phrase; versions of one piece share it.

        Returns:
            Hits of type :class:`~mmbert.types.PhraseHit`, best first, and the notes of each behind the melody.

        Raises:
            UsageError: there is no melody, no such part, or a metre is given for what states its own bars.
            ItemError: the file cannot be read.
            MissingExtraError: it is a recording, and onnxruntime or soxr is not installed.
            LibraryError: the library was built before phrases were kept, or with other weights.
        """
        asked = self._asked(melody, "end", part, None, metre, limit)
        return Continuations(*self._suggested(asked, melody, "completion", same_key, where, folder, limit))

    def accompany(
        self,
        melody: Like | Score,
        *,
        part: str | int | None = None,
        bar: int | None = None,
        metre: str | None = None,
        same_key: bool = False,
        where: str | Sequence[str | Condition] = (),
        folder: str | None = None,
        limit: int = 10,
    ) -> Accompaniments:
        """Find accompaniments for four bars of a melody, its first full ones or those from ``bar`` (from 0) on.

        Where there are fewer than four, an accompaniment is as long as what there is.

        Everything else as for :meth:`complete`; a hit's notes lie beneath the melody.
        """
        asked = self._asked(melody, "start", part, bar, metre, limit)
        return Accompaniments(*self._suggested(asked, melody, "accompaniment", same_key, where, folder, limit))

    def _asked(
        self,
        melody: Like | Score,
        wanted: Literal["end", "start"],
        part: str | int | None,
        bar: int | None,
        metre: str | None,
        limit: int,
    ) -> AskedMelody:
        if limit < 1:
            raise UsageError("limit", f"is {limit}", "Ask for at least one hit")
        return read_melody(melody, wanted, part, bar, metre)

    def _suggested(
        self,
        asked: AskedMelody,
        given: Like | Score,
        task: Task,
        same_key: bool,
        where: str | Sequence[str | Condition],
        folder: str | None,
        limit: int,
    ) -> tuple[Answer, AskedMelody, str, dict[str, Arranged]]:
        mode: Literal["continue", "accompany"] = "continue" if task == "completion" else "accompany"
        query = Query(conditions=all_of(where), like=asked.name, mode=mode)
        index, generation = self._phrases, self.generation
        own = None if asked.uid is None else generation.row_of(asked.uid)
        keep = open_phrases(generation, index, asked, query, same_key, folder, own)
        answer, arranged = suggest(generation, index, self._phrase_model, asked, task, query, keep, limit=limit)
        return answer, asked, notice(asked, task, answer, index), arranged

    def pieces(self, where: str | Sequence[str | Condition] = (), modality: Kind | None = None) -> list[Piece]:
        """All pieces, or those that fit conditions, in the library's order.

        Raises:
            UsageError: a condition cannot be understood.
        """
        checked_modality(modality)
        keep = allowed(self.generation, all_of(where))
        if modality is not None:
            keep &= self.generation.pieces.kind == modality
        return [self._piece(int(row)) for row in np.flatnonzero(keep)]

    def piece(self, id: str) -> Piece:
        """One piece.

        Raises:
            UsageError: the library has no piece of that id.
        """
        return self._piece(self._row(id))

    def describe(self, like: Like, *, limit: int = LIMIT) -> Description:
        """A piece in words: its facts in a sentence, and the nearest tags and phrases by the vector that is stored.

        Args:
            like: The id of a piece; or a file (its first piece) or an :class:`~mmbert.types.Item`, which are embedded;
                or an :class:`~mmbert.types.Embedded`.
            limit: Tags and phrases wanted, each.

        Raises:
            UsageError: it is neither a file nor the id of a piece.
            ItemError: the file cannot be read.
            LibraryError: the library was built with other weights.
            MissingExtraError, WeightsError: as :meth:`mmbert.embed.Embedder.embed_texts`.
        """
        row = self.generation.row_of(like) if isinstance(like, str) else None
        if row is not None:
            piece, says = self._piece(row), self.generation.metadata(row).get
            text = says("description", "") if piece.kind == "text" else ""
            logits = self.generation.heard_in(row, SOUNDS) if piece.kind == "recording" else None
            said = text, says("flaws", ""), logits
            vector = self.generation.vectors.rows("joint/pieces", [row])[0]
            subject = Subject(piece.id, piece.path, piece.number, piece.kind, piece.title, piece.facets, vector, *said)
        else:
            subject = Subject.of(read_embedded(like, lambda: self._embedder))
        return describe(subject, self._embedder.vocabulary, limit)

    def metadata(self, id: str) -> dict[str, str]:
        """What a piece's file states in words; of a recording also its ``flaws``.

        Raises:
            UsageError: the library has no piece of that id.
        """
        return self.generation.metadata(self._row(id))

    def file(self, id: str) -> Path:
        """The file that holds a piece, with the bytes that the library was built from: all of them are read.

        Raises:
            UsageError: the library has no piece of that id.
            ItemError: the file cannot be read.
            LibraryError: it is gone, or is not what it was when the library was built.
        """
        from mmbert.store.files import sha256_of

        row = self._row(id)
        paths = self.generation.paths(row)
        for path in map(Path, paths):
            try:
                if path.is_file() and sha256_of(path) == self.generation.pieces.sha256[row]:
                    return path
            except OSError as e:
                raise ItemError(str(path), f"cannot be read ({e.strerror})", code="E_IO") from e
        raise LibraryError(paths[0], "is gone, or has changed since the library was built", "Build the library again")

    def item(self, id: str) -> Item:
        """A piece with its notes, read again from its file. What lies there now instead is seen by no parser.

        Raises:
            UsageError: the library has no piece of that id.
            ItemError: the file cannot be read.
            LibraryError: the file is gone, or is not what it was when the library was built.
        """
        from mmbert.items import load_items

        path = self.file(id)
        faults: list[ItemError] = []
        for item in load_items(path, on_reject=faults.append):
            if item.uid == id:
                return item
        raise LibraryError(str(path), "is read in another way than when the library was built", "Build it again")

    @property
    def state(self) -> str:
        """Changes with whatever a build changes: a digest of the generation that is read."""
        return str(self.generation.manifest["checksum"])

    @property
    def sources(self) -> list[str]:
        """Folders that the library was built from."""
        return [str(s) for s in self.generation.manifest.get("sources", [])]

    def status(self) -> dict[str, Any]:
        """What the library is: its generation, counts by kind, model, folders, and anything that is wrong with it."""
        kinds, counts = np.unique(self.generation.pieces.kind.astype(str), return_counts=True)
        return {
            "path": str(self.path),
            "generation": self.generation.name,
            "pieces": self.generation.n_pieces,
            "windows": len(self.generation.windows),
            "kinds": dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
            "rejected": len(self.rejects()),
            "fingerprint": self.generation.fingerprint,
            "sources": self.sources,
            "notice": self.generation.notice,
        }

    def rejects(self) -> list[dict[str, Any]]:
        """Files that were not taken in: ``path, sha256, stage, code, fault, hint`` each."""
        return list(self.generation.rejects())

    def close(self) -> None:
        """Close the library's files."""
        if self._generation is not None:
            self._generation.close()
        self._generation = None

    def _row(self, id: str) -> int:
        row = self.generation.row_of(id)
        if row is None:
            raise UsageError(f"piece {id!r}", "is not in this library", "Ids are those of its hits")
        return row

    def _piece(self, row: int) -> Piece:
        table = self.generation.pieces
        uid, path, number = str(table.uid[row]), str(table.path[row]), int(table.number[row])
        return Piece(uid, path, number, table.kind[row], str(table.title[row]), self.generation.facets(row))


def _shown(like: Like | None) -> str | None:
    """An example as the person gave it."""
    item = like.item if isinstance(like, Embedded) else like
    return None if item is None else str(item.source.path) if isinstance(item, Item) else str(item)
