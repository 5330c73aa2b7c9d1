import numpy as np
import pytest

from ohmloop.sim_backend.responses import ConstantStep


def test_a_pulse_is_worth_the_same_everywhere():
    cell = ConstantStep(0.0, 1.0, 0.1, 0.2)
    assert cell.q_up(np.array([0.0, 0.5, 1.0])).tolist() == [0.1, 0.1, 0.1]
    assert cell.q_down(np.array([0.0, 0.5, 1.0])).tolist() == [0.2, 0.2, 0.2]


def test_unequal_steps_never_meet():
    cell = ConstantStep(0.0, 1.0, 0.1, 0.2)
    assert np.isnan(cell.symmetric_point)
    assert cell.dg_min == pytest.approx(0.15)
    assert cell.states == pytest.approx(1 / 0.15)


def test_equal_steps_meet_everywhere_so_mid_range_stands_for_all():
    maps = ConstantStep(np.array([0.0, 2.0]), np.array([1.0, 4.0]), np.array([0.1, 0.3]), 0.1)
    assert maps.symmetric_point == pytest.approx([0.5, np.nan], nan_ok=True)


def test_pulses_end_at_the_hard_bounds():
    cell = ConstantStep(-1.0, 1.0, 0.3, 0.4)
    assert cell.after(0.0, 3) == pytest.approx(0.9)
    assert cell.after(0.0, 4) == 1.0
    assert cell.after(0.0, 10**9, 2) == pytest.approx(0.2)
    assert cell.after(0.0, 0, 10**9) == -1.0
