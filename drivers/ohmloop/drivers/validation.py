"""From a YAML file to a frozen record, with every error naming file and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError


class Record(BaseModel):
    """A frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


R = TypeVar("R", bound=BaseModel)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise ConfigError(path, "", "no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, "", f"cannot be read: {error}") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise ConfigError(path, "", f"not valid YAML{line}: {problem}") from error
    if not isinstance(data, dict):
        raise ConfigError(path, "", "must be a mapping of keys to values")
    return data


def validate(model: type[R], data: Mapping[str, Any], file: object, prefix: str = "") -> R:
    """Check ``data`` against ``model``.

    Args:
        model: the record to make.
        data: what the file says.
        file: for the message.
        prefix: key path of ``data`` inside the file.

    Raises:
        ConfigError: for the first thing that is wrong, naming how many more there are.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key is both unknown and missing: the unknown one says what happened.
        problems = sorted(
            error.errors(include_url=False), key=lambda p: p["type"] != "extra_forbidden"
        )
        first = problems[0]
        path = ".".join([prefix, *_path(first["loc"])] if prefix else _path(first["loc"]))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(file, path, _explain(dict(first), model) + more) from None


def _path(location: tuple[int | str, ...]) -> list[str]:
    return [str(part) for part in location if not str(part).startswith("function-")]


def _explain(problem: dict[str, Any], model: type[BaseModel]) -> str:
    kind, message = problem["type"], str(problem["msg"])
    if kind == "extra_forbidden":
        if len(problem["loc"]) == 1:
            return f"unknown key; known are {', '.join(model.model_fields)}"
        return "unknown key"
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}, not {problem['input']!r}"


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key given twice, which YAML would silently let win."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool | None):
            raise yaml.MarkedYAMLError(
                problem="a key must be a word", problem_mark=key_node.start_mark
            )
        if key in seen:
            raise yaml.MarkedYAMLError(
                problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
