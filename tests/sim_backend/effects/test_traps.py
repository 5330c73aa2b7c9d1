from __future__ import annotations

import numpy as np
import pytest

from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.effects.traps import filled, filled_reference
from ohmloop.sim_backend.noise import TELEGRAPH, stream

N = 20_000
ARRAYS = NumpyArrays()


@pytest.mark.parametrize("now", [0.0, 1e-9, 0.37, 1e3, 1e9])
def test_compiled_traps_are_those_of_the_definition(now):
    rng = np.random.default_rng(1)
    traps, rate = np.arange(N), 10 ** rng.uniform(-3, 6, N)
    share, source = rng.random(N), stream(-5, TELEGRAPH)
    bins = (rate * now).astype(np.int64)
    until = rate * now - bins
    expected = filled_reference(source, traps, bins, until, share, ARRAYS)
    np.testing.assert_array_equal(filled(source, traps, rate, share, now, ARRAYS), expected)
    # H0: each is filled with the probability `share`: the mean to 0.5/sqrt(N) at most, 5 of them.
    assert abs((expected - share).mean()) < 2.5 / np.sqrt(N)


def test_states_are_forgotten_at_the_given_rate():
    # H0: correlation over a time t is exp(-rate t), n = 20000 traps filled half the time: standard
    # error up to 1/sqrt(n) = 0.007; 5 of them, false alarm below 1e-6 each.
    traps, source = np.arange(N), stream(1, TELEGRAPH)
    rate, half = np.full(N, 3.0), np.full(N, 0.5)
    states = [2 * filled(source, traps, rate, half, t, ARRAYS) - 1 for t in (5.0, 5.1, 5.5, 7.0)]
    for later, lag in zip(states[1:], (0.1, 0.5, 2.0), strict=True):
        assert (states[0] * later).mean() == pytest.approx(np.exp(-3 * lag), abs=0.036)
