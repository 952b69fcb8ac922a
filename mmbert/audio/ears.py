"""What a network hears in a recording, as facts about it and about its windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock

import numpy as np
import torch

from mmbert.audio.mn04 import Mn04
from mmbert.audio.sounds import heard, sound_names
from mmbert.prepare import Prepared
from mmbert.types import Facets, Place

_LOADING = Lock()  # recordings are dropped in several threads: one of them loads the network


@dataclass(frozen=True)
class HeardRecording:
    """A recording as it was heard.

    Attributes:
        facets: Its facts, those that are heard among them.
        windows: What is heard in each of its windows.
        logits: Of the named sounds, float32 [1 + windows, 527]: of the whole, then of its windows.
        states: Seconds of the whole and of each window, float32 [seconds, 384] each.
    """

    facets: Facets
    windows: tuple[Facets, ...]
    logits: np.ndarray
    states: tuple[np.ndarray, ...]


class Ears:
    """The network, loaded when the first recording comes.

    Args:
        device: A torch device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    @cached_property
    def _loaded(self) -> Mn04:
        return Mn04.load().to(self._device)

    @property
    def network(self) -> Mn04:
        """The network.

        Raises:
            WeightsError: where it is missing or damaged.
        """
        with _LOADING:
            return self._loaded

    def recording(self, p: Prepared) -> HeardRecording:
        """What the states of a recording say. They must be filled in."""
        whole = p.states.astype(np.float32)
        states = whole, *(_between(whole, place) for place in p.places)
        means = np.stack([some.mean(axis=0) for some in states])
        with torch.inference_mode():
            logits = self.network.sounds(torch.from_numpy(means).to(self._device)).float().cpu().numpy()
        of_windows = replace(p.facets, duration_s=None, loudness_db=None)
        windows = tuple(_facts(of_windows, row) for row in logits[1:])
        return HeardRecording(_facts(p.facets, logits[0]), windows, logits, states)


def _facts(facets: Facets, logits: np.ndarray) -> Facets:
    said = heard(logits, sound_names())
    return replace(
        facets,
        instruments=said.instruments,
        families=said.families,
        has_drums=said.has_drums or None,  # that none are heard does not mean that there are none
        sounds=tuple(sound.name for sound in said.sounds),
    )


def _between(states: np.ndarray, place: Place) -> np.ndarray:
    """The seconds of a place, at least one."""
    first = min(int(place.start_s), len(states) - 1)
    return states[first : max(first + 1, round(place.end_s))]
