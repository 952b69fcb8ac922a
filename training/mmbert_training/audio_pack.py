"""Sound to learn from: segments of equal length in one array, so that training needs neither files nor decoders.

    python -m mmbert_training.audio_pack FOLDER PACK [--seconds 10]

A pack is a folder: ``segments.npy`` int16 [n, samples] (or float16), ``pack.json`` with the rate and the names of
labels, and where there are labels ``labels.npy`` bool [n, names]. A folder of recordings is cut into a pack here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from mmbert.audio.spectrum import resample
from mmbert.errors import DataError, ItemError, MissingExtraError
from mmbert_training.rendering import RATE, fitted

SEGMENTS, LABELS, PACK = "segments.npy", "labels.npy", "pack.json"
_FULL = 32767
_LEAST_S = 1.0  # of sound in a segment


@dataclass(frozen=True)
class AudioPack:
    """Segments and what is known of them.

    Attributes:
        segments: int16 or float16 [n, samples], read from disk as needed.
        rate: Hz.
        names: Of the labels; empty where there are none.
        labels: bool [n, names].
    """

    segments: np.ndarray
    rate: int
    names: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.segments)

    def sound(self, rows: np.ndarray | slice, device: str = "cpu") -> Tensor:
        """Some segments, float32 [n, samples] in [-1, 1]."""
        found = torch.from_numpy(np.array(self.segments[rows])).to(device)
        return found.float() / (_FULL if found.dtype == torch.int16 else 1)

    def at(self, rate: int, device: str = "cpu") -> AudioPack:
        """The same pack at another rate, in memory: an encoder reads a segment many times."""
        if rate == self.rate:
            return self
        parts = [resample(self.sound(slice(i, i + 16), device), self.rate, rate) for i in range(0, len(self), 16)]
        whole = [(part.clamp(-1, 1) * _FULL).round().to("cpu", torch.int16) for part in parts]
        return replace(self, segments=torch.cat(whole).numpy(), rate=rate)


def load_audio(folder: Path) -> AudioPack:
    """A pack.

    Raises:
        DataError: where it is missing or damaged.
    """
    try:
        stated = json.loads((folder / PACK).read_text(encoding="utf-8"))
        segments = np.load(folder / SEGMENTS, mmap_mode="r", allow_pickle=False)
        names = tuple(stated["names"])
        labels = np.zeros((len(segments), 0), bool)
        if names:
            labels = np.load(folder / LABELS, allow_pickle=False)
        if (
            segments.ndim != 2
            or segments.dtype not in (np.int16, np.float16)
            or labels.shape != (len(segments), len(names))
        ):
            raise ValueError(f"holds {segments.dtype} {segments.shape} and labels {labels.shape}")
        return AudioPack(segments, int(stated["rate"]), names, labels)
    except (OSError, ValueError, LookupError, TypeError) as e:
        hint = "Make one of a folder of recordings: python -m mmbert_training.audio_pack FOLDER PACK"
        raise DataError(str(folder), f"is no pack of sound ({e})", hint) from e


def save_audio(
    folder: Path, sounds: Sequence[np.ndarray], rate: int, names: Sequence[str] = (), labels: np.ndarray | None = None
) -> None:
    """Write a pack.

    Args:
        folder: Made where missing.
        sounds: float32 [samples] each, of one length, in [-1, 1].
        rate: Hz.
        names: Of the labels.
        labels: bool [n, names], where there are names.

    Raises:
        DataError: for no sound at all.
    """
    if not len(sounds):
        raise DataError(str(folder), "would be a pack without sound", "Are there recordings of a second or more?")
    folder.mkdir(parents=True, exist_ok=True)
    segments = np.empty((len(sounds), len(sounds[0])), np.int16)
    for row, sound in zip(segments, sounds):
        row[:] = np.rint(np.clip(sound, -1, 1) * _FULL)
    np.save(folder / SEGMENTS, segments)
    if labels is not None:
        np.save(folder / LABELS, labels)
    (folder / PACK).write_text(json.dumps({"rate": rate, "names": list(names)}) + "\n")


def recordings(folder: Path, seconds: float) -> Iterator[np.ndarray]:
    """Segments of every recording below a folder, float32 [samples] at :data:`mmbert_training.rendering.RATE`.

    What cannot be read is named on stderr and left out. What remains at an end is a segment, with silence behind
    it, where it has at least a second.

    Raises:
        MissingExtraError: where soxr or soundfile is not installed.
    """
    from mmbert.items import load_items
    from mmbert.items.recording import SUFFIXES

    try:
        import soxr
    except ImportError:
        raise MissingExtraError.of("soxr", "audio") from None
    length = round(seconds * RATE)
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        left = np.zeros(0, np.float32)
        try:
            recording = next(iter(load_items(path))).recording
            assert recording is not None
            stream = soxr.ResampleStream(recording.sample_rate, RATE, 1, dtype="float32")
            for block in chain(recording.sound(), [None]):
                heard = np.zeros(0, np.float32) if block is None else block
                left = np.concatenate([left, stream.resample_chunk(heard, last=block is None)])
                while len(left) >= length:
                    yield left[:length]
                    left = left[length:]
        except ItemError as e:
            typer.echo(str(e), err=True)
        if len(left) >= _LEAST_S * RATE:
            yield fitted(left, length)


def _main(
    folder: Annotated[Path, typer.Argument(help="Recordings, in any folders below it.")],
    pack: Annotated[Path, typer.Argument(help="Where the pack is written.")],
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of a segment.")] = 10.0,
) -> None:
    """Cut a folder of recordings into a pack."""
    save_audio(pack, list(recordings(folder, seconds)), RATE)


if __name__ == "__main__":
    typer.run(_main)
