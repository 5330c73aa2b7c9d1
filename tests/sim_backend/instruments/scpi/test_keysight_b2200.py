from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.scpi.keysight_b2200 import EmulatedKeysightB2200
from ohmloop.sim_backend.population_spec import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

PULSE = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)


@pytest.fixture
def fixture() -> Fixture:
    cells = CellArray(sample(PopulationSpec(), (1, 1), np.random.default_rng(0)), 0)
    return Fixture(cells, PulseStrength(PULSE), {"10101": 0}, {"20201": 0}, VirtualClock())


@pytest.fixture
def matrix(fixture) -> EmulatedKeysightB2200:
    return EmulatedKeysightB2200([fixture])


def say(matrix: EmulatedKeysightB2200, text: str) -> str:
    return matrix.message(text.encode()).decode()


def test_closing_adds_and_cards_open_alone(matrix):
    say(matrix, ":CLOS (@10101,10203);:ROUT:CLOS:LIST (@21412)")
    assert say(matrix, ":CLOS? (@10101,10102);:OPEN? (@10101,10102)") == "1,0;0,1\n"
    assert say(matrix, ":CLOS:CARD? 1;:ROUTe:CLOSe:CARD? 2") == "(@10101,10203);(@21412)\n"
    say(matrix, ":OPEN:CARD 1")
    assert say(matrix, ":CLOS:CARD? 1;CARD? 2") == "(@);(@21412)\n"
    say(matrix, ":OPEN:CARD ALL")
    assert not matrix.closed


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (":CLOS (@10102,11501)", -224),
        (":CLOS (@50101)", -224),
        (":CLOS (@10113)", -224),
        (":CLOS 10101", -104),
        (":CLOS", -109),
        (":OPEN:CARD 5", -222),
        (":CONN:RULE 1", -109),
        (":CONN:SEQ 1,XXX", -224),
    ],
)
def test_on_an_error_nothing_moves(matrix, command, code):
    say(matrix, ":CLOS (@10101)")
    say(matrix, command)
    assert list(matrix.closed) == ["10101"]
    assert matrix.errors.popleft() == code


def test_rules_by_card(matrix):
    say(matrix, ":CONN:RULE ALL,FREE;:CONN:RULE 2,SROU;:CONN:SEQ 3,MBBR")
    assert say(matrix, ":CONN:RULE? 1;RULE? 2;SEQ? 3;SEQ? 4") == "FREE;SROU;MBBR;BBM\n"
    say(matrix, "*RST")
    assert say(matrix, ":CONN:RULE? 2") == "FREE\n"


def test_relays_take_time_and_moving_under_voltage_is_recorded(matrix, fixture):
    say(matrix, ":CLOS (@10101,20201)")
    assert fixture.clock.now == 5e-3
    fixture.drive(0.1, 1.0)
    assert fixture.current() > 0
    say(matrix, ":OPEN (@10101)")
    assert fixture.hot_switches == 1
    fixture.drive(0.1, 1.0)
    assert fixture.current() == 0
