"""Traps that fill and empty at random: the two-state Markov process, at any time, unstored.

A trap that stays filled for ``tau_1`` and empty for ``tau_0`` on average is the same process as
one that forgets its state at the points of a Poisson process of rate ``1/tau_1 + 1/tau_0``, and is
filled from each on with the probability ``tau_1/(tau_1 + tau_0)``: both have the autocorrelation
``exp(-rate |t|)``. Those points are drawn in bins of one mean interval, numbered from time 0: how
many (Poisson, mean 1), where in the bin, and what they leave. So a state is found from the bin of a
time and a few before it, the same whenever and how often one looks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ohmloop.sim_backend.arrays import Arrays, NumpyArrays
from ohmloop.sim_backend.noise import Stream, bits

from .compiled_traps import fill

_UNIT = 2.0**-32
_COUNT = 15  # draw of a bin that says how many points it has; those before are the points
_POISSON = tuple(
    math.exp(-1) * sum(1 / math.factorial(j) for j in range(k + 1)) for k in range(_COUNT)
)


def filled(source: Stream, traps: Any, rate: Any, share: Any, now: float, arrays: Arrays) -> Any:
    """Whether traps are filled, 0 or 1, float64.

    Args:
        source: their draws.
        traps: int64 numbers of theirs, ``(n,)``.
        rate: at which each forgets its state, 1/s, float64 ``(n,)``.
        share: of time for which it is filled, float64 ``(n,)``.
        now: time since the start, s.
        arrays: the array library.
    """
    place = rate * now
    bins = arrays.int64(place)  # towards 0, and times are not negative
    until = place - arrays.float64(bins)
    if isinstance(arrays, NumpyArrays):
        out = np.empty(share.shape)
        root = np.uint64(source.root)
        fill(root, traps.astype(np.int64), bins, until, share, np.array(_POISSON), out)
        return out
    return filled_reference(source, traps, bins, until, share, arrays)


def filled_reference(
    source: Stream, traps: Any, bins: Any, until: Any, share: Any, arrays: Arrays
) -> Any:
    """The definition, on whole arrays: from each trap's bin and the place in it back."""
    found = share * 0.0
    open_ = arrays.asarray(np.arange(found.shape[0]))
    while open_.shape[0]:
        last, state = _last_point(source, traps[open_], bins[open_], until[open_], arrays)
        known = last >= 0
        now_known = open_[known]
        found[now_known] = arrays.float64(state[known] < share[now_known])
        open_ = open_[~known]
        bins, until = bins - 1, until * 0.0 + 1.0
    return found


def _last_point(source: Stream, traps: Any, bins: Any, until: Any, arrays: Arrays) -> Any:
    """Place of a bin's last point before ``until``, -1 where there is none, and its draw."""
    first = bins * 16
    count = _uniform(bits(source, traps, first + _COUNT), arrays)
    last, state = until * 0.0 - 1.0, until * 0.0
    for k, most in enumerate(_POISSON):
        some = count > most
        if not some.any():
            break
        draw = bits(source, traps[some], first[some] + k)
        place, new = _uniform(draw, arrays), arrays.float64(draw & 0xFFFFFFFF) * _UNIT
        later = (place <= until[some]) & (place > last[some])
        last[some] = arrays.where(later, place, last[some])
        state[some] = arrays.where(later, new, state[some])
    return last, state


def _uniform(draw: Any, arrays: Arrays) -> Any:
    """The upper half of a draw, from 0 to below 1."""
    return arrays.float64((draw >> 32) & 0xFFFFFFFF) * _UNIT
