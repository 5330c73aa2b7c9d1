"""The emulated 33600A by itself: bursts, waveforms, levels, clamps, refusals."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.scpi.keysight_33600a import EmulatedKeysight33600A
from ohmloop.sim_backend.instruments.scpi.scpi_text import scpi_lines
from ohmloop.sim_backend.instruments.witness import Witness
from ohmloop.sim_backend.population_spec import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

PULSE = PulseConditions(PulseShape(1.5, 1e-6), PulseShape(-1.5, 1e-6), 1e-6)
LEVELS = ":OUTP:LOAD INF;:VOLT:HIGH 1.5;:VOLT:LOW -1.5"
BURST = ":FUNC ARB;:BURS:MODE TRIG;:BURS:NCYC 3;:TRIG:SOUR BUS;:BURS:STAT ON;:OUTP ON"
UP = ":DATA:ARB UP,0," + ",".join(["1"] * 10 + ["0"] * 9) + ";:FUNC:ARB UP;:FUNC:ARB:SRAT 1E7"


@pytest.fixture
def witness() -> Witness:
    return Witness(0.3)


@pytest.fixture
def fixture(witness) -> Fixture:
    cells = CellArray(sample(PopulationSpec(), (1, 1), np.random.default_rng(0)), 0)
    fixture = Fixture(cells, PulseStrength(PULSE), {"r": 0}, {"c": 0}, VirtualClock(), witness)
    fixture.connect(["r", "c"])
    return fixture


@pytest.fixture
def generator(fixture) -> EmulatedKeysight33600A:
    return EmulatedKeysight33600A(fixture)


def say(generator: EmulatedKeysight33600A, text: str) -> str:
    return generator.message(text.encode()).decode("latin-1").rstrip("\n")


def test_a_burst_of_an_arbitrary_waveform(generator, fixture, witness):
    assert say(generator, f"{LEVELS};{UP};{BURST};*TRG;*OPC?;:SYST:ERR?") == '1;+0,"No error"'
    assert fixture.pulses_applied == 3
    assert fixture.clock.ns == 3 * 2000
    assert (witness.voltage, witness.width) == (1.5, 1e-6)


def test_a_burst_of_the_pulse_function_rests_at_its_low_level(generator, fixture, witness):
    say(generator, f"{LEVELS};:VOLT:LOW 0;:FUNC:PULS:WIDT 1E-6;:FUNC:PULS:PER 2E-6")
    say(generator, f"{BURST.replace('FUNC ARB', 'FUNC PULS')};*TRG")
    assert fixture.pulses_applied == 3
    say(generator, ":VOLT:LOW -1.5;:VOLT:HIGH 0")  # a negative pulse: it rests at -1.5 V
    fixture.clock.sleep(1e-3)
    say(generator, ":OUTP OFF")
    assert witness.width == pytest.approx(1e-3)


def test_an_assumed_load_doubles_what_an_open_chip_sees(generator, witness):
    say(generator, f":VOLT:HIGH 0.5;:VOLT:LOW -0.5;{UP};{BURST};*TRG")
    assert witness.voltage == 1.0


def test_waveforms_as_integers_and_blocks(generator, fixture):
    whole = ",".join(["0", *["32767"] * 10, *["0"] * 9])
    say(generator, f":DATA:ARB:DAC INTS,{whole}")
    data = struct.pack(">20h", 0, *[32767] * 10, *[0] * 9)
    message = b":SOUR1:DATA:ARB:DAC BLOCK,#240" + data + b";:DATA:VOL:CAT?\n"
    (framed,), rest = scpi_lines(message)
    assert rest == b""
    assert generator.message(framed) == b'"INT:\\INTS","INT:\\BLOCK"\n'
    floats = b":DATA:ARB FLOATS,#280" + struct.pack(">20f", 0, *[1.0] * 10, *[0.0] * 9)
    generator.message(floats)
    waves = generator.channels[1].waves
    assert all(np.array_equal(waves["INTS"], waves[name]) for name in ("BLOCK", "FLOATS"))
    say(generator, f"{LEVELS};:FUNC:ARB BLOCK;:FUNC:ARB:SRAT 1E7;{BURST};*TRG")
    assert fixture.pulses_applied == 3


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (":DATA:ARB SHORT,0,1,0", -222),
        (":DATA:ARB HIGH,0,0,0,0,0,0,0,1.1", -222),
        (":DATA:ARB WORDS,a,b,c", -104),
        (":DATA:ARB NOTHING", -109),
        (":DATA:ARB:DAC ODD,#13abc", -161),
        (":FUNC:ARB UNKNOWN", 786),
        (":FUNC:PULS:WIDT 1E-9", -222),
        (":FUNC:ARB:SRAT 2E9", -222),
        (":VOLT:HIGH -1", -222),
        (":VOLT:HIGH 11", -222),
        (":BURS:NCYC 0", -222),
        ("*TRG", -211),
    ],
)
def test_refusals_change_nothing(generator, fixture, command, code):
    say(generator, command)
    assert list(generator.errors) == [code]
    assert (generator.channels[1].waves, fixture.clock.ns) == ({}, 0)


def test_a_name_is_given_once_until_the_memory_is_cleared(generator):
    say(generator, f"{UP};{UP}")
    assert generator.errors.popleft() == 785
    say(generator, f":DATA:VOL:CLE;{UP}")
    assert not generator.errors


def test_clamps_refuse_levels_beyond_them(generator):
    output = generator.channels[1]
    say(generator, f"{LEVELS};:VOLT:LIM:HIGH 1;:VOLT:LIM:LOW -2;:VOLT:LIM:STAT ON")
    assert (generator.errors.popleft(), output.limited.value) == (-221, 0)
    say(generator, ":VOLT:LIM:HIGH 2;STAT ON;:VOLT:HIGH 2.5;:VOLT:LOW -2.5")
    assert list(generator.errors) == [-222, -222]
    assert (output.high.value, output.low.value) == (1.5, -1.5)


def test_reset_and_power_cycle(generator):
    say(generator, f"{LEVELS};{UP};{BURST};*ESE 9;*RST")
    assert say(generator, ":OUTP?;:BURS:STAT?;:DATA:VOL:CAT?;*ESE?") == '0;0;"";9'
    say(generator, f"{UP};:OUTP2 ON")
    assert generator.on
    generator.power_cycle()
    assert say(generator, ":OUTP2?;:DATA:VOL:CAT?;*ESE?;*PSC?") == '0;"";0;1'


def test_faults_of_the_generator(generator, fixture):
    say(generator, f"{LEVELS};{UP};{BURST}")
    generator.strike(Strike(Fault.HARDWARE, pulses=2))
    say(generator, "*TRG")
    assert (fixture.pulses_applied, list(generator.errors)) == (2, [-310])
    generator.strike(Strike(Fault.POWER_MIDWAY, pulses=1))
    with pytest.raises(PowerLostError):
        say(generator, "*TRG")
    generator.strike(Strike(Fault.STUCK_OUTPUT))
    assert say(generator, ":OUTP OFF;:OUTP?") == "1"
