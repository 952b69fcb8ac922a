"""What a frozen encoder of recordings knows: instrument and pitch of single notes, key of works.

    python -m mmbert_training.evaluate.audio_probe ENCODER PACKS [--json]

ENCODER is an encoder's folder, or ``mn04``; PACKS the folder that ``mmbert_training.audio_segments`` makes. The
protocol is the constrained one of MARBLE (Yuan et al. 2023): the encoder is frozen, its layers are weighed by a learned
softmax, their means over time go through one hidden layer of 512 units with dropout 0.2, in batches of 64, under six
learning rates; rate and number of passes are those that do best on the validation pack, and the test pack is read once.
Features are standardised by the training pack, so that scales of encoders do not decide. Instruments and pitches are
scored by accuracy, keys by MIREX's weighted score. Where there is a pack of notes that people played, the same probe is
asked those as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional as F

from mmbert.audio.encoder import AudioEncoder
from mmbert.audio.encoders import Mn04Encoder, load_encoder
from mmbert.audio.mn04 import Mn04
from mmbert.audio.spectrum import resample
from mmbert.console import print_json, stdout_console
from mmbert_training.audio_pack import AudioPack, load_audio
from mmbert_training.evaluate.labels import mirex
from mmbert_training.precision import half_precision

RATES = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
_HIDDEN, _DROPOUT, _BATCH = 512, 0.2, 64
_PASSES, _PATIENCE = 40, 6  # over the training pack, and without a better one
_AT_ONCE = 16  # segments that an encoder reads
_CHOSEN_BY = ("train", "validation")


@dataclass(frozen=True)
class Task:
    """One question.

    Attributes:
        name: As the table says it.
        pack: The packs' name before the split.
        prefix: Of the labels that are its classes.
        tests: What follows the packs' name where it is measured; the first is always there.
    """

    name: str
    pack: str
    prefix: str
    tests: tuple[str, ...] = ("test",)

    def row(self, test: str) -> str:
        """What a figure is called."""
        return self.name if test == self.tests[0] else f"{self.name}_{test}"


TASKS = (
    Task("instrument", "notes", "family ", ("test", "played")),
    Task("pitch", "notes", "pitch ", ("test", "played")),
    Task("key", "key", "key "),
)
ROWS = tuple(task.row(test) for task in TASKS for test in task.tests)


def probe(encoder: AudioEncoder, packs: Path, seed: int = 1) -> dict[str, float]:
    """The test scores of every task, in 0-1.

    Args:
        encoder: In evaluation mode.
        packs: Folder of the packs.
        seed: Of the probes.

    Raises:
        DataError: where a pack is missing.
    """
    features: dict[str, list[Tensor]] = {}
    out: dict[str, float] = {}
    for task in TASKS:
        tests = [t for t in task.tests if t == task.tests[0] or (packs / f"{task.pack}-{t}").exists()]
        found = [load_audio(packs / f"{task.pack}-{split}") for split in (*_CHOSEN_BY, *tests)]
        if task.pack not in features:
            features[task.pack] = standardised([pooled(encoder, pack) for pack in found])
        columns = [i for i, name in enumerate(found[0].names) if name.startswith(task.prefix)]
        classes = [torch.from_numpy(pack.labels[:, columns].argmax(1)) for pack in found]
        scores = fitted_scores(task, features[task.pack], classes, len(columns), seed)
        out |= {task.row(test): value for test, value in zip(tests, scores, strict=True)}
    return out


@torch.no_grad()
def pooled(encoder: AudioEncoder, pack: AudioPack) -> Tensor:
    """Means over time of every layer, float32 [n, layers, width]; products in bfloat16, as in training."""
    rows = []
    for at in range(0, len(pack), _AT_ONCE):
        sound = resample(pack.sound(slice(at, at + _AT_ONCE)), pack.rate, encoder.rate)
        with half_precision():
            states = encoder.layers(sound)
        rows.append(states.float().mean(2).transpose(0, 1))
    return torch.cat(rows)


def standardised(features: list[Tensor]) -> list[Tensor]:
    """Features less the mean of the first, over its deviation."""
    mean, deviation = features[0].mean(0), features[0].std(0)
    return [(f - mean) / deviation.clamp(min=1e-6) for f in features]


def score(task: Task, said: np.ndarray, true: np.ndarray) -> float:
    """Accuracy, or MIREX's weighted score of keys, of classes int [n]."""
    if task.name != "key":
        return float((said == true).mean())
    return float(np.mean([mirex((s % 12, s >= 12), (t % 12, t >= 12)) for s, t in zip(said, true)]))


def fitted_scores(task: Task, features: list[Tensor], classes: list[Tensor], n: int, seed: int) -> list[float]:
    """The test scores of the probe that does best on validation.

    Args:
        task: What is asked.
        features: float [n, layers, width] of training, validation and each test.
        classes: int64 [n], likewise.
        n: How many classes.
        seed: Of weights, batches and dropout.
    """
    best = [-1.0]  # validation, then every test
    for rate in RATES:
        torch.manual_seed(seed)
        net = _Probe(features[0].shape[1], features[0].shape[2], n)
        optimiser = torch.optim.Adam(net.parameters(), rate)
        since, top = 0, -1.0
        for _ in range(_PASSES):
            net.train()
            for rows in torch.randperm(len(features[0])).split(_BATCH):
                loss = F.cross_entropy(net(features[0][rows]), classes[0][rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            net.eval()
            with torch.no_grad():
                now = [score(task, net(f).argmax(1).numpy(), c.numpy()) for f, c in zip(features[1:], classes[1:])]
            since = 0 if now[0] > top else since + 1
            top, best = max(top, now[0]), max(best, now, key=lambda scores: scores[0])
            if since == _PATIENCE:
                break
    return best[1:]


class _Probe(nn.Module):
    def __init__(self, layers: int, width: int, n: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))
        self.net = nn.Sequential(nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, n))

    def forward(self, features: Tensor) -> Tensor:
        return self.net(torch.einsum("l,nlw->nw", self.weights.softmax(0), features))


def _main(
    encoder: Annotated[str, typer.Argument(help="An encoder's folder, or mn04.")],
    packs: Annotated[Path, typer.Argument(help="Folder of the packs.")],
    seed: int = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Probe one encoder."""
    read = Mn04Encoder(Mn04.load()) if encoder == "mn04" else load_encoder(Path(encoder))
    found = probe(read, packs, seed)
    if as_json:
        print_json(found)
    else:
        stdout_console().print(", ".join(f"{name} {value:.3f}" for name, value in found.items()))


if __name__ == "__main__":
    typer.run(_main)
