"""Messages and programs: round trips, the specification's examples, and any bytes at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseConditions, PulseShape
from ohmloop.drivers.board import answers, measuring, messages
from ohmloop.drivers.board.answers import Result, State
from ohmloop.drivers.board.messages import MessageError
from ohmloop.drivers.board.programs import board_time, decode_program, encode_program
from ohmloop.drivers.board.replies import REPLIES, REQUESTS

SPECIFICATION = Path(__file__).parents[3] / "docs" / "reference" / "pulse-board.md"
CONDITIONS = PulseConditions(PulseShape(1.5, 1e-6), PulseShape(-1.4, 2e-6), 3e-6)
EVERY = [
    messages.Identify(),
    messages.Status(),
    messages.Safe(),
    messages.SetLimits(2.0, 1e-5, 0.3, 1e-3, 0.5, messages.NO_LIMIT),
    messages.SetWatchdog(0.5),
    messages.Chunk(7, 12, b"abc"),
    messages.Run(1, 7, 3, 9, b"abc"),
    answers.Done(),
    answers.Identity(1, 5, 12, 3, 4096, 5.0, 1e-7, 1.0, "a board", "1.0", "X1"),
    Result(7, 9, State.DONE, 123, 4),
    answers.Report(3, 5, 6, Result(7, 9, State.STOPPED, 1, 0)),
    answers.Refusal(5, "too much"),
    measuring.ReadRectangle(0.1, 0.0, 1e-5, 1, 2, 3, 4),
    measuring.ReadCells(0.1, 0.0, 1e-5, np.array([[1, 2], [3, 4]], np.uint16)),
    measuring.Forward(0.0, 1e-5, np.linspace(-1, 1, 6).reshape(2, 3)),
    measuring.Backward(0.0, 1e-5, np.linspace(-1, 1, 6).reshape(3, 2)),
    measuring.Currents(np.array([1e-6, -2e-300])),
]
KINDS = {**REQUESTS, **REPLIES}


def trains(seed: int, shape: tuple[int, int], length: int, batch: int = 3) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    high = 2**length - 1
    return CoincidencePulses(
        rng.integers(0, high, (batch, shape[0]), np.uint64, endpoint=True),
        rng.integers(0, high, (batch, shape[1]), np.uint64, endpoint=True),
        rng.choice([-1, 1], (batch, shape[0])),
        rng.choice([-1, 1], (batch, shape[1])),
        length=length,
    )


def test_the_specification_lists_every_type_and_code():
    text = SPECIFICATION.read_text(encoding="utf-8")
    for code in answers.Code:
        assert f"| {code.value} | `{code.name}` |" in text
    for kind in KINDS:
        assert f"| 0x{kind:02X} |" in text


def test_every_message_is_tried():
    assert {type(message) for message in EVERY} == set(KINDS.values())


@pytest.mark.parametrize("message", EVERY, ids=lambda m: type(m).__name__)
def test_messages_come_back_as_they_went(message):
    payload = message.payload()
    again = KINDS[message.type].parse(payload)
    assert type(again) is type(message)
    assert again.payload() == payload
    if not isinstance(message, measuring.ReadCells | measuring.Product | measuring.Currents):
        assert again == message


@pytest.mark.parametrize("message", EVERY, ids=lambda m: type(m).__name__)
def test_a_payload_of_another_length_is_refused(message):
    kind, payload = KINDS[message.type], message.payload()
    if not isinstance(message, answers.Refusal | messages.Chunk):
        with pytest.raises(MessageError):
            kind.parse(payload + b"\1")
    if payload and not isinstance(message, answers.Refusal | messages.Chunk | messages.Run):
        with pytest.raises(MessageError):
            kind.parse(payload[:-1])


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=120))
def test_any_payload_is_a_message_or_the_declared_error(kind, payload):
    try:
        message = KINDS[kind].parse(payload)
    except MessageError:
        return
    if not isinstance(message, answers.Refusal | answers.Identity):  # their text is shown only
        assert message.payload() == payload


@pytest.mark.parametrize("shape", [(1, 1), (5, 12), (64, 10), (3, 17)])
@pytest.mark.parametrize("length", [1, 7, 8, 31, 64])
def test_trains_come_back_as_they_went(shape, length):
    program = trains(length, shape, length)
    found = decode_program(encode_program(program, CONDITIONS))
    assert found.shape == shape
    assert found.conditions == CONDITIONS
    assert np.array_equal(found.runs.cells, program.runs.cells)
    assert np.array_equal(found.runs.counts, program.runs.counts)
    assert found.seconds == program.duration(CONDITIONS) <= board_time(program, CONDITIONS)


@pytest.mark.parametrize("coincidences", [True, False])
def test_runs_come_back_as_they_went(coincidences):
    counts = np.random.default_rng(1).integers(-9, 10, (5, 12))
    for program in (CellPulses(counts), trains(4, (5, 12), 9)):
        found = decode_program(encode_program(program, CONDITIONS, coincidences))
        assert np.array_equal(found.runs.cells, program.runs.cells)
        assert np.array_equal(found.runs.counts, program.runs.counts)
    assert found.seconds > 0


def test_time_of_runs_is_that_of_the_program():
    program = CellPulses(np.random.default_rng(1).integers(-9, 10, (5, 12)))
    found = decode_program(encode_program(program, CONDITIONS))
    assert found.seconds == program.duration(CONDITIONS)


PROGRAMS = [
    encode_program(CellPulses(np.arange(-3, 3).reshape(2, 3)), CONDITIONS),
    encode_program(trains(0, (2, 3), 5), CONDITIONS),
]


@given(st.sampled_from(PROGRAMS), st.data())
def test_a_damaged_program_is_another_program_or_the_declared_error(whole, data):
    cut = data.draw(st.integers(0, len(whole)))
    damaged = bytearray(whole[:cut])
    if damaged:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(0, 255))
    try:
        found = decode_program(bytes(damaged) + data.draw(st.binary(max_size=12)))
    except MessageError:
        return
    size = found.shape[0] * found.shape[1]
    assert ((found.runs.cells >= 0) & (found.runs.cells < size)).all()
    assert (np.diff(found.runs.cells) >= 0).all()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_program_or_the_declared_error(data):
    try:
        decode_program(data)
    except MessageError:
        return
