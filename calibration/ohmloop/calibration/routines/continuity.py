"""Continuity: which cells and lines conduct, are open, shorted, or on one node; pulses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ohmloop.calibration.finding import Finding, Wrong
from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.replay import Replay
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.calibration.survey import REPEATS, SAMPLE, ZERO_REPEATS, take_survey
from ohmloop.calibration.wiring_check import WiringReport, check_wiring
from ohmloop.drivers import BadInputError, Crossbar

if TYPE_CHECKING:
    import xarray as xr

CONDUCTS, OPEN, SHORTED, UNREADABLE, TOGETHER = range(5)
_STATES = ("conducts", "open", "shorted", "unreadable", "together")
_WORDS = {"open": OPEN, "shorted": SHORTED, "unreadable": UNREADABLE}


class Continuity(Routine):
    """Which cells and lines are open, shorted, unreadable or on one node; pulses nothing.

    Reads every cell twice at the read voltage, and a sample of cells at 0 V, at the other polarity
    and at half the voltage.
    """

    name: ClassVar[str] = "continuity"
    moves: ClassVar[bool] = False

    def cost(self, crossbar: Crossbar) -> Cost:
        """Readings only."""
        rows, columns = crossbar.shape
        samples = ZERO_REPEATS + 2
        share = min(rows, SAMPLE) * min(columns, SAMPLE) / (rows * columns)
        return Cost(maps=REPEATS + samples, reads=REPEATS + samples * share)

    def acquire(self, session: Session) -> None:
        """Read; a rectangle of cells that cannot be read is halved until the bad ones are found."""
        take_survey(session)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """Conductances, the state of every cell, and what is wrong in words."""
        import xarray as xr

        report = check_wiring(take_survey(Replay(measured)))
        states = _states(report, measured.shape)
        dims = ("row", "column")
        flags = {
            "units": "1",
            "long_name": "what each cell is",
            "flag_values": np.arange(len(_STATES), dtype=np.int8),
            "flag_meanings": " ".join(_STATES),
        }
        read = {"units": "S", "long_name": "conductance of the untouched chip"}
        data = xr.Dataset(
            {"conductance": (dims, report.conductance, read), "state": (dims, states, flags)}
        )
        serious = [finding for finding in report.findings if finding.wrong.serious]
        data.attrs["findings"] = "\n".join(map(_line, report.findings))
        data.attrs["notes"] = "\n".join(report.notes)
        data.attrs["verdict"] = (
            f"{len(serious)} found: {'; '.join(map(_line, serious[:3]))}"
            if serious
            else "nothing open or shorted"
        )
        if any(finding.wrong is Wrong.NOTHING_CONDUCTS for finding in serious):
            remedy = Wrong.NOTHING_CONDUCTS.remedy
            raise BadInputError(f"nothing conducts ({serious[0].evidence}); {remedy}")
        return data


def _states(
    report: WiringReport, shape: tuple[int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    states = np.zeros(shape, np.int8)
    for finding in report.findings:
        code = _WORDS.get(finding.wrong.value.split()[0])
        if finding.wrong in (Wrong.ROWS_TOGETHER, Wrong.COLUMNS_TOGETHER):
            code = TOGETHER
        if code is None:
            continue
        rows = list(finding.rows) or list(range(shape[0]))
        columns = list(finding.columns) or list(range(shape[1]))
        states[np.ix_(rows, columns)] = code
    return states


def _line(finding: Finding) -> str:
    where = [f"{name} {', '.join(map(str, lines))}" for name, lines in (
        ("row", finding.rows), ("column", finding.columns)) if lines]  # fmt: skip
    return f"{finding.wrong.value} ({', '.join(where)}): {finding.evidence}"
