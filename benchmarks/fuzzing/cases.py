"""File i of a format, from a seed: the same wherever the same real files are at hand."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

import mmbert

from . import abc, midi, mxl, raw, sound, xml
from .largest import LARGEST
from .raw import Change

ROOT = Path(__file__).parents[2]
DEMO = Path(mmbert.__file__).parent / "demo" / "library.zip"
MOST_BYTES = 150_000  # bytes of a real file that is worth damaging: many small ones say more than a large one
OTHER_SUFFIX = 0.05  # share of files that go under another format's suffix


def _same(name: str, data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Format:
    """How one format's files are found, changed and made.

    Attributes:
        suffix: Of its files.
        real: Suffixes of real files in the archives that serve.
        changes: What may be done to one.
        makers: What makes one from nothing.
        written: Files written for this purpose.
        convert: From a real file to this format.
    """

    suffix: str
    real: tuple[str, ...]
    changes: tuple[Change, ...]
    makers: tuple[Callable[[Random], bytes], ...] = ()
    written: Callable[[], tuple[bytes, ...]] = tuple
    convert: Callable[[str, bytes], bytes] = _same


def _score(name: str, data: bytes) -> bytes:
    members = mxl.members_of(data) if name.endswith(".mxl") else []
    return members[-1][1] if members else data


def _packed(name: str, data: bytes) -> bytes:
    return data if name.endswith(".mxl") else mxl.compressed(data)


FORMATS: dict[str, Format] = {
    "midi": Format(".mid", (".mid",), midi.CHANGES, midi.MAKERS),
    "musicxml": Format(".musicxml", (".musicxml", ".mxl"), xml.CHANGES, xml.MAKERS, convert=_score),
    "mxl": Format(".mxl", (".mxl", ".musicxml"), mxl.CHANGES, mxl.MAKERS, convert=_packed),
    "abc": Format(".abc", (".abc",), abc.CHANGES, abc.MAKERS),
    "wav": Format(".wav", (".wav",), sound.WAV, (sound.wav_make,), lambda: sound.seeds("wav")),
    "mp3": Format(".mp3", (".mp3",), sound.MP3, (), lambda: sound.seeds("mp3")),
    "flac": Format(".flac", (".flac",), sound.FLAC, (), lambda: sound.seeds("flac")),
    "ogg": Format(".ogg", (".ogg",), sound.OGG, (), lambda: sound.seeds("ogg")),
}


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        name: What it is called.
        data: Its bytes.
        how: What was done, in order, for the person who looks into it.
    """

    name: str
    data: bytes
    how: tuple[str, ...]


class Cases:
    """The files of one format.

    Args:
        name: Key of :data:`FORMATS`.
        seed: Of all chance.
        data: Folder of the shared data, whose files serve too; None: the repository's alone.
    """

    def __init__(self, name: str, seed: int, data: Path | None = None) -> None:
        self.name, self.format, self.seed, self.data = name, FORMATS[name], seed, data

    @cached_property
    def real(self) -> list[tuple[Path, str]]:
        """(archive or file, member) of every real file that serves, in one order."""
        archives = [DEMO, *(sorted(self.data.glob("*.zip")) if self.data else [])]
        folders = [ROOT / "tests" / "data", *([self.data / "audio" / "clips"] if self.data else [])]
        found = [(p, "") for f in folders for p in sorted(f.glob("*")) if p.name.endswith(self.format.real)]
        for archive in archives:
            with zipfile.ZipFile(archive) as z:
                small = (m for m in z.infolist() if m.file_size <= MOST_BYTES)
                found += [
                    (archive, name) for name in sorted(m.filename for m in small) if name.endswith(self.format.real)
                ]
        return found

    @cached_property
    def _written(self) -> tuple[bytes, ...]:
        return self.format.written()

    @cached_property
    def _archives(self) -> dict[Path, zipfile.ZipFile]:
        return {p: zipfile.ZipFile(p) for p in {p for p, name in self.real if name}}

    def _some(self, rng: Random) -> bytes:
        """A real file."""
        i = rng.randrange(len(self.real) + len(self._written))
        if i >= len(self.real) or (self._written and rng.random() < 0.5):
            return rng.choice(self._written)
        path, name = self.real[i]
        return self.format.convert(name or path.name, self._archives[path].read(name) if name else path.read_bytes())

    def case(self, i: int) -> Case:
        """File ``i``."""
        rng = Random(f"{self.seed}/{self.name}/{i}")
        steps: list[str] = []
        other = self._some(rng)
        if self.format.makers and rng.random() < 0.15:
            maker = rng.choice(self.format.makers)
            data = maker(rng)
            steps.append(maker.__name__)
        else:
            data = self._some(rng)
        own = rng.random() < 0.65  # one change mostly: of many the first that is noticed hides the others
        changes = list(rng.choices(self.format.changes, k=rng.choice((1, 1, 1, 1, 2, 4)))) if own else []
        if not changes or rng.random() < 0.1:
            changes += rng.choices(raw.CHANGES, k=rng.choice((1, 1, 1, 1, 2, 6)))
        if steps and rng.random() < 0.8:
            changes = []
        for change in changes:
            data = change(rng, data, other) or b"\0"
            steps.append(change.__name__)
        suffix = self.format.suffix
        if rng.random() < OTHER_SUFFIX:
            suffix = rng.choice(tuple(f.suffix for f in FORMATS.values()))
        return Case(f"{self.name}-{self.seed}-{i}{suffix}", data, tuple(steps))


class Largest:
    """The files of :mod:`fuzzing.largest` in place of :class:`Cases`."""

    real: tuple = ()

    def case(self, i: int) -> Case:
        """File ``i``."""
        name, (suffix, make) = list(LARGEST.items())[i]
        return Case(f"largest-{i}{suffix}", make(), (name,))


def cases_of(name: str, seed: int, data: Path | None) -> Cases | Largest:
    """The files of a format, or of ``largest``."""
    return Largest() if name == "largest" else Cases(name, seed, data)


def data_folder() -> Path | None:
    """The shared data that ``MMBERT_DATA`` names, None without."""
    named = os.environ.get("MMBERT_DATA")
    return Path(named) if named else None
