"""``ohmloop check`` against emulated benches with something wrong, over the wire."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import Capabilities, Limits, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import chip_file
from ohmloop.sim_backend.instruments import EmulatedBench

TSP = """
name: small bench
instruments:
  smu: {{driver: keithley-2600b, resource: "TCPIP0::127.0.0.1::{}::SOCKET", options: {{{}}}}}
  matrix:
    driver: keithley-707b
    resource: "TCPIP0::127.0.0.1::{}::SOCKET"
    options: {{tsp_link_node: 2}}
crossbars:
  array:
    kind: tsp
    shape: [10, 12]
    wiring: {{source: smu, matrix: matrix, rows: 1A01..1A10, columns: 1H01..1H12}}
"""
BOARD = """
name: board bench
instruments:
  board: {{driver: pulse-board, resource: "socket://127.0.0.1:{}", options: {{{}}}}}
crossbars:
  array: {{kind: pulse-board, shape: [10, 12], wiring: {{board: board}}}}
"""
REST = """
pulses: {{up: {{amplitude: 1.5 V, width: 1 ms}}, down: {{amplitude: -1.5 V, width: 1 ms}}, rest: 1 ms}}
read: {{voltage: 100 mV}}
limits: {{voltage: 2 V, width: 10 ms, read_voltage: 200 mV, current: 1 mA}}
emulation: {{seed: 5, {}}}
"""  # noqa: E501
PORTS = {TSP: (5025, 5026), BOARD: (5030,)}


@pytest.fixture
def bench(tmp_path):
    """Makes an emulated bench and a bench file that leads to it."""
    made = []

    def make(head: str = TSP, extra: str = "", options: str = "", more: str = ""):
        path = tmp_path / "bench.yaml"

        def write(*ports):
            text = head.format(ports[0], options, *ports[1:]) + more.format(*ports)
            path.write_text(text + REST.format(extra))

        write(*PORTS[head])
        emulated = EmulatedBench(load_bench(path), any_port=True)
        made.append(emulated)
        write(*(server.port for server in emulated.servers.values()))
        return path, emulated

    yield make
    for emulated in made:
        emulated.close()


@pytest.fixture
def check(ohmloop):
    def run(path, *arguments, status=0):
        result = ohmloop("check", path, "--json", *arguments)
        assert result.status == status, result.err
        return json.loads(result.out)

    return run


def found(result) -> list[tuple[str, list[int], list[int]]]:
    findings = result["crossbar"]["findings"]
    return [(f["what"], f["rows"], f["columns"]) for f in findings]


@pytest.mark.parametrize("head", [TSP, BOARD], ids=["tsp", "pulse-board"])
@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("open_rows: [3]", ("open row", [3], [])),
        ("open_columns: [11]", ("open column", [], [11])),
        ("open_cells: [[4, 7]]", ("open cell", [4], [7])),
        ("shorted_cells: [[0, 1]]", ("shorted cell", [0], [1])),
        ("shorted_rows: [[2, 9]]", ("rows shorted together", [2, 9], [])),
        ("shorted_columns: [[0, 5]]", ("columns shorted together", [], [0, 5])),
    ],
)
def test_a_fault_is_found_and_nothing_else(bench, check, head, faults, expected):
    meter = "meter: {offset: 50 pA, noise: 10 pA}"
    path, emulated = bench(head, f"faults: {{{faults}}}, {meter}")
    result = check(path, status=1)
    assert found(result) == [expected]
    assert result["fine"] is False
    assert emulated.pulses_applied == 0
    assert emulated.chips["array"].witness.voltage <= 0.2
    assert not emulated.outputs_on
    assert emulated.hot_switches == 0


def test_a_finding_says_where_in_the_bench_file_and_what_to_do(bench, check):
    path, _ = bench(extra="faults: {open_rows: [3], open_cells: [[0, 11]]}")
    row, cell = check(path, status=1)["crossbar"]["findings"]
    assert row["where"] == "row 3 (1A04)"
    assert cell["where"] == "row 0, column 11 (1A01, 1H12)"
    assert cell["lines"] == ["1A01", "1H12"]
    assert "crosspoint" in row["remedy"]
    assert "A" in row["evidence"]


def test_a_sound_bench_is_fine_and_its_meter_is_measured(bench, check):
    """10 standard errors of the mean of 256 readings at 0 V, and 50 % of their spread."""
    path, _ = bench(extra="meter: {offset: 50 pA, noise: 10 pA}")
    result = check(path)
    figures = result["crossbar"]
    assert figures["findings"] == []
    assert figures["offset_A"] == pytest.approx(50e-12, abs=10e-12)
    assert figures["noise_floor_A"] == pytest.approx(10e-12, rel=0.5)
    assert abs(figures["asymmetry"]) < 0.05 > abs(figures["nonlinearity"])
    assert figures["order"]["rows"] == "cannot be told: no calibration is given"


def test_one_cell_beyond_the_range_does_not_end_the_check(bench, check):
    path, _ = bench(extra="faults: {shorted_cells: [[6, 2]]}", options="current_range: 10 uA")
    result = check(path, status=1)
    assert found(result) == [("shorted cell", [6], [2])]
    assert "beyond the measuring range" in result["crossbar"]["findings"][0]["evidence"]


def test_a_person_sees_tables_and_a_verdict(bench, ohmloop):
    path, _ = bench(extra="faults: {open_rows: [3]}")
    result = ohmloop("check", path)
    assert result.status == 1
    assert "open row" in result.out
    assert "1A04" in result.out
    assert "outputs are off; training on what was found would go wrong" in result.out
    assert result.err == ""


def write_calibration(path: Path, emulated: EmulatedBench) -> None:
    """What a calibration of the same chip, soundly wired, would hold."""
    population = emulated.cells.population
    bench, usable = emulated.bench, np.ones(population.shape, bool)
    data = chip_file.chip_dataset(
        population, usable, bench.conditions, bench.reading, Limits(), Capabilities()
    )
    chip_file.save_chip(data, path)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("swapped_rows: [[1, 8]]", [("swapped rows", [1, 8], [])]),
        ("swapped_columns: [[0, 5]]", [("swapped columns", [], [0, 5])]),
        ("crossbar: array", []),
    ],
)
def test_swapped_lines_are_found_with_a_calibration(bench, check, tmp_path, faults, expected):
    path, emulated = bench(extra=f"faults: {{{faults}}}")
    chip = tmp_path / "chip.nc"
    write_calibration(chip, emulated)
    assert check(path)["fine"]  # nobody can tell
    result = check(path, "--calibration", chip, status=1 if expected else 0)
    assert found(result) == expected
    said = result["crossbar"]["order"]
    assert "cannot be told" not in said["rows"] + said["columns"]


def test_the_bench_s_own_calibration_is_used(bench, check, tmp_path):
    path, emulated = bench(extra="faults: {swapped_rows: [[1, 8]]}")
    write_calibration(tmp_path / "chip.nc", emulated)
    path.write_text(
        path.read_text().replace("kind: tsp\n", "kind: tsp\n    calibration: chip.nc\n")
    )
    assert found(check(path, status=1)) == [("swapped rows", [1, 8], [])]


def test_cells_that_moved_since_are_no_swap(bench, check, tmp_path):
    path, emulated = bench()
    chip = tmp_path / "chip.nc"
    write_calibration(chip, emulated)
    rng = np.random.default_rng(0)
    emulated.cells.g[:] = rng.uniform(5e-6, 6e-5, 120)
    result = check(path, "--calibration", chip)
    assert "pulsed since" in result["crossbar"]["order"]["rows"]


def test_a_calibration_of_another_shape_is_bad_input(bench, ohmloop, tmp_path):
    path, emulated = bench()
    chip = tmp_path / "chip.nc"
    write_calibration(chip, emulated)
    text = path.read_text().replace("[10, 12]", "[10, 11]").replace("1H12", "1H11")
    path.write_text(text)
    result = ohmloop("check", path, "--calibration", chip)
    assert result.status == 2
    assert result.err.startswith("error: small bench#array: the calibration is of a crossbar of")


SECOND = """
  other:
    kind: pulse-board
    shape: [3, 4]
    wiring: {{board: second}}
"""


def test_all_crossbars_are_checked_where_none_is_named(bench, check, ohmloop):
    head = BOARD.replace(
        "crossbars:\n",
        '  second: {{driver: pulse-board, resource: "socket://127.0.0.1:{}"}}\ncrossbars:\n',
    )
    PORTS[head] = (5030, 5031)
    extra = "faults: {crossbar: other, open_columns: [2]}"
    path, _ = bench(head, extra, more=SECOND)
    result = check(path, status=1)
    assert list(result["crossbars"]) == ["array", "other"]
    assert result["crossbar"]["name"] == "array"
    assert result["crossbars"]["array"]["fine"]
    assert [f["where"] for f in result["crossbars"]["other"]["findings"]] == ["column 2"]
    assert check(path, "--crossbar", "array")["fine"]
    refused = ohmloop("check", path, "--calibration", "chip.nc")
    assert refused.status == 2
    assert refused.err == ("error: --calibration is of one crossbar: name it with --crossbar\n")
    assert ohmloop("check", path, "--crossbar", "third").status == 2


def test_a_chip_in_use_is_left_alone(bench, ohmloop):
    path, emulated = bench()
    limited = path.read_text().replace("current: 1 mA", "current: 1 mA, pulses_per_cell: 9")
    path.write_text(limited)
    with open_on_bench(load_bench(path)):
        heard = [server.bytes_received for server in emulated.servers.values()]
        result = ohmloop("check", path)
        assert heard == [server.bytes_received for server in emulated.servers.values()]
    assert result.status == 2
    assert "bench.yaml#array is in use by process" in result.err
    assert ohmloop("check", path).status == 0
