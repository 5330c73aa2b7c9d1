"""The filter against brute force, and closed forms against stepping."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.kalman import Cells, log_likelihood, prediction_errors, pulsed
from ohmloop.drivers import CellPulses
from ohmloop.sim_backend.responses import SoftBounds

CELL = Cells(*(np.array([v]) for v in (5e-6, 60e-6, 0.03, 0.02, 0.4, 0.01)))


@pytest.mark.parametrize(("up", "down"), [(1, 0), (7, 0), (0, 9), (12, 5)])
def test_after_is_stepping(up, down):
    response = SoftBounds(5e-6, 60e-6, 0.03, 0.02)
    g = 20e-6
    for _ in range(up):
        g += response.slope_up * (response.g_max - g)
    for _ in range(down):
        g -= response.slope_down * (g - response.g_min)
    assert response.after(20e-6, up, down) == pytest.approx(g, rel=1e-12)


@pytest.mark.parametrize("count", [1, 6, -6])
def test_moments_are_those_of_many_cells(count):
    many, rng = 40_000, np.random.default_rng(2)
    g = rng.normal(25e-6, 1e-6, many)
    bound, slope = (60e-6, 0.03) if count > 0 else (5e-6, 0.02)
    for _ in range(abs(count)):
        g += (bound - g) * slope * (1 + 0.4 * rng.standard_normal(many))
    mean, variance = pulsed(CELL, np.array([25e-6]), np.array([1e-12]), np.array([count]))
    assert mean[0] == pytest.approx(g.mean(), abs=5 * g.std() / many**0.5)
    assert variance[0] == pytest.approx(g.var(), rel=5 * (2 / many) ** 0.5)


def test_errors_of_the_truth_are_white(make_chip, make_cells):
    chip = make_chip(make_cells(2, (20, 20)))
    counts = np.array([0, 0, 4, 4, 4, 4, -4, -4, -4, -4])
    readings = []
    for n in counts:
        chip.pulse(CellPulses(np.full(chip.shape, n)))
        readings.append(chip.read().ravel())
    pulses = np.repeat(counts[:, None], 400, axis=1)
    truth = chip.cells.population
    noise = (truth.dg_std.ravel(), truth.read_std.ravel())
    cells = Cells(*truth.flat_parameters(), *noise)
    errors, variances = prediction_errors(cells, np.array(readings), pulses)
    z = errors / np.sqrt(variances)
    assert (z**2).mean() == pytest.approx(1, abs=5 * (2 / z.size) ** 0.5)
    assert (z[1:] * z[:-1]).mean() == pytest.approx(0, abs=5 / z[1:].size ** 0.5)


def test_a_step_not_read_adds_nothing():
    readings = np.array([[20e-6], [np.nan], [22e-6]])
    split, whole = np.array([[0], [2], [3]]), np.array([[0], [5]])
    one = log_likelihood(*prediction_errors(CELL, readings, split))
    two = log_likelihood(*prediction_errors(CELL, readings[[0, 2]], whole))
    np.testing.assert_allclose(one, two, rtol=1e-12)
