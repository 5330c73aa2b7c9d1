"""The emulated B1500A, spoken to directly."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, PowerLostError, Strike
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.flex.b1500a import EmulatedB1500A
from ohmloop.sim_backend.instruments.witness import Witness
from ohmloop.sim_backend.population_spec import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

PULSES = PulseConditions(PulseShape(1.5, 1e-4), PulseShape(-1.5, 1e-4), 1e-4)


class Bench:
    """One cell, connected to SMU 1 and SPGU 501 at once."""

    def __init__(self) -> None:
        population = sample(PopulationSpec(read_std=0.0), (1, 1), np.random.default_rng(1))
        self.cells, self.clock = CellArray(population, 1), VirtualClock()
        self.witness = Witness(0.3)
        self.fixtures = {n: self.fixture() for n in (1, 501)}
        modules = {1: "B1511B", 5: "B1525A"}
        self.device = EmulatedB1500A(self.clock, modules, self.fixtures)

    def fixture(self) -> Fixture:
        strength = PulseStrength(PULSES)
        made = Fixture(self.cells, strength, {"r": 0}, {"c": 0}, self.clock, self.witness)
        made.connect(["r", "c"])
        return made

    def say(self, text: str) -> str:
        return self.device.message(text.encode()).decode().removesuffix("\r\n")

    def error(self) -> int:
        return int(self.say("ERRX? 1"))

    def train(self, count: int) -> None:
        self.say("CN 501;SPPER 2E-4;SPT 501,1,0,1E-4,2E-8;SPV 501,1,0,1.5;SER 501,1E6;SPUPD 501")
        self.say(f"SPRM 1,{count};SRP")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_who_it_is_and_what_is_in_it(bench):
    assert bench.say("*IDN?").split(",")[1] == "B1500A"
    assert bench.say("UNT?") == "B1511B,0;0,0;0,0;0,0;B1525A,0;0,0;0,0;0,0;0,0;0,0"
    assert bench.say("*LRN? 0") == "CL"
    assert bench.say("CN 1,501;*LRN? 0") == "CN1,501"
    assert bench.say("CL 1;*LRN? 0") == "CN501"


def test_a_spot_measurement_follows_ohms_law_in_thirteen_characters(bench):
    g = float(bench.cells.g[0])
    assert bench.say("FMT 11;CN 1;DV 1,20,0.1,1E-3;TI 1") == f"NAI{0.1 * g:+.6E}"
    assert bench.say("FMT 1;TI 1") == f"NAI{0.1 * g:+.5E}"
    assert bench.say("FMT 2;TI 1") == f"{0.1 * g:+.5E}"
    assert bench.say("FMT 1;TI 1;TV 1") == f"NAI{0.1 * g:+.5E},NAV+1.00000E-01"
    assert bench.error() == 0


def test_compliance_and_overflow_show_in_the_status_letter(bench):
    assert bench.say("FMT 11;CN 1;DV 1,20,0.1,1E-8;TI 1").startswith("CAI")
    assert bench.say("DV 1,20,0.1,1E-3;TI 1,-11") == "VAI+199.9990E+99"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("DV 1,20,0.1,1E-3", 200),  # the output is off
        ("TI 1", 200),
        ("CN 7", 121),
        ("CN 1;DV 1,21,0.1", 124),
        ("CN 1;DV 1,20,2.1", 120),
        ("CN 1;DV 1,20,1,0", 123),
        ("CN 1;TI 1,7", 124),
        ("TI 501", 121),
        ("FMT 3", 120),
        ("AIT 0,2,101", 120),
        ("PT 0,0.0001,0.01", 120),
        ("PT 0,0.001,0.004", 120),
        ("PWV 1,1,20,0,1,1,1002,1E-3", 120),
        ("XE", 120),
        ("SPRM 1,0", 120),
        ("SPPER 11", 120),
        ("SPPER 5E-8", 120),  # the width is 100 ns
        ("SPT 501,1,0,1E-5,2E-8", 120),  # the period is 1 us
        ("SPV 501,1,0,41", 120),
        ("SER 501,2E6", 120),
        ("SPT 1,1,0,1E-4,2E-8", 121),
        ("VAR 0,100,1", 120),
        ("RZ 1", 205),
        ("*CLS", 100),
        ("*LRN? 31", 120),
    ],
)
def test_what_is_refused_has_its_code_and_changes_nothing(bench, line, code):
    bench.say(line)
    assert bench.error() == code
    assert bench.error() == 0
    assert bench.witness.voltage == 0


def test_zero_and_restore(bench):
    bench.say("CN 1;DV 1,20,0.1,1E-3;DZ")
    assert bench.say("TV 1") == "NAV+0.00000E+00"
    assert bench.say("RZ;TV 1") == "NAV+1.00000E-01"
    assert bench.error() == 0


def test_variables_go_back_to_zero_with_the_power_and_with_a_reset(bench):
    assert bench.say("VAR 0,1,77;VAR? 0,1") == "77"
    bench.device.power_cycle()
    assert bench.say("VAR? 0,1") == "0"
    assert bench.say("VAR 0,1,77;*RST;VAR? 0,1") == "0"


def test_a_train_plays_while_time_passes(bench):
    bench.train(200)
    assert bench.cells.pulses_applied == 0
    bench.say("PA 0.01")
    assert bench.cells.pulses_applied == 50
    assert bench.say("SPST?") == "1"
    assert bench.cells.pulses_applied == 150
    assert bench.say("PA 0.02;SPST?") == "0"
    assert bench.cells.pulses_applied == 200
    assert bench.witness.voltage == 1.5
    assert bench.witness.width == pytest.approx(1e-4, abs=1e-9)
    assert bench.say("SPRM?") == "1,200"


def test_a_train_goes_on_when_nobody_speaks_and_stops_when_told(bench):
    bench.train(1000)
    bench.device.tick()
    assert bench.cells.pulses_applied == 100
    bench.say("SPP")
    bench.device.tick()
    assert bench.cells.pulses_applied == 100
    assert bench.say("SPST?") == "0"


@pytest.mark.parametrize("stop", ["SPRM 1,5", "CL 501", "*RST", "AB"])
def test_what_else_ends_a_train(bench, stop):
    bench.train(1000)
    bench.say(f"PA 0.002;{stop};PA 0.1")
    assert bench.cells.pulses_applied == 10


def test_settings_wait_for_the_update(bench):
    bench.train(1)
    bench.say("PA 0.001;SPV 501,1,0,-1.8;SRP;PA 0.001")
    assert bench.witness.voltage == 1.5
    bench.say("SPUPD 501;SRP;PA 0.001")
    assert bench.witness.voltage == 1.8


@pytest.mark.parametrize(("load", "volts"), [("1E6", 1.5), ("50", 3.0), ("450", 1.667)])
def test_an_open_end_gets_more_than_the_load_it_is_taken_for(bench, load, volts):
    bench.train(1)
    bench.say(f"SER 501,{load};SPUPD 501;PA 0.001")
    assert bench.witness.voltage == volts


def test_fifty_ohm_is_what_it_takes_for_a_load_at_power_on(bench):
    assert float(bench.say("SER? 501")) == 50


def test_a_sweep_gives_equal_pulses_and_a_reading_of_each(bench):
    data = bench.say("FMT 11;CN 1;MM 4,1;PT 0,0.001,0.005;PWV 1,1,20,0,1.5,1.5,4,1E-3;XE")
    assert [item[:3] for item in data.split(",")] == ["NAI"] * 4
    assert bench.cells.pulses_applied == 4
    assert bench.clock.now == pytest.approx(0.02)
    assert bench.say("MM 3,1;PV 1,20,0,1.5,1E-3;XE").startswith("NAI")
    assert bench.cells.pulses_applied == 5


def test_a_sweep_that_fails_fills_up_with_dummies(bench):
    bench.device = EmulatedB1500A(bench.clock, {1: "B1511B"}, {1: bench.fixtures[1]})
    bench.device.strike(Strike(Fault.HARDWARE, pulses=2))
    data = bench.say("FMT 11;CN 1;MM 4,1;PWV 1,1,20,0,1.5,1.5,4,1E-3;XE").split(",")
    assert [item[:3] for item in data] == ["NAI", "NAI", "VAI", "VAI"]
    assert bench.cells.pulses_applied == 2
    assert bench.error() == 305


def test_power_that_fails_in_a_train(bench):
    bench.train(10)
    bench.device.strike(Strike(Fault.POWER_MIDWAY, pulses=3))
    with pytest.raises(PowerLostError):
        bench.say("PA 0.01")
    bench.train(10)
    bench.device.strike(Strike(Fault.POWER_MIDWAY, pulses=2))
    bench.device.tick()  # while nobody speaks
    assert bench.cells.pulses_applied == 5
    assert bench.device.outputs == []


def test_a_stuck_relay_stays_on_until_the_power_is_off(bench):
    bench.say("CN 501")
    bench.device.strike(Strike(Fault.STUCK_OUTPUT))
    assert bench.say("CL;*LRN? 0") == "CN501"
    bench.device.power_cycle()
    assert bench.say("*LRN? 0") == "CL"


def test_both_channels_of_the_module_play_together():
    bench = Bench()
    bench.say("CN 501,502;SPPER 2E-4;SPRM 1,2")
    for channel, width in ((501, "1E-4"), (502, "5E-5")):
        bench.say(f"SPT {channel},1,0,{width},2E-8;SPV {channel},1,0,1.5;SER {channel},1E6")
    bench.say("SPUPD 501,502;SRP;PA 0.001")
    assert bench.cells.pulses_applied == 2
    assert bench.witness.width == pytest.approx(1e-4, abs=1e-9)


def test_describes_itself(bench):
    assert bench.device.describe() == "outputs on: none"
    bench.say("CN 1")
    assert bench.device.describe() == "outputs on: 1"
