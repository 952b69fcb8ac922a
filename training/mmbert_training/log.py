"""What a run leaves behind: one JSON line an event, always, and TensorBoard's files where it is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from mmbert.console import clean

LINES = "log.jsonl"


class RunLog:
    """Appends to ``log.jsonl`` in a run's folder.

    Args:
        folder: The run's folder; made where missing.
        resume_at: (stage, step) that the run goes on from; lines of later steps are dropped, so that a resumed
            run's log reads like an uninterrupted one's.
    """

    def __init__(self, folder: Path, resume_at: tuple[int, int] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LINES
        kept = []
        if resume_at is not None and path.exists():
            kept = [line for line in path.read_text().splitlines() if _before(line, resume_at)]
        path.write_text("".join(line + "\n" for line in kept))
        self._file = path.open("a")
        self._board = _board(folder)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, event: str, stage: int, step: int, values: Mapping[str, Any]) -> None:
        """One event; numbers also go to TensorBoard as ``event/name``."""
        line = clean({"event": event, "stage": stage, "step": step, **values})
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in _numbers(values):
                self._board.add_scalar(f"stage {stage} {event}/{name}", value, step)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The events of a run's folder, in order."""
    return [json.loads(line) for line in (folder / LINES).read_text().splitlines()]


def _before(line: str, resume_at: tuple[int, int]) -> bool:
    event = json.loads(line)
    return (event["stage"], event["step"]) <= resume_at


def _numbers(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    out: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            out += _numbers(value, f"{prefix}{name} ")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            out.append((prefix + name, float(value)))
    return out


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the `train` extra brings it; the JSON lines hold the same
        return None
    return SummaryWriter(str(folder / "tensorboard"))
