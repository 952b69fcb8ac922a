"""Real sounds to choose settings by: 166 openly licensed recordings of Debian packages, each with a caption of our own.

    python -m mmbert_training.evaluate.real_sounds FOLDER

fetches the packages with ``apt-get download``, unpacks them into the folder (nothing is installed) and checks the hash
of every file. Captions and questions were written from names and what the packages say, before any was listened to by
a network; no recording of the evaluation clips is among them.
"""

from __future__ import annotations

import csv
import hashlib
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from mmbert.errors import DataError

LIST = "data/real_sounds.csv"
HALVES = (
    ("sonic-pi-samples", "wesnoth-1.16-music", "singularity-music", "hyperrogue-music", "widelands-data",
     "hydrogen-drumkits", "tuxpaint-stamps-default"),
    ("lmms-common", "supertuxkart-data", "hedgewars-data", "pushover-data", "flare-game", "megaglest-data",
     "warzone2100-music", "lincity-ng-data", "extremetuxracer-data"),
)  # fmt: skip
"""Packages of each half: samples, loops and soundtracks in both, nothing of one maker in two."""


@dataclass(frozen=True)
class Sound:
    """One recording.

    Attributes:
        package: Debian package that holds it.
        path: Its place in the package.
        sha256: Of the file.
        start_s: Where the excerpt begins.
        seconds: How long it is at most.
        texts: A caption and two other ways to ask for it.
        sounds: What AudioSet calls what its name states; empty where the name states nothing of the kind.
        licence: Of the recording.
    """

    package: str
    path: str
    sha256: str
    start_s: float
    seconds: float
    texts: tuple[str, str, str]
    sounds: tuple[str, ...]
    licence: str

    def file(self, folder: Path) -> Path:
        """Where it lies once the packages are unpacked."""
        return folder / self.package / self.path


def real_sounds() -> tuple[Sound, ...]:
    """The list, in its own order."""
    rows = csv.DictReader(files(__package__).joinpath(LIST).read_text(encoding="utf-8").splitlines())
    return tuple(
        Sound(
            row["package"], row["path"], row["sha256"], float(row["start_s"]), float(row["seconds"]),
            (row["caption"], row["query_1"], row["query_2"]),
            tuple(s for s in row["sounds"].split(";") if s), row["licence"],
        )
        for row in rows
    )  # fmt: skip


def fetch(folder: Path) -> None:
    """Download and unpack what is not there yet.

    Raises:
        DataError: where a package cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in dict.fromkeys(sound.package for sound in real_sounds()):
        if (folder / package).is_dir():
            continue
        try:
            subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            (archive,) = folder.glob(f"{package}_*.deb")
            unpacked = folder / f"{package}.part"
            subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
        except (OSError, subprocess.CalledProcessError, ValueError) as e:
            raise DataError(package, f"cannot be downloaded: {e}", "It needs Debian 12 and a network") from e
        unpacked.rename(folder / package)
        archive.unlink()


def check(folder: Path) -> None:
    """Compare every file with its hash.

    Raises:
        DataError: for the first that is missing or another one.
    """
    for sound in real_sounds():
        path = sound.file(folder)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as e:
            hint = f"Run: python -m mmbert_training.evaluate.real_sounds {folder}"
            raise DataError(str(path), f"cannot be read ({e.strerror})", hint) from e
        if digest != sound.sha256:
            raise DataError(str(path), "is not the recording that was described", "Use the package of Debian 12")


def _main(folder: Annotated[Path, typer.Argument(help="Where the packages are unpacked; 2 GB.")]) -> None:
    """Fetch the recordings and check them."""
    fetch(folder)
    check(folder)
    typer.echo(f"{folder}: {len(real_sounds())} recordings, every hash right")


if __name__ == "__main__":
    typer.run(_main)
