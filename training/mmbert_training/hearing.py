"""What the network that hears makes of files of sound, for evaluations and statistics; no library is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mmbert.audio.mel import RATE, LogMel
from mmbert.audio.mn04 import Mn04
from mmbert.errors import DataError


def logits(path: Path, ear: Mn04, start_s: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """Logits of the 527 named sounds over an excerpt, float32 [527].

    Args:
        path: A file that soundfile reads.
        ear: The network.
        start_s: Where the excerpt begins.
        seconds: How long it is at most; None for all that follows.

    Raises:
        DataError: where the file cannot be read or the excerpt is empty.
    """
    return of_sound(excerpt(path, start_s, seconds), ear)


def of_sound(samples: np.ndarray, ear: Mn04) -> np.ndarray:
    """Logits float32 [527] of samples float32 [n], mono at 32 kHz."""
    return of_states(states(samples, ear), ear)


@torch.inference_mode()
def of_states(heard: np.ndarray, ear: Mn04) -> np.ndarray:
    """Logits float32 [527] of the mean of states, float16 [seconds, 384]."""
    return ear.sounds(torch.from_numpy(heard.astype(np.float32)).mean(dim=0)).numpy()


def states(samples: np.ndarray, ear: Mn04) -> np.ndarray:
    """States float16 [seconds, 384] of samples float32 [n], mono at 32 kHz."""
    mel = LogMel()
    return ear.hear(np.concatenate([mel.feed(samples), mel.finish()]))


def excerpt(path: Path, start_s: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """Samples of an excerpt, float32 [n], mono at 32 kHz. Raises as :func:`logits`."""
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(path) as sound:
            rate = sound.samplerate
            sound.seek(min(round(start_s * rate), max(sound.frames, 0)))
            frames = -1 if seconds is None else round(seconds * rate)
            samples = sound.read(frames, dtype="float32", always_2d=True).mean(axis=1)
    except (OSError, soundfile.LibsndfileError) as e:
        raise DataError(str(path), f"cannot be read: {e}", "Fetch it again") from e
    if not len(samples):
        raise DataError(str(path), f"holds nothing behind {start_s:g} s", "Is it the right file?")
    return soxr.resample(samples, rate, RATE).astype(np.float32)
