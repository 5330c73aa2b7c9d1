"""What a fitted cell expects of readings that its fit did not see.

An extended Kalman filter along the pulses and a smoother back (Rauch, Tung and Striebel, AIAA J.
3:1445, 1965), in plain numpy for one cell: written apart from the filter of the fit, so that a
mistake of one does not hide in the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.fitting import CellFit, Trajectories

Array = NDArray[np.float64]
_NUDGE = 1e-5


@dataclass(frozen=True, slots=True)
class Expected:
    """Means and standard deviations of a cell's readings, ``(steps,)``.

    Attributes:
        ahead: from the readings before each; nan where there were none in its trajectory.
        ahead_std: how far off they may be.
        within: from all readings, before and after, but the reading itself where it was not seen.
        within_std: how far off they may be.
    """

    ahead: Array
    ahead_std: Array
    within: Array
    within_std: Array


def expected_readings(fit: CellFit, traj: Trajectories) -> Expected:
    """Run filter and smoother over one cell.

    Args:
        fit: of that cell alone.
        traj: what was seen of it; nan where nothing was.
    """
    low, high = (float(np.asarray(b).ravel()[0]) for b in (fit.response.g_min, fit.response.g_max))
    prior = (low + high) / 2, (high - low) ** 2
    steps = traj.steps
    mean, variance = np.empty(steps), np.empty(steps)
    ahead, ahead_variance, slope = np.empty(steps), np.empty(steps), np.ones(steps)
    informed = np.zeros(steps, bool)
    known = False
    for t in range(steps):
        if traj.starts[t]:
            ahead[t], ahead_variance[t], slope[t], known = *prior, 0.0, False
        else:
            state = mean[t - 1], variance[t - 1]
            ahead[t], ahead_variance[t], slope[t] = _moved(fit, state, int(traj.pulses[t, 0]))
        informed[t] = known
        ahead[t] = min(max(ahead[t], low), high)
        mean[t], variance[t] = ahead[t], ahead_variance[t]
        reading = float(traj.readings[t, 0])
        if np.isfinite(reading):
            gain = ahead_variance[t] / (ahead_variance[t] + _read_noise(fit, traj, ahead[t]) ** 2)
            mean[t] += gain * (reading - ahead[t])
            variance[t] *= 1 - gain
            known = True
    within, within_variance = mean.copy(), variance.copy()
    for t in range(steps - 2, -1, -1):
        gain = variance[t] * slope[t + 1] / max(ahead_variance[t + 1], 1e-300)
        within[t] += gain * (within[t + 1] - ahead[t + 1])
        within_variance[t] += gain**2 * (within_variance[t + 1] - ahead_variance[t + 1])
    noise = np.array([_read_noise(fit, traj, g) for g in within])
    ahead[~informed] = np.nan
    return Expected(
        ahead,
        np.sqrt(ahead_variance + noise**2),
        within,
        np.sqrt(np.maximum(within_variance, 0.0) + noise**2),
    )


def _moved(fit: CellFit, state: tuple[float, float], pulses: int) -> tuple[float, float, float]:
    """Mean and variance after some pulses, and the slope of the mean by the state before."""
    (mean, variance), slope = state, 1.0
    low, high = (np.asarray(b, float).ravel()[0] for b in (fit.response.g_min, fit.response.g_max))
    nudge = _NUDGE * (high - low)
    step = fit.response.q_up if pulses > 0 else fit.response.q_down
    std, add, sign = float(fit.dg_std[0]), float(fit.dg_add[0]), np.sign(pulses)
    for _ in range(abs(pulses)):
        mean = min(max(mean, low), high)
        q = float(step(np.array([mean]))[0])
        bend = (float(step(np.array([mean + nudge]))[0]) - q) / nudge if mean < high else 0.0
        grown = 1 + sign * bend
        mean += sign * q
        variance = grown**2 * variance + (std * q + add) ** 2 + (std * bend) ** 2 * variance
        slope *= grown
    return mean, variance, slope


def _read_noise(fit: CellFit, traj: Trajectories, g: float) -> float:
    """Standard deviation of a reading; where states have no zero, it does not go by them."""
    if traj.signed:
        return float(fit.read_add[0])
    return float(np.hypot(fit.read_std[0] * g, fit.read_add[0]))
