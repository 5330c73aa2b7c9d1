import numpy as np
import pytest

from ohmloop.sim_backend.responses import ExponentialStep, OneMinusExpStep

DEFAULTS = (0.00081, 0.36833, 12.44625, 12.78785, 0.244, 0.2425)
"""A, gamma (up, down), a and b of aihwkit's ExpStepDevice, where nothing else is given."""


def _exp_step_device(w, b_min, b_max, a_up, a_down, gamma_up, gamma_down, a, b):
    z = 2 * a * w / (b_max - b_min) + b
    up, down = 1 - a_up * np.exp(gamma_up * z), 1 - a_down * np.exp(-gamma_down * z)
    return np.maximum(up, 0), np.maximum(down, 0)


@pytest.mark.parametrize(
    "device", [DEFAULTS, (-1.18445, -0.081404, 5.0, 5.0, -0.5, -0.5)], ids=["defaults", "ReRamES"]
)
def test_is_the_exp_step_device(device):
    cell = OneMinusExpStep(-0.6, 0.7, 2e-3, 1e-3, *device, 0.0)
    w = np.linspace(-0.6, 0.7, 27)
    up, down = _exp_step_device(w, -0.6, 0.7, *device)
    assert cell.q_up(w) == pytest.approx(2e-3 * up)
    assert cell.q_down(w) == pytest.approx(1e-3 * down)


def test_steps_end_where_the_exponential_takes_all():
    cell = OneMinusExpStep(-1.0, 1.0, 1e-3, 1e-3, 1.0, 1.0, 4.0, 4.0, 1.0, -0.5, 0.0)
    assert cell.q_up(0.6) == 0.0
    assert cell.q_up(0.4) > 0.0
    assert cell.after(0.6, 100) == 0.6


def test_weight_zero_may_lie_anywhere_in_siemens():
    weights = OneMinusExpStep(-0.6, 0.6, 1e-3, 1e-3, *DEFAULTS, 0.0)
    scale, zero = 50e-6, 40e-6
    siemens = OneMinusExpStep(
        zero - 0.6 * scale, zero + 0.6 * scale, 1e-3 * scale, 1e-3 * scale, *DEFAULTS, zero
    )
    w = np.linspace(-0.6, 0.6, 7)
    assert siemens.q_up(zero + scale * w) == pytest.approx(scale * weights.q_up(w))
    expected = zero + scale * weights.symmetric_point
    assert siemens.symmetric_point == pytest.approx(expected, nan_ok=True)


def test_the_two_exponential_families_are_different_functions():
    """Of one shape parameter both fall, but only one is 0 at the bound and 1 at mid-range."""
    papers = ExponentialStep.with_step_at_middle(-1.0, 1.0, 1.0, 1.0, 2.0, 2.0)
    device = OneMinusExpStep(-1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 2.0, 2.0, 1.0, 0.0, 0.0)
    assert papers.q_up(np.array([0.0, 1.0])) == pytest.approx([1.0, 0.0])
    assert device.q_up(np.array([0.0, 1.0])) == pytest.approx([0.9, 1 - 0.1 * np.exp(2)])
