"""A password in front of everything: page, assets, sound, files, JSON routes and Gradio's own, by HTTP Basic.

Browsers ask for it once and then send it with every request of the page (scripts, streams and sound included), and
curl and gradio_client know it. The name that is typed beside it does not matter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from mmbert.console import warn
from mmbert.errors import UsageError
from mmbert_ui.addresses import address_of
from mmbert_ui.faults import refuse

SHORTEST, LONGEST = 8, 1024
TRIES, WINDOW_S = 10, 60.0  # wrong passwords from one address within so many seconds; then none is looked at
ADDRESSES = 1000  # remembered
_ASK = (b"www-authenticate", b'Basic realm="mmbert", charset="UTF-8"')


def read_password(path: Path) -> str:
    """The first line of a file.

    Raises:
        UsageError: it cannot be read, or holds no password of a sensible length.
    """
    subject = f"--password-file {path}"
    try:
        with path.open("rb") as file:
            line = file.read(LONGEST + 2).split(b"\n")[0].rstrip(b"\r").decode("utf-8")
            mode = os.fstat(file.fileno()).st_mode
    except OSError as e:
        raise UsageError(subject, f"cannot be read ({e.strerror})", "Give a file whose first line is it") from e
    except UnicodeDecodeError as e:
        raise UsageError(subject, "is not UTF-8 text", "Write the password as text") from e
    if not SHORTEST <= len(line) <= LONGEST:
        fault = f"holds a password of {len(line)} characters in its first line"
        raise UsageError(subject, fault, f"Use {SHORTEST} to {LONGEST}")
    if os.name == "posix" and mode & 0o077 and mode & 0o170000 == 0o100000:
        warn(f"{path}: others on this machine can read it. Run: chmod 600 {path}")
    return line


class Password:
    """ASGI middleware: nothing passes without the password.

    Args:
        app: What is protected.
        password: Kept as a digest.
        clock: Gives monotonic seconds.
    """

    def __init__(self, app: Any, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.app, self._digest, self._clock = app, _digest(password.encode()), clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what knows the password."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        address = address_of(scope)
        given = next((v for k, v in scope.get("headers", []) if k.lower() == b"authorization"), None)
        if given is not None and (wait := self._seconds_shut(address)) > 0:
            words = ("The password", "was wrong too often", "Wait a minute")
            await refuse(scope, send, 429, words, [(b"retry-after", str(int(wait) + 1).encode())])
            return
        if given is not None and hmac.compare_digest(_digest(_password_in(given)), self._digest):
            await self.app(scope, receive, send)
            return
        if given is not None:
            self._note(address)
        fault = "is asked for here" if given is None else "is wrong"
        await refuse(scope, send, 401, ("The password", fault, "Any name will do beside it"), [_ASK])

    def _seconds_shut(self, address: str) -> float:
        wrong = self._wrong.get(address)
        if wrong is None:
            return 0.0
        while wrong and wrong[0] <= self._clock() - WINDOW_S:
            wrong.popleft()
        return wrong[0] + WINDOW_S - self._clock() if len(wrong) >= TRIES else 0.0

    def _note(self, address: str) -> None:
        wrong = self._wrong.setdefault(address, deque(maxlen=TRIES))
        wrong.append(self._clock())
        self._wrong.move_to_end(address)
        while len(self._wrong) > ADDRESSES:
            self._wrong.popitem(last=False)
        if len(wrong) == TRIES:
            warn(f"{TRIES} wrong passwords from {address}: refused for a minute")


def _digest(secret: bytes | None) -> bytes:
    """Of equal length whatever was sent, so that comparing takes as long for every guess."""
    return hashlib.sha256(b"" if secret is None else secret).digest()


def _password_in(header: bytes) -> bytes | None:
    scheme, _, coded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(coded.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return None
