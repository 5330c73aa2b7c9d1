"""Calibrating a chip: measure it, fit its cells, make the record of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ohmloop.drivers import ChipFileError, Clock, Crossbar
from ohmloop.sim_backend.chip_file import characteristics_of, population_of

from .fit import CellFit, fit_cells
from .measuring import MeasurementStore, Recipe, load_recipe, measure, raw_of_steps
from .measuring.progress import Progress
from .measuring.run import Provenance
from .prediction import Prediction, predict
from .raw import ALTERNATE, FITTED, HELD_OUT, READS, TRAIN, broken_at, check_raw, flat, steps_of
from .record import chip_record
from .routines.held_out import HeldOut
from .symmetric_point import symmetric_point

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger("ohmloop")

TRAJECTORY = ("pulse_response", "symmetric_point", "held_out")
"""Routines whose pulses and readings a chip record is made of, in one trajectory."""


def calibrate(
    crossbar: Crossbar,
    recipe: Recipe | str = "standard",
    store: MeasurementStore | None = None,
    *,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Progress | None = None,
    provenance: Provenance | None = None,
) -> xr.Dataset:
    """Calibrate a crossbar.

    Args:
        crossbar: the chip; pulses move it, so what it held is lost.
        recipe: what to do, or the name of it.
        store: where raw data are kept as they are measured, and found after an interruption; in
            memory by default.
        seed: of the held-out sequences.
        clock: time; by default the crossbar's.
        progress: told after every step.
        provenance: instrument identities and the like, kept with the data.

    Returns:
        A chip record; ``save_chip`` writes it, ``open_crossbar`` opens it as a twin.

    Raises:
        ConfigError: the recipe is wrong, or beyond the bench's limits.
        InstrumentError: the instruments failed; what was measured so far is in the store.
        ChipFileError: the recipe does not measure what a fit needs.
        BadInputError: no cell responds.
    """
    return fit_raw(
        acquire(
            crossbar,
            recipe,
            store,
            seed=seed,
            clock=clock,
            progress=progress,
            provenance=provenance,
        )
    )


def acquire(
    crossbar: Crossbar,
    recipe: Recipe | str = "standard",
    store: MeasurementStore | None = None,
    *,
    seed: int = 0,
    clock: Clock | None = None,
    progress: Progress | None = None,
    provenance: Provenance | None = None,
) -> xr.Dataset:
    """Measure what ``calibrate`` does, without fitting it.

    Returns:
        Raw data over (step, row, column); see ``raw``.
    """
    store = store or MeasurementStore()
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    measure(
        recipe,
        crossbar,
        store,
        seed=seed,
        clock=clock,
        progress=progress,
        provenance=provenance,
    )
    return raw_of_store(store)


def raw_of_store(store: MeasurementStore) -> xr.Dataset:
    """Pulses and readings of a measurement, in one trajectory.

    Raises:
        ChipFileError: none of the routines that a fit builds on was measured.
    """
    measured = [name for name in TRAJECTORY if name in store.routines()]
    if not measured:
        raise ChipFileError(
            f"{store.name}: none of {', '.join(TRAJECTORY)} was measured: there is nothing to fit"
        )
    return raw_of_steps(store, *measured)


def fit_raw(raw: xr.Dataset) -> xr.Dataset:
    """Fit raw data, without the chip: the same record that ``calibrate`` gives.

    Raises:
        ChipFileError: not raw data, or not all phases were measured.
        BadInputError: no cell responds.
    """
    check_raw(raw)
    fitted = fit_phases(raw)
    return chip_record(raw, fitted, symmetric_point(raw, fitted))


def fit_phases(raw: xr.Dataset) -> CellFit:
    """Fit the phases that the fit may see, and no others.

    Raises:
        ChipFileError: one of the phases was not measured.
    """
    missing = {READS, TRAIN, ALTERNATE, HELD_OUT} - set(raw["phase"].to_numpy())
    if missing:
        raise ChipFileError(
            f"the raw data lack {', '.join(sorted(missing))}: the measurement was interrupted"
        )
    steps = steps_of(raw, *FITTED)
    stretches = np.split(steps, np.flatnonzero(broken_at(raw)[steps]))
    longest = max(stretches, key=len)
    if len(longest) < len(steps):
        log.warning(
            "pulse programs are in doubt: the fit goes by the longest stretch without any,"
            " %d of %d steps", len(longest), len(steps),
        )  # fmt: skip
    return fit_cells(*flat(raw, longest))


def validate(
    crossbar: Crossbar,
    chip: xr.Dataset,
    routine: HeldOut | None = None,
    store: MeasurementStore | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Prediction:
    """Compare a chip with a twin made of it earlier, on fresh random sequences.

    Args:
        crossbar: the chip.
        chip: its chip record.
        routine: which sequences.
        store: where raw data are kept; in memory by default.
        seed: of the sequences.
        progress: told after every step.

    Raises:
        ChipFileError: the record is of another shape.
    """
    if chip["g_min"].shape != crossbar.shape:
        raise ChipFileError(
            f"the calibration is of a crossbar of {chip['g_min'].shape}, this is {crossbar.shape}"
        )
    recipe = Recipe.of(routine or HeldOut())
    raw = acquire(crossbar, recipe, store, seed=seed, progress=progress)
    return predict(raw, population_of(chip), characteristics_of(chip).usable)
