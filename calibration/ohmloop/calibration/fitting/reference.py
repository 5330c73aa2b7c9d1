"""The filter that predicts readings: its definition, in plain numpy, for all cells at once.

One pulse at a state with mean m and variance P, with step q and slope q' at m, and process noise
``s = dg_std q + dg_add`` (``sim_backend.engine.reference`` is the pulse itself)::

    m <- m +- q        P <- (1 +- q')^2 P + s^2 + dg_std^2 q'^2 P

which for steps linear in the state is exact. A bound cuts that normal off: its moments become those
of ``min(x, bound)``. What of the normal was beyond the bound before the pulse is no state, so the
cut takes only what it adds to that one; so a state that dwells before a soft bound is not pushed
away from it by its own uncertainty. What a probability below ``RARE`` leaves is left out.
A reading is ``g (1 + read_std eta) + read_add eta``; its error
of prediction updates both moments (extended Kalman filter; likelihood by prediction errors:
Schweppe, IEEE Trans. Inf. Theory 11:61, 1965). An outlier (``robust``) moves the mean no farther
than ``LIMIT`` standard deviations, and half of what is left of it is taken as uncertainty of the
state: the next reading tells whether the state had jumped or the reading had been wrong. Where
steps are without noise, states do not jump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ohmloop.sim_backend.responses import ResponseFunction

from .robust import LIMIT
from .trajectories import Array, Trajectories

SLOPE_STEP = 1e-6
"""Of the range, for the slope of a step."""
FAR = 6.0
"""Standard deviations beyond which a bound does not matter."""
RARE = 0.1
"""Probability of a state off its bound below which it is an outlier, and no part of the variance: a
cell that dwells at a hard bound is off it only where a step fails, and that tells next to nothing
of the noise of steps, but has the variance of a normal state that does."""


class Noise(NamedTuple):
    """Noise of cells, each ``(instances,)``.

    Attributes:
        dg_std: of a step, relative to it.
        dg_add: of a step, S.
        read_std: of a reading, relative to it.
        read_add: of a reading, S.
    """

    dg_std: Array
    dg_add: Array
    read_std: Array
    read_add: Array


def prediction_errors(
    response: ResponseFunction, noise: Noise, traj: Trajectories, held: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Errors of predicting each reading from those before it, and their variances.

    Args:
        response: flat, of as many instances as there are cells, or a multiple: instance i is of
            cell ``i % cells``.
        noise: of the instances.
        traj: what was measured.
        held: steps ``(steps,)`` whose readings are compared, but not learnt from.

    Returns:
        Errors and variances, ``(instances, steps)``, S and S^2; where there is nothing to compare,
        0 and 1.
    """
    count = noise.dg_std.size
    repeats = count // traj.cells
    low, high = (
        np.broadcast_to(np.asarray(b, float), (count,)) for b in (response.g_min, response.g_max)
    )
    nudge = SLOPE_STEP * (high - low)
    errors, variances = np.zeros((count, traj.steps)), np.ones((count, traj.steps))
    mean, variance, known = np.zeros(count), np.zeros(count), np.zeros(count, bool)
    for t in range(traj.steps):
        reading = np.tile(traj.readings[t], repeats)
        pulses = np.tile(traj.pulses[t], repeats)
        if traj.starts[t]:
            known[:] = False
        for k in range(int(np.abs(pulses).max())):
            mean, variance = _pulse(
                response, noise, (low, high, nudge), (mean, variance), pulses, k
            )
        seen = np.isfinite(reading)
        given = np.where(seen, reading, mean)
        first = seen & ~known
        read = (noise.read_std * np.where(first, given, mean)) ** 2 + noise.read_add**2
        total = variance + read + 1e-300
        error, compared = given - mean, seen & known
        errors[compared, t], variances[compared, t] = error[compared], total[compared]
        learn, jumps = compared & ~held[t], noise.dg_std + noise.dg_add > 0
        mean, variance = _learn(mean, variance, error, total, learn, jumps)
        mean, variance = np.where(first, given, mean), np.where(first, read, variance)
        known |= first
    return errors, variances


def _learn(
    mean: Array,
    variance: Array,
    error: Array,
    total: Array,
    learn: NDArray[np.bool_],
    jumps: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Moments after a reading."""
    spread = np.sqrt(total)
    weight = np.minimum(1.0, LIMIT * spread / np.maximum(np.abs(error), 1e-300))
    left = np.where(jumps, 0.5 * np.maximum(np.abs(error) - LIMIT * spread, 0.0), 0.0)
    gain = weight * variance / total
    return (
        np.where(learn, mean + gain * error, mean),
        np.where(learn, variance * (1 - gain) + left**2, variance),
    )


def _pulse(
    response: ResponseFunction,
    noise: Noise,
    bounds: tuple[Array, Array, Array],
    moments: tuple[Array, Array],
    pulses: NDArray[Any],
    k: int,
) -> tuple[Array, Array]:
    """Moments after pulse k of those that get more than k."""
    low, high, nudge = bounds
    mean, variance = moments
    way, moving = np.where(pulses > 0, 1.0, -1.0), np.abs(pulses) > k
    place = np.clip(mean, low, high)
    beside = np.where(place + nudge > high, place - nudge, place + nudge)
    q, near = (np.where(way > 0, response.q_up(g), response.q_down(g)) for g in (place, beside))
    slope = (near - q) / (beside - place)
    s = noise.dg_std * q + noise.dg_add
    moved = mean + way * q
    after = ((1 + way * slope) ** 2 + (noise.dg_std * slope) ** 2) * variance + s**2
    lost, share = _cut(high - moved, after, high - mean, variance)
    moved, after = np.minimum(moved - lost, high), after * share
    lost, share = _cut(moved - low, after, mean - low, variance)
    moved, after = np.maximum(moved + lost, low), after * share
    return np.where(moving, moved, mean), np.where(moving, after, variance)


def _cut(distance: Array, variance: Array, before: Array, known: Array) -> tuple[Array, Array]:
    """What a bound takes of a mean, and the share of the variance that it leaves.

    Where the normal before the pulse was beyond the bound too, no state was: that part is taken
    off.
    """
    lost, share = _beyond(distance, variance)
    earlier, kept = _beyond(before, known)
    return np.maximum(lost - earlier, 0.0), np.minimum(share / np.maximum(kept, 1e-300), 1.0)


def _beyond(distance: Array, variance: Array) -> tuple[Array, Array]:
    """Of a normal cut off at a distance: the mean it loses, and the share of variance it keeps."""
    s = np.sqrt(np.maximum(variance, 1e-300))
    z = np.clip(distance / s, -FAR, FAR)
    density, below = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), ndtr(z)
    h = z * below + density
    share = np.maximum((1 + z**2) * below + z * density - h**2, 0.0)
    share = share * below * (1 + RARE) / (below + RARE)
    free, beyond = distance >= FAR * s, distance <= -FAR * s
    lost = np.where(free, 0.0, np.where(beyond, -distance, s * h - distance))
    return lost, np.where(free, 1.0, np.where(beyond, 0.0, share))


Filter = Callable[[Sequence[Array], Noise, Trajectories, NDArray[np.bool_]], tuple[Array, Array]]
"""``prediction_errors`` of one response function, given its parameters in order."""
