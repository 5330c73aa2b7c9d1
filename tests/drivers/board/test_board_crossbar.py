"""The pulse board over a socket: parity, messages, refusals, exactly once, and safe at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    LimitError,
    PulseConditions,
    PulseShape,
    ReportedError,
    load_bench,
)
from ohmloop.drivers.board import PulseBoardCrossbar
from ohmloop.drivers.board.answers import Code, Done
from ohmloop.drivers.board.messages import SetLimits
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.board.pulse_board import EmulatedPulseBoard

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
