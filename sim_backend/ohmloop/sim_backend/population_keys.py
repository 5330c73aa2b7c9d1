"""What a specification of cells may say: which quantities a kind of cells has, and their defaults.

Every quantity ``x`` comes with ``x_dtod``, its relative spread from cell to cell, and with
``x_distribution``. Where a kind has ``x_up`` and ``x_down``, ``x_dtod`` speaks of both at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from functools import cache
from typing import Any

from .effects import EFFECTS, Effect
from .responses import ResponseFunction, response_class

BOUNDS = ("g_min", "g_max")
NORMAL, LOG_NORMAL = "normal", "log-normal"
SPREAD, DISTRIBUTION = "_dtod", "_distribution"

_COMMON: Mapping[str, float] = {
    "g_min": 5e-6,
    "g_max": 60e-6,
    "g_min_dtod": 0.1,
    "g_max_dtod": 0.1,
    "dg_std": 0.3,
    "read_std": 0.005,
}
_OF_MODEL: Mapping[str, Mapping[str, float]] = {
    "soft-bounds": {"slope_up": 0.02, "slope_down": 0.02, "slope_dtod": 0.15}
}


@dataclass(frozen=True)
class Quantity:
    """One number of a cell that a specification gives.

    Attributes:
        name: its key.
        unit: ``S``, ``s`` or ``1``.
        low: lowest value that it may have.
        high: highest.
        axes: 1 for a table, else 0.
        needed: whether a cell of its kind cannot be without it.
        distribution: how it spreads if nothing is said.
    """

    name: str
    unit: str
    low: float
    high: float = math.inf
    axes: int = 0
    needed: bool = False
    distribution: str = LOG_NORMAL

    @property
    def keys(self) -> tuple[str, str, str]:
        """Of its mean, its spread and its distribution."""
        return self.name, self.name + SPREAD, self.name + DISTRIBUTION


NOISE = (
    Quantity("dg_std", "1", 0),
    Quantity("dg_add", "S", 0),
    Quantity("dg_slope", "1", 0),
    Quantity("dg_rest", "S", 0, distribution=NORMAL),
    Quantity("read_std", "1", 0, 1),
    Quantity("endurance", "1", 0, 2e9),
)
"""What cells of any response function have."""


def quantity_of(entry: Field[Any], prefix: str = "", needed: bool = True) -> Quantity:
    """Of a field made by ``parameter``: log-normal where it cannot be negative."""
    own = entry.metadata
    signed = own["low"] < 0
    return Quantity(
        prefix + entry.name,
        own["unit"],
        own["low"],
        own["high"],
        own["axes"],
        needed=needed,
        distribution=NORMAL if signed else LOG_NORMAL,
    )


@cache
def of_response(kind: type[ResponseFunction]) -> tuple[Quantity, ...]:
    """Parameters of a response function in order; bounds of a chip are not negative."""
    bounds = tuple(Quantity(name, "S", 0, needed=True, distribution=NORMAL) for name in BOUNDS)
    return (*bounds, *(quantity_of(f) for f in fields(kind)[len(BOUNDS) :]))


@cache
def of_effect(kind: type[Effect]) -> tuple[Quantity, ...]:
    """Parameters of an effect in order, their keys led by its name."""
    return tuple(quantity_of(f, f"{kind.name}_", f.name not in kind.defaults) for f in fields(kind))


@cache
def quantities(model: str) -> tuple[Quantity, ...]:
    """All that cells of a model may be given."""
    effects = (q for kind in EFFECTS.values() for q in of_effect(kind))
    return (*of_response(response_class(model)), *NOISE, *effects)


def effects_in(given: Iterable[str]) -> list[type[Effect]]:
    """Effects of which any key is given, in the order in which they act."""
    keys = set(given)
    return [e for e in EFFECTS.values() if any(keys & set(q.keys) for q in of_effect(e))]


def defaults(model: str, given: Iterable[str] = ()) -> dict[str, float]:
    """What is so where nothing is said; a spread that is not in here is 0.

    Args:
        model: the response function.
        given: keys that are given; the effects that they speak of have defaults, too.
    """
    own = {
        f"{kind.name}_{k}": value
        for kind in effects_in(given)
        for k, value in kind.defaults.items()
    }
    return {**_COMMON, **_OF_MODEL.get(model, {}), **own}


def shared_keys(model: str) -> dict[str, tuple[Quantity, Quantity]]:
    """Keys that speak of an up and a down quantity at once."""
    known = {q.name: q for q in quantities(model)}
    pairs = {
        stem: (known[name], known[f"{stem}_down"])
        for name in known
        if name.endswith("_up") and f"{(stem := name.removesuffix('_up'))}_down" in known
    }
    return {stem + end: pair for stem, pair in pairs.items() for end in (SPREAD, DISTRIBUTION)}


def spoken(values: Mapping[str, Any], name: str, end: str) -> Any:
    """The spread or distribution given for a quantity, by its own key or a shared one."""
    for key in _candidates(name):
        if key + end in values:
            return values[key + end]
    return None


def _candidates(name: str) -> Iterator[str]:
    yield name
    for way in ("_up", "_down"):
        if name.endswith(way):
            yield name.removesuffix(way)
