"""Evaluations: one module each, with ``run(data, weights) -> dict``. The table says which there are."""

from __future__ import annotations

# name -> (module, one line)
EVALUATIONS: dict[str, tuple[str, str]] = {
    "calibration": (
        "mmbert_training.evaluate.calibration",
        "When nothing fits: true questions lost, nonsense answered; hubs",
    ),
    "facets": ("mmbert_training.evaluate.facets", "Measured facets against the labels of the data, by source"),
    "octuple": ("mmbert_training.evaluate.octuple", "Round trip of every file through octuples; every loss counted"),
    "text-to-music": (
        "mmbert_training.evaluate.text_to_music",
        "Finding pieces by words, against simple rows and an oracle",
    ),
    "understanding": ("mmbert_training.evaluate.understanding", "Sentences to the exact set of what was understood"),
}
