"""Faults of the wiring, as every family of instruments sees them; reads over the wire."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, ConfigError, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench

TSP = """
name: small bench
instruments:
  smu: {driver: keithley-2600b, resource: "TCPIP0::127.0.0.1::5025::SOCKET"}
  matrix:
    driver: keithley-707b
    resource: TCPIP0::127.0.0.1::5026::SOCKET
    options: {tsp_link_node: 2}
crossbars:
  array:
    kind: tsp
    shape: [4, 6]
    wiring: {source: smu, matrix: matrix, rows: 1A01..1A04, columns: 1H01..1H06}
"""
BOARD = """
name: board bench
instruments:
  board: {driver: pulse-board, resource: "socket://127.0.0.1:5030"}
crossbars:
  array: {kind: pulse-board, shape: [4, 6], wiring: {board: board}}
"""
REST = """
pulses: {up: {amplitude: 1.5 V, width: 1 ms}, down: {amplitude: -1.5 V, width: 1 ms}, rest: 1 ms}
read: {voltage: 100 mV}
limits: {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA}
emulation: {seed: 5, chip: {read_std: 0}, %s}
"""
FAMILIES = pytest.mark.parametrize("head", [TSP, BOARD], ids=["tsp", "pulse-board"])


@pytest.fixture
def emulate(tmp_path):
    def make(head: str, extra: str) -> EmulatedBench:
        path = tmp_path / "bench.yaml"
        path.write_text(head + REST % extra)
        return EmulatedBench(load_bench(path), any_port=True)

    return make


def read(emulated: EmulatedBench) -> np.ndarray:
    with open_on_bench(emulated.bench) as chip:
        return chip.read()


@FAMILIES
@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("open_rows: [3]", lambda g: np.r_[g[:3], 0 * g[3:]]),
        ("open_columns: [0, 5]", lambda g: g * [0, 1, 1, 1, 1, 0]),
        ("shorted_rows: [[0, 2]]", lambda g: np.stack([g[0] + g[2], g[1], g[0] + g[2], g[3]])),
        ("shorted_columns: [[1, 2], [2, 3]]", lambda g: _columns(g, [1, 2, 3])),
        ("swapped_rows: [[0, 3]]", lambda g: g[[3, 1, 2, 0]]),
        ("swapped_columns: [[1, 4]]", lambda g: g[:, [0, 4, 2, 3, 1, 5]]),
        ("shorted_rows: [[0, 2]], open_rows: [0]", lambda g: g[[2, 1, 2, 3]]),
    ],
)
def test_lines(emulate, head, faults, expected):
    with emulate(head, f"faults: {{{faults}}}") as emulated:
        found, true = read(emulated), emulated.cells.conductance
    np.testing.assert_allclose(found, expected(true), rtol=1e-12)


def _columns(g, together):
    seen = g.copy()
    seen[:, together] = g[:, together].sum(axis=1, keepdims=True)
    return seen


@FAMILIES
def test_cells(emulate, head):
    faults = "faults: {open_cells: [[1, 2]], shorted_cells: [[0, 4]], short: 5 mS}"
    with emulate(head, faults) as emulated:
        found = read(emulated)
    assert (found[1, 2], found[0, 4]) == (0, pytest.approx(5e-3))
    assert np.count_nonzero(found > 1e-4) == np.count_nonzero(found == 0) == 1


def test_a_short_takes_the_source_to_its_limit(emulate):
    with emulate(TSP, "faults: {shorted_cells: [[0, 4]]}") as emulated:
        assert read(emulated)[0, 4] * 0.1 == pytest.approx(1e-3)


@FAMILIES
def test_pulses_go_where_the_wires_go(emulate, head):
    faults = "faults: {swapped_rows: [[0, 3]], open_cells: [[1, 1]], shorted_columns: [[4, 5]]}"
    counts = np.zeros((4, 6), np.int32)
    counts[0, 0], counts[1, 1], counts[2, 4] = 3, 4, 5
    with emulate(head, faults) as emulated:
        with open_on_bench(emulated.bench) as chip:
            receipt = chip.pulse(CellPulses(counts))
        pulses = emulated.cells.pulses.reshape(4, 6)
    expected = np.zeros((4, 6), int)
    expected[3, 0], expected[2, 4], expected[2, 5] = 3, 5, 5
    assert (pulses == expected).all()
    assert receipt.pulses_applied == 12  # as the instruments counted


def test_a_train_is_pulses_one_by_one_up_to_the_limit(emulate):
    faults = "faults: {shorted_columns: [[4, 5]], shorted_cells: [[0, 0]]}"
    with emulate(TSP, faults) as one, emulate(TSP, faults) as other:
        before = one.cells.pulse_train(10, True, 1.0, 5, 1.5, 1e-3)
        for k in range(5):
            assert before[k] == other.cells.seen(10)
            other.cells.pulse_cell(10, True)
        assert (one.cells.g == other.cells.g).all()
        assert one.cells.pulse_train(0, True, 1.0, 5, 1.5, 1e-3) == []


def test_both_families_give_one_chip_the_same(emulate):
    counts = np.arange(24, dtype=np.int32).reshape(4, 6) % 7 - 3
    states = []
    for head in (TSP, BOARD):
        with emulate(head, "faults: {shorted_rows: [[1, 3]], open_columns: [2]}") as emulated:
            with open_on_bench(emulated.bench) as chip:
                chip.pulse(CellPulses(counts))
            states.append(emulated.cells.conductance)
    assert (states[0] == states[1]).all()


@FAMILIES
def test_terminals_that_share_a_cell_each_draw_read_noise(emulate, head):
    faults = "faults: {shorted_columns: [[1, 2]]}"
    with emulate(head, faults) as emulated:
        emulated.cells.read_std[:] = 0.01
        found = read(emulated)
    assert (found[:, 1] != found[:, 2]).all()
    np.testing.assert_allclose(found[:, 1], found[:, 2], rtol=0.06)  # four standard deviations


@FAMILIES
def test_meter_adds_offset_and_noise(emulate, head):
    """Mean and spread of 240 readings: 6 standard errors, false alarms below 1e-7."""
    with (
        emulate(head, "meter: {offset: 50 pA, noise: 10 pA}") as emulated,
        open_on_bench(emulated.bench) as chip,
    ):
        zero = np.stack([chip.currents(0.0) for _ in range(10)])
    assert abs(zero.mean() - 50e-12) < 6 * 10e-12 / np.sqrt(zero.size)
    assert abs(zero.std() - 10e-12) < 6 * 10e-12 / np.sqrt(2 * zero.size)


def test_without_faults_a_chip_is_as_ever(emulate):
    with emulate(TSP, "faults: {}") as wired, emulate(BOARD, "models: {}") as plain:
        assert (read(wired) == read(plain)).all()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("faults: {open_rows: [4]}", "emulation.faults.open_rows: 4 is beyond a crossbar of 4 x 6"),
        ("faults: {open_cells: [[0, 6]]}", "emulation.faults.open_cells: .* beyond"),
        ("faults: {open_rows: [-1]}", "emulation.faults.open_rows.0: .*greater than or equal"),
        ("faults: {open_rows: [true]}", "emulation.faults.open_rows.0: "),
        ("faults: {shorted_rows: [[1, 1]]}", "emulation.faults.shorted_rows: .* one line"),
        ("faults: {shorted_rows: [[1]]}", "emulation.faults.shorted_rows.0: "),
        ("faults: {swapped_rows: [[0, 1], [1, 2]]}", "emulation.faults.swapped_rows: line 1 is"),
        ("faults: {opened: [1]}", "emulation.faults.opened: unknown key"),
        ("faults: {short: 3 V}", "emulation.faults.short: '3 V' is not a conductance"),
        ("faults: {crossbar: left}", "emulation.faults.crossbar: no crossbar 'left'"),
        ("meter: {noise: -1 pA}", "emulation.meter.noise: must be from 0 A to 1 mA"),
        ("meter: {offset: 5}", "emulation.meter.offset: 5 has no unit"),
    ],
)
def test_mistakes_name_file_and_key(emulate, extra, message):
    with pytest.raises(ConfigError, match=r"bench\.yaml: " + message):
        emulate(TSP, extra)
