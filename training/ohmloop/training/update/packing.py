"""The compiled part of drawing trains: few calls, as a small update costs little more than them."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .rule import Rows

Floats = NDArray[np.float64]


class Survey(NamedTuple):
    """What a mini-batch asks for; arrays ``(batch,)``.

    Attributes:
        finite: whether all values are.
        all_count: whether every sample wants some change.
        wanted: ``lr |d x| / dw_min`` summed over samples and cells.
        x_max: largest size of an input.
        d_max: largest size of an error.
        pulses: ``lr x_max d_max / dw_min``.
    """

    finite: bool
    all_count: bool
    wanted: float
    x_max: Floats
    d_max: Floats
    pulses: Floats


class Gains(NamedTuple):
    """How long trains are, and what turns sizes into odds; arrays ``(batch,)``.

    Attributes:
        length: of the longest train.
        strongest: largest of ``pulses``.
        slots: int64.
        x: of inputs.
        d: of errors.
    """

    length: int
    strongest: float
    slots: NDArray[np.int64]
    x: Floats
    d: Floats


class Drawn(NamedTuple):
    """Trains of a mini-batch: uint64 and int8, ``(batch, lines)``, in the order of a program.

    Attributes:
        rows: trains of rows.
        columns: trains of columns.
        row_signs: against those of the errors; -1 for 0.
        column_signs: of the inputs; 1 for 0.
        finite: whether all values are; nothing is drawn if not.
        all_count: whether every sample wants some change; nothing is drawn if not.
        wanted: as of ``Survey``.
        length: of the longest train.
        strongest: largest of ``Survey.pulses``.
        lost: share of the update that lines which should fire in more than all slots cannot give.
    """

    rows: NDArray[np.uint64]
    columns: NDArray[np.uint64]
    row_signs: NDArray[np.int8]
    column_signs: NDArray[np.int8]
    finite: bool
    all_count: bool
    wanted: float
    length: int
    strongest: float
    lost: float


def survey(x: Rows, d: Rows, lr: float, dw_min: float) -> Survey:
    """Of inputs ``(batch, in)`` and errors ``(batch, out)``."""
    x_max, d_max, pulses = np.empty((3, x.shape[0]))
    finite, all_count, wanted = _kernels().survey(x, d, lr, dw_min, x_max, d_max, pulses)
    return Survey(finite, all_count, wanted, x_max, d_max, pulses)


def gains(
    x_max: Floats,
    d_max: Floats,
    pulses: Floats,
    scale: tuple[float, float],
    how: tuple[int, bool, bool],
) -> Gains:
    """Lengths and gains of samples.

    Args:
        x_max: largest size of an input ``(batch,)``, above 0.
        d_max: largest size of an error ``(batch,)``, above 0.
        pulses: what the strongest cell should get ``(batch,)``.
        scale: ``lr`` and ``dw_min``.
        how: most slots; whether probabilities are balanced; whether lengths are managed.
    """
    slots, (x_gain, d_gain) = np.empty(pulses.size, np.int64), np.empty((2, pulses.size))
    most, balanced, managed = how
    length, strongest = _kernels().gains(
        x_max, d_max, pulses, *scale, most, balanced, managed, slots, x_gain, d_gain
    )
    return Gains(length, strongest, slots, x_gain, d_gain)


def drawn(
    key: np.uint64, x: Rows, d: Rows, scale: tuple[float, float], how: tuple[int, bool, bool]
) -> Drawn:
    """All of a mini-batch in one call.

    A line fires in each slot of its sample's train with odds of its size times the sample's gain.

    Args:
        key: what the draws start from.
        x: inputs ``(batch, in)``, contiguous.
        d: errors ``(batch, out)``, contiguous; rows go against them.
        scale: ``lr`` and ``dw_min``.
        how: as for ``gains``.
    """
    rows, row_signs = np.empty(d.shape, np.uint64), np.empty(d.shape, np.int8)
    columns, column_signs = np.empty(x.shape, np.uint64), np.empty(x.shape, np.int8)
    found = _kernels().draw(key, x, d, scale, how, columns, column_signs, rows, row_signs)
    for values in (rows, columns, row_signs, column_signs):
        values.setflags(write=False)  # a program takes these as they are
    return Drawn(rows, columns, row_signs, column_signs, *found)


def lost(x: Rows, d: Rows, gains: Gains) -> float:
    """Share of an update that lines which should fire in more than all slots cannot give.

    Sums over cells are products of sums over lines, so no ``(batch, out, in)`` is made.

    Args:
        x: inputs ``(batch, in)``.
        d: errors ``(batch, out)``.
        gains: what makes sizes shares of the slots.
    """
    return float(_kernels().lost(x, d, gains.slots, gains.x, gains.d))


@cache
def _kernels() -> ModuleType:
    from . import packing_kernels  # compiles, which takes its time, and not every command pulses

    return packing_kernels
