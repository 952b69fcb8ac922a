"""XML from strangers: no entities, bounded depth and size; zips unpacked in memory with counted bytes."""

from __future__ import annotations

import io
import re
import struct
import xml.etree.ElementTree as ET
import zipfile
import zlib
from pyexpat import ExpatError, ParserCreate
from typing import TYPE_CHECKING, NoReturn

from mmbert.items.text import clean

if TYPE_CHECKING:
    from mmbert.items.reader import File

_BLOCK = 1 << 16
# What zipfile raises on damaged bytes; no list of its own says so.
_ZIP_FAULTS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError,
    LookupError,
)  # fmt: skip
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ROOT_FILE = re.compile(r"full-path\s*=\s*[\"']([^\"'<>]+)[\"']")


def tree(file: File, data: bytes) -> ET.Element:
    """The root of a document.

    Entities are refused by our own expat handlers, those of defusedxml, before a tree is built: the first pass
    builds nothing, the second is the C parser's. (defusedxml's own tree builder runs in Python, seven times slower.)

    Raises:
        ItemError: E_XML_ENTITY (a declared or external entity), E_XML_LIMIT (depth, elements), E_XML_DAMAGED.
    """

    def forbidden(*_: object) -> NoReturn:
        hint = "MusicXML needs none; a file with them may be an attack"
        raise file.refuse("declares XML entities", hint, "E_XML_ENTITY")

    elements = data.count(b"<") - data.count(b"</")
    if elements > file.limits.xml_elements:
        fault = f"has {elements} XML elements (at most {file.limits.xml_elements} are read)"
        raise file.refuse(fault, "Is it one piece?", "E_XML_LIMIT")
    guard = ParserCreate()
    guard.EntityDeclHandler = guard.UnparsedEntityDeclHandler = guard.ExternalEntityRefHandler = forbidden
    try:
        guard.Parse(data, True)
        root = ET.fromstring(data)
    except (ExpatError, ET.ParseError, LookupError, ValueError) as fault:
        if "entity" in str(fault):  # an entity that nothing declares
            forbidden()
        hint = "Was a download or copy cut off?"
        raise file.refuse(f"is not well-formed XML ({str(fault)[:100]})", hint, "E_XML_DAMAGED") from None
    _check_depth(file, root)
    return root


def _check_depth(file: File, root: ET.Element) -> None:
    level, depth = [root], 1
    while level := [child for element in level for child in element]:
        depth += 1
        if depth > file.limits.xml_depth:
            fault = f"nests XML elements more than {file.limits.xml_depth} deep"
            raise file.refuse(fault, "Is it MusicXML?", "E_XML_LIMIT")


def unpack(file: File) -> bytes:
    """The score within a compressed MusicXML file (.mxl); nothing is written to disk.

    Raises:
        ItemError: E_ZIP_LIMIT (members, unpacked bytes), E_ZIP_RATIO, E_ZIP_PATH, E_ZIP_METHOD,
            E_ZIP_DAMAGED, E_NOT_MUSICXML.
    """
    limits = file.limits
    entries = file.data.count(b"PK\x01\x02")  # before zipfile builds an object for each
    if entries > limits.members:
        fault = f"holds {entries} files (at most {limits.members} are read)"
        raise file.refuse(fault, "Is it a compressed MusicXML file?", "E_ZIP_LIMIT")
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            members = {m.filename: m for m in archive.infolist() if m.filename and not m.is_dir()}
            for name in members:
                if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or name[1:2] == ":":
                    hint = "It may be an attack; nothing of it was unpacked"
                    raise file.refuse("names a file outside itself", hint, "E_ZIP_PATH")
            name = _score_member(file, archive, members)
            return _member(file, archive, members[name])
    except _ZIP_FAULTS as fault:
        hint = "Was a download or copy cut off?"
        raise file.refuse(f"cannot be unpacked ({clean(str(fault), 100)})", hint, "E_ZIP_DAMAGED") from None


def _score_member(file: File, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> str:
    """The member that META-INF/container.xml names (by pattern: many are not well-formed), else the first score."""
    if "META-INF/container.xml" in members:
        container = _member(file, archive, members["META-INF/container.xml"]).decode("utf-8", "replace")
        for name in _ROOT_FILE.findall(container):
            if name in members and name.lower().endswith((".xml", ".musicxml")):
                return name
    for name in members:
        if name.lower().endswith((".xml", ".musicxml")) and not name.startswith("META-INF/"):
            return name
    raise file.refuse("is a zip without a MusicXML score", "Unpack it and give its files", "E_NOT_MUSICXML")


def _member(file: File, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    limits = file.limits
    if info.flag_bits & 1:
        raise file.refuse("is locked by a password", "Save it without one", "E_ZIP_METHOD")
    if info.compress_type not in _METHODS:  # the others would unpack, or allocate, without bound
        raise file.refuse("is packed by a method that MusicXML does not use", "Save it again", "E_ZIP_METHOD")
    ceiling = min(limits.unpacked_bytes, max(limits.ratio_from, int(limits.unpacked_ratio * info.compress_size)))
    blocks, total = [], 0
    with archive.open(info) as f:
        while block := f.read(_BLOCK):
            total += len(block)
            if total > ceiling:
                hint = "It may be an attack (a zip bomb)"
                raise file.refuse(f"unpacks to more than {ceiling >> 20} MiB", hint, "E_ZIP_RATIO")
            blocks.append(block)
    return b"".join(blocks)
