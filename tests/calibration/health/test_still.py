"""Noise of readings between pulses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ohmloop.calibration.health.still import ReadNoise, beside_usual, read_noise

CELLS = 2000
NO_STARTS = np.zeros(12, bool)


def noise_of(readings, pulses=None, starts=NO_STARTS):
    return read_noise(readings, np.zeros(readings.shape, int) if pulses is None else pulses, starts)


def test_squares_are_those_of_a_line_and_its_degrees_of_freedom():
    """Sums of squares are a chi square of 10 degrees of freedom (Kolmogorov, once in 1,000)."""
    rng = np.random.default_rng(1)
    readings = 5.0 + 0.3 * np.arange(12)[:, None] + 0.1 * rng.standard_normal((12, CELLS))
    found = noise_of(readings)
    assert (found.free == 10).all()
    assert stats.kstest(10 * (found.std / 0.1) ** 2, stats.chi2(10).cdf).pvalue > 1e-3
    assert found.level == pytest.approx(readings.mean(axis=0))


def test_stretches_end_at_pulses_and_starts_and_readings_may_be_missing():
    readings = np.tile(
        [1.0, 2.0, 3.0, 10.0, 11.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0], (2, 1)
    ).T
    readings[6, 1] = np.nan
    pulses, starts = np.zeros((12, 2), int), NO_STARTS.copy()
    pulses[3], starts[5] = 1, True
    found = noise_of(readings, pulses, starts)
    # about means 2 and 10.5: 2 and 0.5; of the last stretch a line leaves nothing
    np.testing.assert_array_equal(found.free, [2 + 1 + 5, 2 + 1 + 4])
    np.testing.assert_allclose(found.std, np.sqrt(2.5 / found.free))


def test_nothing_repeated_is_not_known():
    found = noise_of(np.ones((12, 1)), np.ones((12, 1), int))
    assert np.isnan(found.std[0])
    assert found.free[0] == 0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_usual_is_the_meters_noise_or_a_share_of_the_reading(share):
    rng = np.random.default_rng(2)
    level = rng.uniform(5, 60, 500)
    true = np.where(share, 0.005 * level, 0.15)
    true[0] *= 8
    std = true * np.sqrt(rng.chisquare(6, 500) / 6)
    beside = beside_usual(ReadNoise(std, np.full(500, 6.0), level), np.ones(500, bool))
    ratio = beside / np.median(beside)
    slope = np.polyfit(np.log(level[1:]), np.log(ratio[1:]), 1)[0]
    assert abs(slope) < 0.1  # dark and bright cells alike; 4 standard errors are 0.09
    assert ratio[0] == pytest.approx(std[0] / true[0] * 8, rel=0.3)
