"""Any byte range of what is as long as it says: RFC 9110, sections 13 and 14, for requests of one range."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response, StreamingResponse


@dataclass(frozen=True)
class Whole:
    """What parts may be asked of.

    Attributes:
        size: Bytes.
        media_type: Such as ``audio/flac``.
        read: Gives the bytes from a first one up to another, in blocks.
        tag: Names these very bytes, for ``ETag``; empty where they have no name.
    """

    size: int
    media_type: str
    read: Callable[[int, int], Iterator[bytes]]
    tag: str = ""


def ranged(whole: Whole, request: Request) -> Response:
    """The whole or a part of it: 200, 206, 304, or 416 for a part that lies behind the end."""
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
    tag = f'"{whole.tag}"'
    if whole.tag:
        headers["ETag"] = tag
        known = [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]
        if tag in known or "*" in known:
            return Response(status_code=304, headers=headers)
    if request.method == "HEAD":  # a range is asked of GET alone
        return Response(headers=headers | {"Content-Length": str(whole.size)}, media_type=whole.media_type)
    span, status = (0, whole.size), 200
    if request.headers.get("if-range", tag) == tag:
        asked = byte_range(request.headers.get("range", ""), whole.size)
        if asked is not None:
            span, status = asked, 206
    start, stop = span
    if status == 206 and start >= stop:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{whole.size}"})
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{whole.size}"
    headers["Content-Length"] = str(stop - start)
    return StreamingResponse(whole.read(start, stop), status, headers, whole.media_type)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and end (exclusive) of a ``Range`` header; both are ``size`` where it lies behind the end.

    None for what a server may leave aside, and the whole answers: no range, another unit, several ranges, nonsense.

    >>> byte_range("bytes=0-99", 1000), byte_range("bytes=900-", 1000), byte_range("bytes=-50", 1000)
    ((0, 100), (900, 1000), (950, 1000))
    >>> byte_range("bytes=1000-", 1000), byte_range("bytes=-0", 1000)
    ((1000, 1000), (1000, 1000))
    >>> byte_range("bytes=9-3", 1000), byte_range("lines=1-2", 1000), byte_range("bytes=0-1,5-6", 1000)
    (None, None, None)
    """
    m = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", header.strip())
    if not m or not (m[1] or m[2]):
        return None
    if not m[1]:
        return max(0, size - int(m[2])) if int(m[2]) else size, size
    start, stop = int(m[1]), int(m[2]) + 1 if m[2] else size
    if m[2] and stop <= start:
        return None
    return (start, min(size, stop)) if start < size else (size, size)
