"""The calibration routine: acquire, keep, fit, record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import BadInputError, ChipFileError, Crossbar
from ohmloop.sim_backend.chip_file import characteristics_of, population_of

from .fitting import Candidate, CellFit, Choice, Trajectories, choose_family, fit_trajectories
from .plan import CalibrationPlan
from .prediction import Prediction, predict
from .pulse_response import acquire, acquire_held_out
from .raw import (
    ALTERNATE,
    TRAIN,
    Keep,
    Progress,
    check_raw,
)
from .record import Provenance, chip_record
from .symmetric_point import symmetric_point

if TYPE_CHECKING:
    import xarray as xr

AUTO = "auto"
"""The response function is chosen by what it forecasts."""


def calibrate(
    crossbar: Crossbar,
    plan: CalibrationPlan | None = None,
    *,
    rng: np.random.Generator,
    progress: Progress | None = None,
    keep: Keep | None = None,
    provenance: Provenance | None = None,
) -> xr.Dataset:
    """Calibrate a crossbar.

    Args:
        crossbar: the chip; pulses move it, so what it held is lost.
        plan: what to do; the default suits about 100 states.
        rng: draws the held-out sequences.
        progress: told after every step.
        keep: saves raw data after every phase, before anything is fitted, and on interruption.
        provenance: instrument identities and the like, kept with the data.

    Returns:
        A chip record; ``save_chip`` writes it, ``open_crossbar`` opens it as a twin.

    Raises:
        LimitError: the plan is beyond the bench's limits.
        InstrumentError: the instruments failed; raw data so far went to ``keep``.
        BadInputError: no cell responds.
    """
    attrs = _attributes(rng, provenance)
    plan = plan or CalibrationPlan()
    return fit_raw(acquire(crossbar, plan, rng=rng, progress=progress, keep=keep, attrs=attrs))


def fit_raw(raw: xr.Dataset, family: str | Candidate = AUTO) -> xr.Dataset:
    """Fit raw data, without the chip: the same record that ``calibrate`` gives.

    What the raw data do not hold, such as held-out sequences in an imported table, the record does
    not hold either.

    Args:
        raw: raw data; the phases ``FITTED`` are fitted, the others check the fit.
        family: the response function by name or class; ``auto`` chooses by held-out forecasts.

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
    if family != AUTO:
        return fit_trajectories(traj, family), None
    try:
        choice = choose_family(traj)
    except BadInputError:
        # where no cell responds, the codes of a fit say why of each
        fitted = fit_trajectories(traj, "soft-bounds")
        if fitted.usable.any():
            raise
        return fitted, None
    return fit_trajectories(traj, choice.family, steps=choice.steps), choice


def validate(
    crossbar: Crossbar,
    chip: xr.Dataset,
    plan: CalibrationPlan | None = None,
    *,
    rng: np.random.Generator,
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> Prediction:
    """Compare a chip with a twin made of it earlier, on fresh random sequences.

    Args:
        crossbar: the chip.
        chip: its chip record.
        plan: its ``held_out`` part is used.
        rng: draws the sequences.
        progress: told after every step.
        keep: saves raw data.

    Raises:
        ChipFileError: the record is of another shape.
    """
    if chip["g_min"].shape != crossbar.shape:
        raise ChipFileError(
            f"the calibration is of a crossbar of {chip['g_min'].shape}, this is {crossbar.shape}"
        )
    plan = plan or CalibrationPlan()
    raw = acquire_held_out(crossbar, plan, rng=rng, progress=progress, keep=keep)
    return predict(raw, population_of(chip), characteristics_of(chip).usable)


def _attributes(rng: np.random.Generator, provenance: Provenance | None) -> dict[str, Any]:
    sequence: Any = rng.bit_generator.seed_seq
    return {
        **{f"provenance_{name}": value for name, value in (provenance or {}).items()},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": str(getattr(sequence, "entropy", "unknown")),
    }
