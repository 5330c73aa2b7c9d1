"""What a calibration would take, and what can be measured at all; nothing is connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import Crossbar, open_crossbar

from .calibrate import on_paper
from .console import Screen

if TYPE_CHECKING:
    from ohmloop.calibration import Recipe


def chosen_recipe(recipe: str | None, routines: Sequence[str]) -> Recipe | None:
    """The recipe asked for; None where nothing was.

    Raises:
        BadInputError: no such recipe or routine, or a key in the file is wrong.
    """
    from ohmloop.calibration import load_recipe

    if recipe is None and not routines:
        return None
    found = load_recipe(recipe or "standard")
    return found.only(routines) if routines else found


def list_routines(screen: Screen) -> dict[str, Any]:
    """A line for each routine and each recipe of ours."""
    from ohmloop.calibration.measuring import (
        load_recipe,
        packaged_recipes,
        routine_class,
        routine_names,
    )

    routines = {name: routine_class(name).summary() for name in routine_names()}
    recipes = {name: load_recipe(name).description for name in packaged_recipes()}
    screen.table("routines", ("routine", "what it measures"), list(routines.items()))
    screen.table("recipes", ("recipe", "what it is for"), list(recipes.items()))
    return {"routines": routines, "recipes": recipes}


def estimate(name: str, recipe: Recipe | None, screen: Screen) -> dict[str, Any]:
    """Pulses, readings and time of every routine, held against limits and the cells' life.

    Raises:
        ConfigError: the recipe asks for more than the limits or the cells' life allow.
        BadInputError: the bench file is wrong.
    """
    paper = on_paper(name)
    if paper is not None:
        return _estimate(paper, recipe, screen)
    with open_crossbar(name) as twin:  # has no wires
        return _estimate(twin, recipe, screen)


def _estimate(crossbar: Crossbar, recipe: Recipe | None, screen: Screen) -> dict[str, Any]:
    from ohmloop.calibration import load_recipe
    from ohmloop.calibration.measuring import Pace, check_budget, costs, words
    from ohmloop.calibration.measuring.cost import as_dict

    recipe = recipe or load_recipe("standard")
    check_budget(recipe, crossbar)
    pace, found = Pace.expected(crossbar), costs(recipe, crossbar)
    seconds = {routine: cost.seconds(pace) for routine, cost in found.items()}
    life = sum(cost.life for cost in found.values())
    lines = [
        (routine, f"{cost.pulses:.0f}", f"{cost.reads:.1f}", f"at most {words(seconds[routine])}")
        for routine, cost in found.items()
    ]
    pulses, reads = (sum(getattr(c, n) for c in found.values()) for n in ("pulses", "reads"))
    lines.append(
        ("all", f"{pulses:.0f}", f"{reads:.1f}", f"at most {words(sum(seconds.values()))}")
    )
    screen.table("estimate", ("routine", "pulses a cell", "reads a cell", "time"), lines)
    left = crossbar.limits.pulses_per_cell - float(crossbar.wear.max())
    screen.say(f"at most {life} pulses on a cell, of {left:g} that the most used one has left")
    return {
        "routines": {routine: as_dict(cost, pace) for routine, cost in found.items()},
        "seconds": sum(seconds.values()),
        "most_pulses_a_cell": life,
        "pulses_left_a_cell": left,
    }
