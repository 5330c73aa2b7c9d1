"""Where a fit starts: straight lines, cell by cell, and what the noises may be.

n pulses take a state whose steps are linear in it from g to ``a^n g + constant``, so a regression
of each reading on one before it gives step and slope of a direction (algorithm after Gong et al.,
Nat. Commun. 9:2102, 2018, with n pulses in place of one). Readings compared lie so far apart that
the state has moved by more than the read noise: where trains are long, a sixth of a train.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ohmloop.calibration.spread import PER_DEVIATION

from .trajectories import Array, Flags, Trajectories

_PART = 6


class Frame(NamedTuple):
    """What a cell's readings look like, each ``(cells,)``.

    Attributes:
        low: lowest reading, S.
        span: highest less lowest, S; never 0.
        up: mean step up at mid-range, S.
        down: size of the mean step down there, S.
        slope_up: by how much the up step is less for each siemens farther up.
        slope_down: by how much the down step is less for each siemens farther down.
        read: noise of a reading, S.
        step: noise of a step, relative to it.
        moves: standard errors between the mean steps up and down.
        level: middle of the readings in absolute terms, S; what relative read noise relates to.
    """

    low: Array
    span: Array
    up: Array
    down: Array
    slope_up: Array
    slope_down: Array
    read: Array
    step: Array
    moves: Array
    level: Array

    @property
    def middle(self) -> Array:
        """Mid-range, S."""
        middle: Array = self.low + self.span / 2
        return middle

    def of(self, cells: Any) -> Frame:
        """Of some cells."""
        return Frame(*(v[cells] for v in self))


def frame_of(traj: Trajectories) -> Frame:
    """Look at every cell."""
    with np.errstate(invalid="ignore", divide="ignore"):
        readings = traj.readings
        known = np.isfinite(readings)
        low = np.where(known, readings, np.inf).min(axis=0)
        high = np.where(known, readings, -np.inf).max(axis=0)
        empty = ~known.any(axis=0)
        low, high = np.where(empty, 0.0, low), np.where(empty, 1.0, high)
        size = np.maximum(np.abs(low), np.abs(high))
        span = np.maximum(high - low, 1e-3 * size + 1e-15)
        middle, lag = low + span / 2, _lag(traj)
        pairs = _pairs(traj, lag)
        up, down = (_line(pairs, sign, middle, span) for sign in (1, -1))
        read = _read_noise(traj, span)
        moves = _moves(_pairs(_averaged(traj, lag), 1))
        level = np.maximum(np.nanmean(np.abs(np.where(empty, 1.0, readings)), axis=0), 1e-15)
        frame = Frame(
            low, span, up[0], down[0], up[1], down[1], read, np.zeros_like(read), moves, level
        )
        return frame._replace(step=_step_noise(frame, _pairs(traj, 1)))


class _Pairs(NamedTuple):
    """Readings before and after pulses of one direction, ``(pairs, cells)``; counts 0 if unused."""

    before: Array
    after: Array
    counts: Array


def _lag(traj: Trajectories) -> int:
    """Steps between readings that are compared: a sixth of a usual train, at least 1."""
    way = np.sign(traj.pulses.sum(axis=1, dtype=np.int64))
    if (np.sign(traj.pulses) != way[:, None]).mean() > 0.1:
        return 1  # every cell has its own sequence
    edges = np.flatnonzero(np.diff(way) != 0) + 1
    runs = np.diff(np.r_[0, edges, way.size])
    moving = runs[way[np.r_[0, edges]] != 0]
    return max(1, int(np.median(moving)) // _PART) if moving.size else 1


def _averaged(traj: Trajectories, lag: int) -> Trajectories:
    """Means of ``lag`` readings in a row of one direction, and the pulses from mean to mean.

    Where steps are far below the noise of a reading, single readings do not tell that a cell moves;
    and where some were not taken, others of the same stretch stand in.
    """
    if lag == 1:
        return traj
    way = np.sign(traj.pulses.sum(axis=1, dtype=np.int64))
    fresh = np.r_[True, np.diff(way) != 0] | traj.starts
    train = fresh.cumsum()
    place = np.arange(traj.steps) - np.flatnonzero(fresh)[train - 1]
    edges = np.flatnonzero(fresh | (place % lag == 0))
    net = traj.pulses.cumsum(axis=0, dtype=np.int64).astype(float)
    known = np.isfinite(traj.readings)
    seen = np.maximum(np.add.reduceat(known, edges, axis=0, dtype=float), 1e-300)
    sums = (np.where(known, v, 0.0) for v in (traj.readings, net))
    means, nets = (np.add.reduceat(v, edges, axis=0) / seen for v in sums)
    means[seen < 1] = np.nan
    pulses = np.rint(np.diff(nets, axis=0, prepend=0.0)).astype(np.int32)
    turned = np.diff(way[edges], prepend=way[0]) != 0  # pulses of both directions in between
    return Trajectories(means, pulses, np.logical_or.reduceat(traj.starts, edges) | turned)


def _pairs(traj: Trajectories, lag: int, apart: bool = False) -> _Pairs:
    lag = min(lag, traj.steps - 1)
    net = traj.pulses.cumsum(axis=0, dtype=np.int64)
    total = np.abs(traj.pulses).cumsum(axis=0, dtype=np.int64)
    begun = traj.starts.cumsum()
    net, total = net[lag:] - net[:-lag], total[lag:] - total[:-lag]
    before, after = traj.readings[:-lag], traj.readings[lag:]
    whole = (begun[lag:] == begun[:-lag])[:, None] & np.isfinite(before) & np.isfinite(after)
    used = whole & (np.abs(net) == total)
    every = slice(None, None, max(1, lag // 4) if apart else 1)
    return _Pairs(before[every], after[every], np.where(used, net, 0)[every].astype(float))


def _line(pairs: _Pairs, sign: int, middle: Array, span: Array) -> tuple[Array, Array]:
    """Step at mid-range and its loss a siemens on the way, of one direction."""
    used = np.sign(pairs.counts) == sign
    count = np.maximum(used.sum(axis=0), 1)
    mean_count = np.maximum(np.where(used, np.abs(pairs.counts), 0).sum(axis=0) / count, 1)
    before, after = np.where(used, pairs.before, 0.0), np.where(used, pairs.after, 0.0)
    x0, y0 = before.sum(axis=0) / count, after.sum(axis=0) / count
    x, y = np.where(used, before - x0, 0.0), np.where(used, after - y0, 0.0)
    many = (used.sum(axis=0) > 3) & ((x**2).sum(axis=0) > 0)
    kept = np.where(many, (x * y).sum(axis=0) / np.maximum((x**2).sum(axis=0), 1e-300), 1.0)
    kept = np.clip(kept, 0.02, 1.5)
    slope = 1 - kept ** (1 / mean_count)
    # the displacement of n pulses over the first step: (1 - a^n) / (1 - a)
    share = np.where(np.abs(slope) < 1e-9, 1 / mean_count, slope / np.where(kept == 1, 1, 1 - kept))
    first = sign * (y0 - x0) * share
    step = first - sign * slope * (middle - x0)
    least = span * 1e-3 / np.maximum(np.abs(pairs.counts).sum(axis=0), 1)
    return np.maximum(step, least + 0.1 * np.abs(first)), slope


def _read_noise(traj: Trajectories, span: Array) -> Array:
    """From repeated readings; where there are none, from second differences of neighbours."""
    moved: Flags = np.asarray(traj.pulses.any(axis=1)) | ~np.isfinite(traj.readings).any(axis=1)
    still = int(moved.argmax()) if moved.any() else traj.steps
    if still >= 4:
        noise = np.nanstd(traj.readings[:still], axis=0, ddof=1)
    else:
        bend = np.diff(traj.readings, 2, axis=0)
        usable = np.isfinite(bend) & ~(traj.starts[2:] | traj.starts[1:-1])[:, None]
        size = np.where(usable, np.abs(bend), np.nan)
        noise = PER_DEVIATION * np.nanmedian(np.vstack([size, 0 * span]), axis=0) / np.sqrt(6)
    found: Array = np.clip(np.nan_to_num(noise), 1e-6 * span, span)
    return found


def _step_noise(frame: Frame, pairs: _Pairs) -> Array:
    """What is left of the errors of one step after read noise, relative to a step."""
    way, count = np.sign(pairs.counts), np.abs(pairs.counts)
    away = np.nan_to_num(pairs.before) - frame.middle
    q = np.where(way > 0, frame.up - frame.slope_up * away, frame.down + frame.slope_down * away)
    q = np.maximum(q, 0.0)
    error = np.where(count > 0, pairs.after - pairs.before - way * count * q, 0.0)
    excess = np.maximum(np.median(error**2, axis=0) / 0.455 - 2 * frame.read**2, 0.0)
    unit = np.maximum(np.median(np.where(count > 0, count * q**2, 0.0), axis=0), 1e-300)
    ratio: Array = np.clip(np.sqrt(excess / unit), 0.02, 5.0)
    return ratio


def _moves(pairs: _Pairs) -> Array:
    """By how much readings change more after up than after down pulses, in standard errors.

    Changes are regressed on the state, for each direction, as steps shrink towards a bound.
    """
    up, up_error = _at_mean_state(pairs, 1)
    down, down_error = _at_mean_state(pairs, -1)
    moves: Array = (up - down) / np.sqrt(up_error**2 + down_error**2)
    return np.nan_to_num(moves, nan=0.0, posinf=1e9, neginf=-1e9)


def _at_mean_state(pairs: _Pairs, sign: int) -> tuple[Array, Array]:
    used = np.sign(pairs.counts) == sign
    middle = np.nan_to_num(np.nanmean(pairs.before, axis=0))
    count = np.maximum(used.sum(axis=0), 3)
    state = np.where(used, pairs.before - middle, 0.0)
    change = np.where(used, pairs.after - pairs.before, 0.0)
    x0, y0 = state.sum(axis=0) / count, change.sum(axis=0) / count
    x, y = np.where(used, state - x0, 0.0), np.where(used, change - y0, 0.0)
    sxx = np.maximum((x**2).sum(axis=0), 1e-300)
    slope = (x * y).sum(axis=0) / sxx
    variance = ((y - slope * x) ** 2).sum(axis=0) / np.maximum(count - 2, 1)
    return y0 - slope * x0, np.sqrt(variance * (1 / count + x0**2 / sxx))
