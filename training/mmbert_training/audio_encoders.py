"""Train an encoder of recordings from packed sound.

    python -m mmbert_training.audio_encoders PACK OUT --encoder cola|vggish|mert [--config FILE] [--device cuda]

PACK is a pack of segments (``mmbert_training.audio_pack``) or a folder of recordings. A pack needs torch, NumPy,
transformers and safetensors alone. OUT becomes the encoder's folder (``mmbert.audio.encoders.load_encoder``), with what
the last batches said in ``taught.json``.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from torch import Tensor

from mmbert.audio.encoder import AudioEncoder
from mmbert.audio.encoders import ENCODERS, save_encoder
from mmbert.config import load_config, to_dict
from mmbert_training.audio_learners import LEARNERS, Learner, Teaching
from mmbert_training.audio_pack import PACK, RATE, AudioPack, load_audio, recordings, save_audio
from mmbert_training.phrase_teaching import teach
from mmbert_training.precision import half_precision

Kind = Literal["cola", "vggish", "mert"]
TAUGHT = "taught.json"
_SEGMENT_S = 10.0  # of a folder of recordings
_TOLD = 20  # last batches whose scalars are kept


def train(kind: Kind, recipe: Teaching, pack: AudioPack, seed: int, device: str = "cpu") -> tuple[AudioEncoder, dict]:
    """An encoder in evaluation mode, and means of loss and scalars over the last batches.

    Args:
        kind: Which encoder.
        recipe: Of :data:`mmbert_training.audio_learners.LEARNERS`.
        pack: What it learns from.
        seed: Of weights, batches, crops, masks and teachers.
        device: Where; products are in bfloat16 on either.

    Raises:
        DataError: for an encoder that learns from labels where there are none.
    """
    torch.manual_seed(seed)
    pack = pack.at(ENCODERS[kind][0].rate, device)
    learner: Learner = LEARNERS[kind][0](recipe, pack, seed, device).to(device)
    learned = [p for p in learner.parameters() if p.requires_grad]
    last: list[dict[str, Tensor]] = []

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = np.sort(rng.permutation(len(pack))[: recipe.batch])
        sound = pack.sound(rows, device)
        labels = torch.from_numpy(pack.labels[rows]).to(device, torch.float32)
        draws = torch.Generator().manual_seed(int(rng.integers(2**63 - 1)))
        with half_precision(device):
            loss, scalars = learner.loss(sound, labels, draws)
        last.append({"loss": loss.detach(), **scalars})
        del last[:-_TOLD]
        return loss

    teach(learned, loss_of, steps=recipe.steps, rate=recipe.lr, decay=recipe.decay, seed=seed)
    told = {name: round(float(torch.stack([s[name] for s in last]).mean()), 4) for name in (last[0] if last else ())}
    return learner.encoder.eval(), told


def _main(
    pack: Annotated[Path, typer.Argument(help="A pack of sound, or a folder of recordings.")],
    out: Annotated[Path, typer.Argument(help="The encoder's folder.")],
    encoder: Annotated[Kind, typer.Option(help="Which encoder.")],
    config: Annotated[Path | None, typer.Option(help="Recipe; else the small one for a processor.")] = None,
    steps: Annotated[int | None, typer.Option(help="Batches, instead of the recipe's.")] = None,
    seed: int = 1,
    device: str = "cpu",
) -> None:
    """Train an encoder of recordings."""
    kind: Any = LEARNERS[encoder][1]
    recipe = kind() if config is None else load_config(config, kind)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if not (pack / PACK).exists():
            save_audio(Path(folder), list(recordings(pack, _SEGMENT_S)), RATE)
            pack = Path(folder)
        trained, told = train(encoder, recipe, load_audio(pack), seed, device)
    save_encoder(trained, out)
    told |= {"seconds": round(time.perf_counter() - began, 1), "seed": seed, "recipe": to_dict(recipe)}
    (out / TAUGHT).write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(_main)
