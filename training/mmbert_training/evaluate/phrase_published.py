"""What others report under these names, as they report it: Zeng et al., "MusicBERT" (2021), table 3, and there PiRhDy
(Liang et al. 2020) and melody2vec (Hirai and Sawada 2019).

Not to be set beside ours as they stand: fifty candidates of Lakh files, in the file's own velocities, drawn at random;
split by file, where the same song may be on both sides; of accompaniment every track of the phrase is right and HITS@k
is the share of these among the first k, so that HITS@1 ends at the mean of 1 / tracks.
"""

from __future__ import annotations

from typing import Any

NOTE = (
    "published rows rank 50 phrases of Lakh files at random, split by file, velocities kept; of accompaniment all "
    "tracks are right, so HITS@1 ends at the mean of 1 / tracks"
)
_CUTS = {"completion": (1, 5, 10, 25), "accompaniment": (1, 5, 20, 25)}
_ROWS: dict[str, dict[str, tuple[float, ...]]] = {
    "completion": {
        "melody2vec_F": (0.646, 0.578, 0.717, 0.774, 0.867), "melody2vec_B": (0.641, 0.571, 0.712, 0.772, 0.866),
        "tonnetz": (0.683, 0.545, 0.865, 0.946, 0.993), "pianoroll": (0.762, 0.645, 0.916, 0.967, 0.995),
        "PiRhDy_GH": (0.858, 0.775, 0.966, 0.988, 0.999), "PiRhDy_GM": (0.971, 0.950, 0.995, 0.998, 0.999),
        "MusicBERT_small": (0.982, 0.971, 0.996, 0.999, 1.000), "MusicBERT_base": (0.985, 0.975, 0.997, 0.999, 1.000),
    },
    "accompaniment": {
        "tonnetz": (0.423, 0.101, 0.407, 0.628, 0.897), "pianoroll": (0.567, 0.166, 0.541, 0.720, 0.921),
        "PiRhDy_GH": (0.651, 0.211, 0.625, 0.812, 0.965), "PiRhDy_GM": (0.567, 0.184, 0.540, 0.718, 0.919),
        "MusicBERT_small": (0.930, 0.329, 0.843, 0.993, 0.997), "MusicBERT_base": (0.946, 0.333, 0.857, 0.996, 0.998),
    },
}  # fmt: skip


def published(task: str) -> list[dict[str, Any]]:
    """The published rows of ``completion`` or ``accompaniment``.

    >>> published("completion")[-1]["map"]
    0.985
    """
    cuts = _CUTS[task]
    return [
        {"row": name, "map": figures[0], **{f"hits@{k}": v for k, v in zip(cuts, figures[1:])}}
        for name, figures in _ROWS[task].items()
    ]
