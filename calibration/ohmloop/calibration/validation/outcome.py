"""Sequences predicted and measured: the dataset that all scores are made of.

One entry of dimension ``step`` is a reading: position 0 of a repeat is its start, which the
prediction begins at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.prediction import Prediction
from ohmloop.drivers import ChipFileError

from .plan import Kind
from .predictive import CUTS, Predictive
from .sequences import PulseSequence

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FORMAT = "ohmloop-validation"
_MEANINGS = {
    "measured": ("S", "conductance read"),
    "predicted": ("S", "mean of what the twin expects, from the start of the repeat"),
    "spread": ("S", "standard deviation of a reading that the twin expects"),
    "class": ("1", "class of the reading among the twin's expectations, at attribute cuts"),
    "ups": ("1", "up pulses before the reading"),
    "downs": ("1", "down pulses before the reading"),
}
_DIMS = ("step", "row", "column")


@dataclass(frozen=True)
class Repeat:
    """One repeat of a sequence.

    Attributes:
        sequence: what was sent.
        number: of the repeat, from 0.
        start: mean reading before it, ``(rows, columns)``, S.
        expected: what was predicted from there.
        measured: ``(positions, rows, columns)``, S.
    """

    sequence: PulseSequence
    number: int
    start: Array
    expected: Predictive
    measured: Array


def outcome(repeats: list[Repeat], before: Array, usable: Mask) -> xr.Dataset:
    """All repeats in one dataset.

    Args:
        repeats: of all kinds.
        before: reading of the untouched chip, ``(rows, columns)``, S.
        usable: cells that count.

    Returns:
        ``measured``, ``predicted``, ``spread``, ``class``, ``ups``, ``downs`` over (step, row,
        column), coordinates ``kind``, ``repeat``, ``position``; ``before`` and ``usable`` over
        (row, column).
    """
    import xarray as xr

    zero = np.zeros((1, *before.shape))
    parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in _MEANINGS}
    kinds, numbers, positions = [], [], []
    for one in repeats:
        ups, downs = one.sequence.counts((before.shape[0], before.shape[1]))
        middle = np.full(zero.shape, len(CUTS) // 2, np.int8)
        start = one.start[None]
        parts["measured"] += [start, one.measured]
        parts["predicted"] += [start, one.expected.mean.astype(np.float64)]
        parts["spread"] += [zero, one.expected.std.astype(np.float64)]
        parts["class"] += [middle, one.expected.classes(one.measured)]
        parts["ups"] += [zero.astype(np.int32), ups]
        parts["downs"] += [zero.astype(np.int32), downs]
        length = len(one.sequence.steps) + 1
        kinds += [str(one.sequence.kind)] * length
        numbers += [one.number] * length
        positions += list(range(length))
    data = xr.Dataset(
        {name: (_DIMS, np.concatenate(values), _attrs(name)) for name, values in parts.items()},
        coords={
            "kind": ("step", np.array(kinds, dtype=object)),
            "repeat": ("step", np.array(numbers, np.int32)),
            "position": ("step", np.array(positions, np.int32)),
        },
        attrs={"format": FORMAT, "cuts": list(CUTS)},
    )
    data["before"] = (_DIMS[1:], before, {"units": "S", "long_name": "read before any pulse"})
    data["usable"] = (
        _DIMS[1:],
        usable.astype(np.int8),
        {"units": "1", "long_name": "1 where the cell counts"},
    )
    return data


def _attrs(name: str) -> dict[str, str]:
    unit, meaning = _MEANINGS[name]
    return {"units": unit, "long_name": meaning}


def kinds_of(data: xr.Dataset) -> list[Kind]:
    """Kinds that an outcome holds, in order.

    Raises:
        ChipFileError: it is no outcome.
    """
    if data.attrs.get("format") != FORMAT:
        raise ChipFileError("not a validation of ohmloop")
    return [Kind(k) for k in dict.fromkeys(data["kind"].to_numpy().astype(str))]


def usable_of(data: xr.Dataset) -> Mask:
    """Cells that count: usable, and every reading of them is a number."""
    usable: Mask = data["usable"].to_numpy().astype(bool)
    finite = np.isfinite(data["measured"].to_numpy()).all(axis=0)
    both: Mask = usable & finite
    return both


def of_kind(data: xr.Dataset, kind: Kind, name: str) -> NDArray[np.float64]:
    """A variable of one kind: ``(repeats, positions + 1, rows, columns)``."""
    at = np.flatnonzero(data["kind"].to_numpy().astype(str) == str(kind))
    repeats = int(data["repeat"].to_numpy()[at].max()) + 1
    values: NDArray[np.float64] = data[name].to_numpy()[at]
    return values.reshape(repeats, -1, *values.shape[1:])


def predictions(data: xr.Dataset) -> Iterator[tuple[Kind, Prediction]]:
    """Measured and predicted, kind by kind."""
    usable = usable_of(data)
    for kind in kinds_of(data):
        measured, predicted = (of_kind(data, kind, n) for n in ("measured", "predicted"))
        yield kind, Prediction(measured, predicted, usable)
