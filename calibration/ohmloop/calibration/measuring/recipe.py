"""Recipes: which routines, in which order, with which parameters; a YAML file, or one of ours.

::

    description: What a day at the bench allows.
    routines:
      - continuity
      - pulse_response: {cycles: 4, up_pulses: 100, down_pulses: 100}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ohmloop.drivers import BadInputError, ConfigError
from ohmloop.drivers.validation import Record, load_yaml, validate

from .registry import routine_class
from .routine import Routine


class _File(Record):
    """A recipe file."""

    description: str = ""
    routines: list[Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A routine in a recipe.

    Attributes:
        routine: with its parameters.
        given: the parameters as the recipe has them.
        key: where in the recipe it stands.
    """

    routine: Routine
    given: dict[str, Any]
    key: str

    @property
    def name(self) -> str:
        """The routine's name."""
        return self.routine.name


@dataclass(frozen=True, slots=True)
class Recipe:
    """Routines in their order, each once.

    Attributes:
        source: file or name it was read from, for messages.
        description: what it is for.
        entries: the routines.
    """

    source: str
    description: str
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, *routines: Routine) -> Recipe:
        """A recipe made in Python.

        Raises:
            BadInputError: a routine is given twice.
        """
        entries = tuple(Entry(r, {}, r.name) for r in routines)
        return cls("recipe", "", _each_once("recipe", entries))

    @classmethod
    def read(cls, data: dict[str, Any], source: object) -> Recipe:
        """A recipe as YAML gives it.

        Raises:
            ConfigError: names file and key.
        """
        file = validate(_File, data, source)
        if not file.routines:
            raise ConfigError(source, "routines", "is empty; name one at least")
        entries = tuple(_entry(item, source, n) for n, item in enumerate(file.routines))
        return cls(str(source), file.description, _each_once(source, entries))

    @property
    def names(self) -> list[str]:
        """Names of the routines."""
        return [entry.name for entry in self.entries]

    def only(self, names: Sequence[str]) -> Recipe:
        """Some routines alone: as the recipe has them, or with defaults where it does not.

        Raises:
            BadInputError: no such routine.
        """
        own = {entry.name: entry for entry in self.entries}
        chosen = tuple(
            own.get(name) or Entry(routine_class(name)(), {}, f"--routine {name}")
            for name in dict.fromkeys(names)
        )
        return replace(self, entries=chosen)

    def text(self) -> str:
        """As YAML, to be kept with a measurement and read again."""
        routines = [{e.name: e.given} if e.given else e.name for e in self.entries]
        content = {"description": self.description, "routines": routines}
        return yaml.safe_dump(content, sort_keys=False)


def packaged_recipes() -> list[str]:
    """Names of our recipes."""
    found = [Path(str(file)).stem for file in _folder().iterdir() if file.name.endswith(".yaml")]
    return sorted(found, key=lambda name: (name not in _ORDER, _ORDER.get(name, 0), name))


def load_recipe(name: str) -> Recipe:
    """A recipe by the name of one of ours, or a file.

    Raises:
        ConfigError: no such recipe, or a key in it is wrong.
    """
    if name.endswith((".yaml", ".yml")):
        return Recipe.read(load_yaml(Path(name)), name)
    file = _folder() / f"{name}.yaml"
    if not name.isidentifier() or not file.is_file():
        known = ", ".join(packaged_recipes())
        raise ConfigError(name, "", f"no such recipe; known are {known}, or give a file.yaml")
    return Recipe.read(yaml.safe_load(file.read_text(encoding="utf-8")), name)


_ORDER = {"quick": 0, "standard": 1, "thorough": 2}


def _folder() -> Any:
    return files(__package__) / "recipes"


def _entry(item: object, source: object, number: int) -> Entry:
    key = f"routines.{number}"
    if isinstance(item, dict) and len(item) == 1:
        ((name, given),) = item.items()
    else:
        name, given = item, None
    if not isinstance(name, str) or not isinstance(given, dict | None):
        problem = "must be the name of a routine, or {name: {parameter: value}}"
        raise ConfigError(source, key, problem)
    try:
        kind = routine_class(name)
    except BadInputError as error:
        raise ConfigError(source, key, str(error)) from None
    given = given or {}
    return Entry(validate(kind, given, source, f"{key}.{name}"), given, f"{key}.{name}")


def _each_once(source: object, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise ConfigError(source, entry.key, "is given twice; each routine once")
        seen.add(entry.name)
    return entries
