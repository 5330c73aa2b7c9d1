"""Steps and ranges of converters, from what comes out of them.

An output converter's results are whole multiples of its step: a lattice. An input converter's
steps show in a ramp of asked voltages, as a staircase; its range, as a plateau.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_FEW = 0.7  # different values over values: more are no lattice
_OFF = 0.05  # of a step, that values may be beside the lattice
_BETTER = 20.0  # twice the log likelihood that a plateau or steps must gain
_MOST_BITS = 14


@dataclass(frozen=True)
class Steps:
    """What a converter does; NaN where it was not seen.

    Attributes:
        step: from code to code, V or A.
        step_stderr: its standard error.
        range: largest value of either sign, V or A.
        range_stderr: its standard error.
        bits: resolution.
        most: largest value that was tried: a range is known not to be below that.
    """

    step: float
    step_stderr: float
    range: float
    range_stderr: float
    bits: float
    most: float


def lattice(values: Array) -> Steps:
    """Step and range of output converters, from many outputs of different inputs.

    Args:
        values: of any shape, some of them driven as far as they go.
    """
    size = np.abs(values[np.isfinite(values)]).ravel()
    top = float(size.max(initial=0.0))
    step, error = _step_of(size, top)
    tolerance = step / 4 if np.isfinite(step) else 1e-6 * top
    # Single values are the largest by chance; several equal ones, as they are cut off.
    cut = int((size > top - tolerance).sum()) > max(8, size.size // 100)
    reach = top if cut else float("nan")
    bits = _bits(step, reach)
    if np.isfinite(bits):
        levels = 2 ** (bits - 1) - 1
        step = reach / levels
    return Steps(step, error, reach, error if cut and np.isfinite(error) else 0.0, bits, top)


def staircase(ramps: Sequence[tuple[Array, Array]]) -> Steps:
    """Step and range of an input converter, from ramps through it.

    Args:
        ramps: voltages asked for, V, and currents, each ``(n,)``; the widest first, and others
            narrower about 0, where steps are small beside the noise of large currents.
    """
    asked, response = ramps[0]
    most = float(np.abs(asked).max())
    reach, reach_error = _plateau(asked, response)
    step, step_error = _stairs(ramps, reach)
    bits = _bits(step, reach)
    if np.isfinite(bits):  # steps of the same number make a range, better than a blurred plateau
        levels = 2 ** (bits - 1) - 1
        reach, reach_error = step * levels, step_error * levels
    return Steps(step, step_error, reach, reach_error, bits, most)


def _step_of(size: Array, top: float) -> tuple[float, float]:
    different = np.unique(np.round(size / (top or 1.0), 7)) * top
    if top == 0 or different.size < 2 or different.size > _FEW * size.size:
        return float("nan"), float("nan")
    gaps = np.diff(different)
    step = float(gaps[gaps > 1e-6 * top].min(initial=np.inf))
    if not np.isfinite(step):
        return float("nan"), float("nan")
    # Small codes first: there a step that is a little off matters less.
    for limit in (10, 100, 10**9):
        code = np.round(size / step)
        near = (code > 0) & (code <= limit)
        if near.any():
            step = float((size[near] * code[near]).sum() / (code[near] ** 2).sum())
    beside = np.abs(size / step - np.round(size / step))
    if beside.max() > _OFF:
        return float("nan"), float("nan")
    code = np.round(size / step)
    left = size - step * code
    return step, float(np.sqrt((left**2).mean() / max((code**2).sum(), 1.0)))


def _bits(step: float, reach: float) -> float:
    if not (np.isfinite(step) and np.isfinite(reach)):
        return float("nan")
    bits = np.log2(reach / step + 1) + 1
    return float(round(bits)) if abs(bits - round(bits)) < 0.2 and bits > 1.5 else float("nan")


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Squared residuals of a straight line, and its slope."""
    d = x - x.mean()
    slope = float((d * y).sum()) / max(float((d**2).sum()), 1e-300)
    return float(((y - y.mean() - slope * d) ** 2).sum()), slope


def _misfits(shapes: Array, y: Array) -> Array:
    """Squared residuals of straight lines over each of ``shapes``, ``(shapes, n)``."""
    d = shapes - shapes.mean(axis=1, keepdims=True)
    y = y - y.mean()
    found: Array = (y**2).sum() - (d @ y) ** 2 / np.maximum((d**2).sum(axis=1), 1e-300)
    return np.maximum(found, 0)


def _rounded(x: Array, steps: Array) -> Array:
    """What converters of such steps make of ``x``: ``(steps, n)``."""
    found: Array = np.round(x / steps[:, None])
    found *= steps[:, None]
    return found


def _plateau(asked: Array, response: Array) -> tuple[float, float]:
    plain, _ = _line(asked, response)
    most = float(np.abs(asked).max())
    grid = np.geomspace(most / 100, most * 0.98, 300)
    misfits = _misfits(np.clip(asked, -grid[:, None], grid[:, None]), response)
    best = int(misfits.argmin())
    n = asked.size
    floor = 1e-12 * float(((response - response.mean()) ** 2).sum())
    if n * np.log((plain + floor) / (misfits[best] + floor)) < _BETTER:
        return float("nan"), float("nan")
    # Fine: the plateau over the slope of what lies well below it.
    near = np.abs(asked) < 0.7 * grid[best]
    far = np.abs(asked) > 1.05 * grid[best]
    if near.sum() < 4 or far.sum() < 4:
        return float(grid[best]), float(grid[1] / grid[0] - 1) * float(grid[best])
    misfit, slope = _line(asked[near], response[near])
    middle = response[near].mean() - slope * asked[near].mean()
    levels = np.sign(asked[far]) * (response[far] - middle) / slope
    noise = misfit / max(int(near.sum()) - 2, 1)
    spread = float(((asked[near] - asked[near].mean()) ** 2).sum())
    reach = float(levels.mean())
    error = np.sqrt(noise / slope**2 / far.sum() + noise / slope**2 * reach**2 / spread)
    return reach, float(error)


def _stairs(ramps: Sequence[tuple[Array, Array]], reach: float) -> tuple[float, float]:
    """Step of the staircase that explains ramps better than straight lines.

    Each ramp has a straight line and a noise of its own.
    """
    known = np.isfinite(reach)
    cut = [(np.clip(x, -reach, reach) if known else x, y) for x, y in ramps]
    spacing = min(float(np.diff(np.unique(x)).min()) for x, _ in ramps)
    widest = float(np.abs(ramps[0][0]).max())
    grid: Array = np.geomspace(2 * spacing, max(widest, 3 * spacing), 4000)
    if known:
        grid = (reach / (2.0 ** np.arange(1, _MOST_BITS) - 1)).astype(np.float64)
    grid = grid[grid >= 2 * spacing]
    if not grid.size:
        return float("nan"), float("nan")
    plain = sum(float(_score(y, _misfits(x[None], y))[0]) for x, y in cut)
    if known:  # the plateau may be a little off, and large codes more than a little
        grid = (grid[:, None] * np.linspace(0.95, 1.05, 201)).ravel()
    scores = _scores(cut, grid)
    best = int(scores.argmin())
    if plain - scores[best] < _BETTER:
        return float("nan"), float("nan")
    fine: Array = grid[best] * np.linspace(0.99, 1.01, 801)
    scores = _scores(cut, fine)
    equal = fine[scores <= scores.min() + 4]
    return float(equal.mean()), float(max(np.ptp(equal) / 2, fine[1] - fine[0]))


def _scores(ramps: Sequence[tuple[Array, Array]], steps: Array) -> Array:
    """Minus twice the log likelihood of each step, but for a constant."""
    parts = np.array_split(steps, 1 + steps.size // 256)
    found: Array = np.concatenate(
        [sum(_score(y, _misfits(_rounded(x, p), y)) for x, y in ramps) for p in parts]
    )
    return found


def _score(y: Array, misfits: Array) -> Array:
    floor = 1e-12 * float(((y - y.mean()) ** 2).sum())
    found: Array = y.size * np.log((misfits + floor) / max(y.size * floor, 1e-300))
    return found
