from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.analysis.periodogram import bands, pieces
from ohmloop.calibration.analysis.spectrum import STANDS_OUT, apparent_slope, fit_spectrum
from ohmloop.drivers import BadInputError


def _white(n, cells, std=0.01, seed=1):
    return 1e-5 * (1 + std * np.random.default_rng(seed).standard_normal((n, cells)))


def _coloured(n, cells, alpha, seed=2):
    """1/f noise by its spectrum, part of a series four times as long."""
    rng = np.random.default_rng(seed)
    f = np.fft.rfftfreq(4 * n)
    f[0] = np.inf
    parts = rng.standard_normal((2, f.size, cells)) * f[:, None] ** (-alpha / 2)
    series = np.fft.irfft(parts[0] + 1j * parts[1], axis=0)[:n]
    return series / series.std()


def test_the_spectrum_adds_up_to_the_variance():
    # H0: relative variance 1e-4 over 128 frequencies and 50 cells: 1/sqrt(6400) = 1.3 %, a half
    # more for tapering; 5 of them.
    found = bands(_white(256, 50), np.arange(256) * 0.1)
    assert found.power.mean() * 5.0 == pytest.approx(1e-4, rel=0.08)


def test_white_noise_seldom_has_a_coloured_part():
    # H0: fewer than 1 of 1,000 cells; 7 or more of 1,500 at that rate with a chance of 1e-3.
    fit = fit_spectrum(bands(_white(96, 1500), np.arange(96) * 0.1))
    assert (fit.significance > STANDS_OUT).sum() < 7


@pytest.mark.parametrize("alpha", [0.8, 1.3])
def test_exponent_and_white_part_lie_within_their_errors(alpha):
    # H0: 4 standard errors, false alarm 6e-5.
    series = 1 + 0.01 * np.random.default_rng(4).standard_normal((512, 60))
    fit = fit_spectrum(bands(series + 0.01 * _coloured(512, 60, alpha), np.arange(512) * 0.1))
    assert abs(fit.alpha - alpha) < 4 * fit.alpha_stderr
    assert fit.alpha_stderr < 0.06
    truth = 2 * 0.1 * 1e-4
    assert np.mean(np.abs(fit.white - truth) < 1.96 * fit.white_stderr) > 0.8


def test_the_whole_slope_of_white_noise_is_none():
    # H0: 0 within 4.5 standard errors, 20 cells.
    slope, error = apparent_slope(bands(_white(512, 20), np.arange(512) * 0.1))
    assert (np.abs(slope) < 4.5 * error).all()


def test_times_that_do_not_ascend_are_refused():
    with pytest.raises(BadInputError, match="do not ascend"):
        pieces(np.array([0.0, 1.0, 1.0, 2.0]))


def test_too_short_pieces_are_refused():
    with pytest.raises(BadInputError, match="the longest series has 5"):
        pieces(np.array([0, 1, 2, 3, 4, 100, 101, 102.0]))


def test_a_dead_cell_has_no_spectrum():
    series = _white(64, 3)
    series[:, 1] = 0
    fit = fit_spectrum(bands(series, np.arange(64) * 0.1))
    assert np.isnan(fit.white[1])
    assert np.isfinite(fit.white[[0, 2]]).all()
