"""Imagined pieces hold every value of the vocabulary, and facts that agree with each other."""

from mmbert_training.imagined import imagined

from mmbert.facets import TOKENS, tokens_of
from mmbert.types import Facets

WORKS = [
    Facets(key="D", mode="major", metre="6/8", pace=6.0, bars=16, parts=1, form="jig", title="The Kesh"),
    Facets(key="A", mode="minor", metre="3/4", tempo_bpm=90.0, pace=2.0, duration_s=300.0, bars=80, composer="Grieg",
           instruments=("violin", "cello"), families=("strings",), parts=2, has_drums=False),
    Facets(key="C", mode="major", pace=4.0, duration_s=200.0, parts=1),
]  # fmt: skip


def test_every_form_metre_key_and_instrument_is_imagined():
    said = {t for made in imagined(WORKS, 3000, seed=1) for t in tokens_of(made)}
    of_notes = ("form", "metre", "key", "mode", "instrument", "family")
    missing = {t for t in TOKENS if t.split("=")[0] in of_notes} - said
    assert missing == {"family=drums"}  # no work has any


def test_facts_that_depend_on_each_other_stay_together_and_nobody_is_named():
    changed = 0
    for made in imagined(WORKS, 300, seed=2):
        assert made.title is None
        assert made.composer is None
        assert (made.key is None) == (made.mode is None)
        assert (made.pace, made.tempo_bpm, made.bars) in {(6.0, None, 16), (2.0, 90.0, 80), (4.0, None, None)}
        assert made.bars is not None or made.metre is None  # played freely
        changed += tokens_of(made) not in {tokens_of(w) for w in WORKS}
    assert changed > 250


def test_the_seed_decides():
    assert list(imagined(WORKS, 5, seed=3)) == list(imagined(WORKS, 5, seed=3)) != list(imagined(WORKS, 5, seed=4))
