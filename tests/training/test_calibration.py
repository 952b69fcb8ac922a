"""What a threshold costs, hubs, and the questions that "nothing fits" is measured with."""

from __future__ import annotations

import csv
import io
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbert_training.calibrate import weighed
from mmbert_training.evaluate.calibration import Judged, occurrences, product, score, skewness, threshold
from mmbert_training.evaluate.calibration_questions import phrases, sentences, written

from mmbert.errors import DataError

scores = st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=60).map(np.array)


@given(st.lists(scores, min_size=1, max_size=3))
def test_no_more_than_a_twentieth_is_lost_and_no_higher_threshold_would_do(groups: list[np.ndarray]) -> None:
    def lost(least: float) -> float:
        return float(np.mean([(g < least).mean() for g in groups]))

    least = threshold(groups)
    assert lost(least) <= 0.05 + 1e-6
    higher = [v for g in groups for v in g if v > least]
    assert not higher or lost(min(higher)) > 0.05 - 1e-6


def test_what_facts_settle_no_threshold_changes() -> None:
    judged = [Judged(True, 0.0, 0.0), Judged(False, 9.0, 9.0), Judged(None, 2.0, 0.3)]
    assert score((False, 1.0, 0.0), judged).tolist() == [0.0, 9.0, 2.0]
    assert score(product(0.0), judged).tolist() == [np.inf, -np.inf, 0.3]
    assert score(product(0.05), judged)[2] == pytest.approx(0.3 + 0.05 * 2.0)


def test_the_weight_of_z_is_the_one_with_which_most_nonsense_is_told() -> None:
    near = [Judged(None, 4.0, 0.5)] * 20
    assert weighed([near], [Judged(None, 0.0, 0.5)])[0] == 0.01  # only z tells them apart, and the least weight will do
    assert weighed([near], [Judged(None, 4.0, 0.4)]) == (0.0, 0.5)  # nearness is enough


def test_a_hub_is_counted_and_skews() -> None:
    found = np.random.default_rng(0).random((50, 20))
    even = occurrences(found, 3)
    found[:, 7] += 1
    hub = occurrences(found, 3)
    assert even.sum() == hub.sum() == 150
    assert hub[7] == 50
    assert skewness(hub) > 3 > skewness(even)


def test_questions_for_choosing_and_for_measuring_share_none() -> None:
    texts = written()
    assert len(set(texts["nonsense"])) == 40
    assert not set(texts["nonsense"]) & set(texts["development"])
    archive = zipfile.ZipFile(io.BytesIO(files("mmbert").joinpath("demo/library.zip").read_bytes()))
    titles = {row["title"] for row in csv.DictReader(io.StringIO(archive.read("ATTRIBUTION.csv").decode("utf-8")))}
    assert len(texts["vague"]) == 25
    assert {title for _, title in texts["vague"]} <= titles


def test_both_wordings_say_the_same_facts() -> None:
    made = sentences([("key=D", "mode=major", "metre=6/8", "pace=fast"), ()])
    assert [(q.kind, q.work) for q in made] == [("known", 0), ("unseen", 0)]
    assert made[0].facts == made[1].facts
    assert made[0].text != made[1].text


def test_phrases_are_split_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mmbert_training.evaluate.calibration_questions.PHRASES", {"reference": (0, 3), "choosing": (3, 5)}
    )
    (tmp_path / "works.csv.zip").write_bytes(b"")
    with pytest.raises(DataError, match="text_musiccaps"):
        phrases(tmp_path, "choosing")
    said = (["slow tempo", "sad", "low quality recording"], ["sad", "jazzy", "folk song", "happy"])
    listed = "".join(f'"{row}"\n' for row in said)
    with zipfile.ZipFile(tmp_path / "text_musiccaps.zip", "w") as z:
        z.writestr("musiccaps.csv", f"aspect_list\n{listed}")
    parts = [[q.text for q in phrases(tmp_path, part)] for part in ("reference", "choosing")]
    assert sorted(parts[0] + parts[1]) == ["folk song", "happy", "jazzy", "sad", "slow tempo"]
