"""Cells that are stuck or sluggish, by share or by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from ohmloop.drivers import BadInputError

from .population import SLUGGISH, SOUND, STUCK_ANYWHERE, STUCK_HIGH, STUCK_LOW, Population

if TYPE_CHECKING:
    from .population_spec import PopulationSpec

Cells = tuple[tuple[int, int], ...]

KINDS = {
    "stuck_low": STUCK_LOW,
    "stuck_high": STUCK_HIGH,
    "stuck_anywhere": STUCK_ANYWHERE,
    "sluggish": SLUGGISH,
}
"""Key of a specification -> what the population calls such a cell."""


def _share_or_cells(value: Any) -> float | Cells:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value <= 1:
            return float(value)
        raise ValueError(f"a share of cells must be 0 to 1, not {value}")
    pairs: Any = value if isinstance(value, list | tuple) else [None]
    for pair in pairs:
        whole = isinstance(pair, list | tuple) and len(pair) == 2
        if not whole or any(type(n) is not int or n < 0 for n in pair):
            raise ValueError(f"must be a share of 0 to 1 or [[row, column], ...], not {value!r}")
    return tuple((row, column) for row, column in pairs)


CellChoice = Annotated[Any, BeforeValidator(_share_or_cells)]
"""A share of all cells, drawn at random, or named ones."""


def apply_defects(
    population: Population, spec: PopulationSpec, rng: np.random.Generator
) -> Population:
    """The same cells, some of them stuck or sluggish; draws nothing where none are.

    A stuck cell has neither steps nor noise of steps. Named cells come first, and shares are of all
    cells, drawn among those that are sound still.

    Raises:
        BadInputError: a cell is beyond the crossbar or named twice, or shares add up to more than
            all cells.
    """
    choices = {key: getattr(spec, key) for key in KINDS}
    if not any(choices.values()):
        return population
    defects = _named(population.shape, choices)
    _drawn(defects, choices, rng)
    anywhere = rng.random(population.shape, np.float32)
    stuck = np.isin(defects, (STUCK_LOW, STUCK_HIGH, STUCK_ANYWHERE))
    factor = np.where(stuck, np.float32(0), np.float32(1))
    factor[defects == SLUGGISH] = spec.sluggish_factor
    low, high, start = population.g_min, population.g_max, population.conductance
    start = np.where(defects == STUCK_LOW, low, start)
    start = np.where(defects == STUCK_HIGH, high, start)
    start = np.where(defects == STUCK_ANYWHERE, low + anywhere * (high - low), start)
    return replace(
        population,
        response=population.response.scaled(factor),
        dg_add=_scaled(population.dg_add, factor),
        dg_slope=_scaled(population.dg_slope, factor),
        conductance=start,
        defects=defects,
        effects=tuple(effect.without(stuck) for effect in population.effects),
    )


def _scaled(noise: NDArray[np.float32], factor: NDArray[np.float32]) -> NDArray[np.float32]:
    """One value for all where there is none."""
    return noise * factor if noise.any() else noise


def _named(shape: tuple[int, int], choices: dict[str, Any]) -> NDArray[np.uint8]:
    defects = np.full(shape, SOUND, np.uint8)
    for key, chosen in choices.items():
        for cell in chosen if isinstance(chosen, tuple) else ():
            if cell[0] >= shape[0] or cell[1] >= shape[1]:
                size = f"{shape[0]} x {shape[1]}"
                raise BadInputError(f"{key}: cell {list(cell)} is beyond a crossbar of {size}")
            if defects[cell] != SOUND:
                raise BadInputError(f"{key}: cell {list(cell)} is named before; name it once")
            defects[cell] = KINDS[key]
    return defects


def _drawn(defects: NDArray[np.uint8], choices: dict[str, Any], rng: np.random.Generator) -> None:
    flat = defects.reshape(-1)
    for key, chosen in choices.items():
        if isinstance(chosen, tuple) or not chosen:
            continue
        sound = np.flatnonzero(flat == SOUND)
        count = int(rng.binomial(flat.size, chosen))
        if count > sound.size:
            raise BadInputError(
                f"{key}: a share of {chosen:g} is more cells than are left; make shares add up to"
                " less than 1"
            )
        flat[rng.choice(sound, count, replace=False)] = KINDS[key]
