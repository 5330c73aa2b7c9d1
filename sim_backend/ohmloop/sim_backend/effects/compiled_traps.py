"""``traps.filled`` compiled: the same bits, trap by trap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

from ohmloop.sim_backend import noise

F = TypeVar("F", bound=Callable[..., Any])

_GOLDEN, _STRIDE = np.uint64(noise.GOLDEN), np.uint64(noise.STRIDE)
_M1, _M2 = np.uint64(noise.M1), np.uint64(noise.M2)
_S27, _S30, _S31, _S32 = (np.uint64(s) for s in (27, 30, 31, 32))
_LOW = np.uint64(0xFFFFFFFF)


def _kept(function: F) -> F:
    """For loops that call nothing of other files, so that what numba keeps is never stale."""
    made: F = njit(nogil=True, cache=True)(function)
    return made


@_kept
def fill(
    root: Any,
    traps: Any,
    bins: Any,
    until: Any,
    share: Any,
    poisson: Any,
    out: Any,
) -> None:
    """Put 0 or 1 into ``out``; arguments as in ``traps``, ``root`` as uint64."""
    count_draw, unit = len(poisson), 2.0**-32
    for i in range(out.shape[0]):
        key = _mix(root + np.uint64(traps[i] + 1) * _GOLDEN)
        bin_, end, last, state = bins[i], until[i], -1.0, 0.0
        while last < 0:
            first = bin_ * 16
            points = np.float64(_draw(key, first + count_draw) >> _S32) * unit
            for k in range(count_draw):
                if not points > poisson[k]:
                    break
                draw = _draw(key, first + k)
                place = np.float64(draw >> _S32) * unit
                if place <= end and place > last:
                    last, state = place, np.float64(draw & _LOW) * unit
            bin_, end = bin_ - 1, 1.0
        out[i] = 1.0 if state < share[i] else 0.0


@_kept
def _mix(z: Any) -> Any:
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@_kept
def _draw(key: Any, n: Any) -> Any:
    return _mix(key ^ (np.uint64(n) * _STRIDE))
