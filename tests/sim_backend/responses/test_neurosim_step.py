import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import ConstantStep, NeuroSimStep, SoftBounds
from ohmloop.sim_backend.responses.neurosim_step import curvature_of, nonlinearity_label

G_MIN, G_MAX = 3.0769e-9, 3.8462e-8
"""The Ag:a-Si device of Jo et al. 2010, as NeuroSim has it: 97 pulses up, 100 down."""

TABLE = {
    0.01: 126.268958, 0.18: 7.012968, 0.5: 2.519877, 1.0: 1.251653, 2.4: 0.499181,
    4.88: 0.200303, 6.0: 0.135619, 9.0: 0.022810,
}  # fmt: skip
"""Nonlinearity label -> A over the number of pulses, of getParamA in MLP+NeuroSim V3."""


def _published(pulses, most, a):
    """States after each number of up pulses, and of down pulses, from the far bound."""
    b = (G_MAX - G_MIN) / (1 - np.exp(-most / a))
    up = b * (1 - np.exp(-pulses / a)) + G_MIN
    down = -b * (1 - np.exp((most - pulses - most) / a)) + G_MAX
    return up, down


@pytest.mark.parametrize(("label", "a"), TABLE.items())
def test_labels_are_those_of_neurosim(label, a):
    assert 1 / curvature_of(label) == pytest.approx(a, abs=6e-7)
    assert curvature_of(-label) == -curvature_of(label)


@given(st.floats(-9, 9))
def test_label_and_curvature_are_inverse(label):
    assert nonlinearity_label(curvature_of(label)) == pytest.approx(label, abs=1e-7)


@pytest.mark.parametrize("label", [0.3, 2.4, 4.88])
def test_pulses_follow_the_published_curves(label):
    cell = NeuroSimStep.from_labels(G_MIN, G_MAX, 97, 100, label, -label)
    for most, number in ((97, 0), (100, 1)):
        pulses = np.arange(most + 1)
        expected = _published(pulses, most, most / curvature_of(label))[number]
        counts = (pulses, 0) if number == 0 else (0, pulses)
        start = G_MIN if number == 0 else G_MAX
        assert cell.after(start, *counts) == pytest.approx(expected, rel=1e-9)


def test_the_curve_goes_from_bound_to_bound_in_so_many_pulses():
    cell = NeuroSimStep.from_labels(0.0, 1.0, 97, 100, 2.4, -4.88)
    assert cell.after(0.0, 96) < 1.0
    assert cell.after(0.0, 97) == pytest.approx(1.0, abs=1e-12)
    assert cell.after(1.0, 0, 100) == pytest.approx(0.0, abs=1e-12)


def test_steps_are_those_of_soft_bounds_with_a_bound_beyond():
    cell = NeuroSimStep(0.0, 1.0, 100.0, 100.0, 3.0, 3.0)
    beyond = 1 / (1 - np.exp(-3.0))
    share = 1 - np.exp(-0.03)
    soft = SoftBounds(1 - beyond, beyond, share, share)
    g = np.linspace(0, 1, 11)
    assert cell.q_up(g) == pytest.approx(soft.q_up(g))
    assert cell.q_down(g) == pytest.approx(soft.q_down(g))
    assert cell.q_up(1.0) == pytest.approx(share * (beyond - 1))
    assert cell.symmetric_point == pytest.approx(0.5)


def test_without_curvature_it_is_the_constant_step():
    cell, constant = NeuroSimStep(0.0, 2.0, 50, 50, 0.0, 0.0), ConstantStep(0.0, 2.0, 0.04, 0.04)
    assert cell.q_up(0.7) == pytest.approx(0.04)
    assert cell.after(0.1, 20, 3) == pytest.approx(constant.after(0.1, 20, 3))
    assert cell.symmetric_point == 1.0


def test_with_negative_curvature_steps_grow():
    cell = NeuroSimStep(0.0, 1.0, 50, 50, -2.0, -2.0)
    assert cell.q_up(0.9) > cell.q_up(0.1)
    assert cell.after(0.0, 50) == pytest.approx(1.0)


@pytest.mark.parametrize("label", [9.5, -10.0, np.nan])
def test_a_label_out_of_range_is_refused(label):
    with pytest.raises(BadInputError, match="must be -9 to 9"):
        curvature_of(label)


def test_no_pulses_are_refused():
    with pytest.raises(BadInputError, match=r"pulses_up is 0\.5; it must be at least 1"):
        NeuroSimStep(0.0, 1.0, 0.5, 50, 1.0, 1.0).checked()
