"""The same excerpt in two fonts: each kind of vector finds it where the fonts hardly differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmbert_training.evaluate import two_fonts
from mmbert_training.evaluate.two_fonts import CHROMA, PROJECTED, rows
from mmbert_training.manifest import Work
from mmbert_training.recordings import with_recordings
from mmbert_training.rendering import HELD_OUT, TRAIN

from mmbert.embed import Embedder
from mmbert.model import MmbertModel, ModelConfig
from mmbert.types import Item, Source
from tests.training.test_sound_pack import tune


def test_each_excerpt_finds_itself_in_the_other_font(monkeypatch, tmp_path):
    works = [
        Work(f"w{i}", "nottingham", f"c{i}", split, Path("toy.zip"), f"w{i}", {"year": ""})  # type: ignore[arg-type]
        for i, split in enumerate(["test"] * 6 + ["validation"] * 4)
    ]
    asked: list[set[str]] = []

    def hear(parts, scores, work, kind):
        """Nearly the same in both fonts."""
        asked.append({part.font for part in parts})
        out = []
        for part in parts:
            rng = np.random.default_rng(int(part.work[1:]))
            if kind == "chroma":
                out.append(np.where(rng.random((75, 12)) < 0.25, 147, 0).astype(np.uint8))
            else:
                out.append((rng.standard_normal((30, 384)) + 0.01 * (part.font == HELD_OUT)).astype(np.float16))
        return out

    monkeypatch.setattr(two_fonts, "load_works", lambda data, sources: works)
    monkeypatch.setattr(
        two_fonts, "load_item", lambda w: Item("score", Source(Path(w.id), "0"), {}, score=tune(int(w.id[1:])))
    )
    monkeypatch.setattr(two_fonts, "hear", hear)
    embedder = Embedder(with_recordings(MmbertModel(ModelConfig(layers=1, symbolic_layers=1))))
    keys, table = rows(None, embedder, "test", tmp_path)
    assert asked[:2] == [{HELD_OUT}, {TRAIN[0]}]
    assert keys["r1_two_fonts_unseen"] == 1
    names = {CHROMA, PROJECTED, "mn04", "recording stream"}
    assert {row["row"]: row["r@1"] for row in table} == dict.fromkeys(names, 1.0)
    _, table = rows(None, embedder, "validation", tmp_path, most=3)
    assert asked[4] == {TRAIN[1]}
    assert {row["works"] for row in table} == {3}
