"""The symmetric point: from the model, and measured by alternating pulses.

Alternating up and down pulses pull a cell to its symmetric point (zero-shifting; Kim et al.,
arXiv:1907.10228), as ``rho = 1 - dG/dg`` a pulse, with G the asymmetric part of the response. A
calibration cannot wait until the start is forgotten, so what is left of it is taken off: with
``y0`` the reading before the alternation, ``y`` the mean of its second half, and ``w`` the mean of
``rho^n`` over those readings, the measured symmetric point is ``(y - w y0) / (1 - w)``. Of the
model it knows the rate alone, not where the point is; and the fit sees none of these steps. So
comparing both is a test of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.sim_backend.responses import ResponseFunction

from .fitting.cell_fit import CellFit
from .fitting.trajectories import Array
from .raw import ALTERNATE, APPROACH, flat, steps_of

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class SymmetricPoint:
    """Modelled and measured symmetric points, each ``(cells,)``, S.

    Attributes:
        model: from the fitted parameters.
        model_stderr: its standard error (delta method).
        measured: by alternation.
        measured_stderr: its standard error.
    """

    model: Array
    model_stderr: Array
    measured: Array
    measured_stderr: Array

    @property
    def z(self) -> Array:
        """Difference in standard errors; about standard normal where the model holds."""
        error = np.sqrt(self.model_stderr**2 + self.measured_stderr**2)
        z: Array = (self.measured - self.model) / error
        return z

    def agreement(self, usable: NDArray[np.bool_]) -> float:
        """Root mean square of z over usable cells; about 1 is agreement."""
        return float(np.sqrt(np.mean(self.z[usable] ** 2))) if usable.any() else float("nan")


def symmetric_point(raw: xr.Dataset, fitted: CellFit) -> SymmetricPoint:
    """Measure the symmetric point and compare.

    Args:
        raw: raw data with an alternating phase.
        fitted: the cells.
    """
    steps = steps_of(raw, APPROACH, ALTERNATE)
    readings, pulses = flat(raw, steps)
    given = np.abs(pulses).sum(axis=1) // max(1, pulses.shape[1])
    given[0] = 0  # the approach itself; its reading is where the alternation starts
    at = np.flatnonzero(np.isfinite(readings).any(axis=1))
    last = at[1:][-(len(at) // 2) :]
    # the alternation begins upwards, so its middle line begins half a step above the first reading
    first = readings[at[0]] + fitted.response.dg_min / 2
    measured, error = _limit(fitted, first, readings[last], np.cumsum(given)[last])
    return SymmetricPoint(
        fitted.response.symmetric_point, fitted.stderr()["symmetric_point"], measured, error
    )


def _limit(
    fitted: CellFit, first: Array, readings: Array, times: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Where readings ``times`` pulses after ``first`` tend to, and its standard error.

    A pulse keeps ``rho`` of a deviation and adds ``dg_min * dg_std``: a first-order autoregression
    from a known start, whose covariance is in closed form. Read noise adds to every reading.
    """
    rho = np.clip(kept_at_symmetric_point(fitted.response), 0.0, 1 - 1e-9)
    left = (rho[None] ** times[:, None]).mean(axis=0)
    walk = (fitted.response.dg_min * fitted.dg_std + fitted.dg_add) ** 2 / (1 - rho**2)
    apart = np.abs(times[:, None] - times[None])[:, :, None]
    both = (times[:, None] + times[None])[:, :, None]
    correlated = (rho**apart - rho**both).mean(axis=(0, 1))
    mean, rest = readings.mean(axis=0), np.maximum(1 - left, 1e-3)
    read = fitted.read_std**2 * (mean**2 / times.size + (left * first) ** 2)
    return (mean - left * first) / rest, np.sqrt(walk * correlated + read) / rest


def kept_at_symmetric_point(response: ResponseFunction) -> Array:
    """Share of a deviation from the symmetric point that an alternating pulse leaves, ``(cells,)``.

    nan where there is no symmetric point.
    """
    point = np.asarray(response.symmetric_point, float)
    nudge = 1e-4 * (np.asarray(response.g_max, float) - np.asarray(response.g_min, float))
    rise = response.asymmetric(point + nudge) - response.asymmetric(point - nudge)
    kept: Array = 1 - np.asarray(rise) / (2 * nudge)
    return kept
