"""The symmetric point of any response function: a root search in all cells at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .libraries import plain, together

if TYPE_CHECKING:
    from .response_function import ResponseFunction

_INTERVALS, _ROUNDS = 64, 200


def find_symmetric_point(response: ResponseFunction) -> Any:
    """State where both steps are equal, to the last bit of the bounds, S.

    Where steps shrink on the way (``response.shrinking``) there is one at most. Else the range is
    looked through on a grid of 64 intervals for the lowest one in which up steps are the larger at
    its lower end and the smaller at its upper: there alternating pulses drive a cell. Failing such,
    for the lowest in which it is the other way round. Equal everywhere: mid-range. None: nan.
    """
    xp, (low, high, *_) = together(*response.parameters())
    bracket = _whole_range if response.shrinking else _first_interval
    left, right, found, equal = bracket(response, xp, low, high)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        point = _root(response.asymmetric, xp, left, right, low, high)
    point = xp.where(found, point, xp.nan)
    return plain(xp.where(equal, low + (high - low) / 2, point))


def _whole_range(response: ResponseFunction, _xp: Any, low: Any, high: Any) -> tuple[Any, ...]:
    """As ``_first_interval`` where G can only rise."""
    first, last = response.asymmetric(low), response.asymmetric(high)
    left, right = low + 0 * first, high + 0 * first
    return left, right, (first <= 0) & (last >= 0), (first == 0) & (last == 0)


def _first_interval(response: ResponseFunction, xp: Any, low: Any, high: Any) -> tuple[Any, ...]:
    """Ends of the interval to search, whether there is one, and whether G is 0 on all the grid."""
    before = response.asymmetric(low)
    left = right = start = low + 0 * before
    stable, unstable, equal = before > before, before > before, before == 0
    for k in range(1, _INTERVALS + 1):
        end = high + 0 * before if k == _INTERVALS else low + (high - low) * (k / _INTERVALS)
        now = response.asymmetric(end)
        rises = (before <= 0) & (now >= 0) & (before < now) & ~stable
        falls = (before >= 0) & (now <= 0) & (before > now) & ~stable & ~unstable
        left = xp.where(rises | falls, start, left)
        right = xp.where(rises | falls, end, right)
        stable, unstable, equal = stable | rises, unstable | falls, equal & (now == 0)
        start, before = end, now
    return left, right, stable | unstable, equal


def _root(f: Callable[[Any], Any], xp: Any, a: Any, b: Any, low: Any, high: Any) -> Any:
    """Chandrupatla's method: inverse quadratic interpolation where it is safe, else halving.

    T. R. Chandrupatla, Advances in Engineering Software 28:145 (1997).
    """
    fa, fb = f(a), f(b)
    c, fc = a, fa
    smallest = xp.finfo(a.dtype).eps * xp.maximum(abs(low), abs(high)) / 2
    place = xp.full_like(a, 0.5)
    for _ in range(_ROUNDS):
        if bool(((abs(b - a) <= 2 * smallest) | (fa == 0) | (fb == 0)).all()):
            break
        x = a + place * (b - a)
        fx = f(x)
        same = (fx < 0) == (fa < 0)
        c, fc = xp.where(same, a, b), xp.where(same, fa, fb)
        b, fb = xp.where(same, b, a), xp.where(same, fb, fa)
        a, fa = x, fx
        place = _next_place(xp, (a, b, c), (fa, fb, fc), smallest / abs(b - a))
    return xp.where(abs(fa) < abs(fb), a, b)


def _next_place(xp: Any, x: tuple[Any, ...], f: tuple[Any, ...], least: Any) -> Any:
    """Where between a (0) and b (1) to look next; at least ``least`` away from both."""
    (a, b, c), (fa, fb, fc) = x, f
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
    safe = (phi * phi < xi) & ((1 - phi) * (1 - phi) < 1 - xi)
    curve = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    half = xp.full_like(a, 0.5)
    least = xp.minimum(least, half)
    return xp.minimum(xp.maximum(xp.where(safe, curve, half), least), 1 - least)
