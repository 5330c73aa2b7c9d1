"""Readings in siemens from what a table holds, and what had to be dropped on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .columns import Array, Columns
from .options import ImportOptions

OVERFLOW = 9.9e37
"""What instruments write for overflow, and above it for not-a-number (SCPI-99, 7.2.1.4)."""
HIGHEST_OHM = 1e13
"""A resistance that no set-up of a chip can tell from open, ohm."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read.

    Attributes:
        conductance: ``(rows,)``, S; nan where a reading was dropped.
        dropped: reason -> how many.
        column: where it came from, as headed in the file.
        scale: ``(offset, factor)``: conductance = offset + factor * value in the file, where values
            had no unit; else None.
        voltage: read voltage, V, where it is known.
    """

    conductance: Array
    dropped: dict[str, int]
    column: str
    scale: tuple[float, float] | None = None
    voltage: float | None = None


def readings_of(columns: Columns, options: ImportOptions) -> Readings:
    """Readings of every row.

    Raises:
        BadInputError: no column of readings, or one that needs what was not said.
    """
    name = columns.first(*_READERS)
    if not name:
        raise columns.missing(f"no column of readings ({', '.join(_READERS)})")
    values = columns.numbers(name, gaps=True)
    missing = ~np.isfinite(values)
    overflow = ~missing & (np.abs(values / columns[name].factor) >= OVERFLOW)
    overflow |= ~missing & (name == "resistance") & (np.abs(values) > HIGHEST_OHM)
    values[missing | overflow] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        conductance, scale = _READERS[name](values, columns, options)
    negative = conductance < 0
    if name == "resistance":
        negative |= values == 0
    conductance[negative] = np.nan
    counts = {
        "missing": int(missing.sum()),
        "overflow": int(overflow.sum()),
        "zero or negative" if name == "resistance" else "negative": int(negative.sum()),
    }
    if not np.isfinite(conductance).any():
        raise BadInputError(
            f"{columns.table.path}: column {columns[name].heading!r}: not one good reading:"
            f" {said(counts)}"
        )
    dropped = {why: count for why, count in counts.items() if count}
    voltage = _voltage(columns, options)
    return Readings(conductance, dropped, columns[name].heading, scale, voltage)


def said(dropped: dict[str, int]) -> str:
    """For a person: ``3 negative, 1 overflow``."""
    return ", ".join(f"{count} {why}" for why, count in dropped.items() if count)


Reader = Callable[[Array, Columns, ImportOptions], tuple[Array, tuple[float, float] | None]]


def _conductance(values: Array, _: Columns, __: ImportOptions) -> tuple[Array, None]:
    return values, None


def _resistance(values: Array, _: Columns, __: ImportOptions) -> tuple[Array, None]:
    return 1 / values, None


def _current(values: Array, columns: Columns, options: ImportOptions) -> tuple[Array, None]:
    if "read_voltage" in columns:
        volts: Array | float = columns.numbers("read_voltage")
    elif options.read_voltage is not None:
        volts = options.read_voltage
    else:
        raise BadInputError(
            f"{columns.table.path}: currents need the voltage they were read at: --read-voltage"
            " '0.1 V', or a column 'read_voltage [V]'"
        )
    if not np.all(volts):
        raise BadInputError(f"{columns.table.path}: a read voltage of 0 V gives no conductance")
    return values / volts, None


def _state(
    values: Array, columns: Columns, options: ImportOptions
) -> tuple[Array, tuple[float, float]]:
    """Straight from the lowest and the highest value to the two ends of the full scale."""
    heading = columns["state"].heading
    if options.full_scale is None:
        raise BadInputError(
            f"{columns.table.path}: column {heading!r} is not in siemens, and a twin is; say which"
            " conductances its lowest and highest value stand for, as in"
            " --full-scale '10 uS to 100 uS'"
        )
    low, high = np.nanmin(values), np.nanmax(values)
    if not high > low:
        raise BadInputError(f"{columns.table.path}: column {heading!r}: all values are the same")
    factor = (options.full_scale[1] - options.full_scale[0]) / (high - low)
    offset = options.full_scale[0] - factor * low
    # rounding must not make the lowest value of a scale from 0 negative
    return np.maximum(offset + factor * values, 0.0), (float(offset), float(factor))


_READERS: dict[str, Reader] = {
    "conductance": _conductance,
    "resistance": _resistance,
    "current": _current,
    "state": _state,
}


def _voltage(columns: Columns, options: ImportOptions) -> float | None:
    if "read_voltage" in columns:
        volts: NDArray[np.float64] = columns.numbers("read_voltage")
        return float(np.median(volts))
    return options.read_voltage
