"""Closed-loop writing: bring the cells of a tile to given weights.

Used for initial weights and to put an array at its symmetric point (weights 0). All that is known
of a cell is its mean step at the symmetric point, so counts are only a first guess away from it,
and reading again is what makes them right. A cell that is said to step by next to nothing would be
sent millions of pulses: it gets no more at once than take a usual cell over its whole range, and
none after it has not moved for so many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses
from ohmloop.drivers.approach import careful_counts

from .mapping import Map, Mapping
from .report import WriteReport

if TYPE_CHECKING:
    from .tile import AnalogTile


def write(
    tile: AnalogTile,
    weights: Map,
    tolerance: float,
    rounds: int,
    where: NDArray[np.bool_] | None = None,
) -> WriteReport:
    """Read, pulse by the difference, and read again, until all is within ``tolerance``.

    Args:
        tile: where to.
        weights: ``(out, in)``.
        tolerance: in weight units.
        rounds: most programs to send.
        where: cells to write; all usable ones if None.
    """
    mapping, pulses, sent = tile.mapping, 0, 0
    chosen = mapping.usable if where is None else mapping.usable & where
    wanted = mapping.to_weights(mapping.to_conductance(weights))
    error = wanted - tile.weights()
    most, moving = min(tile.pulses_per_program, mapping.states), np.ones_like(chosen)
    while sent < rounds:
        late = np.where(chosen & moving & (np.abs(error) > tolerance), error, 0.0)
        counts = pulse_counts(late, mapping, most)
        if not counts.any():
            break
        pulses += tile.apply(CellPulses(counts))
        sent += 1
        before, error = error, wanted - tile.weights()
        moving &= (np.abs(counts) < mapping.states) | (np.abs(error - before) > tolerance)
    short = int((_out_of_reach(weights, mapping) & chosen).sum())
    return WriteReport.of(error, chosen, tolerance, out_of_reach=short, rounds=sent, pulses=pulses)


def pulse_counts(error: Map, mapping: Mapping, most: float) -> NDArray[np.int32]:
    """Signed pulses that go most of the way.

    Args:
        error: wanted minus read weights ``(out, in)``.
        mapping: of the tile.
        most: pulses that a cell may get in one program.

    Returns:
        int32 ``(out, in)``: 0 for cells that are not usable, and for errors below half a step.
    """
    steps = np.divide(
        error * mapping.siemens_per_weight,
        mapping.dg_min,
        out=np.zeros_like(error),
        where=mapping.usable & (mapping.dg_min > 0),
    )
    return careful_counts(steps, most)


def _out_of_reach(weights: Map, mapping: Mapping) -> NDArray[np.bool_]:
    reached = mapping.to_weights(mapping.to_conductance(weights))
    short = np.abs(reached - weights) > 1e-9 * max(1.0, float(np.abs(weights).max()))
    return short & mapping.usable
