"""What stands between the page and the rest of the world: same origin, no fetching for others, strict headers.

One ASGI middleware, so that Gradio's routes and ours pass through the same door:

* a request whose ``Origin`` is another site's is refused, read or write (Gradio itself echoes foreign origins);
* a ``Host`` that is neither an address nor a name the operator gave is refused, because a foreign page can make
  its own name point at this machine and would then count as the same origin;
* ``file=http...`` and ``proxy=`` would make the server fetch addresses for a client: refused;
* every answer carries a content policy that lets nothing load from outside, and ``nosniff``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from mmbert_ui.faults import refuse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# unsafe-eval: gr.HTML compiles its templates with Function; the policy stops loads from outside, not inline code.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob: data:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Harden:
    """ASGI middleware around the whole application.

    Args:
        app: What is protected.
        hosts: Names besides ``localhost`` and plain addresses under which the page is served.
    """

    def __init__(self, app: Any, hosts: tuple[str, ...] = ()) -> None:
        self.app = app
        self.hosts = frozenset({"localhost", *(h.casefold() for h in hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403 with one sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        fault = self.fault(scope)
        if fault:
            await refuse(scope, send, 403, ("", fault, ""), list(HEADERS))
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in HEADERS}
                kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in names]
                message["headers"] = [*kept, *HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def fault(self, scope: Scope) -> str | None:
        """Why a request is refused, None where it is not."""
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope.get("headers", [])}
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "This page is not served under that name"
        origin = headers.get("origin")
        if origin is not None and not _same_origin(origin, host, scope, headers):
            return "Requests from other sites are refused"
        follows_link = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") in ("GET", "HEAD")
        if headers.get("sec-fetch-site") == "cross-site" and not follows_link:
            return "Requests from other sites are refused"
        if _fetches_for_others(scope):
            return "This server fetches nothing for others"
        return None

    def _is_ours(self, host: str) -> bool:
        name = (urlsplit(f"//{host}").hostname or "").casefold()
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _same_origin(origin: str, host: str, scope: Scope, headers: dict[str, str]) -> bool:
    """Scheme and host alike; behind a proxy the scheme is the one that it says the client used."""
    scheme = headers.get("x-forwarded-proto") or str(scope.get("scheme", "http"))
    scheme = scheme.split(",")[0].strip()
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    return origin.casefold() == f"{scheme}://{host}".casefold()


def _fetches_for_others(scope: Scope) -> bool:
    path = scope.get("path", "")
    for _ in range(3):  # %2568ttp is http after three rounds
        lowered = path.casefold()
        if "/proxy=" in lowered or "file=http" in lowered.replace("file=/", "file="):
            return True
        path = unquote(path)
    return False
