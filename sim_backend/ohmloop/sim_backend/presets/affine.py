"""From weight units to siemens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.effects import Effect
from ohmloop.sim_backend.population import Population

Pair = tuple[float, float]

Map = Callable[[Any], Any]

_PLACES = ("g_min", "g_max", "reference", "rest")
"""Parameters that are states; others in siemens are lengths, such as steps."""


def in_siemens(population: Population, weights: Pair, conductances: Pair) -> Population:
    """The same cells by the straight line that takes two weights to two conductances.

    Read noise is relative to the conductance, so it is kept as a share.

    Args:
        population: cells in weight units.
        weights: two weights, the lower first.
        conductances: what they become, S.

    Raises:
        BadInputError: the conductances are no range, or a cell could go below 0 S.
    """
    (w_low, w_high), (g_low, g_high) = weights, conductances
    if not 0 <= g_low < g_high < np.inf:
        raise BadInputError(
            f"{g_low:g} to {g_high:g} S is no range; give g_low below g_high, from 0 S on"
        )
    unit = (g_high - g_low) / (w_high - w_low)
    zero = g_low - w_low * unit

    def place(values: Any) -> Any:
        return zero + unit * _double(values)

    def length(values: Any) -> Any:
        return unit * _double(values)

    response, kind = population.response, type(population.response)
    own = {}
    for field in fields(kind):
        values = getattr(response, field.name)
        if kind.units[field.name] == "S":
            values = (place if field.name in _PLACES else length)(values)
        own[field.name] = values
    _check(own["g_min"], conductances[0])
    return replace(
        population,
        response=kind(**own),
        conductance=place(population.conductance).astype(np.float32),
        dg_add=length(population.dg_add),
        dg_rest=place(population.dg_rest) if population.dg_slope.any() else population.dg_rest,
        effects=tuple(_effect(effect, place, length) for effect in population.effects),
    )


def _effect(effect: Effect, place: Map, length: Map) -> Effect:
    """The same effect with what is in siemens of it converted."""
    changed = {
        field.name: (place if field.name in _PLACES else length)(getattr(effect, field.name))
        for field in fields(effect)
        if field.metadata["unit"] == "S"
    }
    return replace(effect, **changed)


def line(weights: Pair, conductances: Pair) -> Pair:
    """Conductance of weight 0 and of one unit of weight, S.

    Raises:
        BadInputError: the conductances are no range.
    """
    (w_low, w_high), (g_low, g_high) = weights, conductances
    if not 0 <= g_low < g_high < np.inf:
        raise BadInputError(
            f"{g_low:g} to {g_high:g} S is no range; give g_low below g_high, from 0 S on"
        )
    unit = (g_high - g_low) / (w_high - w_low)
    return g_low - w_low * unit, unit


def _double(values: Any) -> Any:
    """In double precision; one value for all stays one value."""
    found = np.asarray(values)
    one = found.ndim >= 2 and found.strides[:2] == (0, 0)
    return np.asarray(found[0, 0] if one else found, np.float64)


def _check(lower: Any, g_low: float) -> None:
    if lower.min() < 0:
        cell = tuple(int(i) for i in np.unravel_index(int(np.argmin(lower)), np.shape(lower)))
        raise BadInputError(
            f"cell {cell} would have its lower bound at {lower.min():.3g} S; its spread asks for a"
            f" g_low of at least {g_low - lower.min():.3g} S, or a smaller range"
        )
