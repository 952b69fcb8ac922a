"""What differs by font is made small: excerpts find themselves in another font, held out or not."""

from __future__ import annotations

import numpy as np
from mmbert_training import same_sound
from mmbert_training.rendering import TRAIN
from mmbert_training.same_sound import cross_validated, fit, load, projected, twice

from tests.training.toy_sounds import toy_sounds


def two_fonts(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Music in some directions, and much of the font in two others."""
    rng = np.random.default_rng(seed)
    music = rng.standard_normal((n, 16))
    return tuple(music + np.c_[8 * rng.standard_normal((n, 2)), np.zeros((n, 14))] for _ in range(2))  # type: ignore[return-value]


def test_what_the_font_does_is_learned_on_other_music():
    first, second = two_fonts(80, 0)
    mean = np.concatenate([first, second]).mean(axis=0)
    projection = fit(first, second, mean, 0.01)
    asked, given = two_fonts(60, 1)

    def found(change) -> float:
        return float(((change(asked) @ change(given).T).argmax(axis=1) == np.arange(60)).mean())

    raw = found(lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))
    assert raw < 0.3
    assert found(lambda x: projected(projection, x)) > 0.9
    assert cross_validated(first, second, mean, 0.01) > 0.9
    np.testing.assert_allclose(np.linalg.norm(projected(projection, asked), axis=1), 1)


def test_works_that_were_rendered_twice_are_paired():
    sounds = toy_sounds(12)
    first, second, mean = twice(sounds)
    both = [i for i in range(12) if i % 2 == 0 and i % 4 != 3]
    assert first.shape == second.shape == (len(both), 384)
    rows = [r for r, h in enumerate(sounds.heard) if h.work == both[1]]
    assert [sounds.heard[r].font for r in rows] == list(TRAIN)
    np.testing.assert_allclose(first[1], sounds.states_of(rows[0]).astype(np.float64).mean(axis=0))
    assert mean.shape == (384,)


def test_the_command_writes_what_is_loaded(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(same_sound, "load_sounds", lambda folder: toy_sounds(24))
    monkeypatch.setattr(same_sound, "_path", lambda: tmp_path / "same_sound.safetensors")
    same_sound._main(tmp_path)
    assert load().shape == (385, 384)
    assert np.isfinite(load()).all()
    assert capsys.readouterr().out.count("R@1") == 4


def test_the_kept_projection_can_be_read():
    assert load().shape == (385, 384)
