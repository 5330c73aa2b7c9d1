"""Devices whose staircases of identical pulses were published, and where their numbers lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.fitting import Trajectories

from .spreadsheet import read_column

Array = NDArray[np.float64]

_SIGUROS, _GONG = "siguros_6t1c_organic", "gong_reram_aihwkit/gong_et_al.csv"


@dataclass(frozen=True, slots=True)
class Device:
    """One device.

    Attributes:
        name: as in the table.
        unit: of the readings.
        up: readings after each up pulse, cycle by cycle, ``(cycles, pulses)``.
        down: after each down pulse.
    """

    name: str
    unit: str
    up: Array
    down: Array

    @property
    def range(self) -> float:
        """From the lowest to the highest reading but one in a hundred at either end.

        A noisy device's extremes are noise.
        """
        low, high = np.percentile(np.concatenate([self.up[0], self.down[0]]), [1, 99])
        return float(high - low)

    @property
    def middle(self) -> float:
        """Half way between the extremes."""
        return float(max(self.up.max(), self.down.max()) + min(self.up.min(), self.down.min())) / 2

    def noise(self, way: int) -> float:
        """Of a reading: from second differences of the first staircase, % of the range.

        They see neither the response nor its curvature, only what changes from pulse to pulse.
        """
        readings = self.up[0] if way > 0 else self.down[0]
        return float(100 * np.std(np.diff(readings, 2)) / np.sqrt(6) / self.range)

    def trajectories(self, cycles: slice = slice(0, 1)) -> Trajectories:
        """Of some cycles, as one cell; readings about the middle, as their scale has no zero.

        Each train starts anew, as it does for the yardstick: what a turn does is no staircase.
        """
        parts, counts, starts = [], [], []
        for up, down in zip(self.up[cycles], self.down[cycles], strict=True):
            parts += [up, down]
            counts += [np.ones(up.size), -np.ones(down.size)]
            fresh = [np.zeros(up.size, bool), np.zeros(down.size, bool)]
            fresh[0][0] = fresh[1][0] = True
            starts += fresh
        readings = np.concatenate(parts)[:, None] - self.middle
        pulses = np.concatenate(counts).astype(np.int32)[:, None]
        return Trajectories(readings, pulses, np.concatenate(starts))


def devices(data: Path) -> list[Device]:
    """All devices whose files are there."""
    found = []
    for file, make in _SOURCES:
        if (data / file).is_file():
            found += make(data / file)
    return found


def _capacitor(path: Path) -> list[Device]:
    linear = read_column(path, 0, "D").reshape(3, 2, 1000)
    found = [Device("6T1C, most linear", "counts", linear[:, 0], linear[:, 1])]
    for sheet, (width, column) in enumerate((("100 ns", "D"), ("200 ns", "D"), ("400 ns", "C")), 1):
        up, down = read_column(path, sheet, column).reshape(2, 1, 1000)
        found.append(Device(f"6T1C, {width}", "counts", up, down))
    return found


def _organic(path: Path) -> list[Device]:
    counts = read_column(path, 0, "B").reshape(10, 2, 1000)
    return [Device("organic", "counts", counts[:, 0], counts[:, 1])]


def _reram(path: Path) -> list[Device]:
    up, down = np.loadtxt(path, delimiter=",").T
    return [Device("ReRAM, Gong et al.", "1", up[None], down[None])]


_SOURCES: tuple[tuple[str, Callable[[Path], list[Device]]], ...] = (
    (f"{_SIGUROS}/6T1C_result.xlsx", _capacitor),
    (f"{_SIGUROS}/Current.xlsx", _organic),
    (_GONG, _reram),
)
