import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.sim_backend.pulse_strength import PulseStrength

NOMINAL = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.2, 2e-3), 1e-3)
STRENGTH = PulseStrength(NOMINAL)


def _conditions(up=(1.5, 1e-3), down=(-1.2, 2e-3)) -> PulseConditions:
    return PulseConditions(PulseShape(*up), PulseShape(*down), 1e-3)


def test_modelled_pulse_has_strength_exactly_1():
    assert STRENGTH.of(1.5, 1e-3) == (True, 1.0)
    assert STRENGTH.of(-1.2, 2e-3) == (False, 1.0)
    assert STRENGTH.of_conditions(None) == (1.0, 1.0)
    assert STRENGTH.of_conditions(_conditions()) == (1.0, 1.0)


def test_strength_is_proportional_to_width():
    assert STRENGTH.of(1.5, 3e-3)[1] == pytest.approx(3.0)
    assert STRENGTH.of(-1.2, 1e-3)[1] == pytest.approx(0.5)


def test_strength_grows_with_the_hyperbolic_sine_of_the_voltage():
    assert STRENGTH.of(1.2, 1e-3)[1] == pytest.approx(math.sinh(8) / math.sinh(10))


@pytest.mark.parametrize("voltage", [0.0, 0.1, -0.1, 0.75, -0.6, 0.89])
def test_reads_and_half_selected_cells_are_left_alone(voltage):
    assert STRENGTH.of(voltage, 1.0)[1] == 0.0


@pytest.mark.parametrize("width", [0.0, -1.0])
def test_pulse_without_width_does_nothing(width):
    assert STRENGTH.of(1.5, width)[1] == 0.0


@given(st.floats(-1e6, 1e6), st.floats(0, 10))
def test_strength_is_finite_and_not_negative(voltage, width):
    _, strength = STRENGTH.of(voltage, width)
    assert 0 <= strength < math.inf


@given(st.floats(1.0, 10), st.floats(1.0, 10))
def test_higher_voltage_is_never_weaker(a, b):
    low, high = sorted((a, b))
    assert STRENGTH.of(low, 1e-3)[1] <= STRENGTH.of(high, 1e-3)[1]


def test_polarity_may_be_the_other_way_round():
    mirrored = PulseStrength(_conditions((-1.5, 1e-3), (1.2, 2e-3)))
    assert mirrored.of(-1.5, 1e-3) == (True, 1.0)
    assert mirrored.of(1.2, 2e-3) == (False, 1.0)


def test_reversed_pulses_of_a_program_do_nothing():
    assert STRENGTH.of_conditions(_conditions((-1.5, 1e-3), (1.2, 2e-3))) == (0.0, 0.0)


def test_conditions_of_a_program_have_a_strength_each():
    up, down = STRENGTH.of_conditions(_conditions(up=(1.5, 2e-3), down=(-1.2, 1e-3)))
    assert (up, down) == (pytest.approx(2.0), pytest.approx(0.5))
