"""Zero-shifting: alternating pulses until cells rest at their symmetric points, on a budget.

As many pulses as theory asks for, with readings on the way, and no more: it stops where the drift
cannot be told from noise, or is far below the granularity, which more pulses cannot undercut. What
is left of the start by then is taken off (``estimate``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, LimitError
from ohmloop.drivers.alternation import SETTLED, alternation, drift_in_errors, onward
from ohmloop.training.tiles.mapping import Map
from ohmloop.training.tiles.tile import AnalogTile

from .estimate import Estimate, estimate
from .residual import Residual
from .theory import attraction, left_after, pulses_for

READINGS = 32
"""On the way, where the budget has room for as many."""
FEWEST = 8
"""Readings without which nothing can be said."""
_COVERED = 0.9  # share of the cells that get what they need: a few slow ones must not set the pace
_FLOOR = (
    0.05  # granularities of drift over a quarter of the readings, below which it does not count
)
_INSIDE = 0.1  # share of the range that symmetric points are away from either bound, at least
_SAMPLES = 64  # of one program: what a program holds is lowered to counts of all cells at once

Ending = Literal["settled", "at the floor", "as planned"]
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a zero-shift goes.

    Attributes:
        readings: a multiple of 8.
        per_reading: alternating pulses before each, odd: readings after an up and after a down
            pulse are equally many.
        error: share of its distance that is left of nine cells in ten at the end, by theory.
        asked: pulses that theory asks for.
    """

    readings: int
    per_reading: int
    error: float
    asked: int

    @property
    def pulses(self) -> int:
        """Of each cell, if it goes on to the end."""
        return self.readings * self.per_reading


@dataclass(frozen=True, slots=True)
class ZeroShift:
    """What a zero-shift found; maps are ``(out, in)``, nan for cells that are not usable.

    Attributes:
        plan: what was to be done.
        pulses: that each cell got.
        ending: why it ended.
        start: readings before it, S.
        symmetric_point: S.
        stderr: its standard error, S.
        drift_in_errors: mean drift of the cells over the last quarter, in its standard errors.
        before: offset of the reference that the tile had.
        after: of the measured points as reference, from the errors of measuring.
    """

    plan: Plan
    pulses: int
    ending: Ending
    start: Map
    symmetric_point: Map
    stderr: Map
    drift_in_errors: float
    before: Residual
    after: Residual


def plan(tile: AnalogTile, error: float = 0.01, budget: int | None = None) -> Plan:
    """What zero-shifting a tile takes; nothing is pulsed.

    Args:
        tile: on a crossbar whose granularity and bounds are known.
        error: share of the distance from the start that may be left.
        budget: most pulses a cell may get; what theory asks for if None.

    Raises:
        BadInputError: ``error`` is out of range, the budget has no room for readings, or a usable
            cell has no granularity or no range.
        LimitError: a cell has not as many pulses left in its life, or may not be pulsed at all.
    """
    if budget is not None and budget < FEWEST:
        raise BadInputError(f"a budget of {budget} pulses is too small: it takes {FEWEST} or more")
    rate = _rates(tile)[tile.mapping.usable]
    if not (np.isfinite(rate).all() and (rate > 0).all()):
        raise BadInputError(
            f"{tile.crossbar.name}: a usable cell has no granularity or no range; calibrate anew"
        )
    asked = ceil(float(np.quantile(pulses_for(error, rate), _COVERED)))
    most = inf if budget is None else budget
    readings = min(READINGS, FEWEST * max(1, int(min(asked, most)) // FEWEST))
    per_reading = _odd_from(asked / readings)
    while per_reading > 1 and per_reading * readings > most:
        per_reading -= 2
    found = Plan(readings, per_reading, 0.0, asked)
    left = float(np.quantile(left_after(found.pulses, rate), _COVERED))
    _check_limits(tile, found)
    return replace(found, error=left)


def zero_shift(
    tile: AnalogTile,
    error: float = 0.01,
    budget: int | None = None,
    *,
    adopt: bool = True,
    tell: Tell | None = None,
) -> ZeroShift:
    """Pulse all cells of a tile up and down in turn until they rest at their symmetric points.

    The weights that it held are lost: they are 0 afterwards, to within the offset that is left.

    Args:
        tile: on a crossbar whose granularity and bounds are known.
        error: see ``plan``.
        budget: see ``plan``; never exceeded.
        adopt: make the measured points the reference of the tile.
        tell: told of readings done, of how many, and what was done.

    Raises:
        BadInputError: see ``plan``; nothing was pulsed.
        LimitError: see ``plan``; nothing was pulsed.
        InstrumentError: the chip failed.
    """
    planned = plan(tile, error, budget)
    start = _conductance(tile)
    readings, ending = _alternate(tile, planned, tell)
    found = _estimate(tile, planned, start, readings)
    result = ZeroShift(
        plan=planned,
        pulses=len(readings) * planned.per_reading,
        ending=ending,
        start=start,
        symmetric_point=found.point,
        stderr=found.stderr,
        drift_in_errors=_drift(tile, readings)[0],
        before=_before(tile, found.point, found.stderr),
        after=_after(tile, found.stderr, found.unsure),
    )
    if adopt:
        usable, old = tile.mapping.usable, tile.mapping.reference
        tile.rescale(np.where(usable, found.point, old), tile.mapping.siemens_per_weight)
    return result


def _rates(tile: AnalogTile, point: Map | None = None) -> Map:
    """Of all cells, with symmetric points at ``point`` (as known, if None).

    A point near a bound, or beyond, is more likely to be told wrongly: it counts as within them.
    """
    mapping, known = tile.mapping, tile.crossbar.characteristics
    if point is None:
        point = mapping.reference if known is None else known.symmetric_point
    reach = mapping.g_max - mapping.g_min
    below = np.clip(point - mapping.g_min, _INSIDE * reach, (1 - _INSIDE) * reach)
    with np.errstate(divide="ignore", invalid="ignore"):  # cells that are not usable
        return attraction(mapping.dg_min, below, reach - below)


def _odd_from(count: float) -> int:
    """The next odd number."""
    whole = max(1, ceil(count))
    return whole + 1 - whole % 2


def _check_limits(tile: AnalogTile, planned: Plan) -> None:
    crossbar, usable = tile.crossbar, tile.mapping.usable
    together = crossbar.capabilities.coincidence_update  # lines spare nobody
    left = float(crossbar.pulses_left[np.ones_like(usable) if together else usable].min())
    if planned.pulses > left:
        raise LimitError(
            f"{crossbar.name}: zero-shifting takes {planned.pulses} pulses a cell, but a cell has"
            f" only {left:.0f} left of limits.pulses_per_cell; give a budget, or allow a larger"
            " error"
        )
    if tile.pulses_per_program < 1:
        raise LimitError(f"{crossbar.name}: limits.pulses_per_program allows no pulse at all")


def _conductance(tile: AnalogTile) -> Map:
    return tile.mapping.reference + tile.weights() * tile.mapping.siemens_per_weight


def _alternate(tile: AnalogTile, planned: Plan, tell: Tell | None) -> tuple[Map, Ending]:
    """Readings ``(readings, out, in)``, S, and why there are no more."""
    readings: list[Map] = []
    sign = 1
    while len(readings) < planned.readings:
        signs = sign * (-1) ** np.arange(planned.per_reading)
        sign = -int(signs[-1])
        for first in range(0, signs.size, _SAMPLES):
            tile.apply_trains(alternation(tile.shape, signs[first : first + _SAMPLES]))
        readings.append(_conductance(tile))
        if tell:
            given = len(readings) * planned.per_reading
            tell(len(readings), planned.readings, f"{given} pulses a cell")
        if len(readings) % FEWEST == 0 and len(readings) < planned.readings:
            errors, granularities = _drift(tile, np.array(readings))
            if errors < SETTLED:
                return np.array(readings), "settled"
            if isfinite(errors) and granularities < _FLOOR:
                return np.array(readings), "at the floor"
    return np.array(readings), "as planned"


def _drift(tile: AnalogTile, readings: Map) -> tuple[float, float]:
    """Mean over the usable cells, in its standard errors and in granularities."""
    usable = tile.mapping.usable
    steps = np.where(usable, readings, np.nan) / np.where(usable, tile.mapping.dg_min, 1.0)
    return drift_in_errors(steps), float(onward(steps).mean())


def _estimate(tile: AnalogTile, planned: Plan, start: Map, readings: Map) -> Estimate:
    """Maps of the tile; nan for cells that are not usable."""
    usable, dg_min = tile.mapping.usable, tile.mapping.dg_min

    def found(rates: Map) -> Estimate:
        cells = start[usable], readings[:, usable]
        return estimate(*cells, planned.per_reading, rates[usable], dg_min[usable])

    def spread(values: Map) -> Map:
        whole = np.full(tile.shape, np.nan)
        whole[usable] = values
        return whole

    first = spread(found(_rates(tile)).point)  # where the rates are not what they were taken for
    last = found(_rates(tile, first))
    return Estimate(spread(last.point), spread(last.stderr), spread(last.unsure))


def _before(tile: AnalogTile, point: Map, stderr: Map) -> Residual:
    usable, scale = tile.mapping.usable, tile.mapping.siemens_per_weight
    offsets = (tile.mapping.reference - point)[usable] / scale
    return Residual.of(offsets, stderr[usable] / scale, _range(tile))


def _after(tile: AnalogTile, stderr: Map, unsure: Map) -> Residual:
    """What may be wrong with the measured points: its mean is not known, or it would be gone."""
    usable, scale = tile.mapping.usable, tile.mapping.siemens_per_weight
    sigma = float(np.sqrt(np.mean(stderr[usable] ** 2))) / scale
    own = sigma / np.sqrt(2 * usable.sum())
    return Residual(0.0, float(unsure[usable].mean()) / scale, sigma, float(own), _range(tile))


def _range(tile: AnalogTile) -> float:
    mapping: NDArray[np.float64] = (tile.mapping.g_max - tile.mapping.g_min)[tile.mapping.usable]
    return float(mapping.mean()) / tile.mapping.siemens_per_weight
