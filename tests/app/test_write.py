"""``ohmloop write``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample, save_chip
from ohmloop.sim_backend.chip_file import chip_dataset

SHAPE = (8, 8)


@pytest.fixture
def chip_file(tmp_path):
    cells = sample(PopulationSpec(stuck_high=[[1, 2]]), SHAPE, np.random.default_rng(1))
    twin = TwinCrossbar(cells, seed=1)
    bench = {k: getattr(twin, k) for k in ("conditions", "reading", "limits", "capabilities")}
    path = tmp_path / "chip.nc"
    save_chip(chip_dataset(cells, ~cells.stuck, **bench), path)
    return path


def test_a_map_over_the_wire_without_a_calibration(ohmloop, live_bench_file, emulated, tmp_path):
    target = np.random.default_rng(1).uniform(20, 40, (4, 6))
    np.save(tmp_path / "map.npy", target)
    arguments = ("--unit", "uS", "--tolerance", "1 uS")
    result = ohmloop("write", live_bench_file, tmp_path / "map.npy", *arguments, "--json")
    found = json.loads(result.out)
    assert found["outcomes"]["hit"] >= 23
    assert result.status == (0 if found["outcomes"] == {"hit": 24} else 1)
    assert (np.abs(emulated.cells.conductance * 1e6 - target) <= 1).sum() >= 23
    assert found["pulses"] == emulated.pulses_applied
    assert not emulated.outputs_on
    with xr.open_dataset(tmp_path / "map.written.nc", engine="h5netcdf") as data:
        assert data["target"].to_numpy() == pytest.approx(target * 1e-6)
    assert (tmp_path / "map.written.png").stat().st_size > 10_000


def test_weights_by_the_calibration(ohmloop, chip_file, tmp_path):
    weights = np.random.default_rng(1).uniform(-0.4, 0.4, SHAPE)
    np.savetxt(tmp_path / "w.csv", weights, delimiter=",")
    result = ohmloop(
        "write", chip_file, tmp_path / "w.csv", "--unit", "weight", "--w-max", 1, "--json"
    )
    found = json.loads(result.out)
    assert found["outcomes"]["masked"] == 1
    assert found["outcomes"]["hit"] >= 62
    with xr.open_dataset(tmp_path / "w.written.nc", engine="h5netcdf") as data:
        usable = data["outcome"].to_numpy() != 1
        target = data["target"].to_numpy()
    with xr.open_dataset(chip_file, engine="h5netcdf") as chip:
        away = (target - chip["symmetric_point"].to_numpy())[usable] / weights[usable]
    assert away == pytest.approx(np.full(63, away[0]), rel=1e-6)


def test_symmetric_points_for_a_person(ohmloop, chip_file, tmp_path):
    out = tmp_path / "sp.nc"
    result = ohmloop("write", chip_file, "--symmetric-point", "-o", out, "--tolerance", "2 steps")
    assert result.status == 0
    assert "within the tolerance" in result.out
    assert "not usable, and left as it is" in result.out
    assert out.exists()


# What the file holds, options, and the message.
BAD = [
    (np.full((4, 5), 30.0), ["--unit", "uS", "--tolerance", "1 uS"], "the map is 4 x 5"),
    (np.full((4, 6), np.nan), ["--unit", "uS", "--tolerance", "1 uS"], "24 values are not finite"),
    (np.full((4, 6), 30.0), ["--tolerance", "1 uS"], "the file does not tell its unit"),
    (np.full((4, 6), 30.0), ["--unit", "V", "--tolerance", "1 uS"], "unit 'V' is not known"),
    (np.full((4, 6), 30.0), ["--unit", "S", "--tolerance", "1 uS"], "is the unit right?"),
    (np.full((4, 6), 30.0), ["--unit", "uS", "--tolerance=-1 uS"], "must be more than 0"),
    (np.full((4, 6), 30.0), ["--unit", "uS"], "nothing is known of the cells"),
    (np.full((4, 6), 0.1), ["--unit", "weight"], "weights need a calibration"),
    (np.full((4, 6), 30.0), ["--unit", "uS", "--pulses", "0"], "the budget of pulses must be"),
    (np.full((4, 6), 30.0), ["--unit", "uS", "--beyond", "x"], "--beyond is refuse or nearest"),
    (np.full((4, 6), 30.0), ["--symmetric-point"], "give a map to write, or --symmetric-point"),
    (np.full((4, 6), 30.0), ["--unit", "uS", "--calibration", "none.nc"], "no such file"),
    (np.full((4, 6), 30.0), ["--unit", "uS", "-o", "x.txt"], "is kept in something.nc"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "options", "message"), BAD, ids=[m for _, _, m in BAD])
def test_bad_input_is_one_line_before_anybody_is_asked(
    ohmloop, bench_file, tmp_path, values, options, message
):
    """Nobody serves the bench: whoever opened it would say so instead."""
    np.save(tmp_path / "map.npy", values)
    result = ohmloop("write", bench_file, tmp_path / "map.npy", *options)
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_targets_beyond_the_range(ohmloop, chip_file, tmp_path):
    np.save(tmp_path / "map.npy", np.full(SHAPE, 90.0))
    arguments = ("write", chip_file, tmp_path / "map.npy", "--unit", "uS")
    refused = ohmloop(*arguments)
    assert refused.status == 2
    assert "targets are beyond what their cells reach" in refused.err
    near = ohmloop(*arguments, "--beyond", "nearest", "--rounds", 5, "--json")
    assert near.status == 1
    assert json.loads(near.out)["outcomes"]["out_of_range"] == 63
