"""What pulse channels put out over time, and the pulses that a cell between two of them sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True)
class Trace:
    """A line of straight pieces, and where it is measured.

    Attributes:
        times: of its corners, ns, from 0.
        volts: at the corners.
        windows: ``(points, 2)``, when each measurement starts and ends, ns.
    """

    times: Times
    volts: Floats
    windows: Times

    def at(self, times: Times | Floats) -> Floats:
        """Voltage at some times; 0 V before and after."""
        if times.shape == self.times.shape and np.array_equal(times, self.times):
            return self.volts
        found: Floats = np.interp(times, self.times, self.volts, left=0.0, right=0.0)
        return found


@dataclass(frozen=True)
class Segments:
    """A sequence of segments, as arrays of one length.

    Attributes:
        times: of each segment, ns.
        start: voltages.
        stop: voltages.
        measured: whether a spot mean is taken.
        window: ``(segments, 2)``, when measuring starts and ends within the segment, ns.
    """

    times: Times
    start: Floats
    stop: Floats
    measured: NDArray[np.bool_]
    window: Times


def trace_of(played: Iterable[tuple[Segments, int]]) -> Trace:
    """Sequences one after the other, each some times over."""
    entries = list(played)
    lengths = np.concatenate([np.tile(s.times, loops) for s, loops in entries])
    stops = np.concatenate([np.tile(s.stop, loops) for s, loops in entries])
    measured = np.concatenate([np.tile(s.measured, loops) for s, loops in entries])
    windows = np.concatenate([np.tile(s.window, (loops, 1)) for s, loops in entries])
    times = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    volts = np.concatenate([entries[0][0].start[:1], stops])
    return Trace(times, volts, (windows + times[:-1, None])[measured])


@dataclass(frozen=True)
class Pulses:
    """Times between zero and zero of one cell's voltage, in order.

    Attributes:
        amplitudes: largest voltage of each, signed, V.
        widths: at half of it, ns.
        ends: when the voltage is gone, ns.
    """

    amplitudes: Floats
    widths: Floats
    ends: Times


def pulses_of(times: Times, volts: Floats) -> Pulses:
    """The pulses in a voltage.

    Args:
        times: of the corners, ns.
        volts: at the corners.
    """
    sign = np.sign(volts).astype(np.int64)
    begins = np.flatnonzero((sign != 0) & (np.r_[0, sign[:-1]] != sign))
    if not begins.size:
        return Pulses(np.empty(0), np.empty(0), np.empty(0, np.int64))
    size = np.abs(volts)
    peaks = np.maximum.reduceat(size, begins)
    group = np.searchsorted(begins, np.arange(volts.size), side="right") - 1
    inside = (group >= 0) & (sign == sign[begins][group])
    high = np.flatnonzero(inside & (size >= peaks[group] / 2))
    first = np.searchsorted(group[high], np.arange(begins.size))
    last = np.r_[first[1:], high.size] - 1
    half, direction = peaks / 2, sign[begins].astype(np.float64)
    left = _crossing(times, volts, high[first], -1, half, direction)
    right = _crossing(times, volts, high[last], 1, half, direction)
    corners = np.flatnonzero(inside)
    over = corners[np.searchsorted(corners, np.r_[begins[1:], volts.size]) - 1]
    amplitudes: Floats = direction * peaks
    widths: Floats = np.round(right - left, 3)
    return Pulses(amplitudes, widths, times[np.minimum(over + 1, times.size - 1)])


def _crossing(
    times: Times, volts: Floats, near: Times, step: int, half: Floats, direction: Floats
) -> Floats:
    """When the voltage crosses half its peak, between corner ``near`` and the next outside it."""
    far = np.clip(near + step, 0, times.size - 1)
    inner, outer = volts[near] * direction, volts[far] * direction
    drop = np.where(far == near, 1.0, inner - outer)
    share = np.where(far == near, 0.0, (inner - half) / drop)
    crossing: Floats = times[near] + share * (times[far] - times[near])
    return crossing
