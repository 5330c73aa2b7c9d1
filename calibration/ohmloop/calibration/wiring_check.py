"""All that a survey says about a bench's wiring: pure arithmetic over maps of currents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ohmloop.drivers.units import with_unit

from .alike import lines_together
from .conduction import Mask, conduction
from .finding import Finding, Wrong
from .line_order import Order, line_order, unknown_order
from .noise_floor import NoiseFloor, noise_floor
from .survey import Array, Survey

_OFFSET = 0.05
"""Offset from which readings are noticeably wrong, as a share of the median current."""
_LINEAR = 0.1
"""Departure from a straight line from which products are noticeably wrong."""


@dataclass(frozen=True)
class WiringReport:
    """What a check found.

    Attributes:
        findings: what is wrong, the worst first.
        notes: what could not be told, and why.
        conductance: mean conductances without offset, S; not-a-number where there is no reading.
        floor: of the meter.
        asymmetry: ``|I(-V)| / |I(V)| - 1``, median over the sample, or None.
        nonlinearity: ``I(V) / (2 I(V/2)) - 1``, median over the sample, or None.
        order: of the lines, against a known map.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    conductance: Array
    floor: NoiseFloor
    asymmetry: float | None
    nonlinearity: float | None
    order: Order

    @property
    def fine(self) -> bool:
        """Whether nothing was found that makes training wrong."""
        return not any(finding.wrong.serious for finding in self.findings)


def check_wiring(survey: Survey, known: Array | None = None) -> WiringReport:
    """Judge a survey.

    Args:
        survey: what was read.
        known: conductances that the cells had when they were last known, ``(rows, columns)``, S.
    """
    floor = noise_floor(survey)
    found, good = conduction(survey, floor)
    with np.errstate(invalid="ignore"):
        current = survey.readings.mean(axis=0) - floor.offset
    rows, row_note = lines_together(current, good, floor, Wrong.ROWS_TOGETHER)
    columns, column_note = lines_together(current.T, good.T, floor, Wrong.COLUMNS_TOGETHER)
    apart = good.copy()
    for finding in rows + columns:
        apart[list(finding.rows)] = False
        apart[:, list(finding.columns)] = False
    order = (
        line_order(current / survey.voltage, apart, known)
        if known is not None
        else unknown_order("no calibration is given")
    )
    asymmetry, nonlinearity = _straightness(survey, floor)
    found += [*rows, *columns, *order.findings]
    found += _meter(current, good, floor, asymmetry, nonlinearity)
    notes = [note for note in (row_note, column_note) if note]
    if not floor.measured:
        notes.append("the bench reads at its read voltage only: offset and linearity unknown")
    return WiringReport(
        tuple(found),
        tuple(notes),
        current / survey.voltage,
        floor,
        asymmetry,
        nonlinearity,
        order,
    )


def _straightness(survey: Survey, floor: NoiseFloor) -> tuple[float | None, float | None]:
    """Asymmetry and nonlinearity, of cells of the sample with current well above the floor."""
    if survey.plus is None:
        return None, None
    plus = survey.plus - floor.offset
    with np.errstate(invalid="ignore"):
        strong = np.isfinite(plus) & (np.abs(plus) > 20 * max(floor.noise, floor.spread))
        strong &= np.abs(survey.plus) < 0.5 * survey.limit

    def median(other: Array | None, factor: float) -> float | None:
        if other is None:
            return None
        current = other - floor.offset
        usable = strong & np.isfinite(current) & (current != 0)
        if not usable.any():
            return None
        return float(np.median(plus[usable] / (factor * current[usable]))) - 1

    minus = median(survey.minus, -1.0)
    return (None if minus is None else 1 / (1 + minus) - 1), median(survey.half, 2.0)


def _meter(
    current: Array,
    good: Mask,
    floor: NoiseFloor,
    asymmetry: float | None,
    nonlinearity: float | None,
) -> list[Finding]:
    found = []
    typical = float(np.median(np.abs(current[good]))) if good.any() else 0.0
    if abs(floor.offset) > _OFFSET * typical > 0:
        evidence = (
            f"{with_unit(floor.offset, 'A')} at 0 V, {abs(floor.offset) / typical:.0%} of the"
            f" median current of {with_unit(typical, 'A')}"
        )
        found.append(Finding(Wrong.OFFSET, (), (), evidence))
    for name, value in (
        ("at the other polarity", asymmetry),
        ("against half the voltage", nonlinearity),
    ):
        if value is not None and abs(value) > _LINEAR:
            found.append(Finding(Wrong.NONLINEAR, (), (), f"{value:+.0%} of current {name}"))
    return found
