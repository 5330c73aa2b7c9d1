"""The emulated firmware, fed raw frames: what a board must refuse whoever asks."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import CellPulses, PulseConditions, PulseShape
from ohmloop.drivers.board.answers import Code, Done, Identity, Refusal, Report, Result, State
from ohmloop.drivers.board.frames import Frame, FrameDecoder
from ohmloop.drivers.board.measuring import Currents, Forward, ReadCells, ReadRectangle
from ohmloop.drivers.board.messages import (
    NO_LIMIT,
    Chunk,
    Identify,
    Message,
    Run,
    Safe,
    SetLimits,
    SetWatchdog,
    Status,
)
from ohmloop.drivers.board.programs import encode_program
from ohmloop.drivers.board.replies import REQUESTS, parse_reply
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.board.pulse_board import EmulatedPulseBoard
from ohmloop.sim_backend.pulse_strength import PulseStrength

SHAPE = (3, 4)
CONDITIONS = PulseConditions(PulseShape(1.5, 1e-6), PulseShape(-1.5, 1e-6), 1e-6)
LIMITS = SetLimits(2.0, 1e-5, 0.3, 1e-3, 0.6, 100)
BODY = encode_program(CellPulses(np.arange(12).reshape(SHAPE) - 6), CONDITIONS)
PULSES = 36


class Wire:
    """A board, asked without a driver."""

    def __init__(self, ready: bool = True) -> None:
        population = sample(PopulationSpec(), SHAPE, np.random.default_rng(0))
        self.time = 0.0
        self.cells, self.clock = CellArray(population, 0), VirtualClock()
        strength = PulseStrength(CONDITIONS)
        self.board = EmulatedPulseBoard(self.cells, self.clock, strength, now=lambda: self.time)
        if ready:
            assert self.ask(LIMITS) == Done()

    def ask(self, message: Message, sequence: int = 7) -> Message:
        data = self.board.feed(Frame(message.type, sequence, message.payload()).encode())
        (frame,) = FrameDecoder().feed(data)
        assert frame.sequence == sequence
        return parse_reply(frame)

    def refused(self, message: Message) -> Code:
        reply = self.ask(message)
        assert isinstance(reply, Refusal), reply
        assert self.cells.pulses_applied == 0
        return Code(reply.code)

    def run(self, body: bytes = BODY, **changes: int) -> Run:
        fields = {"boot": 1, "number": 1, "length": len(body), "checksum": zlib.crc32(body)}
        return Run(**{**fields, **changes}, data=body)

    def report(self) -> Report:
        reply = self.ask(Status())
        assert isinstance(reply, Report)
        return reply


def program(counts: object = 1, **changes: float) -> bytes:
    values = {"up": 1.5, "down": -1.5, "up_width": 1e-6, "down_width": 1e-6, "rest": 1e-6}
    v = {**values, **changes}
    pulses = PulseConditions(
        PulseShape(v["up"], v["up_width"]), PulseShape(v["down"], v["down_width"]), v["rest"]
    )
    return encode_program(CellPulses(np.zeros(SHAPE, int) + counts), pulses)


def test_it_says_who_it_is_in_any_version():
    wire = Wire(ready=False)
    assert isinstance(wire.ask(Identify()), Identity)
    (frame,) = FrameDecoder().feed(wire.board.feed(Frame(1, 2, b"", version=9).encode()))
    assert isinstance(parse_reply(frame), Identity)
    (frame,) = FrameDecoder().feed(wire.board.feed(Frame(2, 2, b"", version=9).encode()))
    assert parse_reply(frame).code == Code.VERSION


def test_nothing_works_before_limits_are_set():
    wire = Wire(ready=False)
    assert wire.refused(wire.run()) == Code.NO_LIMITS
    assert wire.refused(ReadRectangle(0.1, 0, 0, 0, 1, 0, 1)) == Code.NO_LIMITS
    assert wire.refused(Forward(0, 0, np.zeros((1, 4)))) == Code.NO_LIMITS
    assert not wire.board.outputs_on


@pytest.mark.parametrize(
    "body",
    [
        program(up=2.1),
        program(down=-2.1),
        program(up_width=2e-5, rest=1e-4),
        program(up_width=0.0),
        program(down_width=1e-9),
        program(rest=1e-8),
        program(rest=-1e-6),
        program(101),
        program(-101),
    ],
)
def test_a_program_beyond_the_limits_is_refused_by_the_board_itself(body):
    wire = Wire()
    assert wire.refused(wire.run(body)) == Code.LIMIT
    assert wire.report().result.number == 0
    assert not wire.board.outputs_on


def test_reads_and_products_beyond_the_limits_are_refused():
    wire = Wire()
    assert wire.refused(ReadRectangle(0.31, 0, 0, 0, 3, 0, 4)) == Code.LIMIT
    assert wire.refused(ReadCells(-0.31, 0, 0, np.zeros((1, 2), np.uint16))) == Code.LIMIT
    assert wire.refused(Forward(0, 0, np.full((1, 4), 0.31))) == Code.LIMIT
    assert wire.refused(ReadRectangle(np.nan, 0, 0, 0, 3, 0, 4)) == Code.PAYLOAD
    assert not wire.board.outputs_on


@pytest.mark.parametrize(
    "message",
    [
        ReadRectangle(0.1, 0, 0, 1, 3, 0, 4),
        ReadRectangle(0.1, 0, 0, 0, 0, 0, 4),
        ReadCells(0.1, 0, 0, np.array([[0, 4]], np.uint16)),
        Forward(0, 0, np.zeros((1, 3))),
        Forward(-1, 0, np.zeros((1, 4))),
        SetWatchdog(0.0),
        SetLimits(2.0, 1e-5, 0.3, 1e-3, 1.1, 5),
        SetLimits(np.nan, 1e-5, 0.3, 1e-3, 1.0, 5),
    ],
)
def test_what_cannot_be_is_refused(message):
    assert Wire().refused(message) == Code.PAYLOAD


def test_a_program_for_another_shape_is_refused():
    wire = Wire()
    body = encode_program(CellPulses(np.ones((4, 3), int)), CONDITIONS)
    assert wire.refused(wire.run(body)) == Code.PAYLOAD


def test_a_reply_beyond_the_longest_frame_is_refused():
    wire = Wire()
    wire.board.about = Identity(1, 3, 4, 3, 96, 5.0, 1e-7, 1.0, "b", "1", "s")
    assert wire.refused(ReadCells(0.1, 0, 0, np.zeros((13, 2), np.uint16))) == Code.TOO_LARGE


@pytest.mark.parametrize(
    "raised",
    [
        SetLimits(2.1, 1e-5, 0.3, 1e-3, 0.6, 100),
        SetLimits(2.0, 2e-5, 0.3, 1e-3, 0.6, 100),
        SetLimits(2.0, 1e-5, 0.4, 1e-3, 0.6, 100),
        SetLimits(2.0, 1e-5, 0.3, 2e-3, 0.6, 100),
        SetLimits(2.0, 1e-5, 0.3, 1e-3, 0.7, 100),
        SetLimits(2.0, 1e-5, 0.3, 1e-3, 0.6, NO_LIMIT),
    ],
)
def test_limits_are_only_lowered_until_a_power_cycle(raised):
    wire = Wire()
    assert wire.refused(raised) == Code.RAISED
    assert wire.ask(LIMITS) == Done()
    assert wire.ask(SetLimits(1.9, 1e-5, 0.3, 1e-3, 0.6, 100)) == Done()
    assert wire.refused(LIMITS) == Code.RAISED
    wire.board.power_cycle()
    assert wire.ask(raised) == Done()


def test_a_program_runs_once_however_often_it_is_asked_for():
    wire = Wire()
    first = wire.ask(wire.run())
    assert first == Result(1, zlib.crc32(BODY), State.DONE, PULSES, 0)
    map_then = wire.cells.conductance
    for _ in range(3):
        assert wire.ask(wire.run()) == first
    assert wire.report().result == first
    assert np.array_equal(wire.cells.conductance, map_then)
    assert wire.cells.pulses_applied == PULSES
    for changes in ({"number": 1, "body": program(2)}, {"number": 0}):
        assert isinstance(wire.ask(wire.run(**changes)), Refusal)
    assert isinstance(wire.ask(wire.run(number=9)), Result)
    assert wire.ask(wire.run(number=5)).code == Code.NUMBER


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_program_runs_only_when_all_of_it_arrived(missing):
    wire = Wire()
    parts = [BODY[:40], BODY[40:80], BODY[80:]]
    chunks = [Chunk(1, 0, parts[0]), Chunk(1, 40, parts[1])]
    end = Run(1, 1, len(BODY), zlib.crc32(BODY), parts[2])
    for index, chunk in enumerate(chunks):
        if index != missing:
            wire.ask(chunk)
    if missing < 2:
        assert wire.refused(end) == Code.INCOMPLETE
        for chunk in [*chunks, *chunks]:
            wire.ask(chunk)
    assert wire.ask(end).applied == PULSES


def test_a_program_of_another_checksum_or_number_is_not_run():
    wire = Wire()
    assert wire.refused(wire.run(checksum=1)) == Code.INCOMPLETE
    wire.ask(Chunk(2, 0, BODY[:40]))
    other = Run(1, 3, len(BODY), zlib.crc32(BODY), BODY[40:])
    assert wire.refused(other) == Code.INCOMPLETE
    wire.ask(Safe())
    two = Run(1, 2, len(BODY), zlib.crc32(BODY), BODY[40:])
    assert wire.refused(two) == Code.INCOMPLETE
    assert wire.refused(Chunk(4, 1 << 30, b"x")) in (Code.INCOMPLETE, Code.TOO_LARGE)


def test_a_program_for_an_earlier_power_up_is_not_run():
    wire = Wire()
    wire.board.power_cycle()
    wire.ask(LIMITS)
    assert wire.refused(wire.run(boot=1)) == Code.REBOOTED
    assert wire.report().boot == 2
    assert wire.ask(wire.run(boot=2)).applied == PULSES


def test_the_watchdog_switches_off_when_the_host_falls_silent():
    wire = Wire()
    wire.ask(SetWatchdog(0.5))
    wire.ask(ReadRectangle(0.1, 0, 0, 0, 3, 0, 4))
    for _ in range(5):
        wire.time += 0.4
        wire.board.tick()
        assert wire.report().flags == 0b011
    wire.time += 0.6
    wire.board.feed(b"")
    assert not wire.board.outputs_on
    assert wire.report().flags == 0b101
    wire.ask(Safe())
    assert wire.report().flags == 0b001


def test_damaged_frames_do_not_feed_the_watchdog():
    wire = Wire()
    wire.ask(SetWatchdog(0.5))
    wire.ask(ReadRectangle(0.1, 0, 0, 0, 3, 0, 4))
    for _ in range(3):
        wire.time += 0.3
        assert wire.board.feed(b"\0\5\4\3\0") == b""
    assert not wire.board.outputs_on
    assert wire.report().damaged == 3


def test_power_up_is_off_and_forgets_all_but_the_chip():
    wire = Wire()
    wire.ask(wire.run())
    assert wire.board.outputs_on
    before = wire.cells.conductance
    wire.board.power_cycle()
    assert not wire.board.outputs_on
    assert wire.report() == Report(2, 0, 0, Result(0, 0, State.NONE, 0, 0))
    assert np.array_equal(wire.cells.conductance, before)


def test_time_passes_on_the_benchs_clock():
    wire = Wire()
    wire.ask(ReadRectangle(0.1, 1e-3, 2e-3, 0, 3, 0, 4))
    assert wire.clock.now == pytest.approx(12 * 3e-3)
    wire.ask(wire.run())
    assert wire.clock.now == pytest.approx(12 * 3e-3 + PULSES * 2e-6)


def test_currents_are_not_rounded():
    wire = Wire()
    reply = wire.ask(ReadRectangle(0.1, 0, 0, 0, 3, 0, 4))
    assert isinstance(reply, Currents)
    assert len(set(np.frombuffer(reply.values.tobytes(), np.uint64) % 256)) > 4


@given(st.sampled_from([*sorted(REQUESTS), 0x7F, 0xFF]), st.binary(max_size=150))
def test_any_frame_is_answered_and_never_pulses(kind, payload):
    wire = Wire()
    data = wire.board.feed(Frame(kind, 1, payload).encode())
    (frame,) = FrameDecoder().feed(data)
    parse_reply(frame)
    assert wire.cells.pulses_applied == 0


@given(st.binary(max_size=300))
def test_any_bytes_leave_the_board_alive(noise):
    wire = Wire()
    wire.board.feed(noise)
    wire.board.feed(b"\0")
    assert isinstance(wire.ask(Status()), Report)
    assert wire.cells.pulses_applied == 0
