"""What a hard bound takes of a normal state, compiled."""

from __future__ import annotations

from math import erfc, exp, sqrt
from typing import Any

import numpy as np

from ohmloop.sim_backend.engine.kernel_noise import compiled, inlined

from .reference import FAR, RARE

_ROOT_2, _DENSITY = sqrt(2.0), 1 / sqrt(2 * np.pi)
_TINY = 1e-300


@inlined
def near(distance: Any, variance: Any) -> Any:
    """Whether a bound matters."""
    return (distance <= 0) | (distance * distance < FAR * FAR * variance)


@compiled
def cut_at(low: Any, high: Any, mean: Any, variance: Any, earlier: Any, known: Any) -> Any:
    """Moments cut off at both bounds, given those before the pulse."""
    if near(high - mean, variance):
        lost, share = _cut(high - mean, variance, high - earlier, known)
        mean, variance = min(mean - lost, high), variance * share
    if near(mean - low, variance):
        lost, share = _cut(mean - low, variance, earlier - low, known)
        mean, variance = max(mean + lost, low), variance * share
    return mean, variance


@compiled
def _cut(distance: Any, variance: Any, before: Any, known: Any) -> Any:
    """What a bound takes of a mean, and the share of the variance that it leaves.

    Where the normal before the pulse was beyond the bound too, no state was: that part is taken
    off.
    """
    lost, share = _beyond(distance, variance)
    if near(before, known):
        earlier, kept = _beyond(before, known)
        return max(lost - earlier, 0.0), min(share / max(kept, _TINY), 1.0)
    return lost, share


@compiled
def _beyond(distance: Any, variance: Any) -> Any:
    """Of a normal cut off at a distance: the mean it loses, and the share of variance it keeps."""
    s = sqrt(max(variance, _TINY))
    z = distance / s
    if z <= -FAR:
        return -distance, 0.0
    # erfc, as what differences below leave of a tail must be right in its last places
    density, below = exp(-z * z / 2) * _DENSITY, 0.5 * erfc(-z / _ROOT_2)
    h = z * below + density
    common = below * (1 + RARE) / (below + RARE)
    return s * h - distance, common * max((1 + z * z) * below + z * density - h * h, 0.0)
