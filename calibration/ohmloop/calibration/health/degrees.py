"""Troubles of degree: cells that scatter, and cells that drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from .criteria import HealthCriteria
from .measured import Readings
from .outliers import Array, Mask, limits, typical
from .steps import Steps, trend
from .still import ReadNoise, beside_usual


@dataclass(frozen=True, slots=True)
class Noisy:
    """Cells that scatter: ``ill`` beside the others, ``useless`` beside their own range.

    ``times`` is how many times the typical cell's scatter theirs is.
    """

    ill: Mask
    useless: Mask
    times: Array


@dataclass(frozen=True, slots=True)
class Drifting:
    """Cells that change by ``change``, S, while nothing is done to them."""

    ill: Mask
    useless: Mask
    change: Array


def noisy(
    chip: Readings,
    found: Steps,
    reading: ReadNoise,
    sound: Mask,
    weak: Mask,
    criteria: HealthCriteria,
) -> Noisy:
    """Cells whose readings, or whose changes under pulses, scatter more than the others'.

    Readings count beside what is usual at their level. Steps count where they scatter more both in
    siemens and in proportion to the step: where noise is the meter's, weak cells stand out in
    proportion alone, and where it is the cells', strong ones in siemens alone. Of cells that are
    too weak to tell whether they move, steps are no measure: noise may be why.
    """
    noise, free = reading.std, reading.free
    with np.errstate(invalid="ignore", divide="ignore"):
        enough = free >= 3
        beside = beside_usual(reading, sound & enough)
        of_reads = _outstanding((beside,), sound & enough, weak & enough, criteria)
        per_step = np.where(weak, np.inf, found.scatter / found.move)
        of_steps = _outstanding((found.scatter, per_step), sound, weak, criteria)
        least = noise * np.sqrt(free / stats.chi2.isf(criteria.alpha, np.maximum(free, 1)))
        useless = enough & (least > criteria.noisy_for_use * _range(chip))
    times = np.fmax(of_reads, of_steps)
    ill = (sound & useless) | (times > 0)
    return Noisy(ill, useless & ill, times)


def drifting(chip: Readings, sound: Mask, criteria: HealthCriteria) -> Drifting:
    """Cells with a trend over their readings between two pulses, beside their own noise.

    Where noise is correlated in time every cell has trends; so Student's t is taken beside what is
    usual on the chip, where that is more than it should be.
    """
    change, t, free = trend(chip.readings, chip.pulses, chip.starts, chip.time)
    known = t[sound & (t != 0)]
    usual = np.median(np.abs(known)) / np.median(stats.t.isf(0.25, free)) if known.size else 1.0
    significant = np.abs(t) > stats.t.isf(criteria.alpha / 2, free) * max(1.0, float(usual))
    reach = _range(chip)
    ill = sound & significant & (np.abs(change) > criteria.drift * reach)
    return Drifting(ill, ill & (np.abs(change) > criteria.drift_for_use * reach), change)


def _outstanding(
    measures: tuple[Array, ...], among: Mask, also: Mask, criteria: HealthCriteria
) -> Array:
    """How many times the typical cell's of ``among``, where a cell stands out in all; else 0."""
    out, times = among | also, np.full(among.size, np.inf)
    for values in measures:
        usual = typical(values, among)
        if usual == 0:
            return np.zeros(among.size)
        out &= values > max(limits(values, among, criteria.z)[1], criteria.noisy * usual)
        times = np.fmin(times, values / usual)
    return np.where(out, times, 0.0)


def _range(chip: Readings) -> Array:
    """Range that each cell was seen in, S."""
    with np.errstate(invalid="ignore"):
        reach: Array = np.nanmax(chip.readings, axis=0) - np.nanmin(chip.readings, axis=0)
    return reach
