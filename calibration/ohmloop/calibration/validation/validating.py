"""The whole of a validation: checks, sequences, measuring, scores, verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.calibration.measuring.progress import Progress
from ohmloop.drivers import ChipFileError, Crossbar
from ohmloop.sim_backend.chip_file import bench_of, population_of

from .change import Change, find_change, median
from .copies import TwinCopies
from .measure import Steps, measure
from .outcome import Array, kinds_of, usable_of
from .plan import ValidationPlan
from .predictive import Forecaster
from .scores import Estimate, Scores, score
from .sequences import PulseSequence, make_sequences
from .verdict import Verdict, judge

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Attributes:
        data: the outcome.
        scores: of it.
        change: what the chip does otherwise.
        map_shift: median change of usable cells' conductances since the calibration, S.
        map_rms: root mean square of these changes, S.
        verdict: in words.
    """

    data: xr.Dataset
    scores: Scores
    change: Change
    map_shift: Estimate
    map_rms: float
    verdict: Verdict

    def figures(self) -> dict[str, Any]:
        """All figures, plain, for a machine."""
        size, point = self.change.granularity_ratio, self.change.point_shift
        found, expected = self.change.identity
        return {
            "verdict": str(self.verdict.word),
            "serves": self.verdict.serves,
            "reasons": list(self.verdict.reasons),
            "advice": self.verdict.advice,
            "cells": int(self.scores.usable.sum()),
            "failing": [list(cell) for cell in self.scores.failing],
            "kinds": {
                str(k.kind): {
                    "rmse_over_noise": _pair(k.ratio),
                    "error_over_spread": _pair(k.spread),
                    "rmse_S": k.prediction.rmse,
                    "repeatability_S": k.prediction.repeatability,
                    "coverage": {f"{p:g}": _pair(c) for p, c in k.coverage.items()},
                    "rmse_by_position_S": k.by_position()[0].tolist(),
                    "repeatability_by_position_S": k.by_position()[1].tolist(),
                }
                for k in self.scores.kinds
            },
            "coverage": {f"{p:g}": _pair(c) for p, c in self.scores.coverage.items()},
            "classes": self.scores.classes.tolist(),
            "granularity_ratio": _pair(size),
            "symmetric_point_shift_S": _pair(point),
            "identity": {"found": found, "expected": expected},
            "conductance_shift_S": _pair(self.map_shift),
            "conductance_rms_change_S": self.map_rms,
        }


def check_twin(chip: xr.Dataset, crossbar: Crossbar) -> None:
    """Refuse a chip file that cannot be of a crossbar, before a pulse is sent.

    Raises:
        ChipFileError: another shape, or no usable cell.
    """
    shape = chip["usable"].shape
    if shape != crossbar.shape:
        raise ChipFileError(f"the chip file is of a crossbar of {shape}, this is {crossbar.shape}")
    if not chip["usable"].to_numpy().any():
        raise ChipFileError("the chip file has no usable cell; calibrate again")


def planned(
    chip: xr.Dataset, plan: ValidationPlan, most: float, seed: int
) -> tuple[PulseSequence, ...]:
    """The sequences of a validation; the same seed gives the same ones.

    Args:
        chip: the chip record.
        plan: kinds and lengths.
        most: pulses that a cell may get in one program.
        seed: of what is drawn.
    """
    usable = chip["usable"].to_numpy().astype(bool)
    rng = np.random.default_rng([seed, 1])
    return make_sequences(plan, population_of(chip), usable, most, rng)


def validate_twin(
    session: Steps,
    chip: xr.Dataset,
    plan: ValidationPlan,
    *,
    most: float = np.inf,
    seed: int,
    progress: Progress | None = None,
) -> Validation:
    """Validate a twin against the chip that a session measures.

    Args:
        session: a measuring session on a crossbar that ``check_twin`` accepts.
        chip: the chip record.
        plan: what to do.
        most: pulses that a cell may get in one program, ``limits.pulses_per_program``.
        seed: of sequences and predictions.
        progress: told after every repeat.

    Raises:
        BadInputError: too many programs were left in doubt.
        InstrumentError: the instruments failed; what was measured is kept by the session.
    """
    bench = bench_of(chip)
    forecaster = Forecaster(
        TwinCopies(chip), plan.copies, bench["conditions"], bench["reading"], seed
    )
    usable = chip["usable"].to_numpy().astype(bool)
    sequences = planned(chip, plan, most, seed)
    data = measure(session, sequences, forecaster, plan, usable, progress)
    data.attrs |= {"plan": plan.model_dump_json(), "seed": seed}
    return examine(data, chip)


def examine(data: xr.Dataset, chip: xr.Dataset) -> Validation:
    """Score an outcome and judge it, without the chip.

    Args:
        data: the outcome.
        chip: the chip record whose twin predicted it.

    Raises:
        ChipFileError: no outcome, of another shape, or no cell was read throughout.
    """
    kinds_of(data)
    if data["before"].shape != chip["usable"].shape:
        raise ChipFileError("the validation and the chip file are of different shapes")
    usable = usable_of(data)
    if not usable.any():
        raise ChipFileError("no usable cell could be read throughout; check the bench")
    scores, change = score(data), find_change(data, population_of(chip))
    moved: Array = (data["before"] - chip["conductance"]).to_numpy()[usable]
    rms = float(np.sqrt((moved**2).mean()))
    return Validation(data, scores, change, median(moved), rms, judge(scores, change))


def _pair(value: Estimate) -> dict[str, float | None]:
    return {
        name: number if np.isfinite(number) else None
        for name, number in (("value", value.value), ("stderr", value.stderr))
    }
