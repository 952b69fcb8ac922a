"""What the page stores for a moment: files on their way in are few, small, and soon gone.

Gradio takes a thousand files a request, each up to the page's limit, and keeps them until somebody cleans. Here a
request brings one, of a length that it says before and keeps to, and only as much lies on the disk as a few people drop
at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.formparsers import MultiPartException
from starlette.types import Message, Receive, Scope, Send

from mmbert_ui.faults import RETRY_AFTER_S, refuse

STORED_SECONDS = 600  # a file that was read is deleted at once; this is for those that nobody asked to be read
MOST_STORED = 64
MOST_STORED_BYTES = 512 * 2**20
_AROUND = 64 * 2**10  # what a form adds to its file
_AROUND_ONE = 2  # a form's separator stands before its one file and behind it


class Intake:
    """ASGI middleware around Gradio's upload route.

    Args:
        app: The application.
        folder: Gives the folder that uploads are stored in.
        most_bytes: Of one file.
    """

    def __init__(self, app: Any, folder: Callable[[], Path], most_bytes: int) -> None:
        self.app, self._folder, self._most_bytes = app, folder, most_bytes
        self._coming = 0  # bytes that are on their way in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no upload, or one that there is room for."""
        if scope["type"] != "http" or scope["method"] == "GET" or not scope["path"].rstrip("/").endswith("/upload"):
            await self.app(scope, receive, send)
            return
        headers = {k.lower(): v for k, v in scope["headers"]}
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or b"transfer-encoding" in headers:  # which counts where both are sent
            words = ("The upload", "does not say how long it is", "Send Content-Length")
            await refuse(scope, send, 411, words, [])
        elif int(length) > self._most_bytes + _AROUND:
            fault = f"is larger than {self._most_bytes // 2**20} MB"
            await refuse(scope, send, 413, ("The upload", fault, "Put the file in the library's folder instead"), [])
        elif not self._has_room(int(length)):
            later = [(b"retry-after", str(RETRY_AFTER_S).encode())]
            await refuse(scope, send, 503, ("The upload", "has to wait", "Send it again in a moment"), later)
        else:
            self._coming += int(length)
            try:
                await self._pass_on(scope, receive, send, int(length))
            finally:
                self._coming -= int(length)

    def _has_room(self, length: int) -> bool:
        files, held = stored(self._folder())
        return files < MOST_STORED and held + self._coming + length <= MOST_STORED_BYTES

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, length: int) -> None:
        """Pass on an upload as it comes in, until it turns out to be more than one file or longer than it said."""
        form = _Form(next((v for k, v in scope["headers"] if k.lower() == b"content-type"), b""), length)

        async def counted() -> Message:
            message = await receive()
            form.count(message.get("body", b""))
            if form.fault:
                raise MultiPartException(form.fault)  # Gradio deletes what it had stored of the form
            return message

        async def unless_refused(message: Message) -> None:
            if not form.fault:
                await send(message)

        with suppress(MultiPartException):
            await self.app(scope, counted, unless_refused)
        if form.fault:
            await refuse(scope, send, 400, ("The upload", form.fault, "Send one file a request"), [])


class _Form:
    """What has come of one upload so far.

    Args:
        kind: The header ``Content-Type``: it names what stands between the parts of a form.
        length: Bytes that it may have.
    """

    def __init__(self, kind: bytes, length: int) -> None:
        boundary = parse_options_header(kind)[1].get(b"boundary", b"")
        self.fault = "" if boundary else "is no form"
        self._between, self._left, self._seen, self._tail = b"--" + boundary, length, 0, b""

    def count(self, body: bytes) -> None:
        """Take in what comes next; :attr:`fault` says when it is too much."""
        self._left -= len(body)
        text = self._tail + body
        self._seen += text.count(self._between)
        self._tail = text[1 - len(self._between) :]  # where the next one may have begun
        if self._left < 0:
            self.fault = "is longer than it says"
        elif self._seen > _AROUND_ONE:
            self.fault = "holds more than one file"


def stored(folder: Path) -> tuple[int, int]:
    """Files that lie in a folder of uploads, and their bytes, after old ones were deleted."""
    oldest, count, held = time.time() - STORED_SECONDS, 0, 0
    for path in list(folder.glob("*/*")):
        with suppress(OSError):  # somebody else deletes as well
            if (status := path.stat()).st_mtime >= oldest:
                count, held = count + 1, held + status.st_size
                continue
            path.unlink()
            path.parent.rmdir()
    return count, held
