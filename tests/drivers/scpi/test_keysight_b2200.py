"""The matrix driver against its emulator, over a socket."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    InstrumentError,
    LinkError,
    PulseConditions,
    PulseShape,
    ReportedError,
    WrongInstrumentError,
)
from ohmloop.drivers.links.visa import VisaTransport
from ohmloop.drivers.scpi.keysight_b2200 import KeysightB2200
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import ON_REPLY, Fault
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.scpi.keysight_b2200 import EmulatedKeysightB2200
from ohmloop.sim_backend.population_spec import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

PULSE = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)


@pytest.fixture
def device():
    cells = CellArray(sample(PopulationSpec(), (2, 2), np.random.default_rng(0)), 0)
    rows, columns = {"10101": 0, "10102": 1}, {"20201": 0, "20202": 1}
    fixture = Fixture(cells, PulseStrength(PULSE), rows, columns, VirtualClock())
    return EmulatedKeysightB2200([fixture])


@pytest.fixture
def server(device):
    server = device.serve("matrix", "127.0.0.1", 0)
    yield server
    server.close()


@pytest.fixture
def matrix(server):
    matrix = KeysightB2200("matrix", VisaTransport("matrix", server.resource, timeout=0.25))
    matrix.identify()
    matrix.use(["10101", "20201"])
    yield matrix
    matrix.close()


def test_exactly_what_is_selected_is_closed(matrix, device):
    assert matrix.select(["10101", "20201"])
    assert matrix.closed() == ["10101", "20201"]
    assert matrix.select(["10101", "20202"])
    assert list(device.closed) == ["10101", "20202"]
    assert matrix.holds()


def test_a_selection_is_one_message_and_moves_only_what_differs(matrix, device):
    matrix.select(["10101", "20201"])
    clock = device._fixtures[0].clock
    before, started = matrix.messages, clock.now
    matrix.select(["10102", "20201"])
    assert matrix.messages == before + 1
    assert clock.now - started == pytest.approx(10e-3)  # break, then make
    matrix.select(["10102", "20201"])
    assert clock.now - started == pytest.approx(10e-3)


def test_relays_that_opened_are_noticed_and_selected_anew(matrix, device):
    matrix.select(["10101", "20201"])
    device.power_cycle()
    assert not matrix.holds()
    assert not matrix.select(["10101", "20202"])
    assert sorted(device.closed) == ["10101", "20202"]
    assert matrix.select(["10101", "20201"])


@pytest.mark.parametrize(
    "fault", sorted({*ON_REPLY, Fault.DROP_REQUEST, Fault.CUT_REQUEST}, key=lambda f: f.name)
)
def test_a_move_whose_answer_is_lost_is_asked_again(matrix, device, server, fault):
    matrix.select(["10101", "20201"])
    server.faults.append(fault)
    held = matrix.select(["10102", "20201"])
    assert held == (fault is not Fault.POWER_AFTER)
    assert sorted(device.closed) == ["10102", "20201"]
    assert matrix.holds()


def test_a_stuck_relay_is_an_error_that_names_it(matrix, device):
    matrix.select(["10101", "20201"])
    device.stuck.add("10101")
    with pytest.raises(InstrumentError, match=r"10101,10102,20201.* are closed where"):
        matrix.select(["10102", "20201"])
    with pytest.raises(InstrumentError, match=r"10101.* are closed where"):
        matrix.make_safe()
    device.power_cycle()
    matrix.make_safe()
    assert not device.closed


def test_a_refused_channel_is_reported_by_code_and_moves_nothing(matrix, device):
    matrix.select(["10101", "20201"])
    with pytest.raises(ReportedError) as caught:
        matrix.batch([":CLOS (@10102,91515)"])
    assert caught.value.code == -224
    assert matrix.closed() == ["10101", "20201"]
    matrix.check_errors()


def test_all_errors_of_the_queue_are_told_and_none_is_left(matrix, device):
    for code in (-310, -222, -113):
        device.error(code)
    with pytest.raises(ReportedError, match="-310, -222, -113") as caught:
        matrix.check_errors()
    assert caught.value.code == -310
    matrix.check_errors()


def test_a_matrix_that_hangs_is_a_link_error_and_no_hang(matrix, device, server):
    server.faults.append(Fault.HUNG)
    with pytest.raises(LinkError):
        matrix.select(["10101", "20201"])
    server.power_cycle()
    assert matrix.select(["10101", "20201"])


def test_another_instrument_is_refused(device, server):
    device._common["*IDN?"] = lambda _: "Keysight Technologies,B2902A,MY1,1.0"
    matrix = KeysightB2200("matrix", VisaTransport("matrix", server.resource, timeout=0.25))
    with pytest.raises(WrongInstrumentError, match=r"B2902A.*no Keysight B2200A"):
        matrix.identify()
    matrix.close()
