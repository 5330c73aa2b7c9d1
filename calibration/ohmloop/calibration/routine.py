"""The calibration routine: acquire, keep, fit, record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import ChipFileError, Crossbar
from ohmloop.sim_backend.chip_file import characteristics_of, population_of

from .fit import CellFit, fit_cells
from .plan import CalibrationPlan
from .prediction import Prediction, predict
from .pulse_response import acquire, acquire_held_out
from .raw import (
    ALTERNATE,
    FITTED,
    HELD_OUT,
    READS,
    TRAIN,
    Keep,
    Progress,
    check_raw,
    flat,
    steps_of,
)
from .record import Provenance, chip_record
from .symmetric_point import symmetric_point

if TYPE_CHECKING:
    import xarray as xr


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
    return fit_cells(*flat(raw, steps_of(raw, *FITTED)))


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
