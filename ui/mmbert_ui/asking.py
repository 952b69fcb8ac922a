"""A question from the page in, what the page shows out. Plain data both ways; everything is checked here.

Handlers that Gradio calls private can be called by anybody who reaches the server, so the question is parsed as if
it came from outside: lengths, counts and forms.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmbert.errors import BusyError, MmbertError, UsageError
from mmbert.retrieval.order import BEST
from mmbert.titles import title_of
from mmbert.types import Answer, Condition, Embedded, Facets, Hit, Item, Kind, Order
from mmbert_ui.catalogue import KINDS
from mmbert_ui.faults import first_fault
from mmbert_ui.state import PIECE_ID, UPLOAD_ID, PageState, Site
from mmbert_ui.uploads import Upload
from mmbert_ui.wording import band, chips, facts, filters_of, measure

MOST_HITS = 200
MOST_WAYS = 6  # out of a question that finds nothing
_IS_ID = re.compile(f"{PIECE_ID.pattern}|{UPLOAD_ID.pattern}").fullmatch


class Ask(BaseModel):
    """A question as the page sends it.

    Attributes:
        words: The question in words; may be empty beside an example.
        where: Conditions that exclude, such as ``mode=minor``.
        like: Id of a piece or of a dropped file.
        kind: Only pieces of this kind.
        tune: A tune that is looked for instead: its notes as :mod:`mmbert.retrieval.typed_notes` reads them, or the id
            of a piece or of a dropped file.
        same: Id of a recording whose scores are looked for instead, or of a score whose recordings are.
        folder: Only pieces of this folder, by its name in :attr:`mmbert_ui.catalogue.Catalogue.folders`.
        order: How hits are arranged.
        limit: Hits wanted.
        serial: Number of the question, given back with its answer.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    words: str = Field(default="", max_length=500)
    where: list[str] = Field(default_factory=list, max_length=20)
    like: str | None = Field(default=None, max_length=64)
    tune: str | None = Field(default=None, max_length=2000)
    same: str | None = Field(default=None, max_length=64)
    kind: Kind | None = None
    folder: str | None = Field(default=None, max_length=1000)
    order: Order = "best"
    limit: int = Field(default=10, ge=1, le=MOST_HITS)
    serial: int = Field(default=0, ge=0, le=2**31)

    def is_empty(self) -> bool:
        """Nothing was asked."""
        asked = self.words.strip() or self.like or self.tune or self.same
        return not (asked or self.where or self.kind or self.folder)


def parse_ask(data: Any) -> Ask:
    """A question from anything that arrived.

    Raises:
        UsageError: naming the field at fault.
    """
    try:
        ask = Ask.model_validate(data)
    except ValidationError as e:
        raise UsageError(*first_fault(e.errors()), "Shorten it and ask again") from None
    too_long = [w for w in ask.where if len(w) > 120]
    if too_long:
        raise UsageError("filter", f"{too_long[0][:20]}… has more than 120 characters", "Shorten it and ask again")
    return ask


def respond(site: Site, data: Any) -> dict[str, Any]:
    """What the page shows for a question: an answer, the start, or an error in words. Never raises."""
    serial = data.get("serial", 0) if isinstance(data, dict) else 0
    ask = Ask(serial=serial if isinstance(serial, int) and 0 <= serial < 2**31 else 0)
    try:
        ask = parse_ask(data)
        if ask.is_empty():
            return {"state": "start", "ask": ask.model_dump()}
        with site.now() as state:
            return answer_view(state, ask)
    except MmbertError as e:
        return error_view(site.outside(e), ask)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        fault = UsageError("", "The page made a mistake of its own", "The terminal it was started in says more")
        return error_view(fault, ask)


def error_view(error: MmbertError, ask: Ask) -> dict[str, Any]:
    """An error in the place of an answer: what, and what to do next."""
    return {"ask": ask.model_dump()} | error_words_of(error)


def error_words_of(error: MmbertError) -> dict[str, Any]:
    """An error as the page shows it: ``{state, title, hint}``."""
    title = f"{error.subject}: {error.fault}" if error.subject else error.fault
    return {"state": "error", "title": title, "hint": error.hint}


def example_of(state: PageState, like: str | None) -> Item | Embedded | str | None:
    """What an example's id names: a dropped file, or a piece of the library. Never a path.

    Raises:
        UsageError: the id has no such form, or the dropped file is no longer held.
    """
    if like is None or PIECE_ID.fullmatch(like):
        return like
    if not UPLOAD_ID.fullmatch(like):
        raise UsageError("The example", "is no piece of this library", "Choose one, or drop a file")
    upload = state.upload(like)
    if upload is None:
        raise UsageError("The dropped file", "is no longer held", "Drop it again; files are forgotten after an hour")
    return upload.like


def asked_of(state: PageState, ask: Ask) -> dict[str, Any]:
    """The question as :meth:`mmbert.api.Library.search` takes it, all but its words.

    Raises:
        UsageError: the example or the folder is none of this library's.
    """
    return {
        "like": example_of(state, ask.like),
        "where": ask.where,
        "modality": ask.kind,
        "folder": state.catalogue.folder(ask.folder) if ask.folder else None,
        "order": ask.order,
        "limit": ask.limit,
    }


def answer_view(state: PageState, ask: Ask) -> dict[str, Any]:
    """Search, and word what comes back.

    Raises:
        MmbertError: what the library cannot answer.
    """
    asked = asked_of(state, ask)
    answer = answered(state, ask, asked)
    found = chips(answer.query.conditions, ask.where)
    return {
        "state": "hits",
        "ask": ask.model_dump(),
        "nothing_fits": answer.nothing_fits,
        "notice": answer.notice,
        "total": answer.total,
        "chips": found,
        "example": example_view(state, ask.like) if ask.like else None,
        "tune": tune_view(state, ask.tune) if ask.tune else None,
        "same": example_view(state, ask.same) if ask.same else None,
        "cards": [
            card(hit, answer.query.conditions, answer.nothing_fits)
            | {"path": state.shown_path(hit.path), "flaws": state.flaws(hit.id), "same": state.other_form(hit.modality)}
            for hit in answer.hits
        ],
        "relax": [] if answer.hits else relaxed(state, ask, asked, found),
        "arranged": ask.order != "best" and bool(ask.words.strip() or ask.like) and answer.total > BEST,
        "more": len(answer.hits) == ask.limit < min(MOST_HITS, answer.total),
    }


def answered(state: PageState, ask: Ask, asked: dict[str, Any]) -> Answer:
    """What the library says: of a tune, or of the same music, where that is looked for; else of words, example and
    conditions.

    Raises:
        MmbertError: what the library cannot answer.
    """
    if ask.same is not None:
        return state.find_same(_known(state, ask.same), asked)
    if ask.tune is None:
        return state.search(ask.words, **asked)
    if not _IS_ID(ask.tune):
        return state.find_tune(None, ask.tune, asked)
    _known(state, ask.tune)
    item = state.item(ask.tune)
    if item is None:
        raise _no_piece()
    return state.find_tune(item, None, asked)


def _known(state: PageState, any_id: str) -> Item | Embedded | str:
    """What an id names.

    Raises:
        UsageError: nothing, or nothing any more.
    """
    found = example_of(state, any_id)
    if found is None or (isinstance(found, str) and not state.has(found)):
        raise _no_piece()
    return found


def _no_piece() -> UsageError:
    return UsageError("The piece", "is not in this library, or its file cannot be read", "Choose another")


def relaxed(state: PageState, ask: Ask, asked: dict[str, Any], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For a question without hits: each filter that can be taken out, and how many pieces are open then.

    ``change`` is what becomes of the question. The filter that excludes most comes first; where no single one helps,
    all of them together.
    """
    ways: list[tuple[str, dict[str, Any]]] = [
        (f"“{chip['text']}”", {"where": _without(ask, chip)}) for chip in found if chip["added"]
    ]
    ways += [(f"“only {KINDS[ask.kind]}”", {"kind": None})] if ask.kind else []
    ways += [(f"“in {ask.folder}”", {"folder": None})] if ask.folder else []
    out: list[dict[str, Any]] = []
    with suppress(BusyError):  # the answer stands; others' questions go before more ways out
        for way in ways[:MOST_WAYS]:
            out.append(_way(state, ask, asked, *way))  # those found before others come are shown
        if len(ways) > 1 and not any(way["total"] for way in out):
            out.append(_way(state, ask, asked, "all filters", {"where": [], "kind": None, "folder": None}))
    return sorted((way for way in out if way["total"]), key=lambda way: -way["total"])


def _without(ask: Ask, chip: dict[str, Any]) -> list[str]:
    return [w for w in ask.where if w not in chip["added"]]


def _way(state: PageState, ask: Ask, asked: dict[str, Any], text: str, change: dict[str, Any]) -> dict[str, Any]:
    less = asked | {"modality" if name == "kind" else name: value for name, value in change.items()} | {"limit": 1}
    open_end = ask.model_copy(update=change).is_empty()
    total = len(state.library) if open_end else answered(state, ask, less).total
    return {"text": text, "change": change, "total": total}


def card(hit: Hit, asked: Sequence[Condition] = (), nothing_fits: bool = False) -> dict[str, Any]:
    """One hit as its card shows it; text alone, no notes."""
    return {
        "id": hit.id,
        "rank": hit.rank,
        "kind": hit.modality,
        "title": title_of(hit.title, hit.path),
        "composer": hit.facets.composer or "",
        "facts": facts(hit.facets, asked, hit.modality),
        "filters": filters_of(hit.facets),
        "why": hit.why,
        "band": band(hit, nothing_fits),
        "measure": measure(hit),
        "start_s": round(hit.place.start_s, 3),
        "end_s": round(hit.place.end_s, 3),
        "versions": list(hit.versions),
    }


def example_view(state: PageState, any_id: str) -> dict[str, Any] | None:
    """The example of a question: its name and what was read from it."""
    upload = state.upload(any_id)
    if upload is not None:
        return _dropped(state, upload)
    view = piece_view(state, any_id)
    return view and view | {"dropped": False}


def tune_view(state: PageState, tune: str) -> dict[str, Any]:
    """The tune that is looked for: ``{name, notes}``, one of them empty."""
    if not _IS_ID(tune):
        return {"name": "", "notes": tune}
    return {"name": state.title(tune), "notes": ""}


def piece_view(state: PageState, any_id: str) -> dict[str, Any] | None:
    """One piece of the library by its id, without a place or a reason; None where there is none."""
    try:
        piece = state.library.piece(any_id)
    except MmbertError:
        return None
    known: Facets = piece.facets
    return {
        "id": piece.id,
        "kind": piece.kind,
        "title": title_of(piece.title, piece.path),
        "composer": known.composer or "",
        "facts": facts(known, kind=piece.kind),
        "path": state.shown_path(piece.path),
        "flaws": state.flaws(piece.id),
        "same": state.other_form(piece.kind),
    }


def _dropped(state: PageState, upload: Upload) -> dict[str, Any]:
    item = upload.item if upload.embedded else upload.like
    assert isinstance(item, Item)
    known = state.facets(upload)
    rows = facts(known, kind=item.kind)
    if item.score is not None:
        rows.insert(0, {"label": "Notes", "value": f"{len(item.score.notes):,}", "fits": False})
    return {
        "id": upload.id,
        "kind": item.kind,
        "title": title_of(item.metadata.get("title"), upload.name),
        "composer": known.composer or "",
        "facts": rows,
        "path": upload.name,
        "pieces": upload.pieces,
        "flaws": item.metadata.get("flaws", ""),
        "same": state.other_form(item.kind),
        "dropped": True,
    }
