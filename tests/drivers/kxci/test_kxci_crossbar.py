"""The KXCI bench over a socket: parity, messages, refusals, and every way out ends safe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ConfigError,
    InstrumentError,
    LimitError,
    PulseConditions,
    PulseShape,
    WrongInstrumentError,
    load_bench,
)
from ohmloop.drivers.kxci import execution, lowering
from ohmloop.drivers.kxci.waveform import retag
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS
from ohmloop.sim_backend.instruments import EmulatedBench

EXAMPLE = Path(__file__).parents[3] / "examples" / "bench-kxci.yaml"
SHAPE = (4, 6)


def cell_program(seed: int) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, SHAPE))


def coincidence_program(seed: int, batch: int = 5) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (batch, SHAPE[0])),
        rng.integers(0, 2**20, (batch, SHAPE[1])),
        rng.choice([-1, 1], (batch, SHAPE[0])),
        rng.choice([-1, 1], (batch, SHAPE[1])),
        length=20,
    )


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_wire_and_twin_give_the_same_conductances_bit_for_bit(make, emulated, chip, twin):
    for seed in range(4):
        program = make(seed)
        receipt = chip.pulse(program)
        twin.pulse(program)
        assert receipt.pulses_applied == program.total_pulses
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.pulses_applied == twin.cells.pulses_applied > 0


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_parity_holds_over_programs_in_several_parts(make, emulated, chip, twin, monkeypatch):
    monkeypatch.setattr(lowering, "MOST_BEATS", 7)
    monkeypatch.setattr(lowering, "LIST_LENGTH", 6)
    program = make(9)
    assert len(lowering.lower(program)) > 4
    assert chip.pulse(program).pulses_applied == program.total_pulses
    twin.pulse(program)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


def test_reads_agree_with_the_twin_to_the_printed_digits_noise_included(chip, twin):
    chip.pulse(cell_program(0))
    twin.pulse(cell_program(0))
    for rows, columns in [(slice(None), slice(None)), ([3, 1], slice(1, 4)), (0, 5)]:
        np.testing.assert_allclose(chip.read(rows, columns), twin.read(rows, columns), rtol=1e-6)


def test_own_conditions_of_a_program_reach_the_chip_and_do_not_stay(emulated, chip, twin):
    stronger = PulseConditions(PulseShape(1.6, 3e-6), PulseShape(-1.55, 1e-6), rest=2e-6)
    for program in (CellPulses(np.full(SHAPE, 3), conditions=stronger), cell_program(1)):
        chip.pulse(program)
        twin.pulse(program)
    assert np.array_equal(emulated.cells.conductance, twin.conductance)


def test_currents_at_any_voltage_have_its_sign(emulated, chip):
    truth = emulated.cells.conductance
    np.testing.assert_allclose(chip.currents(-0.2), -0.2 * truth, rtol=0.1)
    np.testing.assert_allclose(chip.currents(0.3, [2], [0, 5]), 0.3 * truth[2:3, [0, 5]], rtol=0.1)
    assert np.array_equal(chip.currents(0.0), np.zeros(SHAPE))


def test_products_are_those_of_the_chip_in_both_directions(emulated, chip):
    rng = np.random.default_rng(3)
    truth = emulated.cells.conductance
    columns, rows = rng.uniform(-0.1, 0.1, (300, 6)), rng.uniform(-0.1, 0.1, (3, 4))
    assert chip.forward(np.zeros((0, 6))).shape == (0, 4)
    for found, true in [
        (chip.forward(columns), columns @ truth.T),
        (chip.backward(rows), rows @ truth),
    ]:
        assert found.shape == true.shape
        # Read noise of 0.5 % a cell, six cells at most, five standard deviations.
        assert np.abs(found - true).max() < 5 * 0.01 * 0.1 * truth.max() * 6**0.5


def test_operations_are_few_messages(emulated, chip):
    for operation, first in [
        (chip.read, 20),
        (lambda: chip.pulse(cell_program(0)), 20),
        (lambda: chip.pulse(coincidence_program(0)), 20),
    ]:
        before = chip.messages
        operation()
        assert chip.messages - before <= first
    for operation, again in [(lambda: chip.pulse(coincidence_program(1)), 6)]:
        before = chip.messages
        operation()
        assert chip.messages - before <= again


def test_currents_beyond_the_range_are_counted_unless_nobody_watches(write_kxci_bench):
    for watch in ("true", "false"):
        path = write_kxci_bench(
            ("edge: 100 ns", f"pulse_current_range: 1 uA, watch_current: {watch}")
        )
        with EmulatedBench(load_bench(path), any_port=True) as emulated:
            with open_on_bench(emulated.bench) as chip:
                receipt = chip.pulse(CellPulses(np.ones(SHAPE, int)))
            assert receipt.pulses_applied == 24
            assert receipt.clipped == (4 if watch == "true" else 0)


def test_one_command_at_a_time_gives_the_same(write_kxci_bench, twin_of):
    path = write_kxci_bench(("edge: 100 ns", "edge: 100 ns, commands_per_message: 1"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        twin = twin_of(emulated)
        with open_on_bench(emulated.bench) as chip:
            chip.pulse(cell_program(0))
        twin.pulse(cell_program(0))
        assert np.array_equal(emulated.cells.conductance, twin.conductance)


def test_a_program_beyond_the_limits_sends_no_byte(emulated, chip):
    chip.read()
    received = emulated.servers["scs"].bytes_received
    c = chip.conditions
    for program in (
        CellPulses(np.full(SHAPE, 5001)),
        CellPulses(
            np.ones(SHAPE, int), conditions=PulseConditions(PulseShape(2.5, 1e-6), c.down, 1e-6)
        ),
        CellPulses(
            np.ones(SHAPE, int), conditions=PulseConditions(PulseShape(1.5, 20e-6), c.down, 1e-5)
        ),
        # within the limits, but half of it would disturb cells on one firing line
        CellPulses(
            np.ones(SHAPE, int), conditions=PulseConditions(PulseShape(1.8, 1e-6), c.down, 1e-6)
        ),
        # no multiple of 10 ns
        CellPulses(
            np.ones(SHAPE, int), conditions=PulseConditions(PulseShape(1.5, 1.005e-6), c.down, 1e-6)
        ),
        CellPulses(np.ones((6, 4), int)),
    ):
        with pytest.raises(LimitError):
            chip.pulse(program)
    with pytest.raises(LimitError):
        chip.forward(np.full((1, 6), 0.4))
    assert emulated.servers["scs"].bytes_received == received
    assert emulated.pulses_applied == 0


def test_nothing_the_chip_sees_is_beyond_what_was_asked(emulated, chip):
    chip.pulse(cell_program(3))
    chip.pulse(coincidence_program(3))
    chip.read()
    witness = emulated.chips["array"].witness
    assert witness.voltage == 1.5
    assert witness.width == 2e-6
    assert emulated.hot_switches == 0


def test_leaving_by_an_exception_turns_everything_off(emulated):
    def use() -> None:
        with open_on_bench(emulated.bench) as crossbar:
            crossbar.pulse(cell_program(0))
            assert emulated.outputs_on
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not emulated.outputs_on


def test_it_goes_on_after_make_safe(emulated, chip):
    chip.pulse(cell_program(0))
    chip.make_safe()
    assert not emulated.outputs_on
    before = emulated.pulses_applied
    assert chip.pulse(cell_program(1)).pulses_applied == emulated.pulses_applied - before


def test_a_current_beyond_the_range_is_an_error_not_a_number(write_kxci_bench):
    path = write_kxci_bench(("current_range: 100 uA", "current_range: 100 nA"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        chip = open_on_bench(emulated.bench)
        with chip, pytest.raises(InstrumentError, match=r"PMU1-1 in . of 6 slots.*current_range"):
            chip.read()


def test_another_instrument_is_refused(write_kxci_bench):
    changed = ("emulation: {seed: 5}", "emulation: {seed: 5, models: {scs: 2636B}}")
    with (
        EmulatedBench(load_bench(write_kxci_bench(changed)), any_port=True) as emulated,
        pytest.raises(WrongInstrumentError, match="no KEITHLEY 4200A"),
    ):
        open_on_bench(emulated.bench)


def test_a_missing_card_is_refused(emulated):
    emulated.rig.analyser.cards.cards = (1, 2, 3)
    with pytest.raises(InstrumentError, match="has no PMU4, PMU5"):
        open_on_bench(emulated.bench)
    assert not emulated.outputs_on


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        (("PMU1-1..PMU2-2", "PMU1-1..PMU2-1"), "wiring.rows", "wires 3 rows, but the shape"),
        (("PMU3-1..PMU5-2", "PMU2-2..PMU5-1"), "wiring", "PMU2-2 is wired to a row and to a col"),
        (("PMU1-1..PMU2-2", "PMU2-2..PMU1-1"), "wiring.rows", "must run up"),
        (("PMU1-1..PMU2-2", "PMU1-1, PMU1-1, PMU2-1, PMU2-2"), "wiring.rows", "listed twice"),
        (("PMU1-1..PMU2-2", "PMU7-1"), "wiring.rows", "is no channel"),
        (("PMU1-1..PMU2-2", "[PMU1-1]"), "wiring.rows", "write rows as channels"),
        (("analyser: scs", "analyser: other"), "wiring.analyser", "no instrument 'other'"),
        (("analyser: scs", "analyzer: scs"), "wiring.analyzer", "unknown key"),
        (("undisturbed: 0.85 V", "undisturbed: 0.7 V"), "pulses", "half of 1.5 V"),
        (("width: 1 us", "width: 1.003 us"), "pulses", "in steps of 10 ns"),
        (("width: 1 us", "width: 110 ns"), "pulses", "20 ns longer than"),
        (("rest: 1 us", "rest: 2 us"), "", ""),
        (("edge: 100 ns", "edge: 105 ns"), "options.edge", "in steps of 10 ns"),
        (("current_range: 100 uA", "current_range: 50 uA"), "options.current_range", "4225-RPM"),
        (("edge: 100 ns", "source_range: 20"), "options.source_range", "10 and 40"),
        (("current: 1 mA", "current: 50 uA"), "options.current_range", "beyond limits.current"),
        (("current: 1 mA", "current: 50 nA"), "pulse_current_range", "no current range within"),
        (("edge: 100 ns", "pulse_current_range: 10 mA"), "pulse_current_range", "limits.current"),
    ],
)
def test_what_cannot_be_is_said_with_file_and_key(change, key, problem, write_kxci_bench):
    path = write_kxci_bench(change)
    if not problem:
        load_bench(path)
        return
    with pytest.raises(ConfigError, match=problem) as caught:
        load_bench(path)
    assert caught.value.file == str(path)
    assert caught.value.key.endswith(key)


def test_a_channel_of_another_crossbar_is_refused(write_kxci_bench):
    second = """
  second:
    kind: kxci
    shape: [1, 1]
    wiring: {analyser: scs, rows: PMU2-2, columns: PMU6-1, undisturbed: 0.85 V}
pulses:"""
    with pytest.raises(ConfigError, match="PMU2-2 is wired to crossbar 'second' too"):
        load_bench(write_kxci_bench(("\npulses:", second)))


def test_two_crossbars_on_one_analyser_leave_each_other_alone(write_kxci_bench):
    second = """
  second:
    kind: kxci
    shape: [1, 1]
    wiring: {analyser: scs, rows: PMU6-1, columns: PMU6-2, undisturbed: 0.85 V}
pulses:"""
    bench = load_bench(write_kxci_bench(("\npulses:", second)))
    with EmulatedBench(bench, any_port=True) as emulated:
        first, other = (emulated.chips[name].cells for name in ("array", "second"))
        with open_on_bench(emulated.bench, "array") as crossbar:
            crossbar.pulse(CellPulses(np.ones(SHAPE, int)))
        assert (first.pulses_applied, other.pulses_applied) == (24, 0)
        with open_on_bench(emulated.bench, "second") as crossbar:
            crossbar.pulse(CellPulses(np.array([[3]])))
            np.testing.assert_allclose(crossbar.read(), other.conductance, rtol=0.1)
        assert (first.pulses_applied, other.pulses_applied) == (24, 3)
        assert not emulated.outputs_on


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, emulated):
    check(lambda: open_on_bench(emulated.bench))


def test_the_example_bench_opens_reads_and_pulses():
    with EmulatedBench(load_bench(EXAMPLE), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            assert np.isfinite(crossbar.read()).all()
            crossbar.pulse(CellPulses(np.ones(crossbar.shape, int)))
        assert emulated.pulses_applied == 24


def test_a_channel_that_goes_its_own_way_would_show(emulated, chip, monkeypatch):
    """The chip sees segment tables, not intentions: a column that is late pulses nothing."""
    last = chip.channels[-1]
    monkeypatch.setattr(execution, "retag", lambda c, number: retag(c, number + (c == last)))
    chip.pulse(CellPulses(np.ones(SHAPE, int)))
    assert emulated.cells.pulses[5::6].sum() == 0
    assert emulated.pulses_applied == 20
