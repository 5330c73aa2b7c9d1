"""What a fitted cell expects of readings that its fit did not see.

An extended Kalman filter along the pulses and a smoother back (Rauch, Tung and Striebel, AIAA J.
3:1445, 1965), linear about the path found before (Bell, SIAM J. Optim. 4:626, 1994), in plain
numpy for one cell: written apart from the filter of the fit, so that a mistake of one does not hide
in the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.fitting import CellFit, Trajectories
from ohmloop.sim_backend.responses import ResponseFunction

Array = NDArray[np.float64]
_NUDGE, _PASSES = 0.01, 4


def expected_readings(fit: CellFit, traj: Trajectories) -> tuple[Array, Array]:
    """Means and standard deviations of a cell's readings from all that were seen, ``(steps,)``.

    Filter and smoother run a few times, each about the path found before.

    Args:
        fit: of that cell alone.
        traj: what was seen of it, nan where nothing was; at most one pulse a step.
    """
    low, high = (float(np.asarray(b).ravel()[0]) for b in (fit.response.g_min, fit.response.g_max))
    about = _between(traj.readings[:, 0])
    for _ in range(_PASSES):
        about = np.clip(about, low, high)
        noise = _read_noise(fit, traj, about)
        moves = _moves(fit, traj, about)
        within = _both_ways(traj, moves, noise, ((low + high) / 2, high - low))
        about = within[0]
    return about, np.sqrt(np.maximum(within[1], 0.0) + noise**2)


def _both_ways(
    traj: Trajectories, moves: _Moves, noise: Array, prior: tuple[float, float]
) -> Array:
    """Means and variances of the states, from all readings, ``(2, steps)``."""
    ahead, now = np.empty((2, traj.steps)), np.empty((2, traj.steps))
    readings = traj.readings[:, 0]
    for t in range(traj.steps):
        if traj.starts[t]:
            ahead[:, t] = prior[0], prior[1] ** 2
        else:
            slope = moves.slope[t]
            ahead[0, t] = moves.fixed[t] + slope * now[0, t - 1]
            ahead[1, t] = slope**2 * now[1, t - 1] + moves.variance[t]
        now[:, t] = ahead[:, t]
        if np.isfinite(readings[t]):
            gain = ahead[1, t] / (ahead[1, t] + noise[t] ** 2)
            now[:, t] += gain * (readings[t] - ahead[0, t]), -gain * ahead[1, t]
    within = now.copy()
    for t in range(traj.steps - 2, -1, -1):
        if not traj.starts[t + 1]:
            gain = now[1, t] * moves.slope[t + 1] / max(ahead[1, t + 1], 1e-300)
            within[0, t] += gain * (within[0, t + 1] - ahead[0, t + 1])
            within[1, t] += gain**2 * (within[1, t + 1] - ahead[1, t + 1])
    return within


class _Moves(NamedTuple):
    """Of each step: the state after is ``fixed + slope * before``, and its variance."""

    fixed: Array
    slope: Array
    variance: Array


def _moves(fit: CellFit, traj: Trajectories, about: Array) -> _Moves:
    """One pulse at most, linear about the states ``about``."""
    before = np.concatenate([about[:1], about[:-1]])
    low, high = (float(np.asarray(b).ravel()[0]) for b in (fit.response.g_min, fit.response.g_max))
    nudge, sign = _NUDGE * (high - low), traj.pulses[:, 0]
    cells = _repeated(fit.response, traj.steps)
    step = (cells.q_down(before) * (sign < 0) + cells.q_up(before) * (sign > 0)) * sign
    ends = np.clip(before - nudge, low, high), np.clip(before + nudge, low, high)
    below, above = (
        (cells.q_down(g) * (sign < 0) + cells.q_up(g) * (sign > 0)) * sign for g in ends
    )
    bend = np.clip((above - below) / (ends[1] - ends[0]), -1.0, 1.0)
    std, add = float(fit.dg_std[0]), float(fit.dg_add[0])
    after = np.clip(before + step, low, high)
    variance = (std * step) ** 2 + add**2 * (sign != 0)
    return _Moves(after - (1 + bend) * before, 1 + bend, variance)


def _repeated(response: ResponseFunction, count: int) -> ResponseFunction:
    """One cell as many that are alike."""
    values = (np.repeat(np.asarray(v), count, axis=0) for v in response.parameters())
    return type(response)(*values)


def _read_noise(fit: CellFit, traj: Trajectories, g: Array) -> Array:
    """Standard deviation of a reading; where states have no zero, it does not go by them."""
    relative = 0.0 if traj.signed else float(fit.read_std[0])
    return np.hypot(relative * g, float(fit.read_add[0]))


def _between(readings: Array) -> Array:
    """Straight lines over what was not seen."""
    known, places = np.isfinite(readings), np.arange(readings.size)
    filled: Array = np.interp(places, places[known], readings[known])
    return filled
