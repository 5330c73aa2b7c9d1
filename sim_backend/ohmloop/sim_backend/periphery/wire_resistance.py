"""Wires that are resistors: what a crossbar's lines carry when they are not ideal.

Two nodes a cell, one on its row's wire and one on its column's, a segment of wire between
neighbours, a source resistance before a driven line and a sense resistance behind a sensed one,
which ends at a virtual ground: the model of A. Chen, "A Comprehensive Crossbar Array Model With
Solutions for Line Resistance and Nonlinear Device Characteristics", IEEE Trans. Electron Devices
60, 1318 (2013), for linear cells. The network is linear, so all there is to know of one conductance
map is one matrix from voltages to currents.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.drivers import BadInputError
from ohmloop.drivers.units import Ohms
from ohmloop.drivers.validation import Record

from .nodal import Index, ResistorNetwork

Floats = NDArray[np.float64]
Ends = Literal["first", "last", "both"]
Resistance = Annotated[Ohms, Field(ge=0)]


class Wires(Record):
    """Resistances of lines, and the ends at which they are driven and sensed.

    A row's first end is at column 0, a column's first end at row 0. What is neither driven nor
    sensed is open.

    Attributes:
        row_segment: of a row's wire, from one cell to the next, ohm.
        column_segment: of a column's wire, ohm.
        source: between a source and a driven line, at each driven end, ohm.
        sense: between a sensed line and the virtual ground, at each sensed end, ohm.
        row_ends: where rows are connected.
        column_ends: where columns are.
    """

    row_segment: Resistance = 1.0
    column_segment: Resistance = 1.0
    source: Resistance = 0.0
    sense: Resistance = 0.0
    row_ends: Ends = "first"
    column_ends: Ends = "first"

    @property
    def turned(self) -> Wires:
        """The wires of the transposed map: rows are columns."""
        return self.model_copy(
            update={
                "row_segment": self.column_segment,
                "column_segment": self.row_segment,
                "row_ends": self.column_ends,
                "column_ends": self.row_ends,
            }
        )


class WiredMap:
    """One conductance map behind wires, factorised once; exact.

    Args:
        g: conductances ``(rows, columns)``, S.
        wires: the wires.

    Raises:
        BadInputError: conductances that are negative or no numbers.
    """

    def __init__(self, g: Floats, wires: Wires) -> None:
        self.g, self.wires = check_map(g), wires
        self._networks: dict[str, ResistorNetwork] = {}

    def forward(self, column_voltages: Floats) -> Floats:
        """Drive columns, sense rows: ``(batch, columns)`` V to ``(batch, rows)`` A.

        Raises:
            BadInputError: a shape that does not fit.
        """
        currents: Floats = self.cell_currents(column_voltages).sum(axis=2)
        return currents

    def backward(self, row_voltages: Floats) -> Floats:
        """Drive rows, sense columns: ``(batch, rows)`` V to ``(batch, columns)`` A.

        Raises:
            BadInputError: a shape that does not fit.
        """
        rows, columns = self.g.shape
        given = self._given(row_voltages, rows, "row_voltages")
        terminals = np.vstack([given, np.zeros((columns, given.shape[1]))])
        across = cell_voltages(self._network("sense", "source"), self.g.shape, terminals)
        currents: Floats = -np.einsum("brc,rc->bc", across, self.g)
        return currents

    def forward_map(self) -> Floats:
        """The conductances that ideal wires would need, ``(rows, columns)``, S: ``I = M V``."""
        return self.forward(np.eye(self.g.shape[1])).T

    def backward_map(self) -> Floats:
        """The same of ``backward``, ``(rows, columns)``, S: ``I = M^T V``."""
        return self.backward(np.eye(self.g.shape[0]))

    def cell_currents(self, column_voltages: Floats) -> Floats:
        """Current through every cell in ``forward``, from column to row.

        Args:
            column_voltages: ``(batch, columns)``, V.

        Returns:
            ``(batch, rows, columns)``, A.
        """
        rows, columns = self.g.shape
        given = self._given(column_voltages, columns, "column_voltages")
        terminals = np.vstack([np.zeros((rows, given.shape[1])), given])
        return cell_voltages(self._network("source", "sense"), self.g.shape, terminals) * self.g

    def _network(self, columns: str, rows: str) -> ResistorNetwork:
        """The network with the resistances at the ends of lines by name."""
        if columns not in self._networks:
            at_columns, at_rows = getattr(self.wires, columns), getattr(self.wires, rows)
            self._networks[columns] = wired_network(self.g, self.wires, at_rows, at_columns)
        return self._networks[columns]

    def _given(self, volts: Floats, lines: int, name: str) -> Floats:
        volts = np.asarray(volts, np.float64)
        if volts.ndim != 2 or volts.shape[1] != lines:
            raise BadInputError(f"{name} must be (batch, {lines}), not {volts.shape}")
        return volts.T


def wired_network(g: Floats, wires: Wires, at_rows: float, at_columns: float) -> ResistorNetwork:
    """The network of a map; its terminals are all rows, and then all columns.

    Args:
        g: conductances ``(rows, columns)``, S.
        wires: segments and ends.
        at_rows: resistance at each connected end of a row, ohm; ``inf`` leaves it open.
        at_columns: the same of columns.
    """
    rows, columns = g.shape
    on_row = np.arange(g.size).reshape(g.shape)
    on_column = on_row + g.size
    terminals = 2 * g.size + np.arange(rows + columns)
    parts: list[tuple[Index, Index, Floats]] = [
        (on_row, on_column, g),
        (on_row[:, :-1], on_row[:, 1:], _conductance(wires.row_segment)),
        (on_column[:-1], on_column[1:], _conductance(wires.column_segment)),
        *((on_row[:, end], terminals[:rows], _conductance(at_rows)) for end in _at(wires.row_ends)),
        *(
            (on_column[end], terminals[rows:], _conductance(at_columns))
            for end in _at(wires.column_ends)
        ),
    ]
    a: Index = np.concatenate([part[0].ravel() for part in parts])
    b: Index = np.concatenate([part[1].ravel() for part in parts])
    each = np.concatenate([np.broadcast_to(part[2], part[0].shape).ravel() for part in parts])
    return ResistorNetwork(2 * g.size + rows + columns, a, b, each, terminals)


def cell_voltages(
    network: ResistorNetwork, shape: tuple[int, ...], line_voltages: Floats
) -> Floats:
    """Voltage over every cell, column against row.

    Currents of lines are sums of cells' currents: exacter than those through the ends of wires of
    hardly any resistance.

    Args:
        network: from ``wired_network``.
        shape: rows and columns.
        line_voltages: of all rows, and then all columns, ``(rows + columns, batch)``, V.

    Returns:
        ``(batch, rows, columns)``, V.
    """
    rows, columns = shape
    on_rows, on_columns = np.split(network.voltages(line_voltages)[: 2 * rows * columns], 2)
    return (on_columns - on_rows).T.reshape(-1, rows, columns)


def check_map(g: Floats) -> Floats:
    """The map as float64; BadInputError where it is none."""
    g = np.asarray(g, np.float64)
    if g.ndim != 2 or not g.size:
        raise BadInputError(f"g must be (rows, columns), not {g.shape}")
    if not np.isfinite(g).all() or (g < 0).any():
        raise BadInputError("g must be finite and not negative")
    return g


def _conductance(resistance: float) -> Floats:
    return np.array(np.inf if resistance == 0 else 1.0 / resistance)


def _at(ends: Ends) -> tuple[int, ...]:
    return {"first": (0,), "last": (-1,), "both": (0, -1)}[ends]
