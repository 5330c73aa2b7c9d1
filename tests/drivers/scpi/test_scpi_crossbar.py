"""The SCPI bench over real sockets, with and without generator: parity, messages, refusals."""

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
    ProgramError,
    PulseConditions,
    PulseProgram,
    PulseShape,
    WrongInstrumentError,
    load_bench,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.faults import Fault

EXAMPLE = Path(__file__).parents[3] / "examples" / "bench-scpi.yaml"


def cell_program(seed: int, shape: tuple[int, int] = (4, 6)) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-9, 10, shape))


def coincidence_program(seed: int, batch: int = 5) -> CoincidencePulses:
    rng = np.random.default_rng(seed)
    return CoincidencePulses(
        rng.integers(0, 2**20, (batch, 4)),
        rng.integers(0, 2**20, (batch, 6)),
        rng.choice([-1, 1], (batch, 4)),
        rng.choice([-1, 1], (batch, 6)),
        length=20,
    )


@pytest.mark.parametrize("make", [cell_program, coincidence_program])
def test_wire_and_twin_give_the_same_conductances_bit_for_bit(make, emulated, chip, twin):
    for seed in range(3):
        program: PulseProgram = make(seed)
        receipt = chip.pulse(program)
        twin.pulse(program)
        assert receipt.pulses_applied == program.total_pulses
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.pulses_applied == twin.cells.pulses_applied > 0
    assert emulated.hot_switches == 0
    assert np.array_equal(chip.read(), twin.read())


def test_reads_agree_with_the_twin_bit_for_bit_noise_included(emulated, chip, twin):
    assert np.array_equal(chip.read(), twin.read())
    rows, columns = [3, 1], slice(1, 4)
    assert np.array_equal(chip.read(rows, columns), twin.read(rows, columns))
    assert np.array_equal(chip.currents(-0.25, 2), twin.currents(-0.25, 2))
    assert not chip.currents(0.0).any()
    assert not emulated.outputs_on
    assert emulated.hot_switches == 0


def test_own_conditions_of_a_program_reach_the_chip_and_do_not_stay(pulser, emulated, chip, twin):
    width = 1e-6 if pulser == "generator" else 100e-6
    stronger = PulseConditions(PulseShape(1.55, 2 * width), PulseShape(-1.5, width), rest=3 * width)
    for program in (CellPulses(np.full((4, 6), 3), conditions=stronger), coincidence_program(1)):
        chip.pulse(program)
        twin.pulse(program)
    np.testing.assert_allclose(emulated.cells.conductance, twin.conductance, rtol=1e-12)
    witness = emulated.chips["array"].witness
    assert witness.voltage == 1.55
    assert witness.width == pytest.approx(2 * width)


def test_own_conditions_decide_which_runs_share_a_train(pulser, emulated, chip, twin):
    """Up and down of different widths, after a program in which they were equal, and back."""
    c = chip.conditions
    uneven = PulseConditions(c.up, PulseShape(-1.4, 3 * c.down.width), c.rest)
    trains = coincidence_program(2)
    odd = CoincidencePulses(
        *(trains.row_trains, trains.column_trains, trains.row_signs, trains.column_signs),
        *(trains.length,),
        conditions=uneven,
    )
    for program in (trains, odd, trains):
        assert chip.pulse(program).pulses_applied == program.total_pulses
        twin.pulse(program)
    np.testing.assert_allclose(emulated.cells.conductance, twin.conductance, rtol=1e-12)
    assert emulated.chips["array"].witness.width == pytest.approx(3 * c.down.width)


def test_a_slower_generator_refuses_what_it_cannot_sample(write_scpi_bench):
    path = write_scpi_bench(
        "generator",
        ("{seed: 5}", "{seed: 5, models: {generator: 33522B}}"),
        ("rest: 2 us", "rest: 2.001 us"),
    )
    with (
        EmulatedBench(load_bench(path), any_port=True) as emulated,
        pytest.raises(ConfigError, match="samples a second"),
    ):
        open_on_bench(emulated.bench)
    assert not emulated.outputs_on


def test_messages(emulated, chip):
    program, trains = cell_program(0), coincidence_program(0)
    cells = program.runs.cells_touched
    assert trains.runs.counts.size > 24  # all runs of a cell go in one message
    before = chip.messages
    chip.pulse(program)
    assert chip.messages - before <= 2 * cells + 4
    before = chip.messages
    chip.pulse(trains)
    assert chip.messages - before <= 2 * 24 + 3
    before = chip.messages
    chip.read()
    assert chip.messages - before <= 2 * 24 + 4 + 3


def test_a_program_beyond_the_limits_sends_no_byte(emulated, chip):
    chip.read()
    received = [server.bytes_received for server in emulated.servers.values()]
    c = chip.conditions
    too_strong = PulseConditions(PulseShape(2.5, c.up.width), c.down, c.rest)
    too_long = PulseConditions(PulseShape(1.5, 20e-3), c.down, c.rest)
    for program in (
        CellPulses(np.full((4, 6), 5001)),
        CellPulses(np.ones((4, 6), int), conditions=too_strong),
        CellPulses(np.ones((4, 6), int), conditions=too_long),
        CellPulses(np.ones((6, 4), int)),
    ):
        with pytest.raises(LimitError):
            chip.pulse(program)
    with pytest.raises(LimitError):
        chip.forward(np.full((1, 6), 0.4))
    too_short = PulseConditions(PulseShape(1.5, 1e-9), c.down, c.rest)
    with pytest.raises(ProgramError, match="no pulse shorter than"):
        chip.pulse(CellPulses(np.ones((4, 6), int), conditions=too_short))
    assert [server.bytes_received for server in emulated.servers.values()] == received
    assert emulated.pulses_applied == 0


def test_leaving_by_an_exception_turns_everything_off(emulated):
    def use() -> None:
        with open_on_bench(emulated.bench) as crossbar:
            crossbar.meter.batch([":SOUR1:VOLT 0.1", ":OUTP1 ON"])
            assert emulated.outputs_on
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed


def test_a_stuck_output_is_said_and_does_not_keep_the_relays_closed(pulser, emulated, chip, caplog):
    chip.read()
    chip.pulse(cell_program(0))
    source = getattr(emulated.rig, pulser)
    output = source.channels[1]
    chip.pulser.batch([":OUTP1 ON"])
    output.stuck = True
    with pytest.raises(Exception, match="stays on after it was switched off"):
        chip._make_safe()
    assert not emulated.rig.matrix.closed
    assert emulated.hot_switches == 0
    emulated.servers[pulser].power_cycle()
    chip.make_safe()
    assert not emulated.outputs_on


def test_clamps_and_limits_are_set_on_the_instruments(pulser, emulated, chip):
    chip.pulse(cell_program(0))
    assert emulated.rig.smu.channels[1].protection.value == 1e-3
    if pulser == "generator":
        output = emulated.rig.generator.channels[1]
        assert (output.limited.value, output.highest.value, output.lowest.value) == (1, 2, -2)
        reply = chip.pulser.ask([":SOUR1:VOLT:HIGH 2.5"], 0)
        assert (reply[1], output.high.value) == (-222, 1.5)


def test_the_smu_settings_read_back(emulated, chip):
    smu = chip.meter
    smu.compliance = 1.25e-4
    assert smu.compliance == 1.25e-4
    smu.nplc = 0.01
    assert smu.nplc == 0.01
    assert (smu.output, smu.in_compliance, smu.interlock_open) == (0, 0, 0)
    with pytest.raises(ValueError, match="voltage = 300"):
        smu.voltage = 300


def test_compliance_is_counted(write_scpi_bench):
    path = write_scpi_bench("smu", ("current: 1 mA", "current: 20 uA"))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            receipt = crossbar.pulse(CellPulses(np.ones((4, 6), int)))
        assert receipt.clipped == emulated.rig.fixture.compliance_pulses > 0


def test_compliance_is_counted_run_by_run_in_a_train_of_both_signs(write_scpi_bench):
    path = write_scpi_bench("smu", ("current: 1 mA", "current: 20 uA"))
    clipped = []
    for mixing in (True, False):
        with (
            EmulatedBench(load_bench(path), any_port=True) as emulated,
            open_on_bench(emulated.bench) as crossbar,
        ):
            if not mixing:
                crossbar.pulser.mixes = lambda counts: False
            clipped.append(crossbar.pulse(coincidence_program(0)).clipped)
    assert clipped[0] == clipped[1] > 0


def test_runs_of_different_widths_are_played_one_by_one(write_scpi_bench):
    other = ("amplitude: -1.5 V, width: 100 us", "amplitude: -1.5 V, width: 150 us")
    with EmulatedBench(load_bench(write_scpi_bench("smu", other)), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            assert not crossbar.pulser.mixes([1, -1])
            program = coincidence_program(0)
            assert crossbar.pulse(program).pulses_applied == emulated.pulses_applied
        assert emulated.chips["array"].witness.width == 150e-6


def test_a_pulse_that_trips_is_counted(write_scpi_bench):
    with EmulatedBench(load_bench(write_scpi_bench("smu")), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            emulated.servers["smu"].faults.extend([None, Fault.COMPLIANCE])
            receipt = crossbar.pulse(cell_program(0))
        assert receipt.clipped == emulated.rig.fixture.compliance_pulses == 1


def test_a_reading_beyond_the_range_is_an_error_that_names_the_option(write_scpi_bench):
    options = '5045::SOCKET", options: {current_range: 1 uA}}'
    path = write_scpi_bench("smu", ('5045::SOCKET"}', options))
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        crossbar = open_on_bench(emulated.bench)
        with crossbar, pytest.raises(InstrumentError, match=r"options.current_range"):
            crossbar.read()
        assert not emulated.outputs_on


def test_the_second_channel(write_scpi_bench):
    options = '5045::SOCKET", options: {channel: 2, four_wire: true}}'
    path = write_scpi_bench("smu", ('5045::SOCKET"}', options))
    with (
        EmulatedBench(load_bench(path), any_port=True) as emulated,
        open_on_bench(emulated.bench) as crossbar,
    ):
        assert crossbar.pulse(cell_program(1)).pulses_applied == emulated.pulses_applied > 0
        np.testing.assert_allclose(crossbar.read(), emulated.cells.conductance, rtol=0.05)


def test_the_example_bench(tmp_path):
    with EmulatedBench(load_bench(EXAMPLE), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            counts = np.zeros((24, 24), int)
            counts[:, 3] = 4
            assert crossbar.pulse(CellPulses(counts)).pulses_applied == emulated.pulses_applied
            before = emulated.cells.conductance[:2]
            np.testing.assert_allclose(crossbar.read([0, 1]), before, rtol=0.05)
        assert emulated.chips["array"].witness.voltage == 1.5
        assert emulated.hot_switches == 0
        assert not emulated.outputs_on


@pytest.mark.parametrize(
    ("kind", "change", "key", "says"),
    [
        ("smu", ("10101..10104", "10101..10103"), "wiring.rows", "wires 3 rows"),
        ("smu", ("20201..20206", "20101..20106"), "array.wiring", "share input port 01"),
        ("smu", ("20201..20206", "'20201..20205, 10201'"), "array.wiring", "two lines of the chip"),
        ("smu", ("10101..10104", "'10101..10103, 10304'"), "wiring.rows", "input ports 01 and 03"),
        ("smu", ("10101..10104", "1A01..1A04"), "wiring.rows", "is not a channel"),
        ("smu", ("source: smu", "source: nobody"), "wiring.source", "no instrument 'nobody'"),
        ("smu", ("source: smu", "source: matrix"), "wiring.source", "which cannot be it"),
        ("smu", ("source: smu,", "source: smu, generator_input: 9,"), "generator", "come together"),
        ("smu", ("rest: 100 us", "rest: 100.5 us"), "pulses", "whole microseconds"),
        ("smu", ("amplitude: 1.5 V, width: 100 us", "amplitude: 1.5 V, width: 20 us"), "pulses",
         "no pulse shorter than 50 us"),
        ("generator", ("generator_input: 9", "generator_input: 1"), "generator_input", "SMU's"),
        ("generator", ("series_resistance: 1.5 kohm", "channel: 1"), "pulses", "no current limit"),
        ("generator", ("rest: 2 us", "rest: 0 s"), "pulses", "needs a rest"),
        ("generator", ("rest: 2 us", "rest: 1 s"), "pulses", "samples"),
        ("generator", ("amplitude: -1.5 V, width: 1 us", "amplitude: -1.5 V, width: 10 ns"),
         "pulses", "16 ns"),
    ],
)  # fmt: skip
def test_a_bench_that_cannot_be_is_refused_by_key(write_scpi_bench, kind, change, key, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load_bench(write_scpi_bench(kind, change))
    assert key in caught.value.key


def test_two_crossbars_on_the_same_instruments_are_refused(write_scpi_bench):
    second = "  more: {kind: scpi, shape: [1, 1], wiring: {source: smu, matrix: matrix,"
    second += " rows: '30101', columns: '30202'}}\npulses:"
    with pytest.raises(ConfigError, match="shares 'matrix' with crossbar"):
        load_bench(write_scpi_bench("smu", ("pulses:\n", f"{second}\n")))


def test_another_instrument_is_refused_and_nothing_stays_open(emulated):
    swapped = {"smu": emulated.servers["matrix"].resource}
    with pytest.raises(WrongInstrumentError, match=r"smu .*B2200A.* no Keysight B2901"):
        open_on_bench(emulated.bench.with_resources(swapped))
    assert not emulated.outputs_on
    with open_on_bench(emulated.bench) as crossbar:
        assert crossbar.read().shape == (4, 6)
