import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.sim_backend.responses import PowerStep, SoftBounds

W = np.linspace(-0.8, 0.8, 9)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 3.0, 4.0])
def test_given_at_mid_range_it_is_equation_148(gamma):
    """arXiv 2502.06309: (1 -+ w/tau)^gamma, 1 at weight 0."""
    cell = PowerStep.with_step_at_middle(-0.8, 0.8, 1e-3, 1e-3, gamma, gamma)
    assert cell.q_up(W) == pytest.approx(1e-3 * (1 - W / 0.8) ** gamma)
    assert cell.q_down(W) == pytest.approx(1e-3 * (1 + W / 0.8) ** gamma)
    assert cell.symmetric_point == pytest.approx(0, abs=1e-15)
    assert cell.dg_min == pytest.approx(1e-3)


def test_given_at_the_bound_it_is_the_pow_step_device():
    """aihwkit: ((b_max - w)/(b_max - b_min))^gamma_up, and 1 less that to gamma_down."""
    cell = PowerStep.with_step_at_bound(-0.8, 0.8, 1e-3, 2e-3, 1.5, 2.5)
    share = (0.8 - W) / 1.6
    assert cell.q_up(W) == pytest.approx(1e-3 * share**1.5)
    assert cell.q_down(W) == pytest.approx(2e-3 * (1 - share) ** 2.5)


@pytest.mark.parametrize(("gamma", "ratio"), [(1.0, 2.0), (3.0, 8.0), (4.0, 16.0)])
def test_normalisations_differ_by_two_to_the_gamma(gamma, ratio):
    middle = PowerStep.with_step_at_middle(-1.0, 1.0, 1e-3, 1e-3, gamma, gamma)
    bound = PowerStep.with_step_at_bound(-1.0, 1.0, 1e-3, 1e-3, gamma, gamma)
    assert middle.q_up(0.3) / bound.q_up(0.3) == pytest.approx(ratio)
    assert middle.dg_min / bound.dg_min == pytest.approx(ratio)
    assert bound.states / middle.states == pytest.approx(ratio)


@given(st.floats(-2, 1))
def test_power_one_is_soft_bounds(g):
    soft, power = SoftBounds(-2.0, 1.0, 0.02, 0.04), PowerStep(-2.0, 1.0, 0.06, 0.12, 1.0, 1.0)
    assert power.q_up(g) == pytest.approx(soft.q_up(g), abs=1e-15)
    assert power.q_down(g) == pytest.approx(soft.q_down(g), abs=1e-15)
    assert power.symmetric_point == pytest.approx(soft.symmetric_point, rel=1e-12)


def test_power_nothing_is_constant_up_to_the_bound():
    cell = PowerStep(0.0, 1.0, 0.1, 0.1, 0.0, 0.0)
    assert cell.q_up(1.0) == 0.1
    assert cell.symmetric_point == 0.5
