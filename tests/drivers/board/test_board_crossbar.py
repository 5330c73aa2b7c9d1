"""The pulse board over a socket: parity, messages, refusals, exactly once, and safe at the end."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ConfigError,
    InDoubtError,
    InstrumentError,
    LimitError,
    LinkError,
    NotConnectedError,
    PulseConditions,
    PulseShape,
    ReportedError,
    WrongInstrumentError,
    load_bench,
)
from ohmloop.drivers.board import PulseBoard, PulseBoardCrossbar
from ohmloop.drivers.board.answers import Code, Done, Report, Result, State
from ohmloop.drivers.board.frames import Frame, FrameDecoder
from ohmloop.drivers.board.link import BoardLink
from ohmloop.drivers.board.measuring import Currents
from ohmloop.drivers.board.messages import SetLimits
from ohmloop.drivers.board.serial_port import interrupts_held
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.board_faults import Fault
from ohmloop.sim_backend.instruments.board_server import BoardServer
from ohmloop.sim_backend.instruments.pulse_board import EmulatedPulseBoard

EXAMPLE = Path(__file__).parents[3] / "examples" / "bench-board.yaml"
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


@pytest.fixture
def example() -> Iterator[tuple[EmulatedBench, PulseBoardCrossbar]]:
    with (
        EmulatedBench(load_bench(EXAMPLE), any_port=True) as emulated,
        open_on_bench(emulated.bench) as crossbar,
    ):
        assert isinstance(crossbar, PulseBoardCrossbar)
        yield emulated, crossbar


# ---------------------------------------------------------------- parity


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_wire_and_twin_give_the_same_conductances_bit_for_bit(make, emulated, chip, twin):
    before = emulated.clock.now
    for seed in range(4):
        program = make(seed)
        receipt = chip.pulse(program)
        twin.pulse(program)
        assert receipt.pulses_applied == program.total_pulses
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.pulses_applied == twin.cells.pulses_applied > 0
    spent = sum(make(seed).duration(chip.conditions) for seed in range(4))
    assert emulated.clock.now - before == pytest.approx(spent, abs=1e-8)


def test_reads_agree_with_the_twin_bit_for_bit_noise_included(chip, twin):
    assert np.array_equal(chip.read(), twin.read())
    for rows, columns in (([3, 1], slice(1, 4)), (2, 7), (slice(1, 3), [0, 11, 5]), ([], [])):
        assert np.array_equal(chip.read(rows, columns), twin.read(rows, columns))


def test_products_agree_with_the_twin_bit_for_bit(chip, twin):
    rng = np.random.default_rng(0)
    for batch in (1, 7):
        columns, rows = (rng.uniform(-0.3, 0.3, (batch, n)) for n in (12, 5))
        assert np.array_equal(chip.forward(columns), twin.forward(columns))
        assert np.array_equal(chip.backward(rows), twin.backward(rows))
    assert np.array_equal(chip.read(), twin.read())
    assert chip.forward(np.empty((0, 12))).shape == (0, 5)


def test_own_conditions_of_a_program_reach_the_chip_and_do_not_stay(emulated, chip, twin):
    stronger = PulseConditions(PulseShape(1.8, 2e-6), PulseShape(-1.6, 1e-6), rest=1e-6)
    for program in (CellPulses(np.full(SHAPE, 3), conditions=stronger), cell_program(1)):
        chip.pulse(program)
        twin.pulse(program)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_programs_and_reads_larger_than_a_frame_are_split_and_agree(make, emulated, twin):
    emulated.rig.board.about = _with(emulated.rig.board, max_payload=8 * 12 + 64)
    emulated.rig.board.power_cycle()
    with open_on_bench(emulated.bench) as chip:
        before = chip.messages
        program = make(2)
        chip.pulse(program)
        twin.pulse(program)
        assert chip.messages - before > 3
        before = chip.messages
        assert np.array_equal(chip.read(), twin.read())
        assert chip.messages - before == 5
        assert np.array_equal(chip.read([4, 0, 1]), twin.read([4, 0, 1]))
        assert chip.forward(np.full((9, 12), 0.1)).shape == (9, 5)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


def _with(board: EmulatedPulseBoard, **changes: object):
    return replace(board.about, **changes)


def test_a_board_without_products_and_trains_is_served_by_the_host(emulated, twin):
    emulated.rig.board.about = _with(emulated.rig.board, capabilities=0)
    with open_on_bench(emulated.bench) as chip:
        assert not chip.capabilities.coincidence_update
        chip.pulse(coincidence_program(3))
        twin.pulse(coincidence_program(3))
        assert chip.forward(np.full((2, 12), 0.1)).shape == (2, 5)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, emulated):
    check(lambda: open_on_bench(emulated.bench))


# ---------------------------------------------------------------- messages


def test_a_training_step_is_one_message_and_its_result(example):
    emulated, chip = example
    wide = np.zeros((10, 54), np.uint64)
    program = coincidence_program(0, (10, 64), batch=10)
    tile = CoincidencePulses(  # a 10 x 64 tile on a 64 x 64 crossbar: the other rows never fire
        np.hstack([program.row_trains, wide]),
        program.column_trains,
        np.hstack([program.row_signs, np.ones((10, 54), np.int8)]),
        program.column_signs,
        length=20,
    )
    before = chip.messages
    assert chip.pulse(tile).pulses_applied == emulated.pulses_applied > 0
    assert chip.messages - before <= 2


def test_ten_thousand_scattered_pulses_and_a_map_are_a_message_each(example):
    emulated, chip = example
    counts = np.zeros(64 * 64, int)
    counts[np.random.default_rng(0).choice(counts.size, 1000, replace=False)] = 10
    before = chip.messages
    assert chip.pulse(CellPulses(counts.reshape(64, 64))).pulses_applied == 10_000
    assert emulated.pulses_applied == 10_000
    chip.read()
    assert chip.messages - before == 2


# ---------------------------------------------------------------- limits


def test_a_program_beyond_the_limits_sends_no_byte(emulated, chip):
    chip.read()
    sent = chip.board.link.traffic.bytes_sent
    received = emulated.servers["board"].bytes_received
    too_strong = PulseConditions(PulseShape(2.5, 1e-6), PulseShape(-1.5, 1e-6), rest=1e-6)
    too_long = PulseConditions(PulseShape(1.5, 2e-5), PulseShape(-1.5, 1e-6), rest=2e-5)
    for program in (
        CellPulses(np.full(SHAPE, 5001)),
        CellPulses(np.ones(SHAPE, int), conditions=too_strong),
        CellPulses(np.ones(SHAPE, int), conditions=too_long),
        CellPulses(np.ones((12, 5), int)),
    ):
        with pytest.raises(LimitError):
            chip.pulse(program)
    with pytest.raises(LimitError):
        chip.forward(np.full((1, 12), 0.4))
    assert chip.board.link.traffic.bytes_sent == sent
    assert emulated.servers["board"].bytes_received == received
    assert emulated.pulses_applied == 0


def test_what_the_board_refuses_is_reported_and_nothing_is_applied(emulated, chip):
    lower = SetLimits(1.0, 1e-5, 0.3, 1e-3, 0.7, 5000)
    chip.board.ask(lower, Done)
    with pytest.raises(ReportedError, match=r"1\.5 V is beyond limits.voltage, 1 V") as caught:
        chip.pulse(cell_program(0))
    assert caught.value.code == Code.LIMIT
    assert emulated.pulses_applied == 0


def test_limits_are_lifted_by_a_power_cycle_only(emulated, firmware):
    for text, fails in (("voltage: 2 V", False), ("voltage: 3 V", True), ("voltage: 2 V", False)):
        path = emulated.bench.path
        source = path.read_text()
        path.write_text(source.replace("voltage: 2 V", text))
        bench = load_bench(path).with_resources({"board": emulated.servers["board"].resource})
        path.write_text(source)
        if fails:
            with pytest.raises(ReportedError, match="voltage was set to 2; a power-cycle lifts"):
                open_on_bench(bench)
            firmware.power_cycle()
        open_on_bench(bench).close()
        if fails:
            firmware.power_cycle()


# ---------------------------------------------------------------- exactly once

LOST = [Fault.DROP_REQUEST, Fault.DROP, Fault.GARBLE, Fault.DUPLICATE, Fault.TRUNCATE]


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
def test_a_program_runs_exactly_once_whatever_the_line_loses(
    fault, make, emulated, firmware, chip, twin
):
    for seed in range(2):
        firmware.faults.append(fault)
        receipt = chip.pulse(make(seed))
        twin.pulse(make(seed))
        assert receipt.pulses_applied == make(seed).total_pulses
    assert emulated.pulses_applied == twin.cells.pulses_applied
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert np.array_equal(chip.read(), twin.read())


def test_the_answer_to_a_question_may_be_lost_too(emulated, firmware, chip):
    firmware.faults.extend([Fault.DROP, Fault.GARBLE, Fault.DROP_REQUEST, Fault.DUPLICATE])
    assert chip.pulse(cell_program(0)).pulses_applied == emulated.pulses_applied


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_lost_chunk_is_sent_again(first, emulated, firmware, twin):
    firmware.about = _with(firmware, max_payload=8 * 12 + 64)
    firmware.power_cycle()
    with open_on_bench(emulated.bench) as chip:
        program = coincidence_program(1)
        firmware.faults.extend([None] * first + [Fault.DROP_REQUEST])
        assert chip.pulse(program).pulses_applied == program.total_pulses
        twin.pulse(program)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


def test_a_line_that_loses_everything_is_an_error_that_says_so(emulated, firmware, chip):
    firmware.faults.extend([Fault.DROP_REQUEST, None] * 4)
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
    firmware.faults.append(Fault.POWER_BEFORE)
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
    firmware.faults.append(fault)
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
    firmware.faults.extend([Fault.HARDWARE, *then])
    with pytest.raises(InDoubtError, match="converter does not answer") as caught:
        chip.pulse(cell_program(0))
    assert caught.value.applied == emulated.pulses_applied > 0
    assert not emulated.outputs_on


def test_a_fault_of_a_board_that_then_falls_silent_is_in_doubt(emulated, firmware, chip):
    firmware.faults.extend([Fault.HARDWARE, *[Fault.DROP] * 3])
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


class Proxy:
    """Stands between host and board; ``change`` makes other replies of its replies."""

    def __init__(self, board: EmulatedPulseBoard, change: Callable[[Frame], Frame | None]) -> None:
        self.board, self.change = board, change
        self.tick, self.describe = board.tick, board.describe

    def feed(self, data: bytes) -> bytes:
        frames = FrameDecoder().feed(self.board.feed(data))
        return b"".join(f.encode() for f in map(self.change, frames) if f)


@pytest.fixture
def proxied(emulated, firmware) -> Iterator[Callable[..., PulseBoardCrossbar]]:
    with ExitStack() as stack:

        def make(change: Callable[[Frame], Frame | None]) -> PulseBoardCrossbar:
            server = BoardServer("proxy", Proxy(firmware, change))
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


def test_a_host_that_falls_silent_is_noticed(write_board_bench):
    path = write_board_bench(("watchdog: 60 s", "watchdog: 80 ms"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        crossbar = open_on_bench(emulated.bench)
        crossbar.read()
        assert emulated.outputs_on
        crossbar.board.link.close()
        deadline = time.monotonic() + 5
        while emulated.outputs_on and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not emulated.outputs_on


def test_interrupts_wait_for_the_end_of_a_frame():
    reached = []

    def send() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the frame")

    with pytest.raises(KeyboardInterrupt):
        send()
    assert reached


# ---------------------------------------------------------------- a real serial port


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="the system has no pseudo-terminals")
def test_a_serial_port_does_what_the_socket_does(emulated, firmware, twin):
    board_end, host_end = os.openpty()
    import tty

    tty.setraw(board_end)
    stop = threading.Event()

    def pump() -> None:
        while not stop.is_set():
            if select.select([board_end], [], [], 0.02)[0]:
                reply = memoryview(firmware.feed(os.read(board_end, 4096)))
                while reply:
                    reply = reply[os.write(board_end, reply[:512]) :]

    thread = threading.Thread(target=pump)
    thread.start()
    try:
        bench = emulated.bench.with_resources({"board": os.ttyname(host_end)})
        with open_on_bench(bench) as chip:
            for program in (cell_program(0), coincidence_program(0)):
                chip.pulse(program)
                twin.pulse(program)
            assert np.array_equal(chip.read(), twin.read())
            firmware.faults.append(Fault.GARBLE)
            assert chip.pulse(cell_program(1)).pulses_applied == cell_program(1).total_pulses
    finally:
        stop.set()
        thread.join()
        os.close(board_end)
        os.close(host_end)


# ---------------------------------------------------------------- who answers


def test_nobody_answers(emulated):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        silent = emulated.bench.with_resources({"board": f"socket://127.0.0.1:{port}"})
        with pytest.raises(NotConnectedError, match="nobody answers"):
            PulseBoard.connect(silent, "board")
    with pytest.raises(NotConnectedError, match="nobody answers"):
        PulseBoard.connect(silent, "board")
    for resource in ("/dev/no-such-port", "gopher://x", "socket://127.0.0.1"):
        with pytest.raises(NotConnectedError, match="nobody answers"):
            PulseBoard.connect(emulated.bench.with_resources({"board": resource}), "board")


class Stranger:
    """Answers every frame with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def feed(self, data: bytes) -> bytes:
        return self.answer

    def tick(self) -> None: ...

    def describe(self) -> str:
        return "strange"


@pytest.mark.parametrize("answer", [b"KEITHLEY,MODEL 2636B\n", b"\0\1\2\3\0", b"\0" * 9])
def test_somebody_else_answers(answer, emulated):
    server = BoardServer("stranger", Stranger(answer))
    bench = emulated.bench.with_resources({"board": server.resource})
    try:
        with pytest.raises(WrongInstrumentError, match="not as a pulse board"):
            open_on_bench(bench)
    finally:
        server.close()


def test_another_version_of_the_protocol_is_refused(emulated, firmware):
    firmware.about = _with(firmware, protocol=2)
    with pytest.raises(WrongInstrumentError, match="speaks version 2"):
        open_on_bench(emulated.bench)


def test_a_frame_of_another_version_is_refused(emulated):
    class Newer(Stranger):
        def feed(self, data: bytes) -> bytes:
            return b"".join(
                Frame(0x81, f.sequence, b"?", version=9).encode() for f in FrameDecoder().feed(data)
            )

    server = BoardServer("newer", Newer(b""))
    try:
        with pytest.raises(WrongInstrumentError, match="speaks version 9"):
            open_on_bench(emulated.bench.with_resources({"board": server.resource}))
    finally:
        server.close()


def test_a_board_of_another_shape_is_refused(emulated, write_board_bench):
    path = write_board_bench(("[5, 12]", "[12, 5]"))
    bench = load_bench(path).with_resources({"board": emulated.servers["board"].resource})
    with pytest.raises(WrongInstrumentError, match=r"5 x 12 lines.*has 12 x 5"):
        open_on_bench(bench)


def test_a_board_that_cannot_make_the_pulses_is_refused(emulated, firmware):
    firmware.about = _with(firmware, shortest=5e-6)
    with pytest.raises(InstrumentError, match="times pulses of 5e-06 s"):
        open_on_bench(emulated.bench)
    firmware.about = _with(firmware, shortest=1e-9, voltage=1.0)
    with pytest.raises(InstrumentError, match="makes at most 1 V"):
        open_on_bench(emulated.bench)


def test_identity_says_who_answers(emulated):
    board = PulseBoard.connect(emulated.bench, "board")
    assert board.identity.startswith(emulated.rig.devices["board"].identity)
    board.close()


# ---------------------------------------------------------------- bench files


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{board: board}", "{bord: board}", "array.wiring.bord: unknown key; known are board"),
        ("{board: board}", "{board: bord}", "array.wiring.board: no instrument 'bord'"),
        ("timeout: 150 ms", "tmeout: 150 ms", "instruments.board.options.tmeout: unknown key"),
        ("timeout: 150 ms", "baud: 5", "instruments.board.options.baud"),
        ("watchdog: 60 s", "watchdog: 60", "options.watchdog: 60 has no unit"),
        ("driver: pulse-board", "driver: keithley-707b", "instruments.board.options"),
        (
            "  array: {",
            "  other: {kind: pulse-board, shape: [5, 12], wiring: {board: board}}\n  array: {",
            "'board' already drives crossbar",
        ),
    ],
)
def test_a_wrong_bench_file_is_refused_by_key(write_board_bench, old, new, message):
    with pytest.raises(ConfigError, match=message):
        load_bench(write_board_bench((old, new)))


def test_an_instrument_that_is_no_board_is_refused(write_board_bench):
    path = write_board_bench(
        ("driver: pulse-board", "driver: keithley-707b"),
        ("    options: {timeout: 150 ms, watchdog: 60 s}\n", ""),
    )
    with pytest.raises(ConfigError, match="'board' is a keithley-707b, which cannot be it"):
        load_bench(path)
