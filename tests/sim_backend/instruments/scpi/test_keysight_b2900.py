"""The emulated B2900A by itself: pulses, trace, formats, limits, refusals."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.scpi.keysight_b2900 import EmulatedKeysightB2900
from ohmloop.sim_backend.population_spec import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

PULSE = PulseConditions(PulseShape(1.5, 1e-4), PulseShape(-1.5, 1e-4), 1e-4)
SWEEP = (
    ":FUNC:SHAP PULS;:VOLT:MODE LIST;:LIST:VOLT 1.5;:PULS:WIDT 1E-4;:TRIG:SOUR TIM;"
    ":TRIG:TIM 2E-4;:TRIG:COUN 5;:TRAC:POIN 5;:TRAC:FEED:CONT NEXT;:OUTP ON"
)


@pytest.fixture
def fixture() -> Fixture:
    cells = CellArray(sample(PopulationSpec(), (1, 1), np.random.default_rng(0)), 0)
    fixture = Fixture(cells, PulseStrength(PULSE), {"r": 0}, {"c": 0}, VirtualClock())
    fixture.connect(["r", "c"])
    return fixture


@pytest.fixture
def smu(fixture) -> EmulatedKeysightB2900:
    return EmulatedKeysightB2900(fixture)


def say(smu: EmulatedKeysightB2900, text: str) -> str:
    return smu.message(text.encode()).decode("latin-1").rstrip("\n")


def test_a_list_of_one_value_gives_as_many_pulses_as_triggers(smu, fixture):
    assert say(smu, f"{SWEEP};:INIT (@1);*OPC?;:TRAC:POIN:ACT?") == "1;5"
    assert fixture.pulses_applied == 5
    assert fixture.clock.ns == 5 * 200_000
    assert fixture.cells.pulses[0] == 5


def test_a_longer_list_runs_round(smu, fixture):
    say(smu, f"{SWEEP};:LIST:VOLT 1.5,-1.5;:LIST:VOLT:APP 0")
    assert say(smu, ":LIST:VOLT:POIN?;:LIST:VOLT?") == (
        "3;+1.500000E+00,-1.500000E+00,+0.000000E+00"
    )
    say(smu, ":INIT (@1)")
    assert fixture.pulses_applied == 4  # 1.5, -1.5, 0, 1.5, -1.5


def test_currents_in_every_format_are_the_same(smu, fixture):
    truth = fixture.cells.conductance[0, 0] * 0.1
    say(smu, ":VOLT 0.1;:OUTP ON;:SENS:CURR:NPLC 1;:INIT (@1)")
    assert fixture.clock.now == pytest.approx(0.02)
    text = say(smu, ":FETC:ARR:CURR? (@1)")
    assert float(text) == pytest.approx(truth, rel=0.05)
    for form, code, size in (("REAL,64", ">d", 8), ("REAL,32", ">f", 4), ("REAL", ">f", 4)):
        data = smu.message(f":FORM {form};:FETC:ARR:CURR? (@1);*OPC?".encode())
        assert data[:3] == f"#1{size}".encode()
        assert data[3 + size :] == b";1\n"
        assert struct.unpack(code, data[3 : 3 + size])[0] == pytest.approx(float(text), rel=1e-6)
    swapped = smu.message(b":FORM REAL,64;:FORM:BORD SWAP;:FETC:ARR:CURR? (@1)")
    assert struct.unpack("<d", swapped[3:11])[0] == pytest.approx(float(text), rel=1e-6)


def test_spot_measurements_leave_the_trigger_alone(smu, fixture):
    say(smu, ":VOLT 0.1;:TRIG:COUN 7;:SENS:CURR:NPLC 1")
    assert float(say(smu, ":MEAS:CURR? (@1)")) > 0  # and the output went on by itself
    assert say(smu, ":OUTP?;:TRIG:COUN?") == "1;7"


def test_statistics_of_the_trace(smu):
    say(smu, ":TRAC:STAT:DATA?")
    assert smu.errors.popleft() == -230
    say(smu, f"{SWEEP};:INIT (@1)")
    values = [float(v) for v in say(smu, ":TRAC:DATA?").split(",")]
    for name, value in (("MAX", max(values)), ("MIN", min(values)), ("MEAN", np.mean(values))):
        assert float(say(smu, f":TRAC:STAT:FORM {name};DATA?")) == pytest.approx(value, rel=1e-5)
    say(smu, ":TRAC:CLE")
    assert say(smu, ":TRAC:POIN:ACT?;:TRAC:FEED:CONT?") == "0;NEV"


def test_compliance_is_noted_and_ranges_overflow(smu, fixture):
    say(smu, f"{SWEEP};:SENS:CURR:PROT 1E-6;:INIT (@1)")
    assert say(smu, ":SENS:CURR:PROT:TRIP?") == "1"
    assert fixture.compliance_pulses > 0
    say(smu, ":SENS:CURR:PROT 1E-3;:SENS:CURR:RANG:AUTO OFF;:SENS:CURR:RANG 1E-8;:INIT (@1)")
    assert say(smu, ":SENS:CURR:PROT:TRIP?;:FETC:CURR? (@1)") == "0;+9.910000E+37"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (":PULS:WIDT 1E-5", -222),
        (":TRIG:TIM 1E-5", -222),
        (":TRIG:COUN 100001", -222),
        (":VOLT 300", -222),
        (":SENS:CURR:PROT 5", -222),
        (":LIST:VOLT " + ",".join(["0"] * 2501), -223),
        (":FORM REAL,16", -224),
        (":INIT (@3)", -222),
        (":INIT 1", -104),
        (":PULS:WIDT 1E-3;:FUNC:SHAP PULS;:TRIG:SOUR TIM;:TRIG:TIM 1E-3;:INIT (@1)", -221),
        (":SENS:FUNC CURR", -104),
    ],
)
def test_refusals_pulse_nothing(smu, fixture, command, code):
    say(smu, command)
    assert list(smu.errors) == [code]
    assert fixture.clock.ns == 0


def test_reset_and_power_cycle(smu, fixture):
    say(smu, f"{SWEEP};*ESE 7;:SENS:CURR:PROT 1E-3;*RST")
    assert say(smu, "*ESE?;:OUTP?;:TRIG:COUN?;:SENS:CURR:PROT?") == "7;0;1;+1.000000E-04"
    say(smu, f"{SWEEP};:INIT (@1)")
    smu.power_cycle()
    assert say(smu, "*ESE?;:OUTP?;:TRAC:POIN:ACT?") == "0;0;0"


def test_faults_of_the_source(smu, fixture):
    smu.strike(Strike(Fault.HARDWARE, pulses=2))
    say(smu, f"{SWEEP};:INIT (@1)")
    assert (say(smu, ":TRAC:POIN:ACT?"), fixture.pulses_applied) == ("2", 2)
    assert smu.errors.popleft() == -310
    smu.strike(Strike(Fault.POWER_MIDWAY, pulses=1))
    with pytest.raises(PowerLostError):
        say(smu, ":TRAC:CLE;:INIT (@1)")
    smu.strike(Strike(Fault.STUCK_OUTPUT))
    assert say(smu, ":OUTP OFF;:OUTP?") == "1"
    smu.power_cycle()
    assert say(smu, ":OUTP?") == "0"


def test_a_b2901a_has_one_channel(fixture):
    smu = EmulatedKeysightB2900(fixture, model="B2901A")
    say(smu, ":SOUR2:VOLT 0")
    assert smu.errors.popleft() == -113
