"""Pieces that nobody wrote: facts of training works mixed, and rare values as often as common ones.

Words are learned from facts, and facts need no notes. The works alone would teach that a hornpipe is in D and that
nothing is in 9/8; a library from elsewhere holds slip jigs in A for two bagpipes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mmbert.facets import FORMS, METRES, tonic_name
from mmbert.symbolic.instruments import NAMES, family_of
from mmbert.types import Facets

# Facts that depend on each other come from one work.
_TOGETHER = (
    ("key", "mode"), ("tempo_bpm", "pace", "duration_s", "bars", "metre", "notes_per_bar"), ("polyphony",),
    ("instruments", "families", "has_drums", "parts"), ("pitch_low", "pitch_high"), ("velocity_mean",), ("form",),
)  # fmt: skip
_OF_ANOTHER = 0.3  # share of groups that another work gives
_ANY_FORM, _ANY_METRE, _ANY_KEY, _ANY_INSTRUMENTS = 0.6, 0.2, 0.3, 0.3


def imagined(facets: Sequence[Facets], count: int, seed: int) -> Iterator[Facets]:
    """``count`` sets of facts, each of one work with some exchanged. Names are left out.

    >>> works = [Facets(metre="6/8", form="jig"), Facets(metre="3/4", form="waltz")]
    >>> len(list(imagined(works, 3, seed=1)))
    3
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        made = replace(facets[int(rng.integers(len(facets)))], title=None, composer=None)
        for group in _TOGETHER:
            if rng.random() < _OF_ANOTHER:
                other = facets[int(rng.integers(len(facets)))]
                made = replace(made, **{name: getattr(other, name) for name in group})
        yield _rarer(made, rng)


def _rarer(made: Facets, rng: np.random.Generator) -> Facets:
    if rng.random() < _ANY_FORM:
        made = replace(made, form=str(rng.choice(FORMS)))
    if rng.random() < _ANY_METRE and made.bars is not None:
        made = replace(made, metre=str(rng.choice(METRES)))
    if rng.random() < _ANY_KEY:
        mode = str(rng.choice(("major", "minor")))
        made = replace(made, key=tonic_name(int(rng.integers(12)), mode), mode=mode)
    if rng.random() < _ANY_INSTRUMENTS:
        programs = rng.choice(len(NAMES), int(rng.integers(1, 4)), replace=False).tolist()
        families = tuple(dict.fromkeys(family_of(p) for p in programs))
        made = replace(
            made, instruments=tuple(NAMES[p] for p in programs), families=families, has_drums=False,
            parts=len(programs),
        )  # fmt: skip
    return made
