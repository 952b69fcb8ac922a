"""A library of six small pieces in memory, behind the methods of ``mmbert.api.Library`` that the page calls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from mmbert.errors import UsageError
from mmbert.facets import parse_where, satisfied
from mmbert.retrieval.in_words import sentence
from mmbert.retrieval.suggestions import Suggestions
from mmbert.retrieval.tune_search import checked_tune, read_tune
from mmbert.retrieval.typed_notes import typed_notes
from mmbert.symbolic.score import Part, Score
from mmbert.types import Answer, Condition, Description, Facets, Hit, Item, Place, Query, Source, Tag, TuneHit
from tests.ui.suggested import suggested

HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{value}} C:\\new `x`"


@dataclass
class Piece:
    id: str
    path: str
    number: int
    kind: str
    title: str
    facets: Facets


def melody(pitches: list[int], beats: float = 0.5, program: int = 40) -> Score:
    """A tune in 4/4 at 120 bpm with a bass under every bar."""
    step = int(480 * beats)
    notes = [(i * step, step - 10, p, 90, program, False, 0) for i, p in enumerate(pitches)]
    end = len(pitches) * step
    notes += [(t, 1900, pitches[0] - 24, 80, 32, False, 1) for t in range(0, end, 1920)]
    parts = (Part("Fiddle", program), Part("Bass", 32))
    return Score.build(notes, 480, metre_map=[(0, 4, 4)], parts=parts)


def pieces_in(folder: Path) -> dict[str, tuple[Piece, Item]]:
    """Six pieces: two in one tune book, one with a hostile title, one whose file is a MIDI file on disk."""
    from mmbert.items import load_items, write_midi

    scale = [60, 62, 64, 65, 67, 69, 71, 72]
    named = [
        ("Morning Jig", "Trad.", "jig", "major", 7.2, "book.abc", 0),
        ("Evening Jig", "Trad.", "jig", "major", 6.9, "book.abc", 1),
        ("Slow Hymn", "Ann Example", "hymn", "minor", 2.0, "hymn.mid", 0),
        (HOSTILE, HOSTILE, "waltz", "minor", 4.0, "x<y>.mid", 0),
        ("", "Ann Example", "waltz", "major", 4.2, "the_old-mill.mid", 0),
        ("مرحبا بالعالم", "Ann Example", "song", "minor", 3.0, "rtl.mid", 0),
    ]
    out = {}
    for i, (title, composer, form, mode, pace, name, number) in enumerate(named):
        score = melody([p + i for p in scale * (8 + 2 * i)], program=40 + i)
        metadata = {k: v for k, v in (("title", title), ("composer", composer)) if v}
        path = folder / name
        if name == "hymn.mid":
            path.write_bytes(write_midi(score, metadata))
            item = next(load_items(path))
        else:
            item = Item("score", Source(path, f"{i + 1:032x}" * 2, number), metadata, score=score)
        facets = Facets(
            key="D", mode=mode, pace=pace, metre="4/4", bars=score.n_bars, duration_s=score.duration_s,
            instruments=("violin", "acoustic bass"), parts=2, form=form, title=title or None, composer=composer,
        )  # fmt: skip
        out[item.uid] = (Piece(item.uid, str(path), number, "score", title, facets), item)
    return out


class StubGeneration:
    """What the page asks of a generation: a name and whether something is wrong with it."""

    name, notice = "gen-000001", ""


@dataclass(eq=False)
class StubLibrary:
    """Knows the words slow, minor, major and jig; orders by how many of them fit."""

    known: dict[str, tuple[Piece, Item]]
    asked: list[dict] = field(default_factory=list)

    path: Path = Path("nowhere")
    generation: StubGeneration = field(default_factory=StubGeneration)
    weights: None = None
    sources: list[str] = field(default_factory=list)
    state: str = "0" * 64

    _WORDS: ClassVar = {
        "slow": Condition("pace", "<", 3.5, "slow"),
        "minor": Condition("mode", "=", "minor", "minor"),
        "major": Condition("mode", "=", "major", "major"),
        "jig": Condition("form", "=", "jig", "jig"),
    }

    def search(self, words=None, *, like=None, where=(), limit=10, modality=None, folder=None, order="best") -> Answer:
        self.asked.append({"words": words, "like": like, "where": where, "limit": limit})
        if isinstance(like, str) and like not in self.known:
            raise UsageError("like", f"no piece has the id {like}")
        soft = tuple(c for w, c in self._WORDS.items() if w in (words or "").lower().split())
        hard = tuple(c for text in where for c in parse_where(text))
        open_to = [p for p, _ in self.known.values() if all(satisfied(c, p.facets) is not False for c in hard)]
        open_to.sort(key=lambda p: -sum(bool(satisfied(c, p.facets)) for c in soft))
        hits = tuple(self._hit(rank, p, soft) for rank, p in enumerate(open_to[:limit], 1))
        query = Query(words or "", conditions=soft + hard, like=str(like) if like else None)
        return Answer(query, hits, nothing_fits="zzz" in (words or ""), total=len(open_to))

    def find_tune(self, melody=None, *, notes=None, where=(), folder=None, limit=10) -> Answer:
        tune = read_tune(melody) if melody is not None else checked_tune(typed_notes(notes))
        self.asked.append({"tune": tune.pitch.tolist(), "where": where, "limit": limit})
        known = [p for p, _ in self.known.values()][:limit]
        hits = tuple(
            TuneHit(**vars(replace(self._hit(rank, p, ()), similarity=None)), transposed_by=2, stretched_by=None)
            for rank, p in enumerate(known, 1)
        )
        return Answer(Query(notes or "", mode="melody"), hits, total=len(self.known))

    def complete(self, melody, *, where=(), same_key=False, **asked) -> Suggestions:
        self.asked.append({"melody": melody, "where": where, "same_key": same_key, **asked})
        return suggested(self.pieces(), "complete", melody, **asked)

    def accompany(self, melody, *, where=(), same_key=False, **asked) -> Suggestions:
        self.asked.append({"melody": melody, "where": where, "same_key": same_key, **asked})
        return suggested(self.pieces(), "accompany", melody, **asked)

    def _hit(self, rank: int, piece: Piece, soft: tuple[Condition, ...]) -> Hit:
        true = [str(c) for c in soft if satisfied(c, piece.facets)]
        others = tuple(p.id for p, _ in self.known.values() if p.path == piece.path and p.id != piece.id)
        return Hit(
            piece.id, rank, 0.9 - rank / 20, 1.0 - rank / 20, piece.path, piece.number, piece.title, "score",
            Place(4.0, 10.0, 2, 5), piece.facets, f"piece {rank}: {', '.join(true) or 'nearest in sound'}", others,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.known)

    def pieces(self):
        return [p for p, _ in self.known.values()]

    def piece(self, piece_id):
        if piece_id not in self.known:
            raise UsageError("id", f"no piece has the id {piece_id}")
        return self.known[piece_id][0]

    def describe(self, like):
        item = like if isinstance(like, Item) else self.item(like)
        facets = Facets() if isinstance(like, Item) else self.piece(like).facets
        near = Tag("minor", ("mode=minor",), 0.5, 2.0, facets.mode == "minor")
        return Description(
            item.uid, str(item.source.path), 0, item.kind, "", sentence(facets), (near,), (near,), ("form=tango",)
        )

    def item(self, piece_id):
        if piece_id not in self.known:
            raise UsageError("id", f"no piece has the id {piece_id}")
        return self.known[piece_id][1]

    def close(self):
        pass

    def reopened(self, *, hashes=False):
        return self

    def status(self):
        return {
            "path": "/nowhere",
            "sources": ["/nowhere/music"],
            "generation": "gen-000001",
            "windows": 40,
            "fingerprint": "abc1234567",
            "notice": "",
        }

    def rejects(self):
        return [
            {"path": HOSTILE, "sha256": "", "stage": "decode", "code": "E_X", "fault": "is empty", "hint": "Fill it"}
        ]


@pytest.fixture
def library(tmp_path) -> StubLibrary:
    return StubLibrary(pieces_in(tmp_path))
