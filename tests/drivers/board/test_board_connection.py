"""Who answers on the line, how it is opened, and what is refused before anything is pulsed."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ConfigError,
    InstrumentError,
    NotConnectedError,
    SqliteJournal,
    WrongInstrumentError,
    load_bench,
)
from ohmloop.drivers.board import PulseBoard
from ohmloop.drivers.board.frames import Frame, FrameDecoder
from ohmloop.drivers.links.interrupts import interrupts_held
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.board.pulse_board import EmulatedPulseBoard
from ohmloop.sim_backend.instruments.faults import Fault
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer, Wire, zero_ended

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


def test_a_host_that_falls_silent_is_noticed(write_board_bench):
    path = write_board_bench(("watchdog: 60 s", "watchdog: 500 ms"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        crossbar = open_on_bench(emulated.bench)
        crossbar.read()
        assert emulated.outputs_on
        crossbar.board.link.close()
        deadline = time.monotonic() + 5
        while emulated.outputs_on and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not emulated.outputs_on


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Interrupts act, also where the tests run in the background of a shell, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_the_middle_of_a_program_stops_it_on_the_board(write_board_bench, tmp_path):
    # Time enough: every part of the program is late here, and a busy machine is later still.
    bench = load_bench(write_board_bench(("timeout: 150 ms", "timeout: 10 s")))
    with EmulatedBench(bench, any_port=True) as emulated:
        _press_in_the_middle(emulated, emulated.rig.board, tmp_path)


def _press_in_the_middle(
    emulated: EmulatedBench, firmware: EmulatedPulseBoard, tmp_path: Path
) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    program = CellPulses(np.full(emulated.cells.shape, 5000))
    apply, waiting = firmware.cells.apply, threading.Event()

    def slow(*arguments: object) -> int:
        waiting.set()
        time.sleep(0.1)
        return int(apply(*arguments))

    def press() -> None:
        waiting.wait()
        os.kill(os.getpid(), signal.SIGINT)

    firmware.cells.apply = slow
    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt), open_on_bench(emulated.bench) as chip:  # noqa: PT012
        chip.journal = journal
        chip.pulse(program)
    thread.join()
    assert 0 < emulated.pulses_applied < program.total_pulses
    assert not emulated.outputs_on
    assert journal.totals()["in_doubt"] == 1
    firmware.cells.apply = apply
    with open_on_bench(emulated.bench) as again:
        assert again.pulse(cell_program(0)).pulses_applied == cell_program(0).total_pulses
    journal.close()


@pytest.mark.usefixtures("ctrl_c")
def test_interrupts_wait_for_the_end_of_a_frame():
    reached = []

    def send() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the frame")

    with pytest.raises(KeyboardInterrupt):
        send()
    assert reached


@pytest.mark.usefixtures("ctrl_c")
def test_who_ignores_interrupts_goes_on_to():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_held():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


# ---------------------------------------------------------------- a real serial port


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="the system has no pseudo-terminals")
def test_a_serial_port_does_what_the_socket_does(emulated, firmware, twin):
    board_end, host_end = os.openpty()
    import tty

    tty.setraw(board_end)
    stop = threading.Event()
    wire = Wire("board", firmware, zero_ended)

    def pump() -> None:
        rest = b""
        while not stop.is_set():
            if select.select([board_end], [], [], 0.02)[0]:
                whole, rest = zero_ended(rest + os.read(board_end, 4096))
                reply = memoryview(b"".join(wire.answer(message)[0] for message in whole))
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
            wire.faults.append(Fault.GARBLE)
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


class Stranger(Emulated):
    """Answers every frame with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def message(self, data: bytes) -> bytes:
        return self.answer


def served(device: Emulated) -> SocketServer:
    return SocketServer("stranger", device, zero_ended, resource="socket://{host}:{port}")


@pytest.mark.parametrize("answer", [b"KEITHLEY,MODEL 2636B\n", b"\0\1\2\3\0", b"\0" * 9])
def test_somebody_else_answers(answer, emulated):
    server = served(Stranger(answer))
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
        def message(self, data: bytes) -> bytes:
            (frame,) = FrameDecoder().feed(data + b"\0")
            return Frame(0x81, frame.sequence, b"?", version=9).encode()

    server = served(Newer(b""))
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
