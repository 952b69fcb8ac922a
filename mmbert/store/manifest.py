"""MANIFEST.json: what a generation holds, file by file. It is written last and says nothing about time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mmbert.errors import LibraryError
from mmbert.store.files import json_bytes, sha256_of

FORMAT = 1
NAME = "MANIFEST.json"
SMALL = 64 << 20  # a generation of at most so many bytes is hashed each time it is opened (about 0.1 s)


class DamageError(LibraryError):
    """A generation is not what its manifest says; ``fault`` says which file and how.

    Readers turn to another generation where they meet it at opening; met later, it reaches the person as it is.
    """

    def __init__(self, fault: str) -> None:
        super().__init__("", fault, "Run: mmbert index repair LIBRARY")


def with_checksum(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with the digest of everything else in it."""
    body = {k: v for k, v in manifest.items() if k != "checksum"}
    return body | {"checksum": hashlib.sha256(json_bytes(body)).hexdigest()}


def describe(folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Bytes and digest of files, as the manifest lists them."""
    return {n: {"bytes": (folder / n).stat().st_size, "sha256": sha256_of(folder / n)} for n in sorted(names)}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a generation, checked against its own digest.

    Raises:
        DamageError: it is missing or was altered.
        LibraryError: a newer mmbert wrote it.
    """
    try:
        data = (folder / NAME).read_bytes()
        manifest = json.loads(data)
        version = int(manifest["format"])
    except FileNotFoundError:
        raise DamageError(f"{NAME} is missing") from None
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise DamageError(f"{NAME} cannot be read") from e
    if with_checksum(manifest)["checksum"] != manifest.get("checksum"):
        raise DamageError(f"{NAME} was altered")
    refuse_newer(folder, version)
    if json_bytes(manifest) != data:
        raise DamageError(f"{NAME} was altered")
    return manifest


def refuse_newer(path: Path, version: int) -> None:
    """Refuse a format of the future."""
    if version > FORMAT:
        raise LibraryError(
            str(path), f"has format {version}, this mmbert reads up to {FORMAT}", "Install a newer mmbert."
        )


def damages(folder: Path, *, hashes: bool) -> list[dict[str, str]]:
    """What is wrong with a generation, as ``{"file", "fault"}``; empty where it is sound.

    Args:
        folder: The generation.
        hashes: Whether to read every byte, or only to look at sizes.
    """
    try:
        manifest = read_manifest(folder)
    except DamageError as e:
        return [{"file": f"{folder.name}/{NAME}", "fault": e.fault}]
    found = []
    for name, stated in manifest["files"].items():
        if fault := _fault(folder / name, stated, hashes):
            found.append({"file": f"{folder.name}/{name}", "fault": fault})
    return found


def _fault(path: Path, stated: dict[str, Any], hashes: bool) -> str:
    try:
        size = path.stat().st_size
        if size != stated["bytes"]:
            return f"{stated['bytes']:,} bytes expected, {size:,} found"
        return "the bytes were altered" if hashes and sha256_of(path) != stated["sha256"] else ""
    except FileNotFoundError:
        return "is missing"
    except OSError as e:
        return f"cannot be read ({e.strerror})"


def check(folder: Path, *, hashes: bool = False) -> dict[str, Any]:
    """The manifest of a sound generation. Small ones are always hashed.

    Raises:
        DamageError: naming the first file that is wrong, and how.
    """
    manifest = read_manifest(folder)
    total = sum(f["bytes"] for f in manifest["files"].values())
    found = damages(folder, hashes=hashes or total <= SMALL)
    if found:
        raise DamageError(f"{found[0]['file'].partition('/')[2]}: {found[0]['fault']}")
    return manifest
