"""The library over HTTP for other programs: plain JSON, pieces by id. docs/HTTP.md describes it.

Answers are those of ``mmbert search --json`` and of ``mmbert.api.Library``, with paths below the folder of music
and a dropped file by its id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mmbert import __version__
from mmbert.console import clean
from mmbert.errors import UsageError
from mmbert.types import Answer, Kind, Order
from mmbert_ui.asking import MOST_HITS, example_of
from mmbert_ui.faults import READ, first_fault, not_found, only_reading
from mmbert_ui.programs_melody import add_melody_programs
from mmbert_ui.state import UPLOAD_ID, PageState, Site

MOST_WORDS = 2000  # characters, as many as a search reads

Q = TypeVar("Q", bound=BaseModel)
Condition = Annotated[str, StringConstraints(max_length=200)]


class Narrowed(BaseModel):
    """What can be asked beside an example.

    Attributes:
        q: The question in words.
        where: Conditions that must hold, such as ``tempo_bpm<90``.
        modality: Only pieces of this kind.
        order: How hits are arranged.
        limit: Hits wanted.
    """

    model_config = ConfigDict(extra="forbid")

    q: str = Field(default="", max_length=MOST_WORDS)
    where: list[Condition] = Field(default=[], max_length=20)
    modality: Kind | None = None
    order: Order = "best"
    limit: int = Field(default=10, ge=1, le=MOST_HITS)


class Question(Narrowed):
    """What can be asked.

    Attributes:
        like: Id of a piece, or of a file that was dropped on the page within the hour.
    """

    like: str | None = Field(default=None, max_length=64)


class Same(BaseModel):
    """What can be asked beside a piece whose music is looked for: fields of :class:`Narrowed`."""

    model_config = ConfigDict(extra="forbid")

    where: list[Condition] = Field(default=[], max_length=20)
    modality: Kind | None = None
    limit: int = Field(default=10, ge=1, le=MOST_HITS)


def add_program_routes(app: FastAPI, site: Site) -> None:
    """Put the routes on an application."""

    @app.api_route("/api/search", methods=READ)
    def search(request: Request, question: Annotated[Question, Query()]) -> Response:
        """What ``mmbert search --json`` prints."""
        return _answer(request, site, lambda state: search_json(state, question))

    @app.api_route("/api/similar/{piece_id}", methods=READ)
    def similar(request: Request, piece_id: str, question: Annotated[Narrowed, Query()]) -> Response:
        """Pieces that are like a piece of the library."""
        return _answer(request, site, lambda state: search_json(state, like(piece_id, question)))

    @app.api_route("/api/same/{piece_id}", methods=READ)
    def same(request: Request, piece_id: str, question: Annotated[Same, Query()]) -> Response:
        """The scores of a recording, the recordings of a score."""
        return _answer(request, site, lambda state: same_json(state, piece_id, question))

    @app.api_route("/api/piece/{piece_id}", methods=READ)
    def piece(request: Request, piece_id: str) -> Response:
        """One piece: its facts, what it is like in words, and where its notes and its sound are."""
        return _answer(request, site, lambda state: piece_json(state, piece_id))

    only_reading(app)
    add_melody_programs(app, site)

    @app.api_route("/api/{rest:path}", methods=[*READ, "POST", "PUT", "PATCH", "DELETE"])
    def nothing(rest: str) -> Response:
        raise not_found("This address", hint="docs/HTTP.md lists the routes")


def like(piece_id: str, question: Narrowed) -> Question:
    """A question with a piece as its example."""
    return Question(**question.model_dump(), like=piece_id)


def search_json(state: PageState, question: Question) -> dict[str, Any]:
    """``{query, understood, nothing_fits, notice, hits}``, as ``mmbert search --json`` prints it.

    Raises:
        HTTPException: 404 where the library has no piece of the example's id.
        MmbertError: the question is empty or cannot be understood.
    """
    if not (question.q.strip() or question.where or question.like or question.modality):
        raise UsageError("q", "is empty", "Say what to look for: q, where, like or modality")
    if question.like is not None and not UPLOAD_ID.fullmatch(question.like) and not state.has(question.like):
        raise _no_piece(question.like)
    answer = state.search(
        question.q,
        like=example_of(state, question.like),
        where=tuple(question.where),
        modality=question.modality,
        order=question.order,
        limit=question.limit,
    )
    # never where a dropped file lies
    return _answer_json(state, answer, answer.query.words or question.like or "")


def same_json(state: PageState, piece_id: str, question: Same) -> dict[str, Any]:
    """The same for pieces of the same music, each hit with ``transposed_by`` and ``stretched_by``.

    Raises:
        HTTPException: 404 where the library has no such piece.
        MmbertError: what the library cannot answer.
    """
    if not UPLOAD_ID.fullmatch(piece_id) and not state.has(piece_id):
        raise _no_piece(piece_id)
    like = example_of(state, piece_id)
    assert like is not None
    return _answer_json(state, state.find_same(like, question.model_dump()), piece_id)


def _answer_json(state: PageState, answer: Answer, query: str) -> dict[str, Any]:
    out = answer.to_json() | {"query": query}
    for hit in out["hits"]:
        hit["path"] = state.shown_path(hit["path"])
    return clean(out)


def piece_json(state: PageState, piece_id: str) -> dict[str, Any]:
    """``{id, path, number, title, modality, facets, flaws, words, roll, waveform, sound, download}``; the last four are
    addresses here.

    Raises:
        HTTPException: 404 where the library has no such piece.
    """
    if not state.has(piece_id):
        raise _no_piece(piece_id)
    piece = state.library.piece(piece_id)
    score, recording = piece.kind == "score", piece.kind == "recording"
    rendered = f"/sound/{piece.id}.wav" if score and state.renderer else None
    return clean(
        {
            "id": piece.id,
            "path": state.shown_path(piece.path),
            "number": piece.number,
            "title": piece.title,
            "modality": piece.kind,
            "facets": piece.facets.known(),
            "flaws": state.flaws(piece.id),
            "words": state.in_words(piece.id),
            "roll": f"/roll/{piece.id}.json" if score else None,
            "waveform": f"/waveform/{piece.id}.json" if recording else None,
            "sound": f"/sound/{piece.id}" if recording else rendered,
            "download": f"/download/{piece.id}",
        }
    )


def _no_piece(piece_id: str) -> Exception:
    return not_found(f"piece {piece_id[:64]!r}", "is not in this library", "Ids are those of its hits")


def _answer(request: Request, site: Site, make: Callable[[PageState], dict[str, Any]]) -> Response:
    """An answer that clients may keep, and ask whether it still holds: it does until a build changes the library."""
    with site.now() as state:
        tag = f'"{state.library.state[:16]}-{__version__}"'
        headers = {"Cache-Control": "private, no-cache", "ETag": tag}
        if tag in [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return JSONResponse(make(state), headers=headers)


# ---- the same functions under Gradio's protocol -----------------------------------------------------------


def named_functions(site: Site) -> dict[str, Callable[..., dict[str, Any]]]:
    """What ``gradio_client`` may call, by name. ``where`` holds conditions such as "mode=minor; tempo_bpm<90".

    Fields are those of the JSON routes, except that a path is called ``file``: gradio_client takes whatever has a
    ``path`` for a file to download from here.
    """

    def search(words: str = "", where: str = "", limit: int = 10) -> dict[str, Any]:
        """Search the library by words and conditions."""
        return ask(site, lambda: Question(q=words, where=split(where), limit=limit))

    def similar(piece_id: str, words: str = "", where: str = "", limit: int = 10) -> dict[str, Any]:
        """Pieces that are like a piece of the library."""
        return ask(site, lambda: Question(q=words, where=split(where), limit=limit, like=piece_id))

    def same(piece_id: str, modality: str = "", where: str = "", limit: int = 10) -> dict[str, Any]:
        """The scores of a recording, the recordings of a score."""
        question = checked(
            lambda: Same.model_validate({"where": split(where), "modality": modality or None, "limit": limit})
        )
        with site.now() as state:
            return renamed_hits(same_json(state, str(piece_id), question))

    def piece(piece_id: str) -> dict[str, Any]:
        """One piece of the library."""
        with site.now() as state:
            return renamed(piece_json(state, str(piece_id)))

    return {"search": search, "similar": similar, "same": same, "piece": piece}


def split(where: Any) -> list[str]:
    """Conditions of a text, between semicolons."""
    return [w.strip() for w in str(where).split(";") if w.strip()]


def ask(site: Site, question: Callable[[], Question]) -> dict[str, Any]:
    """Check, search, and rename.

    Raises:
        UsageError: an argument is of the wrong form.
        MmbertError: as :func:`search_json`.
    """
    asked = checked(question)
    with site.now() as state:
        return renamed_hits(search_json(state, asked))


def checked(question: Callable[[], Q]) -> Q:
    """A question of the right form.

    Raises:
        UsageError: an argument is of the wrong form.
    """
    try:
        return question()
    except ValidationError as e:
        raise UsageError(*first_fault(e.errors())) from None


def renamed_hits(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer whose hits are :func:`renamed`."""
    return answer | {"hits": [renamed(hit) for hit in answer["hits"]]}


def renamed(piece: dict[str, Any]) -> dict[str, Any]:
    """A piece or hit with its path called ``file``."""
    return {"file" if name == "path" else name: value for name, value in piece.items()}
