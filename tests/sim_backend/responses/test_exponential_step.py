import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.sim_backend.responses import ExponentialStep, SoftBounds

W = np.linspace(-0.8, 0.8, 9)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 4.0])
def test_is_equation_149(gamma):
    """arXiv 2502.06309: (e^(gamma (1 -+ w/tau)) - 1)/(e^gamma - 1), 1 at weight 0."""
    cell = ExponentialStep.with_step_at_middle(-0.8, 0.8, 1e-3, 1e-3, gamma, gamma)
    scale = 1e-3 / (np.exp(gamma) - 1)
    assert cell.q_up(W) == pytest.approx(scale * (np.exp(gamma * (1 - W / 0.8)) - 1))
    assert cell.q_down(W) == pytest.approx(scale * (np.exp(gamma * (1 + W / 0.8)) - 1))
    assert cell.symmetric_point == pytest.approx(0, abs=1e-15)
    assert cell.dg_min == pytest.approx(1e-3)


@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_saturating_is_that_of_appendix_c(gamma):
    """arXiv 2406.12774: 1 - e^(-gamma (tau_max - w)/range)."""
    cell = ExponentialStep.saturating(-0.5, 0.8, 1e-3, 2e-3, gamma, 2 * gamma)
    g = np.linspace(-0.5, 0.8, 7)
    assert cell.q_up(g) == pytest.approx(1e-3 * (1 - np.exp(-gamma * (0.8 - g) / 1.3)))
    assert cell.q_down(g) == pytest.approx(2e-3 * (1 - np.exp(-2 * gamma * (g + 0.5) / 1.3)))


@given(st.floats(-1, 1), st.sampled_from([0.0, 1e-9, -1e-9]))
def test_rate_nothing_is_soft_bounds(g, rate):
    soft, cell = SoftBounds(-1.0, 1.0, 0.01, 0.02), ExponentialStep(-1, 1, 0.01, 0.02, rate, rate)
    assert cell.q_up(g) == pytest.approx(soft.q_up(g), abs=1e-9)
    assert cell.q_down(g) == pytest.approx(soft.q_down(g), abs=1e-9)
    assert cell.symmetric_point == pytest.approx(soft.symmetric_point, abs=1e-7)
