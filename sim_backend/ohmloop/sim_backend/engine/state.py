"""What the engines work on: the cells of one crossbar as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ohmloop.sim_backend.noise import Stream
from ohmloop.sim_backend.responses import ResponseFunction


@dataclass(slots=True)
class CellState:
    """Cells in a flat order, ``row * columns + column``; n of them.

    Single precision, so that a cell costs little: a soft-bounds cell with noise common to all
    cells takes 28 bytes.

    Attributes:
        shape: rows and columns.
        response: class of the response function.
        parameters: in the order of its fields, the bounds first: float32 ``(n,)`` each, tables
            ``(n, nodes)``.
        dg_std: cycle-to-cycle noise relative to the step: float32 ``(n,)``, or ``(1,)`` for all.
        dg_add: cycle-to-cycle noise that does not depend on the step, S: likewise.
        dg_slope: cycle-to-cycle noise for each siemens between a cell and its ``dg_rest``: float32
            ``(n,)``, or ``(0,)`` where no cell has any.
        dg_rest: where that is none, S: likewise.
        read_std: read noise relative to the conductance: likewise.
        g: conductance, S: float32 ``(n,)``.
        pulses: how many each cell ever had: int32 ``(n,)``.
        reads: how often each was read: int32 ``(n,)``.
        endurance: pulses after which a cell does not move any more: int32 ``(n,)``, or ``(0,)``
            where no cell tires.
        pulse_noise: draws of pulses.
        read_noise: draws of readings.
    """

    shape: tuple[int, int]
    response: type[ResponseFunction]
    parameters: tuple[Any, ...]
    dg_std: Any
    dg_add: Any
    dg_slope: Any
    dg_rest: Any
    read_std: Any
    g: Any
    pulses: Any
    reads: Any
    endurance: Any
    pulse_noise: Stream
    read_noise: Stream
