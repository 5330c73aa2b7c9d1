import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import ConstantStep, LinearStep, SoftBounds


def _step_device(w, b_min, b_max, scale_up, scale_down, gamma_up, gamma_down):
    """Step sizes as aihwkit's documentation of LinearStepDevice gives them, own bounds."""
    return scale_up * (1 - gamma_up * w / b_max), scale_down * (1 - gamma_down * w / b_min)


devices = st.tuples(
    st.floats(-1.2, -0.6), st.floats(0.6, 1.2), st.floats(1e-3, 1e-2), st.floats(1e-3, 1e-2),
    st.floats(0, 0.9), st.floats(0, 0.9),
)  # fmt: skip


@given(st.floats(-0.6, 0.6), devices)
def test_is_the_linear_step_device(w, device):
    cell = LinearStep.from_aihwkit(*device)
    up, down = _step_device(w, *device)
    assert cell.q_up(w) == pytest.approx(up, rel=1e-9)
    assert cell.q_down(w) == pytest.approx(down, rel=1e-9)


def test_slopes_may_relate_to_mean_bounds():
    """aihwkit's EcRam preset (Tang et al. 2018), a cell with bounds of its own."""
    cell = LinearStep.from_aihwkit(-0.9, 1.0, 0.002, 0.002, 0.1153, 0.5085, -0.8276, 1.1724)
    assert cell.q_up(0.5) == pytest.approx(0.002 * (1 - 0.1153 * 0.5 / 1.1724))
    assert cell.q_down(-0.5) == pytest.approx(0.002 * (1 - 0.5085 * 0.5 / 0.8276))


@given(st.floats(0.005, 0.5), st.floats(0.005, 0.5), st.floats(-2, 1))
def test_lines_that_end_at_the_bounds_are_soft_bounds(up, down, g):
    line = LinearStep(-2.0, 1.0, 3 * up, 3 * down, up, down)
    soft = SoftBounds(-2.0, 1.0, up, down)
    assert line.q_up(g) == pytest.approx(soft.q_up(g), abs=1e-12)
    assert line.symmetric_point == pytest.approx(soft.symmetric_point, abs=1e-9)
    assert line.after(g, 7, 5) == pytest.approx(soft.after(g, 7, 5), abs=1e-9)


def test_without_slopes_it_is_the_constant_step():
    line, constant = LinearStep(0.0, 1.0, 0.1, 0.1, 0.0, 0.0), ConstantStep(0.0, 1.0, 0.1, 0.1)
    assert line.after(0.2, 3, 1) == constant.after(0.2, 3, 1)
    assert line.symmetric_point == constant.symmetric_point == 0.5


def test_steps_may_grow():
    cell = LinearStep(0.0, 1.0, 0.1, 0.1, -0.5, -0.5)
    assert cell.q_up(1.0) == pytest.approx(0.6)
    assert cell.symmetric_point == pytest.approx(0.5)
    assert cell.after(0.0, 3) == pytest.approx(0.475)
    assert cell.after(0.0, 10**6) == 1.0


def test_steps_that_end_before_the_bound_stay_at_nothing():
    cell = LinearStep(0.0, 1.0, 0.1, 0.1, 0.2, 0.2)
    assert cell.q_up(0.8) == 0.0
    assert cell.after(0.8, 5) == 0.8
    assert cell.after(0.0, 10**6) == pytest.approx(0.5)
    assert cell.symmetric_point == pytest.approx(0.5)


def test_parallel_lines_meet_everywhere_or_never():
    assert LinearStep(0.0, 1.0, 0.1, 0.0, 0.1, -0.1).symmetric_point == 0.5
    assert np.isnan(LinearStep(0.0, 1.0, 0.1, 0.2, 0.1, -0.1).symmetric_point)


def test_a_step_beyond_its_goal_is_refused():
    with pytest.raises(BadInputError, match=r"slope_up is 1\.2; it must be at most 1"):
        LinearStep(0.0, 1.0, 0.1, 0.1, 1.2, 0.1).checked()
    with pytest.raises(BadInputError, match=r"step_down is -0\.1; it must not be negative"):
        LinearStep(0.0, 1.0, 0.1, -0.1, 0.2, 0.1).checked()
