"""The two pools share no wording, and what the second is made of is as promised."""

import pytest
from mmbert_training.phrases import NAMED, POOLS, lexical_overlap, phrases

from mmbert.facets import TOKENS
from mmbert.text.phrases import content_words

KEYS = [t for t in TOKENS if t.startswith("key=")]
LISTED = [t for t in TOKENS if t.split("=")[0] not in NAMED]  # the others recur by name


def folded(said):
    return {p.lower() for p in said}


def test_every_statement_has_words_in_both_pools_and_none_in_common():
    known, unseen = (phrases(pool) for pool in POOLS)
    for token in TOKENS:
        assert known.of(token), token
        assert unseen.of(token), token
        assert not folded(known.of(token)) & folded(unseen.of(token)), token
    for key in KEYS:
        for mode in ("mode=major", "mode=minor"):
            assert known.of_key(key, mode)
            assert unseen.of_key(key, mode)
            assert not folded(known.of_key(key, mode)) & folded(unseen.of_key(key, mode)), (key, mode)


def test_what_stands_around_a_description_is_divided_too():
    known, unseen = (phrases(pool) for pool in POOLS)
    assert not folded(known.frames) & folded(unseen.frames)
    assert not folded(known.nouns) & folded(unseen.nouns)
    assert all(f.count("{}") == f.count("{") == f.count("}") == 1 for f in (*known.frames, *unseen.frames))


def test_about_a_third_of_each_values_phrasings_is_unseen():
    counts = {t: [len(set(phrases(pool).of(t))) for pool in POOLS] for t in TOKENS}
    shares = {t: unseen / (known + unseen) for t, (known, unseen) in counts.items()}
    assert all(0.28 < shares[t] < 0.38 for t in LISTED), {t: s for t, s in shares.items() if not 0.28 < s < 0.38}
    # Of a name the patterns around it are divided, and further names: their products are fewer.
    assert all(0.15 < s < 0.45 for s in shares.values()), {t: s for t, s in shares.items() if not 0.15 < s < 0.45}
    known, unseen = (sum(counts[t][i] for t in LISTED) for i in (0, 1))
    assert known > 2000
    assert unseen > 1000
    assert sum(n for n, _ in counts.values()) > 10_000


def test_at_least_half_of_the_unseen_shares_no_content_word_with_the_known():
    assert lexical_overlap() <= 0.5
    counted = shared = 0
    for token in LISTED:
        known = {w for p in phrases("known").of(token) for w in content_words(p)}
        unseen = phrases("unseen").of(token)
        counted += len(unseen)
        shared += sum(not known.isdisjoint(content_words(p)) for p in unseen)
    assert lexical_overlap() == pytest.approx(shared / counted)
    assert lexical_overlap(named=True) > lexical_overlap()  # names recur


@pytest.mark.parametrize("kind", sorted({t.split("=")[0] for t in TOKENS}))
def test_the_plain_word_of_a_value_is_known(kind):
    """What is most often said must be learned: the value's own words are never among the unseen alone."""
    for token in (t for t in TOKENS if t.split("=")[0] == kind and t != "drums=yes"):
        value = content_words(token.split("=")[1].removesuffix(" 2"))  # General MIDI's number, which nobody says
        known = {w for p in phrases("known").of(token) for w in content_words(p)}
        assert value <= known, token
    assert "drum" in {w for p in phrases("known").of("drums=yes") for w in content_words(p)}
