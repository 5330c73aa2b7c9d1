"""Closed-loop writing: bring the cells of a tile to given weights.

Used for initial weights and to put an array at its symmetric point (weights 0). All that is known
of a cell is its mean step at the symmetric point, so counts are only a first guess away from it,
and reading again is what makes them right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import CellPulses
from ohmloop.drivers.approach import careful_counts

from .mapping import Map, Mapping

if TYPE_CHECKING:
    from .tile import AnalogTile


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a closed-loop writing came to, over the usable cells.

    Attributes:
        rounds: programs sent.
        pulses: pulses applied.
        error: root mean square of read minus wanted weights, in weight units.
        worst: the largest of them, absolute.
        within: share of cells within the tolerance, 0 to 1.
        out_of_reach: cells whose wanted weight is beyond their bounds; they got the bound.
    """

    rounds: int
    pulses: int
    error: float
    worst: float
    within: float
    out_of_reach: int


def write(tile: AnalogTile, weights: Map, tolerance: float, rounds: int) -> WriteReport:
    """Read, pulse by the difference, and read again, until all is within ``tolerance``.

    Args:
        tile: where to.
        weights: ``(out, in)``.
        tolerance: in weight units.
        rounds: most programs to send.
    """
    mapping, pulses, sent = tile.mapping, 0, 0
    wanted = mapping.to_conductance(weights)
    error = mapping.to_weights(wanted) - tile.weights()
    while sent < rounds:
        late = np.where(np.abs(error) > tolerance, error, 0.0)
        counts = pulse_counts(late, mapping, tile.pulses_per_program)
        if not counts.any():
            break
        pulses += tile.apply(CellPulses(counts))
        sent += 1
        error = mapping.to_weights(wanted) - tile.weights()
    return _report(error, weights, mapping, tolerance, sent, pulses)


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


def _report(
    error: Map, weights: Map, mapping: Mapping, tolerance: float, rounds: int, pulses: int
) -> WriteReport:
    usable = mapping.usable
    reached = mapping.to_weights(mapping.to_conductance(weights))
    short = np.abs(reached - weights) > 1e-9 * max(1.0, float(np.abs(weights).max()))
    size = np.abs(error[usable])
    return WriteReport(
        rounds=rounds,
        pulses=pulses,
        error=float(np.sqrt(np.mean(size**2))),
        worst=float(size.max()),
        within=float((size <= tolerance).mean()),
        out_of_reach=int((short & usable).sum()),
    )
