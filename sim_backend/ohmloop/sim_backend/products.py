"""Products of voltages and conductances, also of cells that are not linear."""

from __future__ import annotations

from typing import Any

from .cell_array import CellArray
from .responses.libraries import library


def products(cells: CellArray, noisy: Any, volts: Any, forward: bool) -> Any:
    """Currents of driven lines, numpy or torch.

    Args:
        cells: whose current-voltage law it is.
        noisy: their conductances at the read voltage, as read, ``(rows, columns)``, S.
        volts: ``(batch, columns)`` where columns are driven, else ``(batch, rows)``, V.
        forward: whether columns are driven.

    Returns:
        ``(batch, rows)`` where columns are driven, else ``(batch, columns)``, A.
    """
    g = noisy.T if forward else noisy
    if cells.iv is None or cells.effects is None:
        return volts @ g
    iv, read_voltage = cells.iv, cells.effects.read_voltage
    # Row against column is what a cell's voltage is: a driven column counts negative.
    sign = -1 if forward else 1
    if iv.v0.shape[0] == iv.asymmetry.shape[0] == 1:
        return (volts * iv.gain(sign * volts, read_voltage)) @ g

    def of_lines(values: Any) -> Any:
        if values.shape[0] == 1:
            return values
        values = values.reshape(cells.shape)
        return values.T if forward else values

    law = type(iv)(of_lines(iv.v0), of_lines(iv.asymmetry))
    found = [
        (g * law.gain(sign * sample[:, None] + g * 0, read_voltage) * sample[:, None]).sum(0)
        for sample in volts
    ]
    return library(volts).stack(found)
