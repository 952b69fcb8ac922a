"""A library as a page: a free port, a folder of its own for what passes through, and a clean end."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbert._runtime import one_thread_a_question
from mmbert.console import warn
from mmbert.errors import MissingExtraError, UsageError
from mmbert_ui.addresses import is_here

if TYPE_CHECKING:
    from fastapi import FastAPI

DEFAULT_PORT = 7860
PORTS_TRIED = 50
_EVERYWHERE = ("0.0.0.0", "::", "")
_WORK_PREFIX = "mmbert-page-"


@dataclass(frozen=True)
class Serving:
    """Where and how a page is served.

    Attributes:
        library: Folder of the library.
        host: Address or name to listen on.
        port: Port; None takes the first free one from :data:`DEFAULT_PORT` up.
        soundfont: SoundFont 2 file; None looks for one.
        weights: Checkpoint folder or hub name; None for the released ones.
        password_file: Its first line is the password that everything asks for; None lets everybody in.
        open_browser: Show the page in the person's browser once it is there.
    """

    library: Path
    host: str = "127.0.0.1"
    port: int | None = None
    soundfont: Path | None = None
    weights: str | None = None
    password_file: Path | None = None
    open_browser: bool = False


def serve(serving: Serving, ready: Callable[[str, int], None]) -> None:
    """Serve until interrupted. ``ready(url, pieces)`` is called when the page answers.

    Raises:
        UsageError: for a port in use, an address that is not this machine's, a file that is no SoundFont, or one
            that holds no password.
        LibraryError: the library cannot be opened.
        MissingExtraError: the extra ``ui`` is not installed.
    """
    one_thread_a_question()
    from mmbert.api import Library

    password = _password(serving)
    listening = listen(serving.host, serving.port)
    work = _work_folder()
    try:
        library = Library.open(serving.library.resolve(), _absolute(serving.weights))
        soundfont = serving.soundfont.resolve() if serving.soundfont else None
        # Gradio copies a file that a handler returns when it lies in the working folder: let that be an empty one.
        os.environ["GRADIO_TEMP_DIR"] = str(work / "uploads")
        (work / "empty").mkdir()
        os.chdir(work / "empty")
        app = _build(library, soundfont, _names(serving.host), password)
        url = f"http://{_shown(serving.host)}:{listening.getsockname()[1]}"

        def answers() -> None:
            ready(url, len(library))
            if serving.open_browser:
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        with suppress(KeyboardInterrupt):  # how a page ends
            _run(app, listening, answers, lambda: shutil.rmtree(work, ignore_errors=True))
    finally:
        listening.close()
        shutil.rmtree(work, ignore_errors=True)


def _password(serving: Serving) -> str | None:
    """What is asked for, with a word to whoever lets other machines in."""
    if serving.password_file is not None:
        from mmbert_ui.password import read_password

        password = read_password(serving.password_file)
        if not is_here(serving.host):
            warn("The password travels as plain text. Beyond your own network, put a proxy with TLS in front")
        return password
    if not is_here(serving.host):
        warn("Whoever reaches this machine can search and download the library: --password-file FILE keeps others out")
    return None


def _build(library: Any, soundfont: Path | None, hosts: tuple[str, ...], password: str | None) -> FastAPI:
    try:
        from mmbert_ui.page import build_app
    except ModuleNotFoundError as e:
        if (e.name or "").split(".")[0] in ("gradio", "fastapi", "uvicorn", "midirenderer"):
            raise MissingExtraError.of(e.name or "gradio", "ui") from None
        raise
    return build_app(library, soundfont, hosts, password)


def _run(app: FastAPI, listening: socket.socket, started: Callable[[], None], ended: Callable[[], None]) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            ended()  # here, because uvicorn ends the process with the signal that stopped it

    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    Server(config).run(sockets=[listening])


def listen(host: str, port: int | None) -> socket.socket:
    """A socket bound to ``port``, or without one to the first free port from :data:`DEFAULT_PORT` up.

    Raises:
        UsageError: naming the option at fault.
    """
    for candidate in [port] if port is not None else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        try:
            return _bind(host, candidate)
        except socket.gaierror as e:
            raise UsageError(f"--host {host}", "is no address of this machine", "Try 127.0.0.1") from e
        except PermissionError as e:
            raise UsageError(f"--port {candidate}", "needs more rights", "Choose one above 1023") from e
        except (OSError, OverflowError) as e:
            fault = e
    if port is None:
        last = DEFAULT_PORT + PORTS_TRIED - 1
        raise UsageError("--port", f"none from {DEFAULT_PORT} to {last} is free", "Name another") from fault
    raise UsageError(f"--port {port}", f"cannot be used ({fault})", "Leave it out to take a free one") from fault


def _bind(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _names(host: str) -> tuple[str, ...]:
    """Names under which the page may be asked for, besides addresses and localhost."""
    if host not in _EVERYWHERE:
        return (host,)
    name = socket.gethostname()
    return (name, f"{name}.local", socket.getfqdn())


def _shown(host: str) -> str:
    if host in _EVERYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _absolute(weights: str | None) -> str | None:
    """The working folder changes below: a folder given relative to it must not."""
    return str(Path(weights).resolve()) if weights and Path(weights).exists() else weights


def _work_folder() -> Path:
    """A new folder for this process; those of page processes that ended without tidying up are removed."""
    here = Path(tempfile.gettempdir())
    for old in here.glob(f"{_WORK_PREFIX}*"):
        number = old.name.removeprefix(_WORK_PREFIX).partition("-")[0]
        if number.isdigit() and not _is_running(int(number)):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_WORK_PREFIX}{os.getpid()}-"))


def _is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
