"""What every refusal of the server looks like: a status and ``{"error": {"subject", "fault", "hint"}}``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Scope, Send

from mmbert.console import clean
from mmbert.errors import BusyError, ItemError, MmbertError, UsageError

READ = ["GET", "HEAD"]
RETRY_AFTER_S = 2
_PLAIN = {405: ("This address", "does not take that method", "docs/HTTP.md lists the routes")}


def body_of(subject: str, fault: str, hint: str = "") -> dict[str, Any]:
    """A fault as programs read it, in the form of the commands' ``--json``."""
    return {"error": clean({"subject": subject, "fault": fault, "hint": hint})}


def not_found(subject: str, fault: str = "is not here", hint: str = "") -> HTTPException:
    """An address or an id that names nothing, or no longer."""
    return HTTPException(404, body_of(subject, fault, hint))  # type: ignore[arg-type]  # given on as it is


def status_of(error: MmbertError) -> int:
    """400 for what the person can mend, 503 for what passes, 500 for the library's own faults."""
    if isinstance(error, BusyError):
        return 503
    return 400 if isinstance(error, (UsageError, ItemError)) else 500


def sentence_of(error: HTTPException) -> str:
    """A fault as one sentence."""
    return str(UsageError(**error.detail["error"])) if isinstance(error.detail, dict) else str(error.detail)


def first_fault(errors: Any) -> tuple[str, str]:
    """(field, fault) of the first of pydantic's errors."""
    first = errors[0]
    loc = [str(p) for p in first["loc"]]
    field = ".".join(loc[1:] if loc[:1] in (["query"], ["path"]) and loc[1:] else loc) or "question"
    message = str(first["msg"])
    return field, message[:1].lower() + message[1:]


def only_reading(app: FastAPI) -> None:
    """Answer 405 to other methods at every address that the application reads from so far.

    Without it they would reach what is mounted behind, which knows nothing of the address.
    """

    def refused(request: Request) -> Response:
        raise HTTPException(405, headers={"Allow": "GET, HEAD"})

    for route in list(app.routes):
        if isinstance(route, APIRoute) and route.methods == set(READ):
            app.add_api_route(route.path, refused, methods=["POST", "PUT", "PATCH", "DELETE"])


def add_faults(app: FastAPI, headers: dict[str, str], outside: Callable[[MmbertError], MmbertError]) -> None:
    """Give every fault of an application's own routes its form.

    Args:
        app: The application.
        headers: Of the answer to a mistake of ours, which leaves past the middleware that adds them otherwise.
        outside: Words an error for people who may sit elsewhere.
    """

    @app.exception_handler(HTTPException)
    async def plain(request: Request, e: HTTPException) -> JSONResponse:
        if isinstance(e.detail, dict):
            return JSONResponse(e.detail, e.status_code, headers=e.headers)
        words = _PLAIN.get(e.status_code, ("", str(e.detail).rstrip("."), ""))
        return JSONResponse(body_of(*words), e.status_code, headers=e.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, e: RequestValidationError) -> JSONResponse:
        return JSONResponse(body_of(*first_fault(e.errors()), "docs/HTTP.md lists what can be asked"), 422)

    @app.exception_handler(MmbertError)
    async def told(request: Request, e: MmbertError) -> JSONResponse:
        status = status_of(e)
        later = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
        words = outside(e)
        return JSONResponse(body_of(words.subject, words.fault, words.hint), status, headers=later)

    @app.exception_handler(Exception)
    async def ours(request: Request, e: Exception) -> JSONResponse:
        words = ("", "The server made a mistake of its own", "The terminal it was started in says more")
        return JSONResponse(body_of(*words), 500, headers=headers)


async def refuse(
    scope: Scope, send: Send, status: int, words: tuple[str, str, str], headers: list[tuple[bytes, bytes]]
) -> None:
    """Answer a request in the place of the application: for middleware."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": words[1]})
        return
    body = json.dumps(body_of(*words)).encode("ascii")
    kept = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
