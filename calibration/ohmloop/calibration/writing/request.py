"""What is to be written, checked against what is known of the cells, before a chip is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, Characteristics
from ohmloop.drivers.units import to_si, with_unit

from .stepping import Array
from .target import WEIGHT

Beyond = Literal["refuse", "nearest"]

_HUGE = 0.1
"""No cell conducts so much, S: the unit must be wrong."""
_SHARE = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(steps?|%|weight)\s*")


@dataclass(frozen=True, slots=True)
class Request:
    """A map to be written, as ``write_verify`` takes it.

    Attributes:
        target: ``(rows, columns)``, S.
        tolerance: ``(rows, columns)``, S.
        usable: cells to be written.
        reachable: cells whose target is within their range.
    """

    target: Array
    tolerance: Array
    usable: NDArray[np.bool_]
    reachable: NDArray[np.bool_]


def tolerance_map(
    text: str, shape: tuple[int, ...], known: Characteristics | None, siemens_per_weight: float
) -> Array:
    """A tolerance such as ``0.5 uS``, ``1 step``, ``2 %`` (of a cell's range) or ``0.02 weight``.

    Args:
        text: as given.
        shape: of the map.
        known: of the cells; steps and ranges come from it.
        siemens_per_weight: conductance of one unit of weight, S; 0 where there are no weights.

    Returns:
        ``(rows, columns)``, S.

    Raises:
        BadInputError: not such a text, not positive, or nothing is known that it refers to.
    """
    match = _SHARE.fullmatch(text)
    if not match:
        return np.full(shape, _positive(_siemens(text), text))
    try:
        size = float(match[1])
    except ValueError:
        raise BadInputError(f"tolerance {text!r}: {match[1]!r} is not a number") from None
    _positive(size, text)
    if match[2] == WEIGHT:
        if not siemens_per_weight > 0:
            raise BadInputError(f"tolerance {text!r}: the map is of conductances, not of weights")
        return np.full(shape, size * siemens_per_weight)
    if known is None:
        raise BadInputError(
            f"tolerance {text!r}: nothing is known of the cells; calibrate them, or say it in"
            " siemens, such as '0.5 uS'"
        )
    unit = known.dg_min if match[2] != "%" else (known.g_max - known.g_min) / 100
    usual = float(np.median(unit[known.usable])) if known.usable.any() else 0.0
    found: Array = size * np.where(known.usable & (unit > 0), unit, usual)
    return found


def request(
    target: Array, tolerance: Array, known: Characteristics | None, beyond: Beyond = "refuse"
) -> Request:
    """Check a map.

    Args:
        target: ``(rows, columns)``, S; what it says of cells that are not usable does not matter.
        tolerance: as large, S.
        known: of the cells.
        beyond: what becomes of targets beyond a cell's range: refuse them all, or write them as
            near as the cell goes.

    Raises:
        BadInputError: another shape than the calibration's, targets that are not finite or that no
            cell has, or targets beyond the cells' ranges.
    """
    if known is not None and known.shape != target.shape:
        raise BadInputError(
            f"the map is {_size(target.shape)}, the calibration is of {_size(known.shape)} cells"
        )
    usable = np.ones(target.shape, bool) if known is None else known.usable
    _refuse(usable & ~np.isfinite(target), target, "are not finite numbers")
    target = np.where(usable, target, 0.0)
    largest = float(np.abs(target).max())
    if largest > _HUGE:
        raise BadInputError(
            f"the largest target is {with_unit(largest, 'S')}: no cell conducts so much; is the"
            " unit right?"
        )
    if known is None:
        _refuse(target < 0, target, "are negative conductances; say --unit weight if weights")
        return Request(target, tolerance, usable, np.ones(target.shape, bool))
    far = (target > known.g_max + tolerance) | (target < known.g_min - tolerance)
    far &= usable
    if beyond == "refuse":
        _refuse(far, target, "are beyond what their cells reach", known)
    reached = np.where(far, np.clip(target, known.g_min, known.g_max), target)
    return Request(reached, tolerance, usable, ~far)


def _refuse(
    bad: NDArray[np.bool_], target: Array, why: str, known: Characteristics | None = None
) -> None:
    if not bad.any():
        return
    row, column = map(int, np.argwhere(bad)[0])
    first = f"row {row}, column {column}: {with_unit(float(target[row, column]), 'S')}"
    span = ""
    if known is not None:
        low, high = float(known.g_min[row, column]), float(known.g_max[row, column])
        span = f" of {with_unit(low, 'S')} to {with_unit(high, 'S')}; --beyond nearest writes"
        span += " those as near as their cells go"
    raise BadInputError(f"{int(bad.sum())} of {bad.size} targets {why} (first: {first}{span})")


def _siemens(text: str) -> float:
    try:
        return to_si(text, unit="S")
    except ValueError as error:
        raise BadInputError(f"tolerance: {error}, or '1 step', '2 %', '0.02 weight'") from None


def _positive(size: float, text: str) -> float:
    if not (np.isfinite(size) and size > 0):
        raise BadInputError(f"tolerance {text!r}: must be more than 0")
    return size


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
