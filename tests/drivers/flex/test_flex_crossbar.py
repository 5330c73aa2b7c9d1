"""The B1500A bench over real sockets: parity, messages, refusals, and every way out ends safe."""

from __future__ import annotations

from dataclasses import replace
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
    ReportedError,
    load_bench,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.faults import Fault

EXAMPLE = Path(__file__).parents[3] / "examples" / "bench-flex.yaml"
BOTH = pytest.mark.parametrize("pulses", ["spgu", "smu"])


def cell_program(seed: int) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, (4, 6)))


def coincidence_program(seed: int) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (3, 4)),
        rng.integers(0, 2**20, (3, 6)),
        rng.choice([-1, 1], (3, 4)),
        rng.choice([-1, 1], (3, 6)),
        length=20,
    )


@BOTH
@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_wire_and_twin_give_the_same_conductances_bit_for_bit(make, emulated, chip, twin):
    for seed in range(2):
        program = make(seed)
        receipt = chip.pulse(program)
        twin.pulse(program)
        assert receipt.pulses_applied == program.total_pulses
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.pulses_applied == twin.cells.pulses_applied > 0
    assert emulated.hot_switches == 0
    assert not emulated.outputs_on
    witness = emulated.chips["array"].witness
    assert witness.voltage == 1.5
    assert witness.width == pytest.approx(chip.conditions.up.width, abs=1e-9)


def test_reads_agree_with_the_twin_to_the_seven_digits_that_are_printed(chip, twin):
    np.testing.assert_allclose(chip.read(), twin.read(), rtol=5e-7)
    rows, columns = [3, 1], slice(1, 4)
    np.testing.assert_allclose(chip.read(rows, columns), twin.read(rows, columns), rtol=5e-7)


def test_currents_at_any_voltage_and_none_at_zero(chip, emulated):
    true = emulated.cells.conductance
    np.testing.assert_allclose(chip.currents(-0.2), -0.2 * true, rtol=0.05)
    assert not chip.currents(0.0).any()
    with pytest.raises(LimitError):
        chip.currents(0.4)


@BOTH
def test_own_conditions_of_a_program_reach_the_chip_and_do_not_stay(emulated, chip, twin):
    up, down = chip.conditions.up, chip.conditions.down
    stronger = replace(
        chip.conditions,
        up=PulseShape(1.8, 2 * up.width),
        down=PulseShape(-1.6, down.width),
    )
    for program in (CellPulses(np.full((4, 6), 3), conditions=stronger), cell_program(1)):
        chip.pulse(program)
        twin.pulse(program)
    np.testing.assert_allclose(emulated.cells.conductance, twin.conductance, rtol=1e-12)
    assert emulated.chips["array"].witness.voltage == 1.8


def test_long_and_short_pulses_follow_each_other(emulated, chip, twin):
    c = chip.conditions
    ones = np.ones((4, 6), int)
    for scale in (5e-4, 10, 1, 0.01, 5):
        width = round(c.up.width * scale, 9)
        own = PulseConditions(PulseShape(1.5, width), PulseShape(-1.5, width), rest=width)
        chip.pulse(CellPulses(ones, conditions=own))
        twin.pulse(CellPulses(ones, conditions=own))
    np.testing.assert_allclose(emulated.cells.conductance, twin.conductance, rtol=1e-9)


@BOTH
def test_a_cell_costs_a_handful_of_messages(emulated, chip):
    chip.read()
    before = chip.messages
    chip.read()
    assert chip.messages - before <= 24 * 2 + 12  # a line to each instrument a cell
    before = chip.messages
    program = CellPulses(np.full((4, 6), 5))
    assert chip.pulse(program).pulses_applied == 120
    assert chip.messages - before <= 24 * 4 + 12


@BOTH
def test_a_program_beyond_the_limits_sends_no_byte(emulated, chip):
    chip.read()
    received = [server.bytes_received for server in emulated.servers.values()]
    c = chip.conditions
    too_strong = replace(c, up=PulseShape(2.5, c.up.width))
    too_long = PulseConditions(PulseShape(1.5, 20e-3), c.down, rest=20e-3)
    for program in (
        CellPulses(np.full((4, 6), 5001)),
        CellPulses(np.ones((4, 6), int), conditions=too_strong),
        CellPulses(np.ones((4, 6), int), conditions=too_long),
        CellPulses(np.ones((6, 4), int)),
    ):
        with pytest.raises(LimitError):
            chip.pulse(program)
    untimed = replace(c, up=PulseShape(1.5, 1.2345678e-3))
    with pytest.raises(ProgramError, match="steps of"):
        chip.pulse(CellPulses(np.ones((4, 6), int), conditions=untimed))
    with pytest.raises(LimitError):
        chip.forward(np.full((1, 6), 0.4))
    assert [server.bytes_received for server in emulated.servers.values()] == received
    assert emulated.pulses_applied == 0


def test_the_load_is_told_so_that_an_open_end_does_not_get_twice_the_voltage(write):
    path = write(("spgu: 501}", "spgu: 501, load: 200 ohm}"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            crossbar.pulse(cell_program(0))
            c = crossbar.conditions
            stronger = replace(c, up=PulseShape(1.7, c.up.width))
            with pytest.raises(ProgramError, match=r"2.125 V .*limits.voltage, 2 V"):
                crossbar.pulse(CellPulses(np.ones((4, 6), int), conditions=stronger))
        assert emulated.chips["array"].witness.voltage == 1.875  # 1.5 V into 200 ohm


@BOTH
def test_leaving_by_an_exception_turns_everything_off(emulated, pulses):
    channel = {"spgu": 501, "smu": 1}[pulses]

    def use() -> None:
        with open_on_bench(emulated.bench) as crossbar:
            crossbar.meter.analyser.obey(f"CN {channel}")
            crossbar.matrix.select(["10101", "10205"])
            assert emulated.outputs_on
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed


def test_make_safe_stops_a_train_that_plays(emulated, chip):
    analyser = chip.meter.analyser
    chip.matrix.select(["10301", "10205"])
    analyser.obey("CN 501", "SPPER 2E-4", "SPT 501,1,0,1E-4,2E-8", "SPV 501,1,0,1.5")
    analyser.obey("SPUPD 501", "SPRM 0", "SRP")  # free run: on and on
    while not emulated.pulses_applied:
        analyser.transport.query("SPST?")
    chip.make_safe()
    assert not emulated.rig.analyser.spgu.active
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed
    before = emulated.pulses_applied
    assert chip.pulse(cell_program(0)).pulses_applied == emulated.pulses_applied - before


def test_relays_that_move_during_a_train_are_noticed_by_the_emulator(emulated, chip):
    analyser = chip.meter.analyser
    analyser.obey("CN 501", "SPPER 2E-4", "SPV 501,1,0,1.5", "SPUPD 501", "SPRM 0", "SRP")
    chip.matrix.select(["10301", "10205"])
    assert emulated.hot_switches == 1


def test_a_reading_beyond_the_range_names_the_cell(write):
    path = write(("spgu: 501}", "spgu: 501, current_range: 100 nA}"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        says = r"cell \(row 0, column 0\), 24 cells in all: beyond the measuring range"
        with open_on_bench(emulated.bench) as crossbar, pytest.raises(InstrumentError, match=says):
            crossbar.read()
        assert not emulated.outputs_on


def test_a_reading_at_the_current_limit_is_no_reading(write):
    path = write(("current: 1 mA", "current: 100 nA"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        says = r"cell \(row 0, column 0\), 24 cells in all: this channel reached compliance"
        with open_on_bench(emulated.bench) as crossbar, pytest.raises(InstrumentError, match=says):
            crossbar.read()


@pytest.mark.parametrize("pulses", ["smu"])
def test_compliance_is_set_and_counted(write):
    path = write(("current: 1 mA", "current: 20 uA"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            receipt = crossbar.pulse(CellPulses(np.ones((4, 6), int)))
        assert receipt.clipped == emulated.rig.fixtures[1].compliance_pulses > 0


def test_a_refused_line_gives_no_numbers(emulated, chip):
    chip.read()
    emulated.rig.analyser.handlers["PA"] = (lambda *_: emulated.rig.analyser.push(120), 0, 1)
    with pytest.raises(ReportedError, match="120"):
        chip.read()
    emulated.servers["analyser"].faults.extend([None] * 26 + [Fault.HANG_UP])
    with pytest.raises(ReportedError, match="120"):
        chip.read()
    assert not emulated.servers["analyser"].faults
    assert not emulated.outputs_on


def test_the_example_runs():
    with (
        EmulatedBench(load_bench(EXAMPLE), any_port=True) as emulated,
        open_on_bench(emulated.bench) as crossbar,
    ):
        counts = np.zeros(crossbar.shape, int)
        counts[0, :3], counts[-1, -1] = 7, -4
        assert crossbar.pulse(CellPulses(counts)).pulses_applied == emulated.pulses_applied == 25
        true = emulated.cells.conductance[:2]
        np.testing.assert_allclose(crossbar.read([0, 1]), true, rtol=0.05)
        assert emulated.hot_switches == 0
    assert not emulated.outputs_on
