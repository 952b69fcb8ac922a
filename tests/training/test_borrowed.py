"""Templates say only what is true of the piece; aspects say nothing that a fact says."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbert_training.asides import asides
from mmbert_training.borrowed import TEMPLATES, Borrowed, Template, read_borrowed
from mmbert_training.captions import Caption
from mmbert_training.evaluate.calibration_questions import MUSICCAPS
from mmbert_training.phrases import phrases

from mmbert.errors import DataError
from mmbert.facets import tokens_of
from mmbert.types import Facets

PIECE = Facets(
    key="D", mode="minor", metre="6/8", tempo_bpm=150.0, pace=6.0, duration_s=45.0, bars=40, parts=2,
    instruments=("violin", "oboe"), families=("strings", "reed"), pitch_low=60, pitch_high=72,
)  # fmt: skip
UNSEEN = next(p for p in phrases("unseen").of("mood=sad") if p not in phrases("known").of("mood=sad"))
# Sentences of the test's own, in the form of the data.
BASE = {"K1": "Set in [KEY].; In [KEY] throughout.", "S2": "Like [ARTIST]."}
REFINED = [
    {"attributes": ["T1_0", "TS1_1"], "response": "Swiftly, in [TIME_SIGNATURE]."},
    {"attributes": ["T1_1", "B1_1"], "response": "Slow, [NUM_BARS] bars."},
    {"attributes": ["B1_1", "TM1_1"], "response": "[NUM_BARS] bars in [TM1] seconds."},
    {"attributes": ["I1_0", "B1_1"], "response": "[NUM_BARS] bars and no [INSTRUMENTS]."},
    {"attributes": ["P4_1"], "response": "[RANGE] octaves in [KEY]."},
    {"attributes": ["K1_1"], "response": "word " * 40 + "[KEY]"},
    {"attributes": ["K1_1"], "response": "A waltz in [KEY]."},
    {"attributes": ["TS1_1"], "response": f"It is {UNSEEN}, in [TIME_SIGNATURE]."},
    {"attributes": ["EM1_1"], "response": "The music is [EMOTION] in nature."},
]
ROWS = (
    "ytid,aspect_list,is_audioset_eval\n"
    "a,\"['psychedelic', 'slow tempo', 'guitarist', 'triumphant', 'once']\",False\n"
    "b,\"['psychedelic', 'slow tempo', 'guitarist', 'low quality', 'triumphant']\",False\n"
    "c,\"['regretful']\",True\nd,\"['regretful']\",True\n"
)


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "works.csv.zip").touch()
    with zipfile.ZipFile(tmp_path / TEMPLATES, "w") as z:
        z.writestr("base_templates.json", json.dumps(BASE))
        z.writestr("refined_template.json", json.dumps(REFINED))
    with zipfile.ZipFile(tmp_path / MUSICCAPS, "w") as z:
        z.writestr("musiccaps.csv", ROWS)
    monkeypatch.setattr("mmbert_training.evaluate.calibration_questions.phrases", lambda data, part: [])
    return tmp_path


def test_templates_that_say_more_than_they_state_are_left_out(data):
    texts = {t.text for t in read_borrowed(data).templates}
    assert texts == {
        "Set in [KEY].", "In [KEY] throughout.", "Swiftly, in [TIME_SIGNATURE].", "Slow, [NUM_BARS] bars.",
        "[NUM_BARS] bars in [TM1] seconds.",
    }  # fmt: skip


def test_aspects_were_noted_twice_outside_the_evaluation_part_and_name_no_fact(data):
    assert read_borrowed(data).asides == (*asides(), "psychedelic", "triumphant")


def test_a_sentence_is_filled_with_what_is_true(data):
    borrowed = read_borrowed(data)
    said = {borrowed.caption(PIECE, np.random.default_rng(seed)) for seed in range(80)}
    assert Caption("Swiftly, in 6/8.", ("metre=6/8", "tempo=fast")) in said
    assert Caption("Set in D minor.", ("key=D", "mode=minor")) in said
    assert Caption("In minor throughout.", ("mode=minor",)) in said
    assert not any("Slow" in c.text for c in said)
    assert not any("bars" in c.text for c in said)  # forty are neither few nor many
    few = {borrowed.caption(replace(PIECE, bars=16), np.random.default_rng(seed)) for seed in range(80)}
    assert Caption("16 bars in 45 seconds.", ("length=short", "bars=few")) in few


@given(st.integers(0, 2**32 - 1))
def test_every_statement_is_true(seed):
    templates = (Template("[INSTRUMENTS] in [KEY]", ("I1", "K1"), None), Template("[EMOTION]", ("EM1",), None))
    made = Borrowed(templates, ()).caption(PIECE, np.random.default_rng(seed))
    text, facts = made.text, made.facts
    assert facts
    assert set(facts) <= set(tokens_of(PIECE))
    assert "[" not in text
    assert all(name in text for name in (f[11:] for f in facts if f.startswith("instrument=")))


def test_what_can_be_said_of_nothing_is_not_said(data):
    assert read_borrowed(data).caption(Facets(), np.random.default_rng(1)) is None


def test_missing_text_data_are_named(tmp_path):
    (tmp_path / "works.csv.zip").touch()
    with pytest.raises(DataError, match=TEMPLATES):
        read_borrowed(tmp_path)
