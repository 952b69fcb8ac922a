"""Evaluations: one module each, with ``run(data, weights) -> dict``. The table says which there are.

Those of :data:`WITH_SPLIT` also take ``split``, ``test`` or ``validation``; those of :data:`WITH_QUERIES`
``queries``, how many questions of each kind to ask at most; those of :data:`WITH_SOUNDS` ``sounds``, a folder of real
recordings; those of :data:`WITH_WORK` ``work``, a folder of what a second run need not make again.
"""

from __future__ import annotations

# name -> (module, one line)
EVALUATIONS: dict[str, tuple[str, str]] = {
    "accompaniment": (
        "mmbert_training.evaluate.accompaniment",
        "Finding what accompanies a melody phrase, by counting notes",
    ),
    "audio-tags": (
        "mmbert_training.evaluate.audio_tags",
        "What the network hears, against what is known to sound",
    ),
    "audio-to-score": (
        "mmbert_training.evaluate.audio_to_score",
        "Finding the score that a recording plays, and the recording of a score, by an unseen sound font",
    ),
    "calibration": (
        "mmbert_training.evaluate.calibration",
        "When nothing fits: true questions lost, nonsense answered; hubs",
    ),
    "facets": ("mmbert_training.evaluate.facets", "Measured facets against the labels of the data, by source"),
    "fusion": (
        "mmbert_training.evaluate.fusion",
        "What each list of a search is worth, and the weights of their sum",
    ),
    "melody-completion": (
        "mmbert_training.evaluate.melody_completion",
        "Finding the phrase that follows a melody phrase, by counting notes",
    ),
    "music-to-music": (
        "mmbert_training.evaluate.music_to_music",
        "Finding another version of a work, against counts of its notes",
    ),
    "octuple": ("mmbert_training.evaluate.octuple", "Round trip of every file through octuples; every loss counted"),
    "recording-facets": (
        "mmbert_training.evaluate.recording_facets",
        "Key and tempo estimated from rendered sound, against labels and scores",
    ),
    "text-to-audio": (
        "mmbert_training.evaluate.text_to_audio",
        "Finding recordings by words among 30 open clips, against labels alone",
    ),
    "text-to-music": (
        "mmbert_training.evaluate.text_to_music",
        "Finding pieces by words, against simple rows and an oracle",
    ),
    "tune-finding": (
        "mmbert_training.evaluate.tune_finding",
        "Finding the tune that a few notes come from, some of them wrong, in any key and tempo",
    ),
    "understanding": ("mmbert_training.evaluate.understanding", "Sentences to the exact set of what was understood"),
}
WITH_SPLIT = (
    "accompaniment", "audio-to-score", "melody-completion", "recording-facets", "text-to-audio", "text-to-music",
)  # fmt: skip
WITH_QUERIES = ("audio-to-score", "recording-facets", "tune-finding")
WITH_WORK = ("audio-to-score", "recording-facets", "text-to-audio")
WITH_SOUNDS = ("audio-tags",)
