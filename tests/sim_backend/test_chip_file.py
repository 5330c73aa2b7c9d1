from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ohmloop.drivers import (
    Capabilities,
    ChipFileError,
    Limits,
    PulseConditions,
    PulseShape,
    ReadCondition,
)
from ohmloop.sim_backend import PopulationSpec, SoftBounds, load_chip, sample, save_chip
from ohmloop.sim_backend.chip_file import (
    bench_of,
    characteristics_of,
    chip_dataset,
    load_characteristics,
    maps_of,
    population_of,
)

BENCH = {
    "conditions": PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.2, 2e-3), 5e-4),
    "reading": ReadCondition(0.1, 1e-3, 0.5),
    "limits": Limits(voltage=2.0, pulses_per_program=50),
    "capabilities": Capabilities(parallel_forward=True),
}
CELLS = sample(PopulationSpec(), (3, 4), np.random.default_rng(1))
USABLE = np.arange(12).reshape(3, 4) != 5


@pytest.fixture
def data() -> xr.Dataset:
    return chip_dataset(CELLS, USABLE, **BENCH)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chip.nc"


def test_file_gives_back_the_same_cells_and_bench(data, path):
    save_chip(data, path)
    again = load_chip(path)
    maps = population_of(again).maps()
    assert set(maps) == set(CELLS.maps())
    for name, values in CELLS.maps().items():
        np.testing.assert_array_equal(maps[name], values)
    assert bench_of(again) == BENCH
    known = characteristics_of(again)
    np.testing.assert_array_equal(known.usable, USABLE)
    assert known.usable.dtype == bool
    truth = CELLS.characteristics(USABLE)
    np.testing.assert_array_equal(known.symmetric_point, truth.symmetric_point)
    np.testing.assert_array_equal(load_characteristics(path).dg_min, truth.dg_min)


def test_every_map_says_its_unit_and_meaning(data, path):
    save_chip(data, path)
    with xr.open_dataset(path, engine="h5netcdf") as file:
        for name, (unit, _) in maps_of(SoftBounds).items():
            assert file[name].attrs["units"] == unit
            assert file[name].attrs["long_name"]


def test_saving_replaces_the_file_and_leaves_no_draft(data, path):
    path.write_text("old")
    save_chip(data, path)
    assert [p.name for p in path.parent.iterdir()] == ["chip.nc"]
    assert load_chip(path).attrs["format"] == "ohmloop-chip"


def test_additions_to_the_dataset_survive(data, path):
    data["raw"] = ("step", np.arange(3.0))
    save_chip(data, path)
    assert load_chip(path)["raw"].values.tolist() == [0, 1, 2]


def _refused(path, problem):
    with pytest.raises(ChipFileError, match=problem) as caught:
        load_chip(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(path):
    _refused(path, "no such file")
    _refused(path.parent, "no such file")


@pytest.mark.parametrize("content", [b"", b"words", b"\x89HDF\r\n\x1a\n half a file"])
def test_file_that_is_no_netcdf(path, content):
    path.write_bytes(content)
    _refused(path, "not a calibration file")


def test_truncated_file(data, path):
    save_chip(data, path)
    path.write_bytes(path.read_bytes()[:3000])
    _refused(path, "not a calibration file")


def test_netcdf_of_somebody_else(path):
    xr.Dataset({"t": ("x", [1.0])}).to_netcdf(path, engine="h5netcdf")
    _refused(path, "but not a calibration file of ohmloop")


@pytest.mark.parametrize("version", [2, 0, "one"])
def test_other_versions(data, path, version):
    save_chip(data.assign_attrs(format_version=version), path)
    _refused(path, f"format {version}; this ohmloop reads 1")


def test_missing_maps_and_attributes_are_named(data, path):
    damaged = data.drop_vars(["g_max", "usable"])
    del damaged.attrs["limits"]
    save_chip(damaged, path)
    _refused(path, "lacks g_max, usable, limits; calibrate again")


def test_maps_of_other_dimensions_count_as_missing(data, path):
    save_chip(data.assign(g_min=data["g_min"].transpose()), path)
    _refused(path, "lacks g_min")


def test_a_file_keeps_which_cells_are_stuck_and_what_wears_out(path):
    keys = {"stuck_low": [[0, 1]], "sluggish": [[2, 3]], "endurance": 1e5, "endurance_dtod": 0.3}
    keys |= {"dg_add": "10 nS", "dg_slope": 0.02, "dg_slope_dtod": 0.1, "dg_rest": "4 uS"}
    cells = sample(PopulationSpec(**keys), (3, 4), np.random.default_rng(1))
    save_chip(chip_dataset(cells, USABLE, **BENCH), path)
    again = load_chip(path)
    assert again["defects"].attrs["flag_meanings"].split()[4] == "sluggish"
    np.testing.assert_array_equal(population_of(again).defects, cells.defects)
    for name, values in cells.maps().items():
        np.testing.assert_array_equal(population_of(again).maps()[name], values)
    assert "defects" not in chip_dataset(CELLS, USABLE, **BENCH)


def test_a_file_keeps_effects_with_units_and_meaning(path):
    keys = {"write_std": "1 uS", "write_std_dtod": 0.2, "drift_nu": 0.05, "drift_nu_dtod": 0.3}
    cells = sample(PopulationSpec(**keys), (3, 4), np.random.default_rng(1))
    data = chip_dataset(cells, USABLE, **BENCH)
    save_chip(data, path)
    again = load_chip(path)
    assert again["drift_start"].attrs["units"] == "s"
    assert again["write_std"].attrs["long_name"]
    effects = population_of(again).effects
    assert [type(e) for e in effects] == [type(e) for e in cells.effects]
    for name, values in cells.maps().items():
        np.testing.assert_array_equal(population_of(again).maps()[name], values)
    save_chip(data.drop_vars("drift_nu"), path)
    _refused(path, "lacks drift_nu; calibrate again")
    save_chip(data.assign_attrs(effects="write gravity"), path)
    _refused(path, "effect 'gravity' is not known; known are retention, write")
