"""Reading one cell of an array without selectors, where current also takes the way around it.

The selected column has the read voltage, the selected row a virtual ground, and the scheme says
what the other lines have. By nodal analysis of the whole array. Currents into all lines are a
linear function of their voltages, so one factorised network serves every cell and scheme.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .wire_resistance import Wires, cell_voltages, check_map, wired_network

Floats = NDArray[np.float64]

Scheme = Literal["floating", "half", "third", "grounded"]
"""Other lines: open; all at V/2; columns at V/3 and rows at 2V/3; at 0 V."""

IDEAL = Wires.model_validate({"row_segment": "0 ohm", "column_segment": "0 ohm"})

_BIAS = {"half": (1 / 2, 1 / 2), "third": (2 / 3, 1 / 3), "grounded": (0.0, 0.0)}
"""Of the read voltage, on the other rows and on the other columns."""


@dataclass(frozen=True, slots=True)
class SelectedRead:
    """What reading one cell gives, and what the others get.

    Attributes:
        conductance: what it is taken for, the current at the row's ground over the voltage, S.
        current: at the row's ground, A.
        source_current: into the selected column, A.
        cell_voltages: column against row over every cell, ``(rows, columns)``, V.
    """

    conductance: float
    current: float
    source_current: float
    cell_voltages: Floats


class PassiveArray:
    """An array without selectors, as its lines see it; factorised once for all reads.

    Args:
        g: conductances ``(rows, columns)``, S.
        wires: ideal by default. Every connected line has the resistance ``source`` (a column) or
            ``sense`` (a row) at its end.

    Raises:
        BadInputError: conductances that are negative or no numbers.
    """

    def __init__(self, g: Floats, wires: Wires = IDEAL) -> None:
        self.g = check_map(g)
        self._network = wired_network(self.g, wires, wires.sense, wires.source)
        each = self.g * cell_voltages(self._network, self.g.shape, np.eye(sum(self.g.shape)))
        # Currents into all rows, and then all columns, a volt on each line.
        self._lines = np.hstack([-each.sum(axis=2), each.sum(axis=1)]).T

    def read(self, row: int, column: int, voltage: float, scheme: Scheme) -> SelectedRead:
        """Read one cell.

        Args:
            row: of the cell.
            column: of the cell.
            voltage: column against row, V.
            scheme: what the other lines have.

        Raises:
            BadInputError: no such cell or scheme, or 0 V.
        """
        rows, columns = self.g.shape
        if not (0 <= row < rows and 0 <= column < columns):
            raise BadInputError(f"row {row}, column {column}: there are {rows} x {columns} cells")
        if scheme not in get_args(Scheme):
            raise BadInputError(f"scheme must be {', '.join(get_args(Scheme))}, not {scheme!r}")
        if not np.isfinite(voltage) or voltage == 0:
            raise BadInputError(f"voltage must be finite and not 0 V, not {voltage:g} V")
        lines = self._line_voltages(row, rows + column, voltage, scheme)
        currents = self._lines @ lines
        return SelectedRead(
            conductance=float(-currents[row] / voltage),
            current=float(-currents[row]),
            source_current=float(currents[rows + column]),
            cell_voltages=cell_voltages(self._network, self.g.shape, lines[:, None])[0],
        )

    def _line_voltages(self, row: int, column: int, voltage: float, scheme: Scheme) -> Floats:
        """Voltages of all rows, and then all columns."""
        rows, columns = self.g.shape
        lines = np.zeros(rows + columns)
        if scheme in _BIAS:
            on_rows, on_columns = _BIAS[scheme]
            lines[:rows], lines[rows:] = on_rows * voltage, on_columns * voltage
        lines[row], lines[column] = 0.0, voltage
        if scheme == "floating":
            opened = np.ones(lines.size, bool)
            opened[[row, column]] = False
            # No current leaves an open line. A group of lines that nothing joins to the selected
            # ones has no voltage of its own: the least one, 0 V.
            inner = self._lines[np.ix_(opened, opened)]
            into = self._lines[opened][:, column] * voltage
            lines[opened] = np.linalg.lstsq(inner, -into, rcond=1e-13)[0]
        return lines
