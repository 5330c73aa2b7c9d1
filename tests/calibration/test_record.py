from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmloop.calibration import (
    Health,
    Trajectories,
    calibrate,
    fit_raw,
    fit_trajectories,
    load_raw,
    raw_of,
    save_raw,
    verdict,
)
from ohmloop.calibration.record import twin_population
from ohmloop.drivers import CellPulses, ChipFileError, open_crossbar
from ohmloop.sim_backend import SoftBounds, load_chip, save_chip
from ohmloop.sim_backend.chip_file import bench_of, maps_of, population_of


def test_holds_what_a_chip_file_must(record):
    assert set(maps_of(SoftBounds)) <= set(record.data_vars)
    assert all(record[name].dims == ("row", "column") for name in maps_of(SoftBounds))
    assert record.attrs["format"] == "ohmloop-chip"


def test_conductance_is_the_last_reading(record, raw):
    np.testing.assert_allclose(record["conductance"], raw["conductance"][-1], rtol=1e-7)


def test_bench_is_that_of_the_chip(record, make_chip, cells):
    chip, bench = make_chip(cells), bench_of(record)
    assert bench["conditions"] == chip.conditions
    assert bench["reading"] == chip.reading
    assert not bench["capabilities"].parallel_forward


def test_raw_comes_back(record, raw):
    assert raw_of(record).identical(raw)
    assert (
        fit_raw(raw_of(record), "soft-bounds").attrs["rmse_over_noise"]
        == record.attrs["rmse_over_noise"]
    )


def test_no_raw_is_an_error(record):
    with pytest.raises(ChipFileError, match="no raw data"):
        raw_of(record.drop_vars("raw_pulses"))


def test_provenance(make_chip, make_cells):
    record = calibrate(
        make_chip(make_cells(1, (4, 4))),
        seed=42,
        family="soft-bounds",
        provenance={"smu": "Keithley 2602B"},
    )
    assert record.attrs["raw_provenance_smu"] == "Keithley 2602B"
    assert record.attrs["raw_seed"] == "42"
    assert record.attrs["raw_crossbar"] == "test chip"
    assert record.attrs["raw_date"].endswith("+00:00")
    assert record.attrs["ohmloop_version"]


def test_chip_file_round_trip(record, tmp_path, cells):
    path = tmp_path / "chip.nc"
    save_chip(record, path)
    back = load_chip(path)
    for name in record.data_vars:
        np.testing.assert_array_equal(back[name], record[name])
    assert fit_raw(raw_of(back), "soft-bounds").attrs["rmse_S"] == record.attrs["rmse_S"]
    assert path.stat().st_size < record.nbytes


def test_chip_file_opens_as_a_twin(record, tmp_path):
    save_chip(record, tmp_path / "chip.nc")
    with open_crossbar(str(tmp_path / "chip.nc"), seed=3) as twin:
        before, population = twin.read(), population_of(record)
        np.testing.assert_allclose(before, record["conductance"], rtol=0.05)
        twin.pulse(CellPulses(np.full(twin.shape, 10, np.int32)))
        change = (twin.read() - before).mean()
        expected = (population.response.after(population.conductance, 10) - before).mean()
        assert change == pytest.approx(expected, rel=0.05)
        np.testing.assert_array_equal(twin.characteristics.usable, record["usable"] == 1)


def test_raw_file_round_trip(raw, record, tmp_path):
    save_raw(raw, tmp_path / "raw.nc")
    back = load_raw(tmp_path / "raw.nc")
    np.testing.assert_array_equal(back["conductance"], raw["conductance"])
    np.testing.assert_array_equal(back["phase"], raw["phase"])
    assert fit_raw(back, "soft-bounds").attrs["rmse_S"] == pytest.approx(record.attrs["rmse_S"])


def test_raw_file_that_is_none(tmp_path):
    with pytest.raises(ChipFileError, match="no such file"):
        load_raw(tmp_path / "raw.nc")
    (tmp_path / "raw.nc").write_bytes(b"else")
    with pytest.raises(ChipFileError, match="not raw"):
        load_raw(tmp_path / "raw.nc")


def test_a_cell_without_a_fit_is_like_one_that_has_one(raw):
    """All its parameters are those of one usable cell, not medians of each."""
    fitted = fit_trajectories(Trajectories.of_raw(raw), "soft-bounds")
    health = fitted.health.copy()
    health[5] = Health.NOT_CONVERGED
    cells = twin_population(raw, replace(fitted, health=health))
    flat = np.stack([np.ravel(v) for v in cells.flat_parameters()])
    twins = (flat == flat[:, 5:6]).all(axis=0)
    assert np.flatnonzero(twins).size == 2
    steps = np.ravel(cells.response.dg_min)
    assert steps[5] == pytest.approx(np.median(steps), rel=0.01)


def test_held_out_sequences_that_were_hardly_begun_are_no_trouble(raw):
    begun = np.flatnonzero(raw["phase"] == "held-out")[:3]
    short = fit_raw(raw.isel(step=slice(0, int(begun[-1]))), "soft-bounds")
    assert "rmse_over_noise" not in short.attrs
    assert short.attrs["adequate"] == 1
    assert "was not held against repeated pulses" in verdict(short)


@pytest.mark.campaign
def test_a_misfit_is_reported(raw, record):
    """Straight steps that do not shrink do not describe soft bounds, and the record says so."""
    assert record.attrs["adequate"] == 1
    wrong = fit_raw(raw, "constant-step")
    assert wrong.attrs["adequate"] == 0
    assert wrong.attrs["misfit"] > 1.2
    assert wrong.attrs["misfit_verdict"].startswith("MISFIT")
    assert record.attrs["choice"].startswith("soft-bounds was given, not chosen; it forecasts")
    assert "It does not describe these cells" in wrong.attrs["choice"]
