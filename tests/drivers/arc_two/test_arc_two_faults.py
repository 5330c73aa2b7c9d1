"""An ArC TWO bench when things go wrong: exactly once, in doubt, and at 0 V at the end."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    InDoubtError,
    InstrumentError,
    LinkError,
    NotConnectedError,
    PulseReceipt,
    WrongInstrumentError,
)
from ohmloop.drivers.arc_two import ArcTwoCrossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.pulses import PulseProgram
from ohmloop.sim_backend.instruments.faults import Fault, Strike
from ohmloop.sim_backend.instruments.server import Emulated, SocketServer

SHAPE = (4, 6)
IN_DOUBT = {
    Fault.POWER_BEFORE,
    Fault.POWER_MIDWAY,
    Fault.POWER_AFTER,
    Fault.HARDWARE,
    Fault.HUNG,
}
LOST = [
    Fault.DROP_REQUEST,
    Fault.CUT_REQUEST,
    Fault.DROP,
    Fault.DELAY,
    Fault.GARBLE,
    Fault.DUPLICATE,
    Fault.TRUNCATE,
    Fault.HANG_UP,
]


@pytest.fixture
def bench_file(tmp_path: Path, bench_text: str) -> Path:
    path = tmp_path / "bench.yaml"
    path.write_text(bench_text.replace("timeout: 300 ms", "timeout: 150 ms"))
    return path


def cell_program(seed: int = 0) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, SHAPE))


def coincidence_program(seed: int = 0) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (3, SHAPE[0])),
        rng.integers(0, 2**20, (3, SHAPE[1])),
        rng.choice([-1, 1], (3, SHAPE[0])),
        rng.choice([-1, 1], (3, SHAPE[1])),
        length=20,
    )


def _plan(server, position: int, fault: Fault) -> None:
    """Let ``position`` messages, or replies, pass first."""
    server.faults.extend([*[None] * position, fault])


def _outcome(chip: ArcTwoCrossbar, program: PulseProgram) -> PulseReceipt | InDoubtError:
    try:
        return chip.pulse(program)
    except InDoubtError as error:
        return error


STRIKES = [
    *((fault, position, cell_program) for fault in Fault for position in range(3)),
    *((fault, 0, coincidence_program) for fault in (Fault.POWER_MIDWAY, Fault.HARDWARE)),
]


@pytest.mark.parametrize(("fault", "position", "make"), STRIKES)
def test_a_program_is_applied_once_or_in_doubt_whatever_goes_wrong(
    fault, position, make, emulated, chip
):
    """A fault of the board itself, told of on a later message, strikes the second program."""
    server, program = emulated.servers["board"], make()
    _plan(server, position, fault)
    for _ in range(2):
        before = emulated.pulses_applied
        outcome = _outcome(chip, program)
        given = emulated.pulses_applied - before
        if isinstance(outcome, PulseReceipt):
            assert outcome.pulses_applied == given == program.total_pulses
        else:
            assert fault in IN_DOUBT
            assert outcome.applied in (None, given)
            assert given <= program.total_pulses
            assert outcome.cells.size
        server.faults.clear()
        if fault is Fault.HUNG:
            server.power_cycle()
    before = emulated.pulses_applied
    assert chip.pulse(program).pulses_applied == emulated.pulses_applied - before
    assert np.isfinite(chip.read()).all()
    chip.close()
    assert emulated.outputs_on == (fault is Fault.STUCK_OUTPUT)
    witness = emulated.chips["array"].witness
    assert witness.voltage <= emulated.bench.limits.voltage
    assert witness.width <= emulated.bench.limits.width


PLAGUE = [
    None,
    Fault.DROP_REQUEST,
    Fault.CUT_REQUEST,
    Fault.DROP,
    Fault.GARBLE,
    Fault.DUPLICATE,
    Fault.HANG_UP,
    Fault.POWER_BEFORE,
    Fault.POWER_AFTER,
    Strike(Fault.POWER_MIDWAY, pulses=9),
    Strike(Fault.HARDWARE, pulses=9),
]


def _several_faults(seed: int, emulated, chip) -> None:
    """Faults in a row, also while the driver asks what became of the first."""
    rng, server = np.random.default_rng(seed), emulated.servers["board"]
    for number in range(4):
        server.faults.extend([PLAGUE[k] for k in rng.integers(0, len(PLAGUE), 4)])
        program, before = cell_program(number), emulated.pulses_applied
        try:
            outcome: PulseReceipt | InstrumentError = chip.pulse(program)
        except InstrumentError as error:
            outcome = error
        given = emulated.pulses_applied - before
        if isinstance(outcome, PulseReceipt):
            assert outcome.pulses_applied == given == program.total_pulses
        elif isinstance(outcome, InDoubtError):
            assert outcome.applied in (None, given)
            assert given <= program.total_pulses
        else:
            assert given == 0, outcome
        server.faults.clear()
    before = emulated.pulses_applied
    server.power_cycle()
    assert chip.pulse(cell_program()).pulses_applied == emulated.pulses_applied - before


@pytest.mark.parametrize("seed", range(6))
def test_several_faults_in_a_row_never_repeat_a_pulse(seed, emulated, chip):
    _several_faults(seed, emulated, chip)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_faults_in_a_row_never_repeat_a_pulse(seed, emulated, chip):
    _several_faults(seed, emulated, chip)


@pytest.mark.parametrize("later", [Fault.POWER_BEFORE, Fault.POWER_AFTER])
@pytest.mark.parametrize("questions", [1, 2])
def test_memory_lost_while_it_is_asked_is_no_evidence(later, questions, emulated, chip):
    """The program ran and its reply was lost; then the power fails while flags are looked for."""
    emulated.servers["board"].faults.extend([Fault.DROP, *[None] * questions, later])
    with pytest.raises(InDoubtError):
        chip.pulse(cell_program())
    assert emulated.pulses_applied == cell_program().total_pulses


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
def test_what_the_link_loses_leaves_no_doubt(fault, emulated, chip, twin):
    for seed in range(3):
        _plan(emulated.servers["board"], seed, fault)
        assert chip.pulse(cell_program(seed)).pulses_applied == cell_program(seed).total_pulses
        twin.pulse(cell_program(seed))
        emulated.servers["board"].faults.clear()
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


@pytest.mark.parametrize("position", [0, 2])
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
def test_reads_survive_what_the_link_loses(fault, position, emulated, chip):
    _plan(emulated.servers["board"], position, fault)
    assert np.allclose(chip.read(), emulated.cells.conductance, rtol=0.2, atol=1e-7)


BETWEEN = r"at least (\d+) and at most (\d+) pulses"


def _bounds(doubt: InDoubtError) -> tuple[int, int]:
    found = re.search(BETWEEN, str(doubt))
    assert found
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("pulses", [1, 5, 30, 90])
def test_a_board_that_stops_says_by_its_flags_how_far_it_got(pulses, emulated, chip):
    program = CellPulses(np.full(SHAPE, 40))
    emulated.servers["board"].faults.append(Strike(Fault.HARDWARE, pulses=pulses))
    with pytest.raises(InDoubtError, match=BETWEEN) as caught:
        chip.pulse(program)
    given = emulated.pulses_applied
    assert given == pulses * SHAPE[1]
    assert caught.value.applied is None
    least, most = _bounds(caught.value)
    assert given - 64 * SHAPE[1] <= least <= given <= most <= given + 64 * SHAPE[1]
    assert not emulated.outputs_on
    assert chip.pulse(program).pulses_applied == emulated.pulses_applied - given


def test_what_hangs_in_the_buffer_never_runs_later(emulated, board, chip):
    emulated.servers["board"].faults.append(Strike(Fault.HARDWARE, pulses=2))
    with pytest.raises(InDoubtError):
        chip.pulse(CellPulses(np.full(SHAPE, 10)))
    given = emulated.pulses_applied
    chip.read()
    chip.make_safe()
    assert emulated.pulses_applied == given == 2 * SHAPE[1]


def test_power_lost_midway_cannot_be_told(emulated, chip):
    emulated.servers["board"].faults.append(Strike(Fault.POWER_MIDWAY, pulses=3))
    with pytest.raises(InDoubtError, match="lost its power") as caught:
        chip.pulse(cell_program())
    assert caught.value.applied is None
    assert emulated.pulses_applied > 0


def test_a_stop_in_a_later_flush_counts_what_was_given_before(emulated, chip):
    program = CellPulses(np.full(SHAPE, 300))  # 1200 pulses of lines: two flushes
    late = Strike(Fault.HARDWARE, pulses=100)
    emulated.servers["board"].faults.extend([None, None, None, late])
    with pytest.raises(InDoubtError, match=BETWEEN) as caught:
        chip.pulse(program)
    given = emulated.pulses_applied
    assert given > 900 * SHAPE[1]
    least, most = _bounds(caught.value)
    assert given - 64 * SHAPE[1] <= least <= given <= most


def test_an_output_that_stays_on_is_found_and_said(emulated, chip):
    emulated.servers["board"].faults.append(Fault.STUCK_OUTPUT)
    chip.read()
    with pytest.raises(InstrumentError, match=r"channel 7 reads 0\.05 V, .* switch the board off"):
        chip.board.make_safe()
    assert emulated.outputs_on
    emulated.servers["board"].power_cycle()
    chip.board.make_safe()
    assert not emulated.outputs_on


def test_a_line_that_stays_driven_is_found_and_said(emulated, board, chip):
    board.machine.stick()
    with pytest.raises(InstrumentError, match=r"channel \d+ reads 0\.1 V, not 0 V"):
        chip.read()
    with pytest.raises(InstrumentError, match="switch the board off"):
        chip.board.make_safe()
    emulated.servers["board"].power_cycle()


def test_a_line_that_stays_driven_leaves_a_program_in_doubt(emulated, board, chip):
    """Cells on it may have had more than the program's pulses: nothing counted them."""
    board.machine.stick()
    with pytest.raises(InDoubtError, match="does not go off") as caught:
        chip.pulse(cell_program())
    assert caught.value.applied is None
    emulated.servers["board"].power_cycle()


def test_a_link_that_loses_everything_is_an_error_that_says_so(emulated, chip):
    emulated.servers["board"].faults.extend([Fault.DROP_REQUEST, *[None] * 5] * 4)
    with pytest.raises(LinkError, match=r"nothing of it was carried out"):
        chip.pulse(cell_program())
    emulated.servers["board"].faults.clear()
    assert emulated.pulses_applied == 0
    assert chip.pulse(cell_program()).pulses_applied == emulated.pulses_applied


def test_a_broken_link_is_opened_again_and_the_program_runs_once(emulated, chip):
    chip.read()
    emulated.servers["board"].unplug()
    time.sleep(0.05)
    assert chip.pulse(cell_program()).pulses_applied == emulated.pulses_applied


def test_another_board_on_a_link_that_broke_gets_nothing(emulated, board, chip):
    board.serial = "A2-0002"
    emulated.servers["board"].unplug()
    time.sleep(0.05)
    with pytest.raises(InDoubtError, match="another board, A2-0002"):
        chip.pulse(cell_program())
    assert emulated.pulses_applied == 0
    board.serial = "A2-0001"


def test_an_exception_leaves_all_lines_at_ground(emulated, board):
    with pytest.raises(ZeroDivisionError), open_on_bench(emulated.bench) as chip:
        raise ZeroDivisionError(chip.pulse(cell_program()))
    assert (board.machine.volts == 0).all()
    assert not emulated.outputs_on


def test_making_safe_works_after_the_link_was_lost(emulated, board, chip):
    emulated.servers["board"].unplug()
    time.sleep(0.05)
    chip.make_safe()
    assert (board.machine.volts == 0).all()


class _Talker(Emulated):
    def message(self, data: bytes) -> bytes:
        return b"who are you?\n" * 4


class _Silent(Emulated):
    def message(self, data: bytes) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("device", "error", "problem"),
    [
        (_Talker(), WrongInstrumentError, "not as a frame endpoint"),
        (_Silent(), NotConnectedError, "nobody answers"),
    ],
)
def test_who_is_no_frame_endpoint_is_refused(device, error, problem, emulated):
    server = SocketServer("stranger", device, _anything, resource="socket://{host}:{port}")
    try:
        bench = emulated.bench.with_resources({"board": server.resource})
        with pytest.raises(error, match=problem):
            open_on_bench(bench)
    finally:
        server.close()


def _anything(data: bytes) -> tuple[list[bytes], bytes]:
    return [data], b""


def test_nobody_at_the_resource(emulated):
    bench = emulated.bench.with_resources({"board": "socket://127.0.0.1:9"})
    with pytest.raises(NotConnectedError, match="check the resource"):
        open_on_bench(bench)
