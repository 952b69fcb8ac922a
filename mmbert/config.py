"""Configuration is data: YAML or JSON into frozen pydantic dataclasses, unknown keys refused by name.

Defaults live in the dataclasses, once. ``configs/`` holds recipes; the resolved copy is written beside
weights and index.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from pathlib import Path
from typing import Any, TypeVar

from mmbert.errors import ConfigError

T = TypeVar("T")


def load_config(path: str | Path, into: type[T]) -> T:
    """Read a YAML or JSON file into a (nested) pydantic dataclass.

    Raises:
        ConfigError: naming the file, the field, the fault and the nearest known field.
    """
    import yaml

    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(str(path), f"cannot be read ({e.strerror})") from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise ConfigError(str(path), f"is not YAML: {str(e).splitlines()[0]}") from e
    return from_dict(data or {}, into, str(path))


def from_dict(data: Any, into: type[T], subject: str) -> T:
    """A mapping into a (nested) pydantic dataclass; ``subject`` names its origin in errors."""
    from pydantic import TypeAdapter, ValidationError

    if not isinstance(data, dict):
        raise ConfigError(subject, f"holds {type(data).__name__}, not fields")
    _refuse_unknown(data, into, subject, "")
    try:
        return TypeAdapter(into).validate_python(data)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise ConfigError(subject, f"{where}: {first['msg']} (got {first.get('input')!r})") from e


def _refuse_unknown(data: dict, into: Any, subject: str, prefix: str) -> None:
    known = {f.name: f for f in dataclasses.fields(into)}
    hints = _types(into)
    for name, value in data.items():
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"Did you mean {prefix}{near[0]}?" if near else f"Known fields: {', '.join(known)}"
            raise ConfigError(subject, f"unknown field {prefix}{name}", hint)
        if isinstance(value, dict) and dataclasses.is_dataclass(hints[name]):
            _refuse_unknown(value, hints[name], subject, f"{prefix}{name}.")


def _types(into: Any) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(into)


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain JSON types, all defaults written out."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))
