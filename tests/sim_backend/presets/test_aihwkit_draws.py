"""The law by which cells are drawn, by its moments.

H0 everywhere: the moment is that of the law. Bounds are 5 standard errors, so each has a
false-alarm rate of 6e-7.
"""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.sim_backend.presets.aihwkit_draws import draw_cells
from ohmloop.sim_backend.presets.devices import ConstantDevice, LinearDevice, PowerDevice

SHAPE = (200, 200)
N = 40_000


def _cells(shape=SHAPE, seed=1, **figures):
    device = ConstantDevice(model="constant-step", **{"dw_min": 0.01, **figures})
    return draw_cells(device, shape, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("up_down", "up", "down"), [(0.0, 1.0, 1.0), (0.2, 1.0, 0.8), (-0.2, 0.8, 1.0)]
)
def test_up_down_lessens_one_direction_and_leaves_the_other(up_down, up, down):
    cells = _cells(up_down=up_down)
    assert cells.scale_up == pytest.approx(0.01 * up)
    assert cells.scale_down == pytest.approx(0.01 * down)


def test_gain_is_common_to_both_directions_and_r_opposite():
    cells = _cells(dw_min_dtod=0.1, up_down_dtod=0.05)
    up, down = cells.scale_up / 0.01, cells.scale_down / 0.01
    for steps in (up, down):
        assert steps.mean() == pytest.approx(1, abs=5 * np.hypot(0.1, 0.05) / np.sqrt(N))
        assert steps.std() == pytest.approx(np.hypot(0.1, 0.05), rel=5 / np.sqrt(2 * N))
    assert ((up + down) / 2).std() == pytest.approx(0.1, rel=5 / np.sqrt(2 * N))
    assert ((up - down) / 2).std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * N))


def test_log_normal_gain():
    logs = np.log(_cells(dw_min_dtod=0.7, dw_min_dtod_log_normal=True).scale_up / 0.01)
    assert logs.mean() == pytest.approx(0, abs=5 * 0.7 / np.sqrt(N))
    assert logs.std() == pytest.approx(0.7, rel=5 / np.sqrt(2 * N))


def test_bounds_are_spread_relative_to_themselves_and_keep_their_sides():
    cells = _cells(w_max=2.0, w_min=-0.5, w_max_dtod=0.1, w_min_dtod=0.2)
    assert cells.b_max.mean() == pytest.approx(2, abs=5 * 0.2 / np.sqrt(N))
    assert cells.b_max.std() == pytest.approx(0.2, rel=5 / np.sqrt(2 * N))
    assert cells.b_min.std() == pytest.approx(0.1, rel=5 / np.sqrt(2 * N))
    wide = _cells(w_max_dtod=2.0, w_min_dtod=2.0, dw_min_dtod=2.0)
    assert wide.b_max.min() >= 0 >= wide.b_min.max()
    assert wide.scale_up.min() >= 0


def test_what_is_not_spread_stays_one_number():
    cells = _cells()
    assert (cells.b_min, cells.b_max, cells.scale_up) == (-1.0, 1.0, 0.01)


def test_cells_of_one_array_are_drawn_each_by_itself():
    gain = _cells(dw_min_dtod=0.1).scale_up
    gain = gain - gain.mean()
    for neighbour in (gain[:, 1:] * gain[:, :-1], gain[1:] * gain[:-1]):
        assert abs(neighbour.mean() / gain.var()) < 5 / np.sqrt(neighbour.size)


def test_slopes_of_linear_steps_count_by_size():
    device = LinearDevice(
        model="linear-step", dw_min=0.01, gamma_up=0.05, gamma_up_dtod=0.05, gamma_down=0.1
    )
    rng = np.random.default_rng(2)
    response = device.response(draw_cells(device, SHAPE, rng), SHAPE, rng)
    gamma = response.slope_up / 0.01
    # |N(m, m^2)| has mean m (2 pdf(1) + 2 cdf(1) - 1) = 1.166630 m and E x^2 = 2 m^2.
    mean = 0.05 * 1.166630
    assert gamma.mean() == pytest.approx(mean, abs=5 * np.sqrt((2 * 0.05**2 - mean**2) / N))
    assert response.slope_down == pytest.approx(0.001)


def test_exponents_of_power_steps_lessen_one_direction():
    device = PowerDevice(model="power-step", dw_min=0.01, gamma=2.0, gamma_up_down=0.25)
    rng = np.random.default_rng(2)
    response = device.response(draw_cells(device, (), rng), (), rng)
    assert (response.gamma_up, response.gamma_down) == (2.0, 1.5)
