from __future__ import annotations

import pytest

from ohmloop.drivers.flex import flex_commands as flex


@pytest.mark.parametrize("value", [*(10.0**e for e in range(-12, 4)), 1.23456789e-7, 0.1 + 0.2])
def test_numbers_are_sent_with_all_their_digits(value):
    assert float(flex.number(value)) == value
    assert "e" not in flex.number(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (flex.force_voltage(1, 20, 0.1, 1e-3), "DV 1,20,0.1,0.001"),
        (flex.measure_current(1), "TI 1,0"),
        (flex.measure_current(3, -16), "TI 3,-16"),
        (flex.pause(1e-3), "PA 0.001"),
        (flex.pause(1.00001e-3), "PA 0.0011"),  # never shorter than asked for
        (flex.averaging(0.1), "AIT 0,1,13"),
        (flex.averaging(3.0), "AIT 0,2,3"),
        (flex.set_variable(1, 77), "VAR 0,1,77"),
        (flex.ask_variable(1), "VAR? 0,1"),
        (flex.smu_timing(1e-3, 5e-3), "PT 0,0.001,0.005"),
        (flex.smu_train(1, 20, 1.5, 9, 1e-3), "PWV 1,1,20,0,1.5,1.5,9,0.001"),
        (flex.spgu_timing(501, 1e-4, 2e-8), "SPT 501,1,0,0.0001,2E-08,2E-08"),
        (flex.spgu_voltage(501, -1.5), "SPV 501,1,0,-1.5"),
        (flex.spgu_period(2e-4), "SPPER 0.0002"),
        (flex.spgu_count(1000), "SPRM 1,1000"),
        (flex.spgu_load(501, 1e6), "SER 501,1000000.0"),
        (flex.line("AB", "CL"), "AB;CL"),
    ],
)
def test_commands_as_the_programming_guide_writes_them(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda: flex.force_voltage(1, 400, 41, 1e-3),
        lambda: flex.force_voltage(1, 20, float("nan"), 1e-3),
        lambda: flex.force_voltage(1, 20, 1, 0.0),
        lambda: flex.force_voltage(1, 20, 1, 0.2),
        lambda: flex.voltage_range(40.1),
        lambda: flex.current_range(0.11),
        lambda: flex.pause(100),
        lambda: flex.set_variable(100, 1),
        lambda: flex.set_variable(1, 40_000),
        lambda: flex.smu_timing(0.4e-3, 5e-3),
        lambda: flex.smu_train(1, 20, 1.5, 1002, 1e-3),
        lambda: flex.spgu_timing(501, 5e-9, 2e-8),
        lambda: flex.spgu_voltage(501, 41),
        lambda: flex.spgu_period(11),
        lambda: flex.spgu_count(1_000_001),
        lambda: flex.spgu_count(0),
        lambda: flex.spgu_load(501, 2e6),
        lambda: flex.line(*["VAR 0,1,77"] * 30),
    ],
)
def test_what_the_instrument_would_refuse_is_refused_here(build):
    with pytest.raises(ValueError, match=r"between|beyond|characters|pulses for"):
        build()


@pytest.mark.parametrize(
    ("volts", "code"), [(0.1, 5), (0.5, 5), (-1.5, 20), (2.1, 50), (20, 200), (40, 400)]
)
def test_the_smallest_range_that_covers_a_voltage(volts, code):
    assert flex.voltage_range(volts) == code


@pytest.mark.parametrize(
    ("amperes", "code"), [(1e-9, 11), (1.1e-9, 12), (1e-6, 14), (1e-3, 17), (-0.1, 19)]
)
def test_the_smallest_range_that_covers_a_current(amperes, code):
    assert flex.current_range(amperes) == code


@pytest.mark.parametrize(
    ("width", "period", "says"),
    [
        (1e-3, 5e-3, ""),
        (0.15, 0.16, ""),
        (0.15, 0.155, "pulses.rest"),
        (1e-3, 4e-3, "pulses.rest"),
        (1e-3, 6, "pulses.rest"),
        (3, 4, "0.5 ms to 2 s"),
        (1.05e-3, 5e-3, "steps of 0.1 ms"),
    ],
)
def test_what_an_smu_can_pulse(width, period, says):
    problem = flex.smu_refusal(width, period)
    assert says in problem
    assert bool(says) == bool(problem)


@pytest.mark.parametrize(
    ("volts", "width", "period", "says"),
    [
        (1.5, 1e-4, 2e-4, ""),
        (-1.5, 1e-7, 1e-6, ""),
        (1.5, 1.05e-7 + 1e-9, 1e-6, "steps of 10 ns"),
        (1.0005, 1e-4, 2e-4, "steps of 1 mV"),
        (41, 1e-4, 2e-4, "40 V"),
        (1.5, 1, 11, "20 ns to 10 s"),
        (1.5, 1e-4, 1e-4, "pulses.rest"),
    ],
)
def test_what_an_spgu_can_pulse(volts, width, period, says):
    problem = flex.spgu_refusal(volts, width, period, 20e-9, 1e6, 50)
    assert says in problem
    assert bool(says) == bool(problem)
