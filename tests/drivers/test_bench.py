from __future__ import annotations

import pytest

from ohmloop.drivers import ConfigError, PulseConditions, PulseShape, ReadCondition, load_bench


def _error(path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_bench(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value


def test_bench_is_read_in_si_units(write_bench):
    bench = load_bench(write_bench())
    assert bench.conditions == PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)
    assert bench.reading == ReadCondition(0.1, 1e-3, 0.1)
    limits = bench.limits
    assert (limits.voltage, limits.width, limits.read_voltage) == (2.0, 0.01, 0.3)
    assert (limits.current, limits.duty_cycle) == (1e-3, 1.0)
    assert limits.pulses_per_cell == limits.pulses_per_program == float("inf")
    assert bench.config.crossbars["array"].shape == (2, 3)


def test_path_may_be_text(write_bench):
    assert load_bench(str(write_bench())).config.name == "test bench"


SMU = '"TCPIP0::127.0.0.1::5025::SOCKET"'
LIMITS = "voltage: 2 V, width"
ROWS = 'rows: "1A01..1A02"'


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        ((LIMITS, "voltage: 2, width"), "limits.voltage", "2 has no unit"),
        ((LIMITS, "voltage: 3 A, width"), "limits.voltage", "'3 A' is not a voltage"),
        ((LIMITS, "voltage: '2,5 V', width"), "limits.voltage", "'2,5 V' is not a voltage"),
        ((LIMITS, "voltage: -2 V, width"), "limits.voltage", "from 1 nV to 1 kV, not -2 V"),
        ((LIMITS, "volts: 2 V, width"), "limits.volts", "unknown key"),
        ((LIMITS, "width"), "limits.voltage", "is missing"),
        ((LIMITS, "voltage: 2 V, volts: 2 V, width"), "limits.volts", "unknown key"),
        ((LIMITS, "voltage: 1 V, width"), "pulses", "limits.voltage, 1 V"),
        (("width: 10 ms", "width: 0.5 ms"), "pulses", "limits.width, 500 us"),
        (("current: 1 mA", "current: 1 mA, duty_cycle: 0.4"), "pulses", "limits.duty_cycle, 0.4"),
        (("current: 1 mA", "current: 1 mA, duty_cycle: 2"), "limits.duty_cycle", "less than"),
        (
            ("current: 1 mA", "current: 1 mA, pulses_per_cell: 0"),
            "limits.pulses_per_cell",
            "greater than 0",
        ),
        (("read_voltage: 300 mV", "read_voltage: 50 mV"), "read.voltage", "limits.read_voltage"),
        (("{voltage: 100 mV", "{voltage: 0 V"), "read.voltage", "nothing can be read"),
        (("nplc: 0.1", "nplc: 50"), "read.nplc", "less than or equal to 25"),
        (("settle: 1 ms", "settle: -1 ms"), "read.settle", "from 0 s to 3.6 ks, not -1 ms"),
        (("amplitude: -1.5 V", "amplitude: 0 V"), "pulses.down.amplitude", "0 V does nothing"),
        (("  rest: 1 ms\n", ""), "pulses.rest", "is missing"),
        (("  rest: 1 ms", "  rest: 1 V"), "pulses.rest", "'1 V' is not a time"),
        (("keithley-2600b", "keithley-2600"), "instruments.smu.driver", "known are keithley-2600b"),
        (("{channel: a}", "{channel: c}"), "instruments.smu.options.channel", "not 'c'"),
        (("{channel: a}", "{chanel: a}"), "instruments.smu.options.chanel", "unknown key; known"),
        (
            ("{tsp_link_node: 2}", "{}"),
            "instruments.matrix.options.tsp_link_node",
            "is missing",
        ),
        ((SMU, "5"), "instruments.smu.resource", "valid string"),
        (("kind: tsp", "kind: cube"), "crossbars.array.kind", "no 'cube'; known are tsp"),
        (("shape: [2, 3]", "shape: [3, 3]"), "crossbars.array.wiring.rows", "wires 2 rows"),
        (("shape: [2, 3]", "shape: [2, 4]"), "crossbars.array.wiring.columns", "wires 3 columns"),
        (("shape: [2, 3]", "shape: [2, 0]"), "crossbars.array.shape.1", "greater than 0"),
        (("shape: [2, 3]", "shape: 2x3"), "crossbars.array.shape", "not '2x3'"),
        (("shape: [2, 3]", "shape: [2]"), "crossbars.array.shape.1", ""),
        ((ROWS, "rows: 1Z01"), "crossbars.array.wiring.rows", "'1Z01' is not a crosspoint"),
        ((ROWS, "rows: [1A01, 1A02]"), "crossbars.array.wiring.rows", "write rows as crosspoints"),
        ((ROWS, 'rows: "1A01, 1F01"'), "crossbars.array.wiring", "that shorts the cell"),
        (("source: smu", "source: sum"), "crossbars.array.wiring.source", "no instrument 'sum'"),
        (("source: smu", "source: matrix"), "crossbars.array.wiring.source", "keithley-707b"),
        (("  array:", "  - array:"), "crossbars", "valid dictionary"),
        (("name: test bench", "name: test bench\ncolour: red"), "colour", "unknown key; known are"),
        (("name: test bench", "name: test bench\nname: again"), "", "key 'name' is given twice"),
        (("kind: tsp", "kind: tsp\n    kind: tsp"), "", "key 'kind' is given twice"),
        (("name: test bench", "name: [test"), "", "not valid YAML"),
        (("name: test bench", "name: test bench\nvisa: {timeout: 5}"), "visa.timeout", "no unit"),
    ],
)
def test_mistake_is_one_line_with_file_key_and_remedy(write_bench, change, key, problem):
    error = _error(write_bench(change))
    assert error.key == key
    assert problem in error.problem


def test_missing_file(tmp_path):
    assert _error(tmp_path / "none.yaml").problem == "no such file"


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "- a", "words"])
def test_file_without_content(tmp_path, text):
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    assert "must be a mapping" in _error(path).problem


def test_no_crossbars(tmp_path, bench_text):
    head, _, tail = bench_text.partition("crossbars:\n")
    path = tmp_path / "bench.yaml"
    path.write_text(head + "crossbars: {}\n" + tail[tail.index("pulses:") :])
    assert _error(path).key == "crossbars"


def test_only_crossbar_needs_no_name(write_bench):
    bench = load_bench(write_bench())
    assert bench.crossbar_name() == bench.crossbar_name("array") == "array"
    with pytest.raises(ConfigError, match=r"crossbars: no crossbar 'left'; name one as .*array"):
        bench.crossbar_name("left")


def test_several_crossbars_must_be_named(write_bench):
    second = """pulses:
  up:"""
    wiring = "{source: smu, matrix: matrix, rows: 2A01, columns: 2F01}"
    other = f"  other: {{kind: tsp, shape: [1, 1], wiring: {wiring}}}\n"
    bench = load_bench(write_bench((second, other + second)))
    assert bench.crossbar_name("other") == "other"
    with pytest.raises(ConfigError, match="several crossbars; name one"):
        bench.crossbar_name()


def test_ledger_is_kept_beside_the_bench_only_where_wear_is_limited(write_bench, tmp_path):
    assert load_bench(write_bench()).ledger_path("array") is None
    limited = load_bench(write_bench(("current: 1 mA", "current: 1 mA, pulses_per_cell: 100000")))
    assert limited.limits.pulses_per_cell == 100000
    assert limited.ledger_path("array") == tmp_path / "bench.array.wear.npy"


def test_resources_can_be_moved(write_bench):
    bench = load_bench(write_bench())
    moved = bench.with_resources({"smu": "ASRL1::INSTR"})
    assert moved.config.instruments["smu"].resource == "ASRL1::INSTR"
    assert moved.config.instruments["matrix"] == bench.config.instruments["matrix"]
    assert bench.config.instruments["smu"].resource.endswith("5025::SOCKET")
    assert moved.path == bench.path
