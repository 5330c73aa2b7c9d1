"""Measuring a chip: routines, run safely against a kill at any moment.

A routine runs on any crossbar, chip or twin, in three lines::

    with open_crossbar("bench.yaml") as crossbar:
        found = run(PulseResponse(cycles=1), crossbar, MeasurementStore(Path("chip.sqlite")))
    print(found["granularity"])

Run again after an interruption, the same lines go on where the first run stopped.
"""

from .budget import check_budget, costs
from .cost import Cost, Pace, words
from .measured import Measured
from .raw_steps import raw_of_steps
from .recipe import Recipe, load_recipe, packaged_recipes
from .registry import routine_class, routine_names
from .routine import Plan, Routine
from .run import analyse, measure, run
from .session import Session
from .store import MeasurementStore, Step

__all__ = [
    "Cost",
    "Measured",
    "MeasurementStore",
    "Pace",
    "Plan",
    "Recipe",
    "Routine",
    "Session",
    "Step",
    "analyse",
    "check_budget",
    "costs",
    "load_recipe",
    "measure",
    "packaged_recipes",
    "raw_of_steps",
    "routine_class",
    "routine_names",
    "run",
    "words",
]
