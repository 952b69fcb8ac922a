"""The error tree. Every error names its subject (a file or an argument), the fault, and a likely remedy.

A command prints ``str(error)`` and ends with ``error.exit_code``; a build writes an ``ItemError`` to
``rejects.jsonl`` and goes on. A traceback that reaches a person is a bug of ours.

    MmbertError
    ├── UsageError          an argument, a question or a filter that cannot be understood      exit 2
    ├── ConfigError         a YAML file or a field in it                                       exit 2
    ├── MissingExtraError   a package that an extra brings is not installed                    exit 2
    ├── DataError           evaluation or training data that is not where it was looked for    exit 2
    ├── ItemError           a file of music (or a piece in it) that cannot be read             exit 3
    ├── WeightsError        a checkpoint that is missing, damaged, or not the index's          exit 4
    ├── LibraryError        a library that is missing, locked, damaged or read-only            exit 4
    ├── BusyError           a server that is asked more at once than it takes                  exit 4
    └── SpaceError          a full disk                                                        exit 5
"""

from __future__ import annotations

from typing import ClassVar


class MmbertError(Exception):
    """Root of the tree.

    Args:
        subject: The file or argument at fault, as the person gave it.
        fault: What is wrong, as a sentence without a full stop.
        hint: The likely cause or the next step; may be empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, subject: str, fault: str, hint: str = "") -> None:
        self.subject, self.fault, self.hint = subject, fault, hint
        super().__init__(subject, fault, hint)

    def __str__(self) -> str:
        sentence = f"{self.subject}: {self.fault}" if self.subject else self.fault
        return f"{sentence}. {self.hint}" if self.hint else f"{sentence}."


class UsageError(MmbertError):
    """An argument, a question or a filter that cannot be understood."""

    exit_code = 2


class ConfigError(MmbertError):
    """A configuration file or a field in it that is unknown or out of range."""

    exit_code = 2


class MissingExtraError(MmbertError):
    """A package that an optional extra brings is not installed.

    >>> raise MissingExtraError.of("faiss", "cpu")
    Traceback (most recent call last):
    ...
    mmbert.errors.MissingExtraError: faiss: is not installed. Run: pip install "mmbert[cpu]"
    """

    exit_code = 2

    @classmethod
    def of(cls, module: str, extra: str) -> MissingExtraError:
        """The error for ``module``, which the extra ``extra`` would have installed."""
        return cls(module, "is not installed", f'Run: pip install "mmbert[{extra}]"')

    def __str__(self) -> str:
        # No full stop behind a command: people copy it.
        return super().__str__() if not self.hint else f"{self.subject}: {self.fault}. {self.hint}"


class DataError(MmbertError):
    """Data outside the repository that an evaluation or a training run needs and did not find."""

    exit_code = 2


class ItemError(MmbertError):
    """A file of music, or one piece in it, that is refused.

    Args:
        subject: The path as given.
        fault: What is wrong with the file.
        hint: The likely cause or remedy.
        code: A stable word such as ``E_MIDI_TRUNCATED``; rejects are counted by it.
        stage: Where it was found: ``scan``, ``decode``, ``facets``, ``encode`` or ``embed``.
    """

    exit_code = 3

    def __init__(self, subject: str, fault: str, hint: str = "", *, code: str, stage: str = "decode") -> None:
        super().__init__(subject, fault, hint)
        self.code, self.stage = code, stage

    def __reduce__(self) -> tuple:  # keyword arguments survive the way back from a worker process
        return _item_error, (self.subject, self.fault, self.hint, self.code, self.stage)


def _item_error(subject: str, fault: str, hint: str, code: str, stage: str) -> ItemError:
    return ItemError(subject, fault, hint, code=code, stage=stage)


class WeightsError(MmbertError):
    """A checkpoint that is missing, damaged, or not the one that a library was built with."""

    exit_code = 4


class LibraryError(MmbertError):
    """A library folder that is missing, locked by another build, damaged, read-only or of a newer format."""

    exit_code = 4


class BusyError(MmbertError):
    """A server that is asked more at once than it takes; the same question succeeds later."""

    exit_code = 4


class SpaceError(MmbertError):
    """The disk is full; nothing was published."""

    exit_code = 5
