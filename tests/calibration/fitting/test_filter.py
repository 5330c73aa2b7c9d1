"""The filter against brute force, the compiled one against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.fitting import Trajectories
from ohmloop.calibration.fitting.entries import filter_of
from ohmloop.calibration.fitting.reference import Noise, prediction_errors
from ohmloop.calibration.fitting.robust import CONSISTENCY, log_density, weight
from ohmloop.drivers import CellPulses
from ohmloop.sim_backend.responses import ConstantStep, NeuroSimStep, Piecewise, SoftBounds

NOTHING_HELD = np.zeros(3, bool)


def noise(cells, std=0.4, add=0.0, read=0.0):
    return Noise(*(np.full(cells, float(v)) for v in (std, add, read, 0.0)))


def moments(response, n, g0, **kw):
    """The forecast of a reading without noise after n pulses: its mean and variance."""
    traj = Trajectories(np.array([[g0], [0.0]]), np.array([[0], [n]]))
    flat = type(response)(*(np.array([float(v)]) for v in response.parameters()))
    errors, variances = prediction_errors(flat, noise(1, **kw), traj, NOTHING_HELD[:2])
    return -errors[0, 1], variances[0, 1]


@pytest.mark.parametrize("count", [1, 6, -6])
@pytest.mark.parametrize(
    ("response", "g0"),
    [
        (SoftBounds(5e-6, 60e-6, 0.03, 0.02), 25e-6),
        (ConstantStep(5e-6, 60e-6, 1e-6, 1e-6), 58e-6),
        (ConstantStep(5e-6, 60e-6, 1e-6, 1e-6), 6e-6),
    ],
)
def test_moments_are_those_of_many_cells(response, g0, count):
    """Exact for lines; where noise meets a bound, a normal is put for what is not one: to 10 %."""
    many, rng = 40_000, np.random.default_rng(2)
    g = np.full(many, g0)
    for _ in range(abs(count)):
        q = response.q_up(g) if count > 0 else -response.q_down(g)
        g = np.clip(g + q * (1 + 0.4 * rng.standard_normal(many)), 5e-6, 60e-6)
    mean, variance = moments(response, count, g0)
    assert mean == pytest.approx(g.mean(), abs=max(5 * g.std() / many**0.5, 0.03e-6))
    at_bound = isinstance(response, ConstantStep)
    assert variance**0.5 == pytest.approx(g.std(), rel=0.15 if at_bound else 0.02, abs=5e-8)


TABLE = np.array([2e-6, 1.5e-6, 1.2e-6, 0.4e-6])


@pytest.mark.parametrize("alike", [True, False])  # the same pulses side by side, or each its own
@pytest.mark.parametrize(
    ("response", "usual"),
    [
        (SoftBounds, (0.03, 0.02)),
        (NeuroSimStep, (60.0, 70.0, 1.2, -0.8)),  # by another law that is the same
        (Piecewise, (TABLE, TABLE[::-1])),
    ],
)
def test_compiled_is_the_definition(response, usual, alike):
    rng, cells, steps = np.random.default_rng(3), 37, 30
    pulses = rng.integers(-6, 7, (steps, 1 if alike else cells))
    starts = rng.random(steps) < 0.1
    lost = rng.random((steps, cells)) < 0.1
    lost[:, : cells // 2] = False  # so that some lanes are whole
    traj = Trajectories(
        np.where(lost, np.nan, rng.uniform(5e-6, 60e-6, (steps, cells))),
        np.broadcast_to(pulses, (steps, cells)),
        starts,
    )
    held = rng.random(steps) < 0.3
    size = 2 * cells
    values = [rng.uniform(0.9, 1.1, (size, *np.shape(v))) * v for v in (5e-6, 60e-6, *usual)]
    noises = noise(size, 0.4, 2e-8, 0.01)
    fast = filter_of(response)(values, noises, traj, held)
    plain = prediction_errors(response(*values), noises, traj, held)
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-18)


def test_errors_of_the_truth_are_white(make_chip, make_cells):
    chip = make_chip(make_cells(2, (20, 20)))
    counts = np.array([0, 0, 4, 4, 4, 4, -4, -4, -4, -4])
    readings = []
    for n in counts:
        chip.pulse(CellPulses(np.full(chip.shape, n)))
        readings.append(chip.read().ravel())
    truth = chip.cells.population
    values = [v.astype(float) for v in truth.flat_parameters()]
    noises = noise(400, 0.3, 0.0, 0.005)
    traj = Trajectories(np.array(readings), np.repeat(counts[:, None], 400, axis=1))
    errors, variances = filter_of(SoftBounds)(values, noises, traj, np.zeros(10, bool))
    z = (errors / np.sqrt(variances))[:, 1:]
    assert (z**2).mean() == pytest.approx(1, abs=5 * (2 / z.size) ** 0.5)
    assert (z[:, 1:] * z[:, :-1]).mean() == pytest.approx(0, abs=5 / z[:, 1:].size ** 0.5)


def test_a_step_not_read_adds_nothing():
    cell = [np.array([v]) for v in (5e-6, 60e-6, 0.03, 0.02)]
    split = Trajectories(np.array([[20e-6], [np.nan], [22e-6]]), np.array([[0], [2], [3]]))
    whole = Trajectories(np.array([[20e-6], [22e-6]]), np.array([[0], [5]]))
    one = filter_of(SoftBounds)(cell, noise(1), split, NOTHING_HELD)
    two = filter_of(SoftBounds)(cell, noise(1), whole, NOTHING_HELD[:2])
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a[0, 2], b[0, 1], rtol=1e-12)


def test_what_happened_before_a_start_does_not_matter():
    cell = [np.array([v]) for v in (5e-6, 60e-6, 0.03, 0.02)]
    readings, pulses = np.array([[20e-6], [50e-6], [51e-6]]), np.array([[0], [0], [2]])
    broken = Trajectories(readings, pulses, np.array([True, True, False]))
    errors, _ = filter_of(SoftBounds)(cell, noise(1, read=0.01), broken, NOTHING_HELD)
    assert errors[0, 1] == 0
    expected = 51e-6 - SoftBounds(5e-6, 60e-6, 0.03, 0.02).after(50e-6, 2)
    assert errors[0, 2] == pytest.approx(expected, rel=1e-9)


def test_the_likelihood_is_consistent_and_bounded():
    z = np.random.default_rng(1).standard_normal(1_000_000)
    assert (weight(z) * z**2).mean() == pytest.approx(CONSISTENCY, abs=5e-3)
    far = np.array([1e3, 1e6])
    np.testing.assert_allclose(weight(far) * far**2, 9.0)
    assert np.diff(log_density(far, np.ones(2))) == pytest.approx(-9 * np.log(1e3))


def test_a_path_that_runs_away_ends_nowhere():
    """Noise beyond all numbers: nan, and no table is read beside its nodes."""
    cell = [np.array([5e-6]), np.array([60e-6]), TABLE[None], TABLE[None]]
    readings, pulses = np.array([[20e-6], [22e-6], [23e-6]]), np.array([[0], [2], [2]])
    wild = Trajectories(readings, pulses)
    errors, _ = filter_of(Piecewise)(cell, noise(1, std=1e200), wild, NOTHING_HELD)
    assert errors[0, 0] == 0
    assert not np.isfinite(errors[0, 2])
