"""The symmetric point of any response function, by bisection in all cells at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .libraries import plain, together

if TYPE_CHECKING:
    from .response_function import ResponseFunction

_INTERVALS, _HALVINGS = 64, 200


def find_symmetric_point(response: ResponseFunction) -> Any:
    """State where both steps are equal, to the last bit, S.

    The range is looked through on a grid of 64 intervals for the lowest one in which up steps are
    the larger at its lower end and the smaller at its upper: there alternating pulses drive a cell.
    Failing such, for the lowest in which it is the other way round. Then it is halved until nothing
    is between. Equal everywhere on the grid: mid-range. No interval: nan.
    """
    xp, (low, high, *_) = together(*response.parameters())
    left, right, found, equal = _bracket(response, xp, low, high)
    sign = xp.where(response.asymmetric(right) >= response.asymmetric(left), 1.0, -1.0)
    for _ in range(_HALVINGS):
        centre = left + (right - left) / 2
        if bool(((centre == left) | (centre == right)).all()):
            break
        above = sign * response.asymmetric(centre) >= 0
        left, right = xp.where(above, left, centre), xp.where(above, centre, right)
    nearer = abs(response.asymmetric(left)) < abs(response.asymmetric(right))
    point = xp.where(found, xp.where(nearer, left, right), xp.nan)
    return plain(xp.where(equal, low + (high - low) / 2, point))


def _bracket(response: ResponseFunction, xp: Any, low: Any, high: Any) -> tuple[Any, ...]:
    """Ends of the interval to search, whether there is one, and whether G is 0 on all the grid."""
    before, part = response.asymmetric(low), low + (high - low) / _INTERVALS
    left, right = low + 0 * before, part + 0 * before
    stable, unstable, equal = before > before, before > before, before == 0
    for k in range(1, _INTERVALS + 1):
        end = high if k == _INTERVALS else low + (high - low) * (k / _INTERVALS)
        start = low + (high - low) * ((k - 1) / _INTERVALS)
        now = response.asymmetric(end)
        equal = equal & (now == 0)
        rises = (before <= 0) & (now >= 0) & ((before < 0) | (now > 0)) & ~stable
        falls = (before >= 0) & (now <= 0) & ((before > 0) | (now < 0)) & ~stable & ~unstable
        left = xp.where(rises | falls, start, left)
        right = xp.where(rises | falls, end, right)
        stable, unstable, before = stable | rises, unstable | falls, now
    return left, right, stable | unstable, equal
