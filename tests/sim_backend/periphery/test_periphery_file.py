"""A periphery by name: in a file, beside a chip file, in a bench file."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, CellPulses, ConfigError, LimitError, load_bench
from ohmloop.drivers import open_crossbar as open_by_name
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import TwinCrossbar, save_chip
from ohmloop.sim_backend.chip_file import chip_dataset
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.periphery import Periphery

KEYS = {
    "to_rows": {
        "input": {"bits": 5, "range": "200 mV", "gain_std": 0.01},
        "output": {"bits": 6, "range": "60 uA", "noise": "50 nA"},
    }
}
FILE = """
to_rows:
  input: {bits: 5, range: 200 mV, gain_std: 0.01}
  output: {bits: 6, range: 60 uA, noise: 50 nA}
"""
SIM = "sim:soft-bounds?shape=5x12&seed=4"
VOLTS = np.random.default_rng(0).uniform(-0.2, 0.2, (3, 12))
BENCH = """
name: board with converters
instruments:
  board: {driver: pulse-board, resource: "socket://127.0.0.1:5030", options: {watchdog: 60 s}}
crossbars:
  array: {kind: pulse-board, shape: [5, 12], wiring: {board: board}}
pulses:
  up: {amplitude: 1.5 V, width: 1 us}
  down: {amplitude: -1.5 V, width: 1 us}
  rest: 1 us
read: {voltage: 100 mV, settle: 10 us, nplc: 0.001}
limits: {voltage: 2 V, width: 10 us, read_voltage: 300 mV, current: 1 mA}
emulation:
  seed: 5
  periphery:
    to_rows:
      input: {bits: 5, range: 200 mV, gain_std: 0.01}
      output: {bits: 6, range: 60 uA, noise: 50 nA}
    read_disturb: {time: 10 ms, threshold: 0.05}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "periphery.yaml"
    path.write_text(FILE)
    return path


def test_a_name_points_to_a_file(file):
    with open_by_name(f"{SIM}&periphery={file}") as named, open_by_name(SIM) as plain:
        population = plain.cells.population
        given = TwinCrossbar(population, seed=4, periphery=Periphery.model_validate(KEYS))
        np.testing.assert_array_equal(named.forward(VOLTS), given.forward(VOLTS))
        assert (named.forward(VOLTS) != plain.forward(VOLTS)).any()


def test_a_mapping_goes_with_a_name_or_a_chip_file(file, tmp_path):
    with open_by_name(SIM, periphery=KEYS) as one, open_by_name(f"{SIM}&periphery={file}") as two:
        np.testing.assert_array_equal(one.forward(VOLTS), two.forward(VOLTS))
        can = one.capabilities
        facts = (one.conditions, one.reading, one.limits, can)
        save_chip(chip_dataset(one.cells.population, None, *facts), tmp_path / "chip.nc")
    with open_by_name(str(tmp_path / "chip.nc"), periphery=KEYS, seed=4) as chip:
        steps = np.unique(np.round(chip.forward(VOLTS) / (2 * 60e-6 / 62), 6))
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)  # 6 bits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("to_rows: {input: {bits: 99}}", r"periphery.yaml: to_rows.input.bits"),
        ("to_rowss: {}", r"periphery.yaml: to_rowss"),
        ("to_rows: {output: {range: 60 mV}}", r"periphery.yaml: to_rows.output.range"),
        ("[]", "must be a mapping"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(file, text, message):
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        open_by_name(f"{SIM}&periphery={file}")


def test_missing_twice_or_on_a_bench_is_refused(file, tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        open_by_name(f"{SIM}&periphery=nowhere.yaml")
    with pytest.raises(ConfigError, match="given twice"):
        open_by_name(f"{SIM}&periphery={file}", periphery=KEYS)
    (tmp_path / "bench.yaml").write_text(BENCH)
    with pytest.raises(BadInputError, match=r"is a bench.*emulation\.periphery"):
        open_by_name(str(tmp_path / "bench.yaml"), periphery=KEYS)
    with pytest.raises(ConfigError, match=r"periphery\.to_rows\.input\.bits"):
        open_by_name(SIM, periphery={"to_rows": {"input": {"bits": 99}}})


def test_a_board_has_the_products_of_its_twin_bit_for_bit(tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH)
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        cells, config = emulated.cells, emulated.config
        twin = TwinCrossbar(
            cells.population,
            seed=5,
            conditions=emulated.bench.conditions_of("array"),
            reading=emulated.bench.reading_of("array"),
            periphery=config.periphery,
        )
        with open_on_bench(emulated.bench) as chip:
            for count in (0, 3, -2):
                for crossbar in (chip, twin):
                    crossbar.pulse(CellPulses(np.full((5, 12), count)))
                np.testing.assert_array_equal(chip.forward(VOLTS), twin.forward(VOLTS))
                np.testing.assert_array_equal(
                    chip.backward(VOLTS[:, :5]), twin.backward(VOLTS[:, :5])
                )
                np.testing.assert_array_equal(chip.read(), twin.read())
                np.testing.assert_array_equal(chip.read([1, 3], [0]), twin.read([1, 3], [0]))
            # reads disturb: more pulses reached the cells than were sent
            assert cells.pulses_applied > 5 * 60
            assert cells.pulses_applied == twin.cells.pulses_applied
        np.testing.assert_array_equal(cells.conductance, twin.conductance)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bits: 5", "bits: 1", r"emulation\.periphery\.to_rows\.input\.bits"),
        (
            "      output: {bits: 6",
            "      noise_management: {kind: abs-max}\n      output: {bits: 6",
            r"emulation\.periphery: a read at 200 mV is beyond limits\.read_voltage",
        ),
    ],
)
def test_a_bench_file_with_an_impossible_periphery_is_refused(tmp_path, old, new, message):
    text = (
        BENCH.replace("read_voltage: 300 mV", "read_voltage: 150 mV") if "noise" in new else BENCH
    )
    (tmp_path / "bench.yaml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        EmulatedBench(load_bench(tmp_path / "bench.yaml"), any_port=True)


def test_a_bench_that_multiplies_in_the_host_has_none(bench_file):
    text = bench_file.read_text()
    assert text.count("emulation: {seed: 5}") == 1
    surrounded = "emulation: {seed: 5, periphery: {to_rows: {input: {range: 1 V}}}}"
    bench_file.write_text(text.replace("emulation: {seed: 5}", surrounded))
    with pytest.raises(ConfigError, match=r"emulation\.periphery: a tsp bench makes no products"):
        EmulatedBench(load_bench(bench_file), any_port=True)


def test_scaling_up_beyond_the_limits_of_a_chip_file_is_refused(tmp_path):
    with open_by_name(SIM) as one:
        limits = type(one.limits)(read_voltage=0.1)
        facts = (one.conditions, one.reading, limits, one.capabilities)
        save_chip(chip_dataset(one.cells.population, None, *facts), tmp_path / "chip.nc")
    managed = {"to_rows": KEYS["to_rows"] | {"noise_management": {"kind": "abs-max"}}}
    with pytest.raises(LimitError, match="read_voltage"):
        open_by_name(str(tmp_path / "chip.nc"), periphery=managed)
