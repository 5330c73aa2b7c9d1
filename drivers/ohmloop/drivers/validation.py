"""From a YAML file to a frozen record, with every error naming file and key."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
)
from pydantic.fields import FieldInfo

from .errors import ConfigError


class Record(BaseModel):
    """A frozen record that refuses unknown keys, and numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    except RecursionError:
        raise ConfigError(path, "", "is nested too deeply") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise ConfigError(path, "", f"not valid YAML{line}: {problem}") from error
    except Exception as error:  # PyYAML raises many kinds for "0x_" or "!!int ''"
        raise ConfigError(path, "", f"not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(path, "", "must be a mapping of keys to values")
    return data


def validate(
    model: type[R], data: Mapping[str, Any], file: object, prefix: str = "", all_text: bool = False
) -> R:
    """Check ``data`` against ``model``.

    Args:
        model: the record to make.
        data: what the file says.
        file: for the message.
        prefix: key path of ``data`` inside the file.
        all_text: numbers are text, too, because they come from a name, not from YAML.

    Raises:
        ConfigError: for the first thing that is wrong, naming how many more there are.
    """
    if not all_text and (odd := _lookalike(data, model, [])):
        where, value = odd
        path = ".".join([prefix, *where] if prefix else where)
        raise ConfigError(file, path, f"must be a number, not {reprlib.repr(value)}")
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


def _lookalike(value: object, wanted: Any, path: list[str]) -> tuple[list[str], object] | None:
    """The first ``true`` or ``"5"`` where a number is wanted: pydantic takes them for 1 and 5.

    Quantities are text, and are left to their own validators.
    """
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        quantity = any(isinstance(mark, BeforeValidator) for mark in parts[1:])
        return None if quantity else _lookalike(value, parts[0], path)
    if origin in (Union, UnionType):
        single = [part for part in parts if part is not type(None)]
        return _lookalike(value, single[0], path) if len(single) == 1 else None
    if origin is Literal and any(type(part) is int for part in parts):
        wanted = bool if any(isinstance(part, bool | str) for part in parts) else int
    if wanted in (int, float):
        return (path, value) if isinstance(value, bool | str) else None
    inside: list[tuple[object, Any, str]] = []
    if isinstance(value, list) and origin in (list, tuple):
        kinds = [parts[min(number, len(parts) - 1)] for number in range(len(value))]
        inside = [(v, kind, str(n)) for n, (v, kind) in enumerate(zip(value, kinds, strict=True))]
    elif isinstance(value, Mapping) and origin is dict:
        inside = [(v, parts[1], str(key)) for key, v in value.items()]
    elif isinstance(value, Mapping) and isinstance(wanted, type) and issubclass(wanted, BaseModel):
        own = _with_validator(wanted)
        fields = {key: field for key, field in wanted.model_fields.items() if key not in own}
        inside = [(v, _whole(fields[key]), key) for key, v in value.items() if key in fields]
    found = (_lookalike(v, kind, [*path, key]) for v, kind, key in inside)
    return next(filter(None, found), None)


def _with_validator(model: type[BaseModel]) -> set[str]:
    """Fields that a record looks at itself, before pydantic does."""
    decorators = model.__pydantic_decorators__.field_validators.values()
    return {name for d in decorators if d.info.mode == "before" for name in d.info.fields}


def _whole(field: FieldInfo) -> Any:
    """A field's type with its marks, which pydantic keeps apart."""
    marks = tuple(field.metadata)
    return Annotated[field.annotation, *marks] if marks else field.annotation


def _path(location: tuple[int | str, ...]) -> list[str]:
    ours = ("function-", "[key]", "constrained-")  # pydantic's own steps, no keys of the file
    return [str(part) for part in location if not str(part).startswith(ours)]


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
    return f"{message[:1].lower()}{message[1:]}, not {reprlib.repr(problem['input'])}"


_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_REPLACED = (_INT, _FLOAT, "tag:yaml.org,2002:timestamp")


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key given twice, which YAML would silently let win.

    Of what YAML 1.1 takes for a number it takes decimal ones only: ``010`` is no 8 and ``1:30`` no
    90 here, but text, which a key for a number refuses; dates are text, too.
    """


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


_UniqueKeys.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_UniqueKeys.add_implicit_resolver(_INT, re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
_UniqueKeys.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$|[-+]?\.(inf|nan)$"
    ),
    list("-+.0123456789"),
)
_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
