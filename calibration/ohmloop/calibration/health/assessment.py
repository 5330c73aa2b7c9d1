"""A chip's health: every cell's code, what is wrong in words, and the mask of usable cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.whole_lines import places

from .clusters import Cluster, clusters
from .codes import GRADUAL, Health
from .criteria import HealthCriteria
from .degrees import drifting, noisy
from .measured import Readings
from .outliers import Mask, typical
from .screening import screened
from .steps import Steps, steps
from .still import read_noise
from .together import together
from .words import Evidence

if TYPE_CHECKING:
    import xarray as xr


class Fitted(Protocol):
    """What the assessment needs of a fit: its own ``Health`` codes, ``(cells,)``."""

    @property
    def health(self) -> NDArray[np.int8]:
        """OK where a cell was fitted, else why not."""


@dataclass(frozen=True, slots=True)
class Defect:
    """Something wrong with a line or a cell.

    Attributes:
        health: what.
        rows: rows concerned; empty where it is whole columns.
        columns: columns concerned; a cell has one row and one column.
        evidence: how one knows, with units.
    """

    health: Health
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    evidence: str

    @property
    def where(self) -> str:
        """In words."""
        parts = [
            f"{name}{'s' * (len(lines) > 1)} {', '.join(map(str, lines))}"
            for name, lines in (("row", self.rows), ("column", self.columns))
            if lines
        ]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What the tests found.

    Attributes:
        health: ``Health`` codes ``(rows, columns)``.
        usable: cells that may be used, ``(rows, columns)``: those that are OK, and those that are
            noisy, sluggish or drifting, but not too much so.
        defects: what is wrong, whole lines before single cells.
        clusters: lines on which cells that are not usable gather.
        notes: what could not be told, and why.
    """

    health: NDArray[np.int8]
    usable: Mask
    defects: tuple[Defect, ...]
    clusters: tuple[Cluster, ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[Health, int]:
        """Cells of each kind that there are."""
        codes, counts = np.unique(self.health, return_counts=True)
        return {Health(c): int(n) for c, n in zip(codes.tolist(), counts.tolist(), strict=True)}

    @property
    def summary(self) -> str:
        """One line."""
        counts = [f"{n} {code.word}" for code, n in self.counts.items() if code is not Health.OK]
        ill = f"; {', '.join(counts)}" if counts else ""
        lines = f"; bad cells gather on {len(self.clusters)} lines" if self.clusters else ""
        return f"{int(self.usable.sum())} of {self.usable.size} cells are usable{ill}{lines}"


def assess(
    raw: xr.Dataset, fitted: Fitted | None = None, criteria: HealthCriteria | None = None
) -> HealthReport:
    """Judge every cell of a chip.

    Args:
        raw: raw calibration data; all its steps are used.
        fitted: its fit: a cell without one cannot be used.
        criteria: thresholds; of ``criteria.false_alarms`` healthy cells at most, one is called ill.
    """
    criteria = criteria or HealthCriteria()
    chip = Readings.of(raw)
    with np.errstate(invalid="ignore"):
        found = steps(chip.readings, chip.pulses, chip.starts)
        reading = read_noise(chip.readings, chip.pulses, chip.starts)
    codes, slow, weak = screened(chip.readings, found, criteria)
    sound = (codes == Health.OK) & ~slow
    weak &= ~_shorted(chip, sound)
    scatter = noisy(chip, found, reading, sound, weak, criteria)
    moving = drifting(chip, sound, criteria)
    codes = _refined(codes, chip, sound)
    codes[weak & scatter.ill] = Health.NOISY
    lines, notes = together(chip, reading.std, ~np.isin(codes, (Health.OPEN, Health.UNREADABLE)))
    shared = np.zeros(chip.shape, bool)
    for one in lines:
        shared[list(one.rows)] = True
        shared[:, list(one.columns)] = True
    codes[shared.ravel() & (codes != Health.OPEN) & (codes != Health.UNREADABLE)] = (
        Health.LINES_TOGETHER
    )
    unfit = np.zeros(codes.size, bool)
    if fitted is not None:
        unfit = (codes == Health.OK) & (fitted.health != Health.OK)
        codes[unfit] = np.where(slow | scatter.ill | moving.ill, codes, fitted.health)[unfit]
    for code, ill in (
        (Health.SLUGGISH, slow), (Health.DRIFTING, moving.ill), (Health.NOISY, scatter.ill)
    ):  # fmt: skip
        codes[(codes == Health.OK) & ill] = code
    usable = np.isin(codes, (Health.OK, *GRADUAL)) & ~unfit
    usable &= ~(weak | scatter.useless | moving.useless | _too_slow(found, slow, sound, criteria))
    health, mask = codes.reshape(chip.shape).astype(np.int8), usable.reshape(chip.shape)
    say = Evidence(chip, found, reading.std, sound, scatter.times, moving.change)
    defects = [Defect(Health.LINES_TOGETHER, one.rows, one.columns, one.evidence) for one in lines]
    defects += [
        Defect(code, *place, say(code, cells))
        for code in Health
        if code not in (Health.OK, Health.LINES_TOGETHER)
        for place, cells in places(health == code)
    ]
    defects.sort(key=lambda one: bool(one.rows) and bool(one.columns))
    return HealthReport(health, mask, tuple(defects), tuple(clusters(~mask)), tuple(notes))


def _too_slow(found: Steps, slow: Mask, sound: Mask, criteria: HealthCriteria) -> Mask:
    return slow & (found.move < criteria.slow_for_use * typical(found.move, sound))


def _refined(codes: NDArray[np.int8], chip: Readings, sound: Mask) -> NDArray[np.int8]:
    """Stuck cells by where they are, against how far sound ones go; shorts are far above them."""
    if not sound.any():
        return codes
    with np.errstate(invalid="ignore"):
        low, high = np.nanmin(chip.readings, axis=0), np.nanmax(chip.readings, axis=0)
        at = np.nanmean(chip.readings, axis=0)
    floor, ceiling = np.quantile(low[sound], 0.95), np.quantile(high[sound], 0.05)
    middle = (np.median(low[sound]) + np.median(high[sound])) / 2
    short = (codes == Health.UNCERTAIN) & _shorted(chip, sound)
    stuck = (codes == Health.STUCK) | short
    codes = np.where(stuck & (at >= ceiling) & (at > middle), Health.STUCK_HIGH, codes)
    return np.where(stuck & (at <= floor) & (at < middle), Health.STUCK_LOW, codes).astype(np.int8)


def _shorted(chip: Readings, sound: Mask) -> Mask:
    """Cells that never read less than twice what any sound cell reads."""
    if not sound.any():
        return sound
    with np.errstate(invalid="ignore"):
        lowest = np.nanmin(chip.readings, axis=0)
    far: Mask = lowest > 2 * np.nanmax(chip.readings[:, sound])
    return far
