from __future__ import annotations

import numpy as np

from ohmloop.calibration.analysis.periodogram import pieces


def test_a_busy_host_leaves_pieces_that_are_long_enough():
    steps = np.ones(40)
    steps[::5] = 6.0  # every fifth reading comes late: no 8 in a row by the usual measure
    times = np.cumsum(steps)
    assert pieces(times) == [slice(0, 40)]
    steps[20] = 5000.0
    assert pieces(np.cumsum(steps)) == [slice(0, 20), slice(20, 40)]
