"""The link that emulated instruments are served over: framing, faults, latency."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.faults import Fault, FaultPlan, PowerLostError, Strike
from ohmloop.sim_backend.instruments.latency import LINKS, LinkModel
from ohmloop.sim_backend.instruments.server import (
    Emulated,
    SocketServer,
    Wire,
    garbled,
    lines,
    zero_ended,
)


class Counter(Emulated):
    """Counts; answers questions with the count."""

    def __init__(self) -> None:
        self.count = self.ticks = 0
        self.struck: list[Strike] = []
        self.dies = False

    def message(self, data: bytes) -> bytes:
        if self.dies:
            raise PowerLostError
        if data.endswith(b"?"):
            return b"%d\n" % self.count
        self.count += 1
        return b""

    def strike(self, strike: Strike) -> None:
        self.struck.append(strike)

    def tick(self) -> None:
        self.ticks += 1

    def power_cycle(self) -> None:
        self.count, self.dies = 0, False


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def wire(counter) -> Wire:
    return Wire("counter", counter, lines)


@pytest.fixture
def served(counter) -> Iterator[SocketServer]:
    server = SocketServer("counter", counter, lines)
    yield server
    server.close()


@pytest.fixture
def connect(served) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection((served.host, served.port), timeout=5))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


@pytest.mark.parametrize(("framing", "end"), [(lines, b"\n"), (zero_ended, b"\0")])
def test_messages_come_whole_however_the_stream_is_cut(framing, end):
    stream = end.join([b"one", b"", b"two", b"thr"])
    for cut in range(len(stream)):
        first, rest = framing(stream[:cut])
        more, rest = framing(rest + stream[cut:])
        assert first + more == [b"one", b"two"]
        assert rest == b"thr"


def test_a_plan_strikes_messages_and_replies_in_order(wire, counter):
    wire.faults.extend([None, Fault.DROP_REQUEST, Fault.DROP, Fault.DUPLICATE])
    assert wire.answer(b"count?") == (b"0\n", True)  # let through
    assert wire.answer(b"more") == (b"", True)  # never arrived
    assert counter.count == 0
    wire.answer(b"more")  # a fault for replies waits for one
    assert counter.count == 1
    assert wire.answer(b"count?") == (b"", True)
    assert wire.answer(b"count?") == (b"1\n1\n", True)
    assert wire.answer(b"count?") == (b"1\n", True)
    assert len(wire.faults) == 0


@pytest.mark.parametrize(
    ("strike", "arrives", "alive"),
    [
        (Strike(Fault.TRUNCATE, at=0.5), b"0", False),
        (Strike(Fault.TRUNCATE, at=0.0), b"", False),
        (Strike(Fault.HANG_UP), b"", False),
        (Strike(Fault.DROP), b"", True),
        (Strike(Fault.DELAY, seconds=0.01), b"0\n", True),
        (Strike(Fault.CUT_REQUEST), b"", False),
        (Strike(Fault.POWER_BEFORE), b"", False),
        (Strike(Fault.POWER_AFTER), b"", False),
    ],
)
def test_what_arrives(wire, strike, arrives, alive):
    wire.faults.append(strike)
    assert wire.answer(b"count?") == (arrives, alive)


def test_power_lost_inside_an_instrument_breaks_its_link(wire, counter):
    wire.answer(b"more")
    counter.dies = True
    assert wire.answer(b"count?") == (b"", False)
    assert wire.answer(b"count?") == (b"0\n", True)


def test_power_that_fails_while_it_goes_leaves_the_instrument_as_new(wire, counter):
    def power_cycle() -> None:
        if counter.dies:
            counter.dies = False
            raise PowerLostError
        counter.count = 0

    wire.answer(b"more")
    counter.power_cycle, counter.dies = power_cycle, True
    wire.power_cycle()
    assert wire.answer(b"count?") == (b"0\n", True)


def test_a_hung_instrument_answers_after_a_power_cycle_only(wire):
    wire.faults.append(Fault.HUNG)
    for _ in range(3):
        assert wire.answer(b"count?") == (b"", True)
    wire.power_cycle()
    assert wire.answer(b"count?") == (b"0\n", True)


@pytest.mark.parametrize(
    "fault", [Fault.ERROR, Fault.COMPLIANCE, Fault.STUCK_OUTPUT, Fault.POWER_MIDWAY]
)
def test_faults_of_the_instrument_are_handed_to_it(wire, counter, fault):
    wire.faults.append(fault)
    assert wire.answer(b"count?") == (b"0\n", True)
    assert [strike.fault for strike in counter.struck] == [fault]


def test_nothing_strikes_an_urgent_message(wire):
    wire.faults.append(Fault.DROP_REQUEST)
    assert wire.answer(b"count?", urgent=True) == (b"0\n", True)
    assert len(wire.faults) == 1


def test_garbling_keeps_length_and_end_and_makes_no_delimiters():
    for reply in (bytes(range(1, 256)) + b"\n", b"\x15\x1f\x0a", b"a\n", b"\n"):
        spoiled = garbled(reply, 0.0)
        assert len(spoiled) == len(reply)
        assert spoiled[-1:] == reply[-1:]
        assert spoiled.count(0) == reply.count(0)
        assert spoiled.count(10) == reply.count(10)


def test_a_client_may_leave_and_come_back(connect, counter, served):
    first = connect()
    first.sendall(b"more\ncount?\n")
    assert first.recv(10) == b"1\n"
    first.close()
    second = connect()
    second.sendall(b"count?\n")
    assert second.recv(10) == b"1\n"
    served.unplug()
    assert second.recv(10) == b""
    third = connect()
    third.sendall(b"count?\n")
    assert third.recv(10) == b"1\n"


def test_the_clock_is_looked_at_with_and_without_a_client(connect, counter):
    connect()
    before, deadline = counter.ticks, time.monotonic() + 5
    while counter.ticks < before + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert counter.ticks >= before + 3


def test_a_slow_link_takes_its_time(connect, served):
    served.link = LinkModel(turnaround=0.05, byte=0.001)
    client = connect()
    start = time.monotonic()
    client.sendall(b"count?\n")
    assert client.recv(10) == b"0\n"
    assert time.monotonic() - start >= 0.05 + 0.009


def test_in_real_time_virtual_time_is_waited_for(connect, counter, served):
    served.clock = VirtualClock()
    plain = counter.message

    def slow(data: bytes) -> bytes:
        served.clock.sleep(0.1)
        return plain(data)

    counter.message = slow
    client = connect()
    start = time.monotonic()
    client.sendall(b"count?\n")
    assert client.recv(10) == b"0\n"
    assert time.monotonic() - start >= 0.1


def test_links_get_slower_in_the_order_that_one_expects():
    cost = {name: link.turnaround + 1000 * link.byte for name, link in LINKS.items()}
    assert cost["none"] == 0 < cost["lan"] < cost["gpib"] < cost["usb"]
    assert cost["serial-921600"] < cost["serial-115200"]


def test_an_empty_plan_does_nothing():
    plan = FaultPlan()
    assert plan.for_message() == (None, False)
    assert plan.for_reply() is None
