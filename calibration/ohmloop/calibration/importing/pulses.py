"""Signed pulse counts from what a table says of pulses: counts, directions or voltages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.drivers.units import with_unit

from .columns import Columns
from .options import ImportOptions

UP = frozenset({"up", "set", "potentiation", "p", "ltp", "+", "+1", "1"})
DOWN = frozenset({"down", "reset", "depression", "d", "ltd", "-", "-1"})
NONE = frozenset({"", "0", "none", "read"})
"""Words of a column ``direction``."""
ALIKE = 0.01
"""Amplitudes that differ by more than this share are not the same pulse."""
STAIRCASE = 0.5
"""Share of pulses that are unlike the one before, from which on amplitudes are a staircase."""

Amplitudes = tuple[float | None, float | None]


def pulses_of(columns: Columns, options: ImportOptions) -> tuple[NDArray[np.int64], Amplitudes]:
    """Pulses before every reading, ``(rows,)``, and their amplitudes up and down, V, if known.

    Raises:
        BadInputError: no column says it, or pulses of one direction are not alike.
    """
    given = options.amplitude_up, options.amplitude_down
    if "pulse_voltage" not in columns:
        return _counted(columns), given
    volts = columns.numbers("pulse_voltage", gaps=True)
    volts = np.where(np.isfinite(volts), volts, 0.0)
    signs = np.sign(volts).astype(np.int64) * (1 if options.polarity == "positive" else -1)
    counts = _counted(columns) if columns.first("pulse", "direction") else signs
    clash = (counts != 0) & (signs != 0) & (np.sign(counts) != signs)
    if clash.any():
        line, _ = columns.table.rows[int(clash.argmax())]
        raise BadInputError(
            f"{columns.table.path}: line {line}: pulse and pulse_voltage say different directions;"
            " where negative voltages raise conductance: --polarity negative"
        )
    up, down = (_amplitude(columns, volts[counts * sign > 0], word) for sign, word in _WAYS)
    return counts, (given[0] if up is None else up, given[1] if down is None else down)


_WAYS = ((1, "up"), (-1, "down"))


def _counted(columns: Columns) -> NDArray[np.int64]:
    if "pulse" in columns:
        return columns.counts("pulse")
    if "direction" not in columns:
        raise columns.missing(
            "no column says which pulses came before a reading (pulse, direction or pulse_voltage)"
        )
    counts = np.zeros(len(columns.table.rows), np.int64)
    for i, (text, (line, _)) in enumerate(
        zip(columns.texts("direction"), columns.table.rows, strict=True)
    ):
        word = text.lower().removesuffix(".0")
        if word not in UP | DOWN | NONE:
            raise BadInputError(
                f"{columns.table.path}: line {line}, column {columns['direction'].heading!r}:"
                f" {text!r} is no direction; write up or down, or nothing for no pulse"
            )
        counts[i] = (word in UP) - (word in DOWN)
    return counts


def _amplitude(columns: Columns, volts: NDArray[np.float64], word: str) -> float | None:
    volts = volts[volts != 0]
    if not volts.size:
        return None
    middle = float(np.median(volts))
    if np.ptp(volts) > 2 * ALIKE * abs(middle):
        low, high = (with_unit(float(v), "V") for v in (volts.min(), volts.max()))
        raise BadInputError(
            f"{columns.table.path}: {word} pulses go from {low} to {high}: a response function is"
            f" of identical pulses; {_instead(volts)}"
        )
    return middle


def _instead(volts: NDArray[np.float64]) -> str:
    """What to do with unlike pulses: of a staircase hardly two are alike."""
    if np.mean(np.abs(np.diff(volts)) > ALIKE * np.abs(volts[1:])) > STAIRCASE:
        return (
            "these change from pulse to pulse, a staircase of amplitudes as ferroelectric cells are"
            " often written with, which nothing here describes: measure trains of one amplitude"
        )
    return "keep the rows of one amplitude"
