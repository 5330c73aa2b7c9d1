"""The TSP bench over real sockets: parity, messages, refusals, and every way out ends safe."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    InDoubtError,
    InstrumentError,
    LimitError,
    PulseConditions,
    PulseProgram,
    PulseShape,
    ReportedError,
    load_bench,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.testing import CHECKS
from ohmloop.drivers.tsp.tsp_crossbar import TspCrossbar
from ohmloop.sim_backend import TwinCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

EXAMPLE = Path(__file__).parents[3] / "examples" / "bench-tsp.yaml"


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
    for seed in range(4):
        program: PulseProgram = make(seed)
        receipt = chip.pulse(program)
        twin.pulse(program)
        assert receipt.pulses_applied == program.total_pulses
    assert np.array_equal(emulated.cells.conductance, twin.conductance)
    assert emulated.pulses_applied == twin.cells.pulses_applied > 0


def test_reads_agree_with_the_twin_bit_for_bit_noise_included(chip, twin):
    assert np.array_equal(chip.read(), twin.read())
    rows, columns = [3, 1], slice(1, 4)
    assert np.array_equal(chip.read(rows, columns), twin.read(rows, columns))


def test_own_conditions_of_a_program_reach_the_chip_and_do_not_stay(emulated, chip, twin):
    stronger = PulseConditions(PulseShape(1.8, 2e-3), PulseShape(-1.6, 1e-3), rest=1e-3)
    for program in (CellPulses(np.full((4, 6), 3), conditions=stronger), cell_program(1)):
        chip.pulse(program)
        twin.pulse(program)
    np.testing.assert_allclose(emulated.cells.conductance, twin.conductance, rtol=1e-12)


def test_ten_thousand_pulses_over_a_thousand_cells_are_a_handful_of_messages():
    with EmulatedBench(load_bench(EXAMPLE), any_port=True) as emulated:
        counts = np.zeros(64 * 64, int)
        counts[np.random.default_rng(0).choice(counts.size, 1000, replace=False)] = 10
        with open_on_bench(emulated.bench) as crossbar:
            assert isinstance(crossbar, TspCrossbar)
            before = crossbar.messages
            receipt = crossbar.pulse(CellPulses(counts.reshape(64, 64)))
            assert receipt.pulses_applied == emulated.pulses_applied == 10_000
            assert crossbar.messages - before <= 30
            before = crossbar.messages
            crossbar.read()
            assert crossbar.messages - before == 1


def test_a_program_beyond_the_limits_sends_no_byte(emulated, chip):
    chip.read()
    sent = chip.smu.transport.traffic.bytes_sent
    received = [server.bytes_received for server in emulated.servers.values()]
    too_strong = PulseConditions(PulseShape(2.5, 1e-3), PulseShape(-1.5, 1e-3), rest=1e-3)
    too_long = PulseConditions(PulseShape(1.5, 20e-3), PulseShape(-1.5, 1e-3), rest=1e-3)
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
    assert chip.smu.transport.traffic.bytes_sent == sent
    assert [server.bytes_received for server in emulated.servers.values()] == received
    assert emulated.pulses_applied == 0


def test_relays_never_move_under_voltage(emulated, chip):
    chip.pulse(cell_program(3))
    chip.read()
    chip.pulse(coincidence_program(3))
    assert emulated.rig.fixture.hot_switches == 0


def test_leaving_by_an_exception_turns_everything_off(emulated):
    def use() -> None:
        with open_on_bench(emulated.bench) as crossbar:
            crossbar.smu.transport.write("smua.source.levelv = 0.1\nsmua.source.output = 1")
            crossbar.smu.check_errors()
            assert emulated.outputs_on
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed


def test_make_safe_stops_a_program_that_runs(emulated, chip):
    lines = ["ohmloop.begin(ohmloop.c.id, 99, 24, 96000)"]
    lines += [f"ohmloop.add{{{r + 1}, {c + 1}, 4000}}" for r in range(4) for c in range(6)]
    chip.smu.transport.write("\n".join([*lines, "ohmloop.run(ohmloop.c.id, 99)"]))
    chip.make_safe()
    assert emulated.pulses_applied < 96_000
    assert not emulated.outputs_on
    assert not emulated.rig.matrix.closed
    before = emulated.pulses_applied
    assert chip.pulse(cell_program(0)).pulses_applied == cell_program(0).total_pulses
    assert emulated.pulses_applied == before + cell_program(0).total_pulses


def test_the_same_sequence_number_never_pulses_twice(emulated, chip):
    receipt = chip.pulse(cell_program(2))
    first = chip.smu.transport.query("ohmloop.status()")
    assert chip.smu.transport.query(f"ohmloop.run(ohmloop.c.id, {receipt.sequence})") == first
    assert emulated.pulses_applied == receipt.pulses_applied


@pytest.mark.parametrize(
    "lines",
    [
        ["begin({id},7,2,6)", "add{{1, 1, 3}}", "run({id},7)"],  # a line was lost
        ["begin({id},7,1,6)", "add{{1, 1, 3}}", "run({id},7)"],  # a count changed
        ["begin({id},7,1,3)", "add{{1, 1, 3}}", "run({id},8)"],  # another program
        ["begin({id},7,1,3)", "join{{1, 1, 3, 1, 1}}", "run({id},7)"],  # a pattern was lost
    ],
)
def test_a_program_that_did_not_arrive_whole_is_not_run(emulated, chip, lines):
    text = "\n".join(f"ohmloop.{line}" for line in lines).format(id="ohmloop.c.id")
    assert chip.smu.transport.query(text).split(",")[2] == "receiving"
    assert emulated.pulses_applied == 0


def test_a_program_for_another_configuration_is_not_run(emulated, chip):
    text = 'ohmloop.begin("x",7,1,3)\nohmloop.add{1,1,3}\nohmloop.run("x",7)'
    assert chip.smu.transport.query(text).split(",")[2] == "foreign"
    assert emulated.pulses_applied == 0


def test_a_lost_link_leaves_the_program_in_doubt_and_the_relays_open(emulated, monkeypatch, caplog):
    monkeypatch.setattr("ohmloop.drivers.links.visa._PAUSES", (0.0, 0.1))
    crossbar = open_on_bench(emulated.bench)
    emulated.servers["smu"].close()
    with pytest.raises((InDoubtError, InstrumentError)):
        crossbar.pulse(cell_program(1))
    crossbar.close()
    assert not emulated.rig.matrix.closed
    assert "could not be made safe" in caplog.text


def test_an_instrument_error_during_a_program_is_reported_with_what_was_applied(emulated, chip):
    chip.smu.transport.write("ohmloop.rows[2] = '9Z99'")
    with pytest.raises(InDoubtError, match="invalid channel 9Z99") as caught:
        chip.pulse(CellPulses(np.ones((4, 6), int)))
    # It stops where the relays refuse: the cell before must not get the next one's pulses.
    assert caught.value.applied == emulated.pulses_applied == 6
    assert not emulated.outputs_on


def test_a_read_that_cannot_select_a_cell_is_an_error_not_a_number(chip):
    chip.smu.transport.write("ohmloop.rows[2] = '9Z99'")
    with pytest.raises(ReportedError, match="invalid channel 9Z99"):
        chip.read()


def test_a_reading_beyond_the_range_names_the_cell(bench_file):
    text = bench_file.read_text().replace("channel: a", "channel: a, current_range: 1 uA")
    bench_file.write_text(text)
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        crossbar = open_on_bench(emulated.bench)
        with crossbar, pytest.raises(InstrumentError, match=r"cell \(row 0, column 0\).*24 cells"):
            crossbar.read()


def test_compliance_is_counted(bench_file):
    text = bench_file.read_text().replace("current: 1 mA", "current: 20 uA")
    bench_file.write_text(text)
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as crossbar:
            receipt = crossbar.pulse(CellPulses(np.ones((4, 6), int)))
        assert receipt.clipped == emulated.rig.fixture.compliance_pulses > 0


def test_another_matrix_on_the_tsp_link_is_refused(emulated):
    emulated.rig.smu.processor.attach(
        2, type(emulated.rig.matrix)([emulated.rig.fixture], serial="999").tree
    )
    with pytest.raises(InstrumentError, match="not the matrix 'matrix'"):
        open_on_bench(emulated.bench)
    assert not emulated.outputs_on


def test_the_script_keeps_to_what_lua_5_0_and_5_1_share():
    source = files("ohmloop.drivers.tsp").joinpath("crossbar.tsp").read_text()
    code = re.sub(r"--.*|\"[^\"]*\"", "", source)
    assert "#" not in code  # length operator: 5.1 only
    assert "%" not in code  # modulo operator: 5.1 only
    for missing in ("gmatch", "gfind", "table.getn", "math.mod", "select("):
        assert missing not in code.replace("ohmloop.select(", "")


@pytest.mark.conformance
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check, emulated):
    check(lambda: open_on_bench(emulated.bench))


def test_a_twin_of_the_bench_reads_alike_through_products(chip, twin):
    volts = np.random.default_rng(0).uniform(-0.1, 0.1, (3, 6))
    serial = TwinCrossbar(
        twin.cells.population, seed=twin.cells.seed, capabilities=chip.capabilities
    )
    assert np.array_equal(chip.forward(volts), serial.forward(volts))
