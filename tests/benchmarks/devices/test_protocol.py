from __future__ import annotations

import numpy as np
import pytest
from benchmarks.devices.direct import BLOCK, FOLDS, folds
from benchmarks.devices.protocol import HeldOutErrors, mean_path, states_before
from benchmarks.devices.staircases import Device

from ohmloop.sim_backend.responses import SoftBounds

PULSES = 300


def cell(zero=0.0):
    return SoftBounds(*(np.array([v]) for v in (-1.0 - zero, 1.0 - zero, 0.02, 0.03)))


def train(way, first):
    g, found = np.array([first]), []
    for _ in range(PULSES):
        found.append(float(g[0]))
        g = g + (cell().q_up(g) if way > 0 else -cell().q_down(g))
    return np.array(found)


@pytest.fixture
def device():
    return Device("a cell", "1", train(1, -0.9)[None], train(-1, 0.9)[None])


def test_blocks_are_dealt_out_in_turn():
    fold = folds(7 * BLOCK)
    assert [fold[k * BLOCK] for k in range(7)] == [0, 1, 2, 3, 4, 0, 1]
    assert (fold.reshape(7, BLOCK) == fold[::BLOCK, None]).all()
    assert set(fold) == set(range(FOLDS))


@pytest.mark.parametrize("way", [1, -1])
def test_states_before_lead_to_where_they_should(way):
    states = train(way, -0.9 * way)
    back = states_before(cell(), states[40], 40, way)
    np.testing.assert_allclose(back, states[:40], atol=1e-7)


def test_before_what_no_state_leads_to_comes_the_bound():
    constant = SoftBounds(*(np.array([v]) for v in (-1.0, 1.0, 0.5, 0.5)))
    np.testing.assert_allclose(states_before(constant, -0.9, 3, 1), -1.0, atol=1e-9)


@pytest.mark.parametrize("fold", range(FOLDS))
def test_the_true_cell_predicts_all_that_was_hidden(device, fold):
    traj = device.trajectories()
    hidden = np.concatenate([folds(PULSES)] * 2) == fold
    path = mean_path(cell(device.middle), traj.without(hidden))
    np.testing.assert_allclose(path, traj.readings[:, 0], atol=1e-3 * device.range)


def test_a_train_starts_anew_about_the_middle(device):
    traj = device.trajectories()
    assert np.flatnonzero(traj.starts).tolist() == [0, PULSES]
    assert traj.readings[0, 0] == pytest.approx(-0.9 - device.middle)
    assert (np.sign(traj.pulses[:, 0]) == np.repeat([1, -1], PULSES)).all()


def test_errors_of_each_direction_and_how_many_intervals_hold():
    errors = np.array([1.0, -1.0, 3.0, 4.0])
    found = HeldOutErrors(
        errors, np.array([1.0, 0.1, 2.0, 2.0]), 2 * errors, np.array([1, 1, -1, -1])
    )
    assert found.rmse(found.held_out, 1) == pytest.approx(1.0)
    assert found.rmse(found.path, -1) == pytest.approx(2 * np.sqrt(12.5))
    assert found.coverage == pytest.approx(0.5)
