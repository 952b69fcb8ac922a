"""What the page stores for a moment: files on their way in are few, small, and soon gone.

Gradio takes a thousand files a request, each up to the page's limit, and keeps them until somebody cleans. Here a
request brings one, and only as many lie on the disk as a few people drop at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from mmbert_ui.faults import RETRY_AFTER_S, refuse

STORED_SECONDS = 600  # a file that was read is deleted at once; this is for those that nobody asked to be read
MOST_STORED = 64
_AROUND = 64 * 2**10  # what a form adds to its file


class Intake:
    """ASGI middleware around Gradio's upload route.

    Args:
        app: The application.
        folder: Gives the folder that uploads are stored in.
        most_bytes: Of one file.
    """

    def __init__(self, app: Any, folder: Callable[[], Path], most_bytes: int) -> None:
        self.app, self._folder, self._most_bytes = app, folder, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no upload, or one that there is room for."""
        if scope["type"] != "http" or scope["method"] == "GET" or not scope["path"].rstrip("/").endswith("/upload"):
            await self.app(scope, receive, send)
            return
        length = next((v for k, v in scope["headers"] if k.lower() == b"content-length"), b"")
        if not length.isdigit():
            words = ("The upload", "does not say how long it is", "Send Content-Length")
            await refuse(scope, send, 411, words, [])
        elif int(length) > self._most_bytes + _AROUND:
            fault = f"is larger than {self._most_bytes // 2**20} MB"
            await refuse(scope, send, 413, ("The upload", fault, "Put the file in the library's folder instead"), [])
        elif stored(self._folder()) >= MOST_STORED:
            later = [(b"retry-after", str(RETRY_AFTER_S).encode())]
            await refuse(scope, send, 503, ("The upload", "has to wait", "Send it again in a moment"), later)
        else:
            await self.app(scope, receive, send)


def stored(folder: Path) -> int:
    """Number of files that lie in a folder of uploads, after old ones were deleted."""
    oldest, count = time.time() - STORED_SECONDS, 0
    for path in list(folder.glob("*/*")):
        with suppress(OSError):  # somebody else deletes as well
            if path.stat().st_mtime >= oldest:
                count += 1
                continue
            path.unlink()
            path.parent.rmdir()
    return count
