from __future__ import annotations

import numpy as np
import pytest

from ohmloop.sim_backend.arrays import TorchArrays
from ohmloop.sim_backend.effects import Flicker

from .conftest import twin_with


def _flicker(std=0.02, shortest=1e-3, longest=1e3) -> Flicker:
    return Flicker(*(np.full(1, v) for v in (std, shortest, longest)))


def test_traps_cover_the_range_a_factor_of_5_apart_at_most():
    assert _flicker().traps == 10  # 5^9 = 2e6
    assert _flicker(longest=1e-3).traps == 2


def test_power_falls_as_1_over_f_over_two_decades(traces):
    # H0: slope -1. Mean of 24 periodograms in 16 bands of a geometric grid from 0.1 to 10 Hz, read
    # so fast (500 Hz) that nothing folds back. The slope's standard error is 0.025 (12 traces, 20
    # seeds: 0.036, mean -0.987); 0.15 is 5 of them and that bias: false alarm below 1e-6.
    dt, n = 0.002, 16384
    g = traces(_flicker(), 24, np.arange(n) * dt) - 1
    window = np.hanning(n)
    power = (np.abs(np.fft.rfft(g * window)) ** 2).mean(axis=0)
    frequency = np.fft.rfftfreq(n, dt)
    edges = np.geomspace(0.1, 10, 17)
    where = np.digitize(frequency, edges)
    bands = [k for k in range(1, 17) if (where == k).any()]
    level = [np.log(power[where == k].mean()) for k in bands]
    middle = [np.log(frequency[where == k].mean()) for k in bands]
    slope = np.polyfit(middle, level, 1)[0]
    assert slope == pytest.approx(-1, abs=0.15)


def test_it_is_as_large_as_given_over_all_of_its_frequencies(traces):
    # H0: spread over 20000 cells at one time 0.02; error 1/sqrt(2n) = 0.5 %, 5 of them.
    g = traces(_flicker(), 20_000, np.array([123.0]))
    assert g.std() == pytest.approx(0.02, rel=0.025)
    assert abs(g.mean() - 1) < 5 * 0.02 / np.sqrt(20_000)


def test_soon_after_a_reading_is_nearly_the_same_and_later_another():
    twin = twin_with(_flicker(), shape=(20, 20))
    first = twin.read() / twin.conductance
    twin.wait(1e-6)
    soon = twin.read() / twin.conductance
    twin.wait(1e6)
    late = twin.read() / twin.conductance
    assert (soon - first).std() < 0.6 * first.std() < (late - first).std()


def test_tensors_find_the_same_noise():
    pytest.importorskip("torch")
    one, other = twin_with(_flicker()), twin_with(_flicker(), arrays=TorchArrays())
    for chip in (one, other):
        chip.wait(0.123)
    np.testing.assert_allclose(one.read(), other.read(), rtol=1e-12)
