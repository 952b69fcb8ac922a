"""The page's own routes: notes, sound and files by id, and the page's scripts. No route joins a path from a request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response

from mmbert.console import clean
from mmbert.errors import ItemError, LibraryError, MissingExtraError
from mmbert.titles import title_of
from mmbert.types import Item
from mmbert_ui.asking import piece_view
from mmbert_ui.catalogue import library_view
from mmbert_ui.faults import READ
from mmbert_ui.notes import Playable
from mmbert_ui.ranges import Whole, ranged
from mmbert_ui.recordings import RecordingFile
from mmbert_ui.render import SAMPLE_RATE, Renderer, wave_header
from mmbert_ui.state import PageState, Site
from mmbert_ui.waveform import Waveform

ASSETS = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "cards.js": "text/javascript",
    "dom.js": "text/javascript",
    "filters.js": "text/javascript",
    "library.js": "text/javascript",
    "player.js": "text/javascript",
    "pulse.js": "text/javascript",
    "building.js": "text/javascript",
    "roll.js": "text/javascript",
    "shown.js": "text/javascript",
    "synth.js": "text/javascript",
    "words.js": "text/javascript",
    "grid.js": "text/javascript",
    "live.js": "text/javascript",
    "melody.js": "text/javascript",
    "melody_input.js": "text/javascript",
    "metronome.js": "text/javascript",
    "midi_in.js": "text/javascript",
    "mixer.js": "text/javascript",
    "piano.js": "text/javascript",
    "suggest.js": "text/javascript",
    "suggestion.js": "text/javascript",
    "tune.js": "text/javascript",
    "wave.js": "text/javascript",
    "microphone.js": "text/javascript",
    "capture.js": "text/javascript",
}
_BLOCK_FRAMES = SAMPLE_RATE  # one second a write: a player that seeks away wastes little
_HEADER = 44


def asset(name: str) -> bytes:
    """One of the page's own scripts or styles."""
    return (files("mmbert_ui") / "static" / name).read_bytes()


def assets_version() -> str:
    """Changes with the scripts, so that a browser never runs an old one."""
    return hashlib.sha256(b"".join(asset(name) for name in ASSETS)).hexdigest()[:12]


def add_routes(app: FastAPI, site: Site) -> None:
    """Put the routes on an application."""
    found = {name: asset(name) for name in ASSETS}

    @app.api_route("/assets/{version}/{name}", methods=READ)
    def script(version: str, name: str) -> Response:
        if name not in found:
            raise HTTPException(404, "There is no such file.")
        return Response(found[name], media_type=ASSETS[name], headers={"Cache-Control": "max-age=86400"})

    @app.api_route("/alive", methods=READ)
    def alive() -> JSONResponse:
        return JSONResponse({"alive": True})

    @app.api_route("/roll/{any_id}.json", methods=READ)
    def roll(any_id: str) -> JSONResponse:
        with site.now() as state:
            return JSONResponse(clean(_playable(state, any_id).to_json()), headers=_PRIVATE)

    @app.api_route("/sound/{any_id}.wav", methods=READ)
    def wave(any_id: str, request: Request) -> Response:
        return ranged(_sounding(site, any_id, as_wave=True), request)

    @app.api_route("/sound/{any_id}", methods=READ)
    def sound(any_id: str, request: Request) -> Response:
        return ranged(_sounding(site, any_id, as_wave=False), request)

    @app.api_route("/waveform/{any_id}.json", methods=READ)
    def waveform(any_id: str) -> JSONResponse:
        with site.now() as state:
            return JSONResponse(_waveform(site, state, any_id).to_json(), headers=_PRIVATE)

    @app.api_route("/download/{any_id}", methods=READ)
    def download(any_id: str, request: Request) -> Response:
        with site.now() as state:
            if state.is_recording(any_id):
                return _downloaded(_recording(site, state, any_id), state.title(any_id), request)
            return _download(state, any_id)

    @app.api_route("/piece/{any_id}.json", methods=READ)
    def piece(any_id: str) -> JSONResponse:
        with site.now() as state:
            view = piece_view(state, any_id)
        if view is None:
            raise HTTPException(404, "There is no such piece.")
        return JSONResponse(clean(view), headers=_PRIVATE)

    @app.api_route("/words/{any_id}.json", methods=READ)
    def words(any_id: str) -> JSONResponse:
        with site.now() as state:
            found = state.in_words(any_id)
        if found is None:
            raise HTTPException(404, "There is no such piece.")
        return JSONResponse(clean(found), headers=FRESH)

    @app.api_route("/library.json", methods=READ)
    def library() -> JSONResponse:
        with site.now() as state:
            return JSONResponse(clean(_library(state)), headers=FRESH)

    @app.api_route("/pieces.json", methods=READ)
    def pieces(
        text: str = Query("", max_length=200), start: int = Query(0, ge=0), count: int = Query(50, ge=1, le=200)
    ) -> JSONResponse:
        with site.now() as state:
            return JSONResponse(clean(state.catalogue.table(text, start, count)), headers=FRESH)


_PRIVATE = {"Cache-Control": "private, max-age=3600"}
FRESH = {"Cache-Control": "no-store"}


def _library(state: PageState) -> dict[str, Any]:
    return library_view(state.catalogue, state.library.status(), state.library.rejects())


def _playable(state: PageState, any_id: str) -> Playable:
    playable = state.playable(any_id)
    if playable is None:
        raise HTTPException(404, "There is no such piece.")
    return playable


# ---- sound ------------------------------------------------------------------------------------------------


def _rendered(renderer: Renderer, key: str, piece: Playable) -> Whole:
    """A WAV that is rendered where it is read."""
    size = _HEADER + renderer.frames(piece) * 4
    return Whole(size, "audio/wav", lambda start, stop: _blocks(renderer, key, piece, start, stop))


def _sounding(site: Site, any_id: str, as_wave: bool) -> Whole:
    """What a piece sounds like: a score is rendered, a recording is its file, or a WAV made of it.

    Raises:
        HTTPException: 404 where it has no sound here, 410 where its file has changed or is gone.
    """
    with site.now() as state:
        if state.is_recording(any_id):
            file = _recording(site, state, any_id)
            return file.wave() if as_wave else file.whole()
        playable = _playable(state, any_id)
    if site.renderer is None:
        raise HTTPException(404, "No SoundFont was found on this machine.")
    return _rendered(site.renderer, any_id, playable)


def _recording(site: Site, state: PageState, piece_id: str) -> RecordingFile:
    with _told():
        return site.recordings.file(state.library, piece_id)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a file of the library, to who asks for its sound.

    Raises:
        HTTPException: 410 where it has changed or is gone, 404 where it cannot be read.
    """
    try:
        yield
    except LibraryError as e:
        raise HTTPException(410, f"The file {e.fault}. {e.hint}.") from None
    except (ItemError, MissingExtraError) as e:
        raise HTTPException(404, f"The file {e.fault}. {e.hint}.") from None
    except OSError:
        raise HTTPException(404, "The file is gone or cannot be read.") from None


def _blocks(renderer: Renderer, key: str, piece: Playable, start: int, stop: int) -> Iterator[bytes]:
    if start < _HEADER:
        yield wave_header(renderer.frames(piece))[start:stop]
    at = max(start, _HEADER)
    while at < stop:
        first = (at - _HEADER) // 4
        last = min(first + _BLOCK_FRAMES, renderer.frames(piece))
        block = renderer.stretch(key, piece, first, last).tobytes()
        offset = at - _HEADER - first * 4  # a range may begin within a frame
        block = block[offset : offset + stop - at]
        yield block
        at += len(block)


def _waveform(site: Site, state: PageState, any_id: str) -> Waveform:
    upload = state.upload(any_id)
    if upload is not None and upload.waveform is not None:
        return upload.waveform
    if not state.is_recording(any_id):
        raise HTTPException(404, "There is no such recording.")
    with _told():
        return site.recordings.waveform(state.library, any_id)


# ---- files ------------------------------------------------------------------------------------------------


def _download(state: PageState, any_id: str) -> Response:
    """The piece's own file where it holds this piece alone, else the piece as MIDI."""
    found = state.found.get(any_id)
    if found is not None:
        return _file(found.midi(), f"{found.name}.mid")
    item = state.item(any_id)
    if item is None:
        raise HTTPException(404, "There is no such piece.")
    upload = state.upload(any_id)
    name = title_of(item.metadata.get("title"), upload.name if upload else str(item.source.path))
    if upload is None and state.catalogue.is_alone(any_id):
        data, suffix = _own_bytes(item), item.source.path.suffix.lower()
    elif item.score is not None:
        from mmbert.items import write_midi

        data, suffix = write_midi(item.score, item.metadata), ".mid"
    else:
        raise HTTPException(404, "This piece has no file of its own.")
    return _file(data, name + suffix)


def _downloaded(file: RecordingFile, title: str, request: Request) -> Response:
    """A recording as it lies on the disk, which is not held in memory."""
    answer = ranged(file.as_it_is("application/octet-stream"), request)
    answer.headers["Content-Disposition"] = attachment(title + file.path.suffix.lower())
    return answer


def _file(data: bytes, name: str) -> Response:
    return Response(data, media_type="application/octet-stream", headers={"Content-Disposition": attachment(name)})


def _own_bytes(item: Item) -> bytes:
    try:
        data = item.source.path.read_bytes()
    except OSError:
        raise HTTPException(404, "The file is gone or cannot be read.") from None
    if hashlib.sha256(data).hexdigest() != item.source.sha256:
        raise HTTPException(410, "The file has changed since the library was built. Build the library again.")
    return data


def attachment(name: str) -> str:
    """A ``Content-Disposition`` that no name can break out of.

    >>> print(attachment('a"b/../c.mid'))
    attachment; filename="a_b_.._c.mid"; filename*=UTF-8''a_b_.._c.mid
    >>> print(attachment("Dvořák.abc"))
    attachment; filename="Dvo__k.abc"; filename*=UTF-8''Dvo%C5%99%C3%A1k.abc
    """
    safe = re.sub(r'[\x00-\x1f\x7f"\\/<>:|?*]', "_", name)[-150:].strip(". ") or "piece"
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"
