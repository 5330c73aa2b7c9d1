from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.arrays import TorchArrays
from ohmloop.sim_backend.effects import Drift

from .conftest import twin_with

NU = np.float32(0.05)
READING = 0.002  # s, that one takes


def _drift() -> Drift:
    return Drift(NU, np.float32(1.0))


def test_a_power_law_of_the_time_since_the_last_pulse():
    twin = twin_with(_drift())
    twin.pulse(CellPulses(np.ones((3, 4), int)))
    g = twin.conductance
    np.testing.assert_allclose(twin.read(), g)  # up to `start` nothing is lost
    pulsed = twin.clock.now - READING
    twin.wait(1000.0)
    seen = twin.read()
    ratio = seen / g
    assert ratio.std() < 1e-9
    assert ratio[0, 0] == pytest.approx((twin.clock.now - pulsed) ** -0.05, rel=1e-6)
    np.testing.assert_array_equal(twin.conductance, g)


def test_a_pulse_starts_it_anew_in_its_own_cell_only():
    twin = twin_with(_drift())
    twin.wait(1e4)
    counts = np.zeros((3, 4), int)
    counts[1, 2] = 1
    twin.pulse(CellPulses(counts))
    ratio = twin.read() / twin.conductance
    assert ratio[1, 2] == pytest.approx(1)
    others = np.delete(ratio.ravel(), 6)
    np.testing.assert_allclose(others, 1e4**-0.05, rtol=1e-5)


def test_exponents_spread_over_cells():
    # H0: normal, cut at 3 sigma (0.0987), n = 10000: 0.7 % each, 5 of them. False alarm 1e-6.
    spec = PopulationSpec(drift_nu=0.05, drift_nu_dtod=0.1)
    (drift,) = sample(spec, (100, 100), np.random.default_rng(1)).effects
    assert drift.nu.mean() == pytest.approx(0.05, rel=0.005)
    assert drift.nu.std() / 0.05 == pytest.approx(0.0987, rel=0.036)
    assert drift.start[0, 0] == 1.0


def test_tensors_drift_alike():
    pytest.importorskip("torch")
    one, other = twin_with(_drift()), twin_with(_drift(), arrays=TorchArrays())
    for chip in (one, other):
        chip.pulse(CellPulses(np.eye(3, 4, dtype=int)))
        chip.wait(50.0)
    np.testing.assert_allclose(one.read(), other.read(), rtol=1e-12)
