from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.drivers.scpi.pulse_waves import FEWEST_POINTS, MOST_POINTS, pulse_waves


def conditions(up: float, down: float, rest: float, volts=(1.5, -1.5)) -> PulseConditions:
    return PulseConditions(PulseShape(volts[0], up), PulseShape(volts[1], down), rest)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
def test_widths_and_rests_are_whole_samples_and_both_ends_are_zero(up, down, rest):
    waves = pulse_waves(conditions(up * 50e-9, down * 50e-9, rest * 50e-9), 1e9)
    assert waves.up / waves.rate == pytest.approx(up * 50e-9, rel=1e-12)
    assert waves.down / waves.rate == pytest.approx(down * 50e-9, rel=1e-12)
    assert waves.rest / waves.rate == pytest.approx(rest * 50e-9, rel=1e-12)
    train = waves.samples([2, -1])
    assert len(train) == waves.points([2, -1])
    assert FEWEST_POINTS <= waves.points([1]) <= MOST_POINTS
    assert train[0] == train[-1] == 0
    assert (train.count(1.0), train.count(-1.0)) == (2 * waves.up, waves.down)


def test_the_larger_amplitude_is_full_scale_and_nothing_is_beyond():
    waves = pulse_waves(conditions(1e-6, 1e-6, 1e-6, (1.2, -1.6)), 1e9)
    assert waves.scale == 1.6
    assert set(waves.samples([1])) == {0.0, 1.2 / 1.6}
    assert set(waves.samples([-1])) == {0.0, -1.0}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((1e-6, 1e-6, 0.0), "needs a rest"),
        ((1e-6, 1e-6, 1e-1), "more than 65536 samples"),
        ((16.1e-9, 17e-9, 1e-6), "samples a second"),
        ((1.00000001e-6, 1e-6, 1e-6), "whole picoseconds"),
    ],
)
def test_what_no_sample_rate_does_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        pulse_waves(conditions(*given), 1e9)
