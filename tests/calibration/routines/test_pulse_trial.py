from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.routines.pulse_trial import Range, Trial, outcome
from ohmloop.drivers import PulseConditions, PulseShape

ANY = PulseConditions(PulseShape(1.0, 1e-3), PulseShape(-1.0, 1e-3), 1e-3)
LOW, HIGH, CELLS = 5e-6, 60e-6, 12
QUIET = np.full((5, CELLS), 30e-6)


def _trial(up: float, down: float, pulses: int, start: float = 30e-6, dg_std: float = 0.0):
    """Cells of soft bounds with these slopes."""
    rng = np.random.default_rng(1)
    g = np.full(CELLS, start)
    readings, signs = [g], [0]
    for sign, slope in ((1, up), (-1, down)):
        for _ in range(pulses):
            left = HIGH - g if sign > 0 else g - LOW
            g = g + sign * slope * left * (1 + dg_std * rng.standard_normal(CELLS))
            readings.append(g)
            signs.append(sign)
    return Trial(ANY, np.array(readings), np.array(signs))


def _within(*trials: Trial) -> Range:
    ends = Trial(ANY, np.array([[LOW] * CELLS, [HIGH] * CELLS]), np.array([0, 1]))
    return Range.of([ends, *trials], QUIET)


def test_steps_states_and_symmetry_of_known_cells():
    trial = _trial(0.02, 0.02, 60)
    found = outcome(trial, _within(trial))
    assert found.step_up == pytest.approx(0.02 * 27.5e-6, rel=0.1)
    assert found.step_down == pytest.approx(0.02 * 27.5e-6, rel=0.1)
    assert found.states == pytest.approx(100, rel=0.1)
    assert abs(found.asymmetry) < 0.05
    assert found.moved == 1
    assert found.noise_up < 0.05


def test_asymmetry_and_noise_are_those_that_were_planted():
    trial = _trial(0.03, 0.01, 60)
    assert outcome(trial, _within(trial)).asymmetry == pytest.approx(0.5, abs=0.06)
    noisy = _trial(0.02, 0.02, 200, dg_std=0.3)
    # H0: relative noise 0.3 of steps that vary by a factor over the train: within a third of it.
    assert outcome(noisy, _within(noisy)).noise_down == pytest.approx(0.3, abs=0.1)


def test_a_train_that_reaches_the_bound_is_told_from_one_that_does_not():
    weak, strong = _trial(0.001, 0.001, 20), _trial(0.5, 0.5, 20)
    one, other = outcome(weak, _within(weak)), outcome(strong, _within(strong))
    assert one.going_on_up > 0.9
    assert other.going_on_down < 0.05
    assert one.abruptness < 0.01
    assert other.abruptness > 0.3


def test_cells_that_do_not_move_are_said_so():
    still = _trial(0.0, 0.0, 10)
    found = outcome(still, _within(still))
    assert found.moved == 0
    assert found.states == np.inf
    assert np.isnan(found.asymmetry)
