"""What ``ohmloop check`` found, for a machine and for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import Bench
from ohmloop.drivers.registry import crossbar_kind
from ohmloop.drivers.units import with_unit

from .console import Screen

if TYPE_CHECKING:
    from ohmloop.calibration.finding import Finding
    from ohmloop.calibration.wiring_check import WiringReport

_MOST = 40  # findings that a person is shown


def figures(bench: Bench, name: str, report: WiringReport, messages: int) -> dict[str, Any]:
    """Everything, as JSON has it: SI numbers with the unit in the key."""
    read = report.conductance[np.isfinite(report.conductance)]
    low, median, high = np.quantile(read, [0.05, 0.5, 0.95]) if read.size else [None] * 3
    lines = _line_names(bench, name)
    return {
        "name": name,
        "rows": report.conductance.shape[0],
        "columns": report.conductance.shape[1],
        "median_S": _number(median),
        "low_S": _number(low),
        "high_S": _number(high),
        "read_noise": report.floor.relative,
        "offset_A": report.floor.offset if report.floor.measured else None,
        "noise_floor_A": report.floor.noise,
        "asymmetry": report.asymmetry,
        "nonlinearity": report.nonlinearity,
        "messages": messages,
        "order": {"rows": report.order.rows, "columns": report.order.columns},
        "findings": [_finding(finding, lines) for finding in report.findings],
        "notes": list(report.notes),
        "fine": report.fine,
    }


def show(screen: Screen, found: dict[str, Any]) -> None:
    """Tables and lines for a person."""
    screen.table(
        f"crossbar {found['name']}",
        (
            "cells",
            "conductance, median",
            "5 % to 95 %",
            "read noise",
            "offset",
            "noise floor",
            "V, -V",
            "V, V/2",
            "messages",
        ),
        [
            (
                f"{found['rows']} x {found['columns']}",
                _quantity(found["median_S"], "S"),
                f"{_quantity(found['low_S'], 'S')} to {_quantity(found['high_S'], 'S')}",
                f"{100 * found['read_noise']:.2g} %",
                _quantity(found["offset_A"], "A"),
                _quantity(found["noise_floor_A"], "A"),
                _share(found["asymmetry"]),
                _share(found["nonlinearity"]),
                str(found["messages"]),
            )
        ],
    )
    findings = found["findings"]
    if findings:
        rows = [(f["what"], f["where"], f["evidence"], f["remedy"]) for f in findings[:_MOST]]
        screen.table("found", ("what", "where", "evidence", "what to do"), rows)
    if len(findings) > _MOST:
        screen.say(f"and {len(findings) - _MOST} more; --json has them all")
    for line in ("rows", "columns"):
        screen.say(f"order of {line}: {found['order'][line]}")
    for note in found["notes"]:
        screen.say(f"note: {note}")


def _line_names(bench: Bench, name: str) -> tuple[Sequence[str], Sequence[str]]:
    """What the bench file calls rows and columns, where its kind has names for them."""
    config = bench.config.crossbars[name]
    kind = crossbar_kind(config.kind, bench.path, f"crossbars.{name}.kind")
    lines = getattr(kind, "lines", None)
    if lines is None:
        return [], []
    rows, columns = lines(bench, name)
    return rows, columns


def _finding(finding: Finding, lines: tuple[Sequence[str], Sequence[str]]) -> dict[str, Any]:
    row_names = [lines[0][row] for row in finding.rows] if lines[0] else []
    column_names = [lines[1][column] for column in finding.columns] if lines[1] else []
    return {
        "what": finding.wrong.value,
        "serious": finding.wrong.serious,
        "rows": list(finding.rows),
        "columns": list(finding.columns),
        "lines": row_names + column_names,
        "where": _where(finding, row_names + column_names),
        "evidence": finding.evidence,
        "remedy": finding.wrong.remedy,
    }


def _where(finding: Finding, names: list[str]) -> str:
    parts = [
        f"{line}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
        for line, numbers in (("row", finding.rows), ("column", finding.columns))
        if numbers
    ]
    known = f" ({', '.join(names)})" if names else ""
    return (", ".join(parts) + known) or "everywhere"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _quantity(value: float | None, unit: str) -> str:
    return "not known" if value is None else with_unit(value, unit)


def _share(value: float | None) -> str:
    return "not known" if value is None else f"{100 * value:+.2g} %"
