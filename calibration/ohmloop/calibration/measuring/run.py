"""Running routines on a crossbar: check, measure, keep, analyse."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ohmloop.calibration.raw import bench_attribute, bench_of
from ohmloop.drivers import BadInputError, Clock, Crossbar, PulseConditions

from .budget import check_budget, costs
from .measured import Measured
from .progress import Progress, Tracker
from .recipe import Entry, Recipe
from .routine import Plan, Routine
from .session import Session
from .store import MeasurementStore

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger("ohmloop")

Provenance = Mapping[str, str | int | float]
"""What to remember with the data, such as instrument identities, by name."""


def run(
    routine: Routine,
    crossbar: Crossbar,
    store: MeasurementStore | None = None,
    *,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run one routine and return its analysis.

    Args:
        routine: with its parameters.
        crossbar: the chip.
        store: where raw data are kept and, after an interruption, found; in memory by default.
        seed: of the routine's random numbers.
        clock: time; by default the crossbar's.
        progress: told after every step.

    Raises:
        BadInputError: beyond the limits, or the data do not allow an analysis.
        InstrumentError: the instruments failed; what was measured is kept.
    """
    store = store or MeasurementStore()
    recipe = Recipe.of(routine)
    measure(recipe, crossbar, store, seed=seed, clock=clock, progress=progress)
    return routine.analyse(Measured(store, routine.name))


def measure(
    recipe: Recipe,
    crossbar: Crossbar,
    store: MeasurementStore,
    *,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Progress | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Measure what a recipe says. What the store holds already is not measured again.

    Args:
        recipe: routines in order.
        crossbar: the chip; routines move it, so what it held is lost.
        store: new, or of a measurement that was interrupted.
        seed: of a new measurement; one that goes on has its own.
        clock: time; by default the crossbar's.
        progress: told after every step.
        provenance: instrument identities and the like, kept with the data.

    Raises:
        ConfigError: beyond the bench's limits, or the cells' remaining life.
        BadInputError: the store is of another chip or recipe.
        InstrumentError: the instruments failed; what was measured is kept.
    """
    check_budget(recipe, crossbar, frozenset(n for n in recipe.names if store.is_done(n)))
    _register(store, recipe, crossbar, seed, provenance or {})
    seed = int(store.what()["seed"])
    tracker = Tracker(costs(recipe, crossbar), crossbar, progress)
    plan = Plan(crossbar.conditions)
    for entry in recipe.entries:
        tracker.begin(entry.name)
        conditions = _begin(store, entry, crossbar, plan.conditions)
        if not store.is_done(entry.name):
            session = Session(
                crossbar,
                store,
                entry.name,
                seed=seed,
                clock=clock,
                conditions=conditions,
                told=tracker.told,
            )
            entry.routine.acquire(session)
            store.finish(entry.name)
        tracker.finish()
        if entry.routine.applies():
            found = entry.routine.analyse(Measured(store, entry.name))
            plan = entry.routine.apply(found, plan)


def analyse(recipe: Recipe, store: MeasurementStore) -> dict[str, xr.Dataset]:
    """The analysis of every routine of a recipe that is through, by name.

    One that its data do not allow becomes an empty dataset whose attribute ``problem`` says why:
    the others are not lost for it.
    """
    import xarray as xr

    found: dict[str, xr.Dataset] = {}
    for entry in recipe.entries:
        if not store.is_done(entry.name):
            continue
        measured = Measured(store, entry.name)
        try:
            data = entry.routine.analyse(measured)
        except BadInputError as error:
            log.warning("%s: %s", entry.name, error)
            data = xr.Dataset(attrs={"problem": str(error)})
        data.attrs["parameters"] = entry.routine.model_dump_json()
        if doubts := len(measured.in_doubt()):
            data.attrs["programs_in_doubt"] = doubts
        found[entry.name] = data
    return found


def _begin(
    store: MeasurementStore, entry: Entry, crossbar: Crossbar, conditions: PulseConditions
) -> PulseConditions:
    """Begin or go on; the pulses of a routine stay what they were when it began."""
    parameters = entry.routine.model_dump_json()
    bench = store.begin(entry.name, parameters, bench_attribute(crossbar, conditions))
    began: PulseConditions = bench_of(bench)["conditions"]
    if began != conditions:
        raise BadInputError(
            f"{store.name}: {entry.name} was begun with other pulses than the bench file has now;"
            " restore them, or begin a new measurement"
        )
    return began


def _register(
    store: MeasurementStore, recipe: Recipe, crossbar: Crossbar, seed: int, provenance: Provenance
) -> None:
    """What is measured, on the first time; the same, on any later."""
    what = store.what()
    if "shape" not in what:
        attributes = {f"provenance_{name}": value for name, value in provenance.items()}
        attributes["date"] = datetime.now(UTC).isoformat(timespec="seconds")
        attributes["seed"] = str(seed)
        store.tell(
            recipe=recipe.text(),
            seed=seed,
            shape=list(crossbar.shape),
            crossbar=crossbar.name,
            attributes=attributes,
        )
    elif tuple(what["shape"]) != crossbar.shape:
        rows, columns = what["shape"]
        raise BadInputError(
            f"{store.name}: is of a crossbar of {rows} x {columns} cells, this one has"
            f" {crossbar.shape[0]} x {crossbar.shape[1]}"
        )
