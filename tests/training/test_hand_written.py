"""The hand-written questions: enough of them, each for one work of its split, and facts of the vocabulary."""

import json
from importlib.resources import files

import pytest
from mmbert_training.evaluate.hand_written import hand_written

from mmbert.facets import TOKENS

ONE_VALUE = ("key", "mode", "tempo", "pace", "length", "bars", "parts", "texture", "density", "range", "register",
             "dynamics", "drums")  # fmt: skip


@pytest.fixture(scope="module")
def candidates():
    text = files("mmbert_training.evaluate").joinpath("data/text_to_music_candidates.json").read_text()
    return set(json.loads(text)["ids"])


@pytest.mark.parametrize(("part", "least"), [("validation", 50), ("test", 150)])
def test_each_question_states_facts_of_the_vocabulary(part, least):
    asked = hand_written(part)
    assert asked == hand_written(part)
    assert len(asked) >= least
    assert len({q.work for q in asked}) == len(asked)  # the work that counts as found is that one
    assert len({q.text.lower() for q in asked}) == len(asked)
    for question in asked:
        assert question.facts, question
        assert set(question.facts) <= set(TOKENS), question
        assert len(set(question.facts)) == len(question.facts), question
        kinds = [f.split("=")[0] for f in question.facts]
        assert all(kinds.count(kind) <= 1 for kind in ONE_VALUE), question
        assert question.text == question.text.strip()
        assert 3 <= len(question.text.split()) <= 60, question


def test_test_questions_are_for_candidates_and_validation_questions_for_none(candidates):
    test, validation = ({q.work for q in hand_written(part)} for part in ("test", "validation"))
    assert test <= candidates
    assert not validation & candidates
    assert not {q.text for q in hand_written("test")} & {q.text for q in hand_written("validation")}


def test_people_do_not_all_ask_alike():
    """Key words, sentences and questions; short and long; at most a few begin with the same two words."""
    asked = hand_written("test")
    texts = [q.text for q in asked]
    assert sum(t.endswith("?") for t in texts) >= 3
    lengths = sorted(len(t.split()) for t in texts)
    assert lengths[0] * 2 <= lengths[-1]
    assert len({" ".join(t.lower().split()[:2]) for t in texts}) > len(texts) / 2
    facts = [len(q.facts) for q in asked]
    assert min(facts) < max(facts)
