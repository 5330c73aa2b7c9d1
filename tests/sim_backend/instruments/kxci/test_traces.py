from __future__ import annotations

import numpy as np
import pytest

from ohmloop.sim_backend.instruments.kxci.traces import Segments, Trace, pulses_of, trace_of


def pulse(times, volts):
    found = pulses_of(np.array(times), np.array(volts))
    return found.amplitudes.tolist(), found.widths.tolist(), found.ends.tolist()


@pytest.mark.parametrize(
    ("times", "volts", "expected"),
    [
        # the width is that at half height: the top and one edge
        ([0, 100, 1000, 1100, 2000], [0, 1.5, 1.5, 0, 0], ([1.5], [1000], [1100])),
        ([0, 100, 1000, 1100, 2000], [0, -1.5, -1.5, 0, 0], ([-1.5], [1000], [1100])),
        # edges of different length
        ([0, 100, 500, 800], [0, 1, 1, 0], ([1], [600], [800])),
        # a shoulder below half height does not count, one above does
        ([0, 10, 20, 30, 40, 50], [0, 0.4, 1, 1, 0.4, 0], ([1], [26.667], [50])),
        ([0, 10, 20, 30, 40, 50], [0, 0.6, 1, 1, 0.6, 0], ([1], [33.333], [50])),
        # from one polarity straight to the other
        ([0, 10, 20, 30], [0, 1, -2, 0], ([1, -2], [6.667, 8.333], [20, 30])),
        # a touch of zero parts two pulses
        ([0, 10, 20, 30, 40], [0, 1, 0, 1, 0], ([1, 1], [10, 10], [20, 40])),
        # on from the start to the end
        ([0, 100], [1, 1], ([1], [100], [100])),
        ([0, 100], [0, 0], ([], [], [])),
    ],
)
def test_pulses_lie_between_zero_and_zero(times, volts, expected):
    assert pulse(times, volts) == expected


def test_many_pulses_at_once_are_those_one_by_one():
    rng = np.random.default_rng(0)
    volts, times, alone = [0.0], [0], []
    for _ in range(50):
        edge, top, rest = (rng.integers(2, 50, 3) * 10).tolist()
        v = float(rng.uniform(-2, 2))
        start = times[-1]
        times += [start + edge, start + edge + top, start + 2 * edge + top]
        times.append(times[-1] + rest)
        volts += [v, v, 0.0, 0.0]
        alone.append((v, edge + top, start + 2 * edge + top))
    amplitudes, widths, ends = pulse(times, volts)
    assert list(zip(amplitudes, widths, ends, strict=True)) == alone


def test_sequences_are_played_with_their_loops():
    times, volts = np.array([20, 80]), np.array([0.0, 1.0])
    window = np.array([[0, 0], [10, 80]])
    one = Segments(times, volts, np.array([1.0, 0.0]), np.array([False, True]), window)
    trace = trace_of([(one, 2), (one, 1)])
    assert trace.times.tolist() == [0, 20, 100, 120, 200, 220, 300]
    assert trace.volts.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert trace.windows.tolist() == [[30, 100], [130, 200], [230, 300]]


def test_a_channel_is_at_zero_before_and_after():
    trace = Trace(np.array([0, 10]), np.array([0.5, 0.5]), np.empty((0, 2), np.int64))
    assert trace.at(np.array([-1, 0, 5, 10, 11])).tolist() == [0, 0.5, 0.5, 0.5, 0]
