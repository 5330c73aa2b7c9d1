from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ohmloop.sim_backend.arrays import TorchArrays
from ohmloop.sim_backend.effects import Telegraph

from .conftest import twin_with


def _telegraph(amplitude=0.2, filled=0.01, empty=0.03) -> Telegraph:
    return Telegraph(*(np.full(1, v) for v in (amplitude, filled, empty)))


def test_two_levels_with_the_given_shares(traces):
    # H0: filled for a quarter of the time; traces of 20 s have 20/0.0075 independent states each,
    # 32 of them: standard error 0.433/sqrt(85000) = 0.0015; 5 of them, false alarm below 1e-6.
    g = traces(_telegraph(), 32, np.arange(0, 20, 0.005))
    assert set(np.unique(g)) == {0.8, 1.0}
    assert (g < 1).mean() == pytest.approx(0.25, abs=0.0075)


@pytest.mark.parametrize(("level", "dwell"), [(1, 0.01), (0, 0.03)])
def test_dwell_times_are_exponential(traces, level, dwell):
    # H0: times in a level are exponential of the given mean (sampled at 0.2 ms, 1/50 of it). About
    # 16 x 5/0.04 = 2000 of them: mean to 1/sqrt(2000), share beyond the mean 1/e to
    # sqrt(0.233/2000) = 0.011; 5 of each and the sampling's 2 %. False alarm below 1e-6.
    g = traces(_telegraph(), 16, np.arange(0, 5, 2e-4))
    times = []
    for trace in (g < 1).astype(int):
        turns = np.flatnonzero(np.diff(trace)) + 1
        times += [b - a for a, b in pairwise(turns) if trace[a] == level]
    times = np.array(times) * 2e-4
    assert times.mean() == pytest.approx(dwell, rel=0.13)
    assert (times > dwell).mean() == pytest.approx(np.exp(-1), abs=0.065)


def test_spectrum_is_a_lorentzian_with_its_corner_where_the_rates_say(traces):
    # H0: power falls to a half at f = (1/0.01 + 1/0.03)/(2 pi) = 21.2 Hz (Machlup 1954). Ratios of
    # bands' means are off by 2.7 % (20 seeds), and by 3 % at most for folding back; 0.13 is 4 of
    # the first and the second: false alarm 1e-4 a band.
    dt, n = 5e-4, 4096
    g = traces(_telegraph(), 256, np.arange(n) * dt)
    power = (np.abs(np.fft.rfft(g - g.mean())) ** 2).mean(axis=0)
    frequency = np.fft.rfftfreq(n, dt)
    corner = (1 / 0.01 + 1 / 0.03) / (2 * np.pi)
    band = [power[(frequency > f - 5) & (frequency < f + 5)].mean() for f in (6.0, corner, 100.0)]
    shape = [1 / (1 + (f / corner) ** 2) for f in (6.0, corner, 100.0)]
    ratios = np.array(band) / np.array(shape)
    np.testing.assert_allclose(ratios / ratios[1], 1, atol=0.13)


def test_traps_of_cells_and_seeds_are_independent(traces):
    # H0: correlations are 0 +- 1/sqrt(20/0.0075) = 0.02; 5 of them.
    times = np.arange(0, 20, 0.0075)
    g = traces(_telegraph(), 4, times)
    other = traces(_telegraph(), 4, times, seed=2)
    found = np.corrcoef(np.vstack([g, other])) - np.eye(8)
    assert np.abs(found).max() < 0.1


def test_readings_depend_on_the_time_and_not_on_how_often_one_looked():
    one, other = (twin_with(_telegraph(), shape=(8, 8)) for _ in range(2))
    for _ in range(5):
        one.wait(0.01)
        before = one.read()
    other.wait(one.clock.now - 0.002)  # a reading takes 2 ms itself
    np.testing.assert_array_equal(other.read(), before)
    assert other.clock.ns == one.clock.ns
    one.wait(10)
    assert (one.read() != before).any()


def test_only_a_share_of_cells_has_a_trap():
    # H0: binomial, n = 2500, p = 0.3: 0.0092; 5 of them, false alarm below 1e-6.
    keys = {"telegraph_filled": "10 ms", "telegraph_empty": "1 ms", "telegraph_share": 0.3}
    from ohmloop.sim_backend import PopulationSpec, sample

    spec = PopulationSpec(telegraph_amplitude=0.1, telegraph_amplitude_dtod=0.5, **keys)
    (effect,) = sample(spec, (50, 50), np.random.default_rng(1)).effects
    assert (effect.amplitude > 0).mean() == pytest.approx(0.3, abs=0.046)
    assert np.log(effect.amplitude[effect.amplitude > 0]).std() == pytest.approx(0.5, rel=0.13)


def test_tensors_find_the_same_traps_filled():
    pytest.importorskip("torch")
    one, other = twin_with(_telegraph()), twin_with(_telegraph(), arrays=TorchArrays())
    for chip in (one, other):
        chip.wait(0.123)
    np.testing.assert_array_equal(one.read(), other.read())
