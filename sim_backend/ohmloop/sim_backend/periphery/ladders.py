"""Wires that are resistors, fast: line after line instead of all at once.

Given the voltages along the wires of the rows, every column is a ladder by itself, solved in one
sweep along it, and the other way round. ``relax`` goes from columns to rows and back until told to
stop (block Gauss-Seidel on the nodal equations): it always converges, the slower the more of the
voltage the wires take. One sweep takes the rows for grounds when it solves the columns; that is
exact where either rows or columns have ideal wires, and can be written as a map, ``ladder_map``.

How far it is off: ``approximation_error``, and ``python -m benchmarks.wires`` for a table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .wire_resistance import Ends, WiredMap, Wires, check_map

Floats = NDArray[np.float64]

_NEARLY_ZERO = 1e-9  # of a second source that has no resistance, ohm


def ladder_map(g: Floats, wires: Wires) -> Floats:
    """The conductances that ideal wires would need to give the currents of one sweep of ``relax``.

    Each cell is weakened by the voltage that its column loses on the way to it, and by the current
    that its row loses on the way from it.

    Args:
        g: conductances ``(rows, columns)``, S.
        wires: the wires; columns are driven. For ``backward``: ``ladder_map(g.T, wires.turned).T``.

    Returns:
        ``(rows, columns)``, S.

    Raises:
        BadInputError: conductances that are negative or no numbers.
    """
    g = check_map(g)
    one, none = np.ones(1), np.zeros((*g.shape, 1))
    down = _ladders(g, none, one, wires.column_segment, wires.source, wires.column_ends)
    # What reaches the ground from a place is what a volt at the ground gives there (reciprocity).
    along = _ladders(
        g.T, none.transpose(1, 0, 2), one, wires.row_segment, wires.sense, wires.row_ends
    )
    weakened: Floats = g * down[:, :, 0] * along[:, :, 0].T
    return weakened


def relax(g: Floats, wires: Wires, column_voltages: Floats, sweeps: int) -> Floats:
    """Drive columns, sense rows, in ``sweeps`` sweeps over columns and rows.

    Args:
        g: conductances ``(rows, columns)``, S.
        wires: the wires. For ``backward``: ``g.T`` and ``wires.turned``.
        column_voltages: ``(batch, columns)``, V.
        sweeps: how many; time is in proportion.

    Returns:
        ``(batch, rows)``, A.

    Raises:
        BadInputError: ``sweeps`` is not positive; a map or voltages that cannot be.
    """
    g, given = check_map(g), np.asarray(column_voltages, np.float64)
    if sweeps < 1:
        raise BadInputError(f"sweeps must be at least 1, not {sweeps}")
    if given.ndim != 2 or given.shape[1] != g.shape[1]:
        raise BadInputError(f"column_voltages must be (batch, {g.shape[1]}), not {given.shape}")
    each = g[:, :, None]
    on_rows = np.zeros((*g.shape, given.shape[0]))
    for _ in range(sweeps):
        on_columns = _ladders(
            g, each * on_rows, given.T, wires.column_segment, wires.source, wires.column_ends
        )
        injected = (each * on_columns).transpose(1, 0, 2)
        on_rows = _ladders(
            g.T, injected, np.zeros(1), wires.row_segment, wires.sense, wires.row_ends
        ).transpose(1, 0, 2)
    currents: Floats = (each * (on_columns - on_rows)).sum(axis=1).T
    return currents


def approximation_error(
    g: Floats, wires: Wires, column_voltages: Floats, sweeps: int = 1
) -> tuple[float, float]:
    """How far ``relax`` is off the exact solution.

    Args:
        g: conductances ``(rows, columns)``, S.
        wires: the wires.
        column_voltages: ``(batch, columns)``, V.
        sweeps: of ``relax``; with 1 it is the error of ``ladder_map``, too.

    Returns:
        The root mean square error over all outputs, and the largest, relative to the root mean
        square of the exact currents.
    """
    exact = WiredMap(g, wires).forward(column_voltages)
    off = relax(g, wires, column_voltages, sweeps) - exact
    size = float(np.sqrt(np.mean(exact**2)))
    return float(np.sqrt(np.mean(off**2))) / size, float(np.abs(off).max()) / size


def _ladders(
    g: Floats, injected: Floats, drive: Floats, segment: float, end: float, ends: Ends
) -> Floats:
    """Voltages along wires that stand side by side.

    From the far end to the source each place is summed up as a conductance to ground and a current,
    and from the source back its voltage follows. No step divides by a resistance of the way.

    Args:
        g: shunts to ground ``(places, lines)``, S.
        injected: current into each place, ``(places, lines, batch)``, A.
        drive: voltage behind ``end``, to be broadcast to ``(lines, batch)``, V.
        segment: resistance from place to place, ohm.
        end: resistance between the source and the wire, ohm.
        ends: which ends have one.

    Returns:
        ``(places, lines, batch)``, V.
    """
    if ends == "last":
        return _ladders(g[::-1], injected[::-1], drive, segment, end, "first")[::-1]
    shunt, current = g[:, :, None].copy(), injected.copy()
    if ends == "both":
        far = 1.0 / max(end, _NEARLY_ZERO)
        shunt[-1] += far
        current[-1] += far * drive
    for place in range(len(g) - 2, -1, -1):
        share = 1.0 / (1.0 + segment * shunt[place + 1])
        shunt[place] += share * shunt[place + 1]
        current[place] += share * current[place + 1]
    current[0] = (drive + end * current[0]) / (1.0 + end * shunt[0])
    for place in range(1, len(g)):
        current[place] = (current[place - 1] + segment * current[place]) / (
            1.0 + segment * shunt[place]
        )
    return current
