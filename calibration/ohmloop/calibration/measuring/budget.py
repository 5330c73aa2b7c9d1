"""Whether a chip may be given what a recipe asks for: asked before anything is sent."""

from __future__ import annotations

import numpy as np

from ohmloop.drivers import ConfigError, Crossbar

from .cost import Cost
from .recipe import Recipe


def costs(recipe: Recipe, crossbar: Crossbar) -> dict[str, Cost]:
    """What every routine costs, by name, in order."""
    return {entry.name: entry.routine.cost(crossbar) for entry in recipe.entries}


def check_budget(recipe: Recipe, crossbar: Crossbar, done: frozenset[str] = frozenset()) -> None:
    """Refuse a recipe that is beyond the bench's limits or the cells' remaining life.

    Args:
        recipe: what is to be done.
        crossbar: the chip; nothing is sent.
        done: routines that are through and cost nothing any more.

    Raises:
        ConfigError: names the recipe's key, the pulses and the limit.
    """
    limits, worn = crossbar.limits, crossbar.wear
    row, column = np.unravel_index(int(worn.argmax()), worn.shape)
    left = limits.pulses_per_cell - float(worn.max())
    for entry in recipe.entries:
        cost = entry.routine.cost(crossbar)
        if cost.most_per_program > limits.pulses_per_program:
            key = f"{entry.key}.{cost.key}" if cost.key else entry.key
            problem = (
                f"{cost.most_per_program} pulses of a cell in one program are beyond"
                f" limits.pulses_per_program, {limits.pulses_per_program:g}"
            )
            raise ConfigError(recipe.source, key, problem)
        if entry.name in done:
            continue
        if cost.life > left:
            problem = (
                f"would give a cell up to {cost.life} pulses, but cell (row {row}, column"
                f" {column}) has {max(left, 0):g} left of limits.pulses_per_cell,"
                f" {limits.pulses_per_cell:g}, when it comes to that"
            )
            raise ConfigError(recipe.source, entry.key, problem)
        left -= cost.life
