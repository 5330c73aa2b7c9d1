"""The pulse board when things go wrong: exactly once, in doubt, and safe at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    InDoubtError,
    InstrumentError,
    LinkError,
    ReportedError,
)
from ohmloop.drivers.board import PulseBoardCrossbar
from ohmloop.drivers.board.answers import Code, Done, Report, Result, State
from ohmloop.drivers.board.frames import Frame, FrameDecoder
from ohmloop.drivers.board.link import BoardLink
from ohmloop.drivers.board.measuring import Currents
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments.board.pulse_board import EmulatedPulseBoard
from ohmloop.sim_backend.instruments.faults import Fault
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer, zero_ended

SHAPE = (5, 12)


def cell_program(seed: int, shape: tuple[int, int] = SHAPE) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, shape))


def coincidence_program(
    seed: int, shape: tuple[int, int] = SHAPE, batch: int = 5
) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (batch, shape[0])),
        rng.integers(0, 2**20, (batch, shape[1])),
        rng.choice([-1, 1], (batch, shape[0])),
        rng.choice([-1, 1], (batch, shape[1])),
        length=20,
    )


def _with(board: EmulatedPulseBoard, **changes: object):
    return replace(board.about, **changes)


LOST = [Fault.DROP_REQUEST, Fault.DROP, Fault.GARBLE, Fault.DUPLICATE, Fault.TRUNCATE]


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
def test_a_program_runs_exactly_once_whatever_the_line_loses(
    fault, make, emulated, firmware, chip, twin
):
    for seed in range(2):
        emulated.servers["board"].faults.append(fault)
        receipt = chip.pulse(make(seed))
        twin.pulse(make(seed))
        assert receipt.pulses_applied == make(seed).total_pulses
    assert emulated.pulses_applied == twin.cells.pulses_applied
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert np.array_equal(chip.read(), twin.read())


def test_the_answer_to_a_question_may_be_lost_too(emulated, firmware, chip):
    emulated.servers["board"].faults.extend(
        [Fault.DROP, Fault.GARBLE, Fault.DROP_REQUEST, Fault.DUPLICATE]
    )
    assert chip.pulse(cell_program(0)).pulses_applied == emulated.pulses_applied


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_lost_chunk_is_sent_again(first, emulated, firmware, twin):
    firmware.about = _with(firmware, max_payload=8 * 12 + 64)
    firmware.power_cycle()
    with open_on_bench(emulated.bench) as chip:
        program = coincidence_program(1)
        emulated.servers["board"].faults.extend([None] * first + [Fault.DROP_REQUEST])
        assert chip.pulse(program).pulses_applied == program.total_pulses
        twin.pulse(program)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


def test_a_line_that_loses_everything_is_an_error_that_says_so(emulated, firmware, chip):
    emulated.servers["board"].faults.extend([Fault.DROP_REQUEST, None] * 4)
    with pytest.raises(LinkError, match="nothing of it was applied"):
        chip.pulse(cell_program(0))
    assert emulated.pulses_applied == 0
    assert chip.pulse(cell_program(0)).pulses_applied == emulated.pulses_applied > 0


def test_the_same_program_twice_is_two_programs_also_in_another_session(emulated, chip):
    program = cell_program(0)
    chip.pulse(program)
    chip.pulse(program)
    chip.close()
    with open_on_bench(emulated.bench) as again:
        again.pulse(program)
    assert emulated.pulses_applied == 3 * program.total_pulses


def test_a_broken_link_is_opened_again_and_the_program_runs_once(emulated, chip):
    chip.read()
    emulated.servers["board"].unplug()
    time.sleep(0.1)
    receipt = chip.pulse(cell_program(0))
    assert receipt.pulses_applied == emulated.pulses_applied


def test_power_lost_before_a_program_is_noticed_and_it_runs_once(emulated, firmware, chip, twin):
    chip.pulse(cell_program(0))
    emulated.servers["board"].faults.append(Fault.POWER_BEFORE)
    chip.pulse(cell_program(1))
    for seed in range(2):
        twin.pulse(cell_program(seed))
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert firmware.limits is not None


@pytest.mark.parametrize("fault", [Fault.POWER_MIDWAY, Fault.POWER_AFTER])
def test_power_lost_in_a_program_leaves_it_in_doubt_and_the_bench_usable(
    fault, emulated, firmware, chip
):
    program = cell_program(0)
    emulated.servers["board"].faults.append(fault)
    with pytest.raises(InDoubtError, match=r"lost its power.*read the crossbar again") as caught:
        chip.pulse(program)
    assert caught.value.applied is None
    assert 0 < emulated.pulses_applied <= program.total_pulses
    before = emulated.pulses_applied
    assert chip.read().shape == SHAPE
    assert chip.pulse(program).pulses_applied == emulated.pulses_applied - before


@pytest.mark.parametrize("then", [[], [Fault.DROP]])
def test_a_fault_of_the_board_is_in_doubt_with_what_the_board_counted(
    then, emulated, firmware, chip
):
    emulated.servers["board"].faults.extend([Fault.HARDWARE, *then])
    with pytest.raises(InDoubtError, match="converter does not answer") as caught:
        chip.pulse(cell_program(0))
    assert caught.value.applied == emulated.pulses_applied > 0
    assert not emulated.outputs_on


def test_a_fault_of_a_board_that_then_falls_silent_is_in_doubt(emulated, firmware, chip):
    emulated.servers["board"].faults.extend([Fault.HARDWARE, *[Fault.DROP] * 3])
    with pytest.raises(InDoubtError, match="is unknown") as caught:
        chip.pulse(cell_program(0))
    assert caught.value.applied is None


def test_another_board_on_a_line_that_broke_gets_nothing(emulated, firmware, chip):
    firmware.about = _with(firmware, serial="PB0002")
    emulated.servers["board"].unplug()
    time.sleep(0.1)
    with pytest.raises(InDoubtError, match="another board answers"):
        chip.pulse(cell_program(0))
    with pytest.raises(InstrumentError, match="the link was closed"):
        chip.read()
    assert emulated.pulses_applied == 0


class Proxy(Emulated):
    """Stands between host and board; ``change`` makes other replies of its replies."""

    def __init__(self, board: EmulatedPulseBoard, change: Callable[[Frame], Frame | None]) -> None:
        self.board, self.change = board, change

    def message(self, data: bytes) -> bytes:
        frames = FrameDecoder().feed(self.board.message(data))
        return b"".join(f.encode() for f in map(self.change, frames) if f)


@pytest.fixture
def proxied(emulated, firmware) -> Iterator[Callable[..., PulseBoardCrossbar]]:
    with ExitStack() as stack:

        def make(change: Callable[[Frame], Frame | None]) -> PulseBoardCrossbar:
            server = SocketServer(
                "proxy", Proxy(firmware, change), zero_ended, resource="socket://{host}:{port}"
            )
            stack.callback(server.close)
            bench = emulated.bench.with_resources({"board": server.resource})
            return stack.enter_context(open_on_bench(bench))

        yield make


def test_a_board_that_still_pulses_is_waited_for(emulated, proxied):
    """The reply to RUN is lost; STATUS first says that the program runs."""
    running = [State.RUNNING, State.RUNNING]

    def change(frame: Frame) -> Frame | None:
        if frame.type == Result.type:
            return None
        if frame.type == Report.type and Report.parse(frame.payload).result.number and running:
            report = Report.parse(frame.payload)
            busy = replace(report.result, state=running.pop(), applied=0)
            return replace(frame, payload=replace(report, result=busy).payload())
        return frame

    chip = proxied(change)
    assert chip.pulse(cell_program(0)).pulses_applied == emulated.pulses_applied > 0
    assert not running


@pytest.mark.parametrize(
    ("currents", "kind", "message"),
    [
        (np.full(60, np.nan), InstrumentError, "no reading for 60 of 60"),
        (np.ones(59), LinkError, "answers 59 currents, not 60"),
    ],
)
def test_a_reading_that_is_none_is_an_error_not_a_number(currents, kind, message, proxied):
    chip = proxied(
        lambda f: replace(f, payload=currents.tobytes()) if f.type == Currents.type else f
    )
    with pytest.raises(kind, match=message):
        chip.read()


def test_a_reply_of_another_kind_or_nonsense_is_a_link_error(proxied):
    for kind in (Done.type, 0x99):
        odd = replace(Frame(kind, 0), payload=b"")
        chip = proxied(
            lambda f, odd=odd: replace(odd, sequence=f.sequence) if f.type == Currents.type else f
        )
        with pytest.raises(LinkError, match=r"something else than asked|cannot be"):
            chip.read()


def test_a_refused_number_is_reported(chip, emulated):
    chip.pulse(cell_program(0))
    chip.board._number = 0
    with pytest.raises(ReportedError, match="program 1 was the last") as caught:
        chip.pulse(cell_program(1))
    assert caught.value.code == Code.NUMBER
    assert emulated.pulses_applied == cell_program(0).total_pulses


def test_ctrl_c_leaves_the_next_program_right(emulated, chip, monkeypatch):
    """Interrupted while it waits for the result: the same program again is another program."""
    program = cell_program(0)
    reply = BoardLink._reply

    def interrupted(link, deadline):
        reply(link, deadline)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BoardLink, "_reply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            chip.pulse(program)
    chip.pulse(program)
    assert emulated.pulses_applied == 2 * program.total_pulses


def test_power_lost_between_operations_is_made_good(firmware, chip):
    firmware.power_cycle()
    assert chip.read().shape == SHAPE
    firmware.power_cycle()
    assert chip.forward(np.zeros((1, 12))).shape == (1, 5)


def test_a_board_that_is_gone_leaves_the_program_in_doubt(emulated, caplog):
    crossbar = open_on_bench(emulated.bench)
    emulated.servers["board"].close()
    with pytest.raises(InDoubtError, match="is unknown"):
        crossbar.pulse(cell_program(1))
    with pytest.raises(InstrumentError):
        crossbar.read()
    crossbar.close()
    assert "could not be made safe" in caplog.text
    assert emulated.pulses_applied == 0


# ---------------------------------------------------------------- safe at the end


def test_leaving_by_an_exception_turns_everything_off(emulated):
    def use() -> None:
        with open_on_bench(emulated.bench) as crossbar:
            crossbar.pulse(cell_program(0))
            assert emulated.outputs_on
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not emulated.outputs_on


def test_an_output_that_stays_on_is_said(emulated, chip, caplog):
    emulated.servers["board"].faults.append(Fault.STUCK_OUTPUT)
    chip.read()
    chip.make_safe()
    assert "outputs stay on after SAFE" in caplog.text
    assert emulated.outputs_on
    emulated.servers["board"].power_cycle()
    chip.make_safe()
    assert not emulated.outputs_on
    assert chip.read().shape == SHAPE


def test_a_run_at_the_current_limit_is_counted(emulated, chip):
    emulated.servers["board"].faults.append(Fault.COMPLIANCE)
    assert chip.pulse(cell_program(0)).clipped == 1
    assert chip.pulse(cell_program(0)).clipped == 0


def test_a_hung_board_is_given_up_and_works_after_its_power_was_cycled(emulated, chip):
    emulated.servers["board"].faults.append(Fault.HUNG)
    with pytest.raises(InDoubtError, match="read the crossbar again"):
        chip.pulse(cell_program(0))
    emulated.servers["board"].power_cycle()
    assert chip.read().shape == SHAPE
    assert emulated.pulses_applied == 0
