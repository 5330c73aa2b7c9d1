from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.analysis.lattice import lattice, staircase

RAMPS = [np.linspace(-1, 1, 129) * zoom for zoom in (1, 1 / 8, 1 / 64)]


def test_steps_are_told_though_the_range_lies_beyond_the_ramp():
    rng = np.random.default_rng(1)
    step = 0.0173
    ramps = [
        (x, 3e-5 * step * np.round(x / step) + 1e-8 * rng.standard_normal(x.size)) for x in RAMPS
    ]
    found = staircase(ramps)
    assert found.step == pytest.approx(step, abs=3 * found.step_stderr)
    assert found.step_stderr < 0.01 * step
    assert np.isnan(found.range)
    assert np.isnan(found.bits)
    assert found.most == 1


def test_noise_alone_is_neither_steps_nor_a_plateau():
    # H0: a straight line. A gain of 20 in twice the log likelihood has a chance of about 1e-5 for
    # a step, and of those tried some hundred are independent: 2 of 20 ramps with 2e-4.
    rng = np.random.default_rng(2)
    found = [
        staircase([(x, x + 0.02 * rng.standard_normal(x.size)) for x in RAMPS]) for _ in range(20)
    ]
    assert sum(np.isfinite(f.step) for f in found) < 2
    assert sum(np.isfinite(f.range) for f in found) < 2


def test_values_of_a_lattice_give_its_step_and_those_of_none_do_not():
    rng = np.random.default_rng(3)
    current = np.clip(rng.normal(0, 3e-6, 4000), -5e-6, 5e-6)
    step = 5e-6 / 31
    found = lattice(step * np.round(current / step))
    assert found.step == pytest.approx(step, rel=1e-6)
    assert (found.bits, found.range) == (6, pytest.approx(5e-6))
    assert np.isnan(lattice(rng.normal(0, 3e-6, 4000)).step)
    assert np.isnan(lattice(np.zeros(10)).step)
