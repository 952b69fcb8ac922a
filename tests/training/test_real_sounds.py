"""The evaluation clips are in no list that anything is learned from or chosen by."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from mmbert_training.evaluate.real_sounds import HALVES, check, real_sounds

from mmbert.audio.sounds import sound_names
from mmbert.errors import DataError

ROOT = Path(__file__).parents[2]
DATA = ROOT / "training" / "mmbert_training" / "evaluate" / "data"
CLIPS = json.loads((DATA / "open_clips.json").read_text(encoding="utf-8"))
HASHES = {clip["sha256"] for clip in CLIPS} | {clip["origin_sha256"] for clip in CLIPS} - {None}


def test_there_are_thirty_clips():
    assert len({clip["sha256"] for clip in CLIPS}) == 30


def test_no_hash_of_a_clip_stands_in_any_list_of_the_repository():
    lists = [*(ROOT / "training").rglob("*.csv"), *(ROOT / "training").rglob("*.json")]
    named = {h for p in lists if p.name != "open_clips.json" for h in re.findall(r"[0-9a-f]{64}", p.read_text("utf-8"))}
    assert len(named) >= len(real_sounds())
    assert named & HASHES == set()


def test_no_recording_of_a_clip_is_listed_under_another_hash():
    names = {re.sub(r"\W+", " ", Path(clip["origin"]).stem.lower()) for clip in CLIPS}
    listed = {re.sub(r"\W+", " ", Path(sound.path).stem.lower()) for sound in real_sounds()}
    assert names & listed == set()
    assert not any("loop_amen" in sound.path for sound in real_sounds())  # the half of a clip


def test_sounds_are_many_and_each_is_described_once():
    sounds = real_sounds()
    assert len(sounds) >= 100
    assert len({s.sha256 for s in sounds}) == len({s.texts[0] for s in sounds}) == len(sounds)
    assert all(text and text == text.strip() for s in sounds for text in s.texts)
    assert all(s.licence and re.fullmatch(r"[0-9a-f]{64}", s.sha256) for s in sounds)
    assert {name for s in sounds for name in s.sounds} <= set(sound_names())


def test_every_package_is_in_one_half():
    packages = {sound.package for sound in real_sounds()}
    assert sorted(p for half in HALVES for p in half) == sorted(packages)


def test_another_recording_is_refused_by_name(tmp_path):
    first = real_sounds()[0]
    with pytest.raises(DataError, match=r"real_sounds"):
        check(tmp_path)
    first.file(tmp_path).parent.mkdir(parents=True)
    first.file(tmp_path).write_bytes(b"another sound")
    with pytest.raises(DataError, match=re.escape(Path(first.path).name)):
        check(tmp_path)
