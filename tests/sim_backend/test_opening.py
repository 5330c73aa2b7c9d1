from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    BadInputError,
    Capabilities,
    CellPulses,
    ConfigError,
    Limits,
    PulseConditions,
    PulseShape,
    ReadCondition,
    open_crossbar,
)
from ohmloop.sim_backend import PopulationSpec, sample, save_chip
from ohmloop.sim_backend.chip_file import chip_dataset
from ohmloop.sim_backend.opening import parse_shape

CONDITIONS = PulseConditions(PulseShape(1.0, 1e-3), PulseShape(-1.1, 2e-3), 5e-4)
ONES = CellPulses(np.ones((3, 4), int))


def _chip(path, seed=1, shape=(3, 4)) -> str:
    cells = sample(PopulationSpec(), shape, np.random.default_rng(seed))
    limits, can = Limits(voltage=2.0), Capabilities()
    save_chip(chip_dataset(cells, None, CONDITIONS, ReadCondition(0.2), limits, can), path)
    return str(path)


def _after(name: str, **options) -> np.ndarray:
    with open_crossbar(name, **options) as crossbar:
        crossbar.pulse(CellPulses(np.ones(crossbar.shape, int)))
        return crossbar.conductance


def test_chip_file_opens_as_the_bench_it_was_measured_on(tmp_path):
    with open_crossbar(_chip(tmp_path / "chip.nc")) as twin:
        assert twin.shape == (3, 4)
        assert twin.conditions == CONDITIONS
        assert twin.reading.voltage == 0.2
        assert twin.limits.voltage == 2.0
        assert not twin.capabilities.parallel_forward
        assert twin.name.endswith("chip.nc")


def test_seed_of_a_chip_file_chooses_the_noise(tmp_path):
    name = _chip(tmp_path / "chip.nc")
    np.testing.assert_array_equal(_after(name), _after(name, seed=0))
    np.testing.assert_array_equal(_after(name, seed=7), _after(name, seed=7))
    assert (_after(name, seed=7) != _after(name)).all()


def test_calibration_overrides_what_is_known(tmp_path):
    chip, other = _chip(tmp_path / "chip.nc"), _chip(tmp_path / "other.nc", seed=2)
    with open_crossbar(other) as wanted:
        expected = wanted.characteristics.g_max
    for name in (chip, "sim:soft-bounds?shape=3x4"):
        with open_crossbar(name, calibration=other) as twin:
            np.testing.assert_array_equal(twin.characteristics.g_max, expected)


def test_calibration_of_another_shape_is_refused(tmp_path):
    other = _chip(tmp_path / "other.nc", shape=(4, 3))
    with pytest.raises(BadInputError, match=r"of a crossbar of \(4, 3\), this one has \(3, 4\)"):
        open_crossbar("sim:soft-bounds?shape=3x4", calibration=other)


def test_simulation_takes_seed_and_specification_from_its_name():
    a, b = "sim:soft-bounds?shape=3x4&seed=1", "sim:soft-bounds?shape=3x4&seed=2"
    np.testing.assert_array_equal(_after(a), _after(a))
    assert (_after(a) != _after(b)).all()
    with open_crossbar("sim:soft-bounds?shape=3x4&g_max=90 uS&g_max_dtod=0&dg_std=0") as twin:
        np.testing.assert_array_equal(twin.cells.population.g_max, np.float32(9e-5))


def test_seed_option_changes_the_noise_but_not_the_cells():
    name = "sim:soft-bounds?shape=3x4&seed=1"
    with open_crossbar(name) as a, open_crossbar(name, seed=9) as b:
        np.testing.assert_array_equal(a.conductance, b.conductance)
        a.pulse(ONES), b.pulse(ONES)
        assert (a.conductance != b.conductance).all()


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("shape=3x4&seed=one", "seed: must be a whole number"),
        ("shape=3x4&seed=-1", "seed: must be a whole number"),
        ("shape=3x4&seed=", "seed: must be a whole number"),
        ("shape=3x4&g_max=6e-5", "g_max: '6e-5' has no unit"),
        ("shape=3x4&gmax=60uS", "gmax: unknown key; known are model, g_min"),
        ("shape=3x4&slope_up=2", "slope_up: "),
    ],
)
def test_mistake_in_a_name_says_which_key(query, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        open_crossbar(f"sim:soft-bounds?{query}")
    assert "\n" not in str(caught.value)


def test_unknown_model_is_refused():
    with pytest.raises(ConfigError, match="model"):
        open_crossbar("sim:hard-bounds?shape=3x4")


@pytest.mark.parametrize("name", ["sim:soft-bounds", "sim:soft-bounds?seed=1", "sim:?shape=64"])
def test_shape_must_be_given(name):
    with pytest.raises(BadInputError, match="write rows x columns"):
        open_crossbar(name)


@pytest.mark.parametrize(
    "text", ["", "3", "3x", "x3", "0x3", "3x0", "-1x3", "3x4x5", "3 x 4", "3X4"]
)
def test_shapes_that_cannot_be(text):
    with pytest.raises(BadInputError, match="shape=64x64"):
        parse_shape(text, "sim")


def test_shape_is_rows_by_columns():
    assert parse_shape("12x7", "sim") == (12, 7)
