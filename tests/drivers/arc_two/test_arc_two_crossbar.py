"""An ArC TWO bench over the wire, beside its twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    InstrumentError,
    LimitError,
    ProgramError,
    PulseConditions,
    PulseShape,
    load_bench,
)
from ohmloop.drivers.arc_two.channels import ALL
from ohmloop.drivers.arc_two.endpoint import Request
from ohmloop.drivers.arc_two.instructions import DacRange, UpdateLogic, decode
from ohmloop.drivers.arc_two.words import LSB
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

SHAPE = (4, 6)


def cell_program(seed: int) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, SHAPE))


def coincidence_program(seed: int, batch: int = 3) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (batch, SHAPE[0])),
        rng.integers(0, 2**20, (batch, SHAPE[1])),
        rng.choice([-1, 1], (batch, SHAPE[0])),
        rng.choice([-1, 1], (batch, SHAPE[1])),
        length=20,
    )


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, emulated):
    check(lambda: open_on_bench(emulated.bench))
    assert emulated.chips["array"].witness.voltage <= emulated.bench.limits.voltage
    assert not emulated.outputs_on


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_pulses_agree_with_the_twin_bit_for_bit(make, emulated, board, chip, twin):
    for seed in range(3):
        receipt = chip.pulse(make(seed))
        twin.pulse(make(seed))
        assert receipt.pulses_applied == make(seed).total_pulses
    assert emulated.pulses_applied == twin.cells.pulses_applied
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert board.machine.transients == board.unknown == 0


def test_reads_agree_with_the_twin_within_a_code_of_the_converter(chip, twin):
    code = 20.48 / 2**18 / 110e3 / (327 * LSB)
    for _ in range(2):
        assert np.allclose(chip.read(), twin.read(), rtol=0, atol=0.51 * code)
    part = ([3, 1], [5, 0, 2])
    assert np.allclose(chip.read(*part), twin.read(*part), rtol=0, atol=0.51 * code)
    tall = (slice(None), 2)
    assert np.allclose(chip.read(*tall), twin.read(*tall), rtol=0, atol=0.51 * code)


def test_amplitudes_off_the_converters_grid_are_within_one_code(bench_file):
    bench_file.write_text(bench_file.read_text().replace("1.25 V", "1.3 V"))
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as chip:
            chip.pulse(cell_program(0))
        twin = TwinCrossbar(
            emulated.cells.population,
            seed=emulated.cells.seed,
            conditions=emulated.bench.conditions,
            reading=emulated.bench.reading,
        )
        twin.pulse(cell_program(0))
        assert np.allclose(emulated.cells.conductance, twin.conductance, rtol=0.01)
        assert emulated.pulses_applied == twin.cells.pulses_applied
        assert abs(emulated.chips["array"].witness.voltage - 1.3) <= LSB


@pytest.mark.parametrize("width", ["40 ns", "330 ns", "500 ms", "600 ms", "2 s"])
def test_widths_of_either_path_are_exact(width, bench_file):
    text = bench_file.read_text().replace("width: 1 us", f"width: {width}")
    bench_file.write_text(text.replace("width: 10 us", "width: 3 s"))
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as chip:
            counts = np.zeros(SHAPE, int)
            counts[0, :2] = 3, 1
            receipt = chip.pulse(CellPulses(counts))
        assert receipt.pulses_applied == emulated.pulses_applied == 4
        wanted = emulated.bench.conditions.up.width
        assert emulated.chips["array"].witness.width == wanted


def test_a_program_of_both_paths_in_turn(bench_file):
    text = bench_file.read_text().replace("width: 500 ns", "width: 600 ms")
    bench_file.write_text(text.replace("width: 10 us", "width: 3 s"))
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as chip:
            program = coincidence_program(0)
            assert chip.pulse(program).pulses_applied == program.total_pulses
        assert emulated.pulses_applied == program.total_pulses
        assert emulated.chips["array"].witness.width == 0.6
        assert emulated.rig.board.machine.transients == 0


def test_products_agree_with_the_map(emulated, chip):
    rng = np.random.default_rng(0)
    volts = rng.uniform(-0.3, 0.3, (5, SHAPE[1]))
    g = emulated.cells.conductance
    noise = 6 * float(emulated.cells.population.read_std.max()) * 0.3 * g.max() * 6
    assert np.allclose(chip.forward(volts), volts @ g.T, rtol=0, atol=noise + 3e-8)
    back = rng.uniform(-0.3, 0.3, (300, SHAPE[0]))  # more than one flush
    assert np.allclose(chip.backward(back), back @ g, rtol=0, atol=noise + 3e-8)
    assert chip.forward(np.empty((0, SHAPE[1]))).shape == (0, SHAPE[0])


def test_products_have_the_right_signs_without_noise(bench_file):
    bench_file.write_text(
        bench_file.read_text().replace("{seed: 5}", "{seed: 5, chip: {read_std: 0.0}}")
    )
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        g = emulated.cells.conductance
        with open_on_bench(emulated.bench) as chip:
            code = LSB / 2 * g.sum() + 20.48 / 2**18 / 110e3
            for volts in (np.diag([0.25] * 6), -np.diag([0.125] * 6)):
                assert np.allclose(chip.forward(volts), volts @ g.T, rtol=0, atol=code)
            for volts in (np.diag([0.25] * 4), -np.diag([0.125] * 4)):
                assert np.allclose(chip.backward(volts), volts @ g, rtol=0, atol=code)
            assert np.allclose(chip.currents(-0.2), -0.2 * g, rtol=0, atol=code)
            assert np.allclose(chip.currents(0.0), 0.0, atol=code)


class Listener:
    """Sees the bytes of a link."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.into: list[bytes] = []

    def sent(self, data: bytes) -> None:
        self.out.append(data)

    def received(self, data: bytes) -> None:
        self.into.append(data)


def test_a_program_beyond_the_limits_sends_no_byte(emulated):
    listener = Listener()
    emulated.bench.recorder = lambda name: listener
    with open_on_bench(emulated.bench) as chip:
        sent = len(listener.out)
        assert sent > 0 < len(listener.into)
        strong = PulseConditions(PulseShape(2.5, 1e-6), PulseShape(-1.25, 1e-6), 1e-6)
        for program in (
            CellPulses(np.ones(SHAPE, int), conditions=strong),
            CellPulses(np.full(SHAPE, 6000)),
        ):
            with pytest.raises(LimitError):
                chip.pulse(program)
        with pytest.raises(LimitError):
            chip.forward(np.full((1, SHAPE[1]), 0.31))
        odd = PulseConditions(PulseShape(1.25, 33e-9), PulseShape(-1.25, 1e-6), 1e-6)
        with pytest.raises(ProgramError, match="33 ns"):
            chip.pulse(CellPulses(np.ones(SHAPE, int), conditions=odd))
        assert len(listener.out) == sent


def test_few_messages(chip):
    def cost(act, *arguments):
        before = chip.messages
        act(*arguments)
        return chip.messages - before

    assert cost(chip.read) == 3
    assert cost(chip.forward, np.full((64, 6), 0.1)) == 3
    assert cost(chip.pulse, cell_program(0)) == 3
    assert cost(chip.pulse, coincidence_program(0, batch=1)) == 3
    assert cost(chip.make_safe) == 3


def test_currents_beyond_the_board_are_an_error(emulated, chip):
    emulated.cells.g[:] = 0.05
    with pytest.raises(InstrumentError, match="no reading for 24 of 24"):
        chip.currents(0.3)


def test_lines_that_do_not_fire_are_held_at_0_v(emulated, board, chip):
    """Half-selected cells see half the pulse, all others nothing."""
    seen: dict[tuple[int, int], set[float]] = {}
    lines, drive = board.machine.lines, board.machine.lines.drive

    def watched(channels):
        drive(channels)
        for row, column in np.argwhere(lines._across):
            seen.setdefault((int(row), int(column)), set()).add(float(lines._across[row, column]))

    lines.drive = watched
    counts = np.zeros(SHAPE, int)
    counts[1, 2] = 2
    chip.pulse(CellPulses(counts))
    assert seen.pop((1, 2)) == {1.25}
    assert set(seen) == {(1, c) for c in range(6) if c != 2} | {(r, 2) for r in range(4) if r != 1}
    assert all(volts == {0.625} for volts in seen.values())


def test_a_wide_range_left_by_another_program_doubles_nothing(emulated, board):
    board.machine.do(DacRange(ALL, ALL))
    with open_on_bench(emulated.bench) as chip:
        board.machine.do(DacRange(ALL, ALL))
        chip.pulse(cell_program(0))
        board.machine.do(DacRange(ALL, ALL))
        chip.read()
    assert emulated.chips["array"].witness.voltage == 1.25


def test_channels_that_nothing_hangs_on_stay_connected_to_ground(board, chip):
    seen = []
    drive = board.machine.lines.drive

    def watched(channels):
        seen.append(np.isnan(channels[[0, 1, 15, 33, 20, 62]]).any())
        drive(channels)

    board.machine.lines.drive = watched
    chip.pulse(coincidence_program(0))
    chip.read()
    assert not any(seen)


@pytest.mark.parametrize(("routing", "lines"), [("internal", 0), ("header", 1)])
def test_a_daughterboard_is_switched_in_every_flush(routing, lines, bench_file):
    """Frames of libarc2's ``set_control_mode``: its two modes differ in logic line 0."""
    text = bench_file.read_text().replace("timeout: 300 ms", f"daughterboard: {routing}")
    bench_file.write_text(text)
    listener = Listener()
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        emulated.bench.recorder = lambda name: listener
        with open_on_bench(emulated.bench) as chip:
            chip.read()
    flushes = [Request.parse(data).payload for data in listener.out]
    flushes = [frames for frames in flushes if frames]
    assert len(flushes) == 3  # opening, the read, leaving
    assert all(UpdateLogic(lines) in decode(frames) for frames in flushes)


def test_a_whole_board_agrees_with_its_twin():
    path = Path(__file__).parents[3] / "examples" / "bench-arc-two.yaml"
    rng = np.random.default_rng(3)
    programs = [
        CellPulses(rng.integers(-20, 21, (32, 32))),
        CoincidencePulses(
            rng.integers(0, 2**31, (2, 32)),
            rng.integers(0, 2**31, (2, 32)),
            rng.choice([-1, 1], (2, 32)),
            rng.choice([-1, 1], (2, 32)),
            length=31,
        ),
    ]
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        twin = TwinCrossbar(
            emulated.cells.population,
            seed=emulated.cells.seed,
            conditions=emulated.bench.conditions,
            reading=emulated.bench.reading,
        )
        with open_on_bench(emulated.bench) as chip:
            for program in programs:
                assert chip.pulse(program).pulses_applied == program.total_pulses
                twin.pulse(program)
        assert np.array_equal(emulated.cells.conductance, twin.conductance)
        assert emulated.rig.board.machine.transients == emulated.rig.board.unknown == 0


class Interrupter(Listener):
    """Ctrl-C while a reply arrives."""

    armed = -1

    def received(self, data: bytes) -> None:
        self.armed -= 1
        if self.armed == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("reply", [1, 2, 3])
def test_an_interrupt_leaves_the_link_in_order(reply, emulated):
    tap = Interrupter()
    emulated.bench.recorder = lambda name: tap
    with open_on_bench(emulated.bench) as chip:
        tap.armed = reply
        with pytest.raises(KeyboardInterrupt):
            chip.pulse(cell_program(0))
        before = emulated.pulses_applied
        assert before == cell_program(0).total_pulses
        assert chip.pulse(cell_program(1)).pulses_applied == emulated.pulses_applied - before
    assert not emulated.outputs_on
