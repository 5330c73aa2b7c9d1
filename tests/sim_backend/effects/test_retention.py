from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses
from ohmloop.sim_backend.arrays import TorchArrays
from ohmloop.sim_backend.effects import Retention

from .conftest import twin_with

REST = 3e-5


def _retention(lifetime=10.0) -> Retention:
    return Retention(np.float32(lifetime), np.float32(REST))


def test_a_state_relaxes_to_where_it_rests():
    twin = twin_with(_retention())
    start = twin.conductance
    twin.wait(10.0 - 0.002)
    np.testing.assert_allclose(twin.read() - REST, (start - REST) / np.e, rtol=1e-6, atol=1e-12)
    twin.wait(1e4)
    np.testing.assert_allclose(twin.read(), REST, rtol=1e-6)


def test_the_next_pulse_starts_from_what_is_left():
    twin = twin_with(_retention(), dg_std=0.0)
    twin.wait(1e6)
    counts = np.zeros((3, 4), int)
    counts[0, 1] = 1
    twin.pulse(CellPulses(counts))
    cells = twin.cells.population.response
    step = cells.q_up(np.full((3, 4), REST))[0, 1]
    assert twin.conductance[0, 1] == pytest.approx(REST + step, rel=1e-6)
    np.testing.assert_allclose(np.delete(twin.read().ravel(), 1), REST, rtol=1e-6)


def test_cells_that_get_no_pulse_go_on_relaxing_between_short_steps():
    # Each of a thousand steps loses less than single precision can tell.
    twin = twin_with(_retention(1e6))
    start, counts = twin.conductance, np.zeros((3, 4), int)
    counts[2, 3] = 1
    for k in range(1000):
        twin.wait(1000.0 if k == 0 else 1e-3)
        twin.pulse(CellPulses(counts))
    age = twin.clock.now + 0.002
    left = (twin.read() - REST) / (start - REST)
    np.testing.assert_allclose(np.delete(left.ravel(), 11), np.exp(-age / 1e6), rtol=1e-6)


def test_stuck_cells_keep_their_state():
    from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

    keys = {"retention_lifetime": "1 s", "retention_rest": "30 uS", "stuck_high": [[0, 0]]}
    cells = sample(PopulationSpec(**keys, read_std=0.0), (2, 2), np.random.default_rng(1))
    twin = TwinCrossbar(cells, seed=1)
    twin.wait(1e3)
    assert twin.read()[0, 0] == pytest.approx(cells.g_max[0, 0])
    assert twin.read()[1, 1] == pytest.approx(REST)


def test_tensors_relax_alike():
    pytest.importorskip("torch")
    one, other = twin_with(_retention()), twin_with(_retention(), arrays=TorchArrays())
    for chip in (one, other):
        for _ in range(3):
            chip.wait(1.0)
            chip.pulse(CellPulses(np.eye(3, 4, dtype=int)))
    np.testing.assert_allclose(one.read(), other.read(), rtol=1e-6)
