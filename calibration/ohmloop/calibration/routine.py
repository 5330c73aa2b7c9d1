"""Calibrating a chip: measure it, fit its cells, make the record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ohmloop.drivers import BadInputError, ChipFileError, Clock, Crossbar
from ohmloop.sim_backend.chip_file import characteristics_of, population_of

from .fitting import (
    FAMILIES,
    Candidate,
    CellFit,
    Choice,
    Trajectories,
    choose_family,
    fit_trajectories,
)
from .fitting.families import family_of
from .measuring import MeasurementStore, Recipe, load_recipe, measure, raw_of_steps
from .measuring.progress import Progress
from .measuring.run import Provenance
from .prediction import Prediction, predict
from .raw import ALTERNATE, TRAIN, check_raw
from .record import chip_record
from .routines.held_out import HeldOut
from .symmetric_point import symmetric_point

if TYPE_CHECKING:
    import xarray as xr

AUTO = "auto"
"""The response function is chosen by what it forecasts."""
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
    family: str | Candidate = AUTO,
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
        family: the response function that is fitted; see ``fit_raw``.

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
        ),
        family,
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


def fit_raw(raw: xr.Dataset, family: str | Candidate = AUTO) -> xr.Dataset:
    """Fit raw data, without the chip: the same record that ``calibrate`` gives.

    What the raw data do not hold, such as held-out sequences in an imported table, the record does
    not hold either.

    Args:
        raw: raw data; the phases ``FITTED`` are fitted, the others check the fit.
        family: the response function by name or class; ``auto`` chooses by held-out forecasts. Of
            one that is given the same forecasts are made, and say how good it is.

    Raises:
        ChipFileError: not raw data, or no pulse trains in them.
        BadInputError: no cell responds, or nobody offers the family.
    """
    check_raw(raw)
    fitted, choice = fit_phases(raw, family)
    alternated = ALTERNATE in raw["phase"].to_numpy()
    point = symmetric_point(raw, fitted) if alternated else None
    return chip_record(raw, fitted, point, choice)


def fit_phases(raw: xr.Dataset, family: str | Candidate = AUTO) -> tuple[CellFit, Choice | None]:
    """Fit the phases that the fit may see, and no others.

    Raises:
        ChipFileError: no pulse trains were measured.
    """
    if TRAIN not in raw["phase"].to_numpy():
        raise ChipFileError("the raw data lack pulse trains: the measurement was interrupted")
    traj = Trajectories.of_raw(raw)
    given = None if family == AUTO else family_of(family)
    try:
        choice = choose_family(traj, FAMILIES if given is None else (given,))
    except BadInputError:
        # where no cell responds, the codes of a fit say why of each
        fitted = fit_trajectories(traj, given or "soft-bounds")
        if given is None and fitted.usable.any():
            raise
        return fitted, None
    return fit_trajectories(traj, given or choice.family, steps=choice.steps), choice


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
