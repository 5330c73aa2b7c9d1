"""Maps from files, tolerances in words, and what is refused before a chip is touched."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration.writing import WEIGHT, load_target, request, tolerance_map
from ohmloop.drivers import BadInputError, Characteristics

MAP = np.arange(6.0).reshape(2, 3) + 20


def known(usable=True):
    full = np.full((2, 3), 1.0)
    mask = np.full((2, 3), usable)
    return Characteristics(10e-6 * full, 60e-6 * full, 30e-6 * full, 0.5e-6 * full, mask)


def test_every_kind_of_file(tmp_path):
    np.save(tmp_path / "a.npy", MAP)
    np.savez(tmp_path / "b.npz", target=MAP, other=np.zeros(3))
    np.savez(tmp_path / "c.npz", only=MAP.astype(np.int32))
    (tmp_path / "d.csv").write_text("# uS\n20,21,22\n23,24,25\n")
    for name in ("a.npy", "b.npz", "c.npz", "d.csv"):
        values, unit = load_target(tmp_path / name)
        np.testing.assert_array_equal(values, MAP)
        assert unit is None


@pytest.mark.parametrize(("units", "unit"), [("uS", "uS"), ("1", WEIGHT)])
def test_netcdf_tells_its_unit(tmp_path, units, unit):
    xr.Dataset({"w": (("row", "column"), MAP, {"units": units})}).to_netcdf(
        tmp_path / "a.nc", engine="h5netcdf"
    )
    values, found = load_target(tmp_path / "a.nc")
    np.testing.assert_array_equal(values, MAP)
    assert found == unit


def bad_files(folder):
    np.save(folder / "three.npy", np.zeros((2, 2, 2)))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "complex.npy", np.array([[1j]]))
    np.savez(folder / "two.npz", a=MAP, b=MAP)
    (folder / "ragged.csv").write_text("1,2\n3\n")
    (folder / "words.csv").write_text("1,zwei\n")
    (folder / "cut.npy").write_bytes(b"\x93NUMPY\x01")
    (folder / "cut.nc").write_bytes(b"\x89HDF\r\n")
    (folder / "map.mat").write_text("")
    xr.Dataset({"a": (("row", "column"), MAP, {"units": "V"})}).to_netcdf(
        folder / "volts.nc", engine="h5netcdf"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("three.npy", "has rows and columns"),
        ("words.npy", "not a map of numbers"),
        ("complex.npy", "not a map of numbers"),
        ("two.npz", "holds a, b; call the one to write 'target'"),
        ("ragged.csv", "row 1 has 1 numbers, the first has 2"),
        ("words.csv", "not a map of numbers: could not convert string to float: 'zwei'"),
        ("cut.npy", "not a map of numbers"),
        ("cut.nc", "not a map of numbers"),
        ("map.mat", "a map is read from .npy"),
        ("volts.nc", "unit 'V' is none of S"),
        ("none.npy", "no such file"),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path, name, message):
    bad_files(tmp_path)
    with pytest.raises(BadInputError, match=message) as error:
        load_target(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0.5 uS", 0.5e-6), ("2 steps", 1e-6), ("1step", 0.5e-6), ("2 %", 1e-6), ("0.1 weight", 2e-6)],
)
def test_tolerances(text, size):
    assert tolerance_map(text, (2, 3), known(), 20e-6) == pytest.approx(np.full((2, 3), size))


@pytest.mark.parametrize(
    ("text", "cells", "message"),
    [
        ("0.5", known(), "has no unit"),
        ("1 V", known(), "is not a conductance"),
        ("-1 uS", known(), "must be more than 0"),
        ("0 steps", known(), "must be more than 0"),
        ("1 step", None, "nothing is known of the cells"),
        ("5 %", None, "nothing is known of the cells"),
        ("0.1 weight", known(), "of conductances, not of weights"),
        ("1.2.3 steps", known(), "is not a number"),
    ],
)
def test_tolerances_that_cannot_be(text, cells, message):
    with pytest.raises(BadInputError, match=message):
        tolerance_map(text, (2, 3), cells, 0.0)


def test_targets_beyond_their_range_are_refused_with_a_count_or_written_near_it():
    target = np.array([[20e-6, 70e-6, 60.4e-6], [5e-6, 30e-6, 40e-6]])
    near = np.full((2, 3), 0.5e-6)
    with pytest.raises(BadInputError, match=r"2 of 6 targets are beyond .*row 0, column 1: 70 uS"):
        request(target, near, known())
    asked = request(target, near, known(), "nearest")
    assert asked.target[0, 1] == 60e-6
    assert asked.target[1, 0] == 10e-6
    assert asked.target[0, 2] == 60.4e-6  # within the tolerance of what it reaches
    assert asked.reachable.sum() == 4


@pytest.mark.parametrize(
    ("target", "cells", "message"),
    [
        (MAP, None, "is the unit right"),
        (-1e-6 * MAP, None, "are negative conductances"),
        (np.full((2, 3), np.nan), known(), "6 of 6 targets are not finite"),
        (np.zeros((3, 3)), known(), "the map is 3 x 3, the calibration is of 2 x 3"),
    ],
)
def test_targets_that_cannot_be(target, cells, message):
    with pytest.raises(BadInputError, match=message):
        request(target, np.full(target.shape, 1e-6), cells)


def test_what_is_said_of_masked_cells_does_not_matter():
    asked = request(np.full((2, 3), np.nan), np.full((2, 3), 1e-6), known(usable=False))
    assert not asked.usable.any()
