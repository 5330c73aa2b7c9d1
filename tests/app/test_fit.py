"""``ohmloop fit`` as a user runs it: a table, then the same from the file that came out."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration import MeasurementStore, load_recipe, measure
from ohmloop.drivers import Capabilities
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def table(tmp_path):
    rng, g, lines = np.random.default_rng(4), 10.0, ["n;G_meas"]
    for n in ([1] * 40 + [-1] * 40) * 2:
        g += 0.03 * (60 - g) if n > 0 else -0.04 * (g - 5)
        lines.append(f"{n};{g * (1 + 0.005 * rng.normal()):.4f}")
    path = tmp_path / "published.csv"
    path.write_text("\n".join(lines))
    return path


def test_fit_and_fit_again_and_report(ohmloop, table, tmp_path):
    first, again = tmp_path / "first.nc", tmp_path / "again.nc"
    names = ("--column", "pulse=n", "--column", "conductance=G_meas [uS]")
    family = ("--family", "soft-bounds", "--json")
    done = ohmloop("fit", table, "-o", first, *names, *family, "--width-up", "100 ns")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["fit"]["usable"] == found["fit"]["cells"] == 1
    assert "pulse_up_width_s" not in found["fit"]["conditions_unknown"]
    assert ohmloop("fit", first, "-o", again, *family).status == 0
    assert ohmloop("report", again, "-o", tmp_path / "page.html").status == 0
    assert "published.csv" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "no column of readings"),
        (("--column", "conductance"), "our name first"),
        (("--column", "conductance=G_meas"), "has no unit"),
        (("--width-up", "100 mV"), "width_up: '100 mV' is not a time"),
        (("--full-scale", "10"), "full_scale: '10' is not a range of conductances"),
        (("--polarity", "up"), "polarity"),
    ],
)
def test_refused_in_one_line(ohmloop, table, tmp_path, arguments, says):
    done = ohmloop("fit", table, "-o", tmp_path / "chip.nc", *arguments)
    assert done.status == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "chip.nc").exists()


def measured(path, steps=10**9):
    """A measurement of 36 cells, interrupted after some steps."""
    cells = sample(PopulationSpec(), (6, 6), np.random.default_rng(3))
    chip, told = TwinCrossbar(cells, seed=1, capabilities=Capabilities(), name="small"), []

    def progress(*_):
        told.append(1)
        if len(told) == steps:
            raise KeyboardInterrupt

    with closing(MeasurementStore(path)) as store:
        with suppress(KeyboardInterrupt):
            measure(load_recipe("quick"), chip, store, seed=2, progress=progress)
        return len(told)


@pytest.mark.campaign
def test_a_measurement_is_fitted_anew(ohmloop, tmp_path):
    """As it was measured, and cut short in its last routine."""
    store, output = tmp_path / "chip.measurement.sqlite", tmp_path / "chip.nc"
    steps = measured(store)
    arguments = ("-o", output, "--family", "soft-bounds", "--json")
    whole = ohmloop("fit", store, *arguments)
    assert whole.status == 0, whole.err
    found = json.loads(whole.out)
    assert found["fit"]["rmse_over_noise"] < 1.5
    assert found["not_measured"] == []
    with xr.open_dataset(output, group="routines/pulse_response", engine="h5netcdf") as group:
        assert group.attrs["verdict"] == found["routines"]["pulse_response"]

    store.unlink()
    measured(store, steps - 3)
    cut = ohmloop("fit", store, *arguments)
    assert cut.status == 0, cut.err
    found = json.loads(cut.out)
    assert found["not_measured"] == ["held_out"]
    assert found["fit"]["rmse_over_noise"] is None
    assert found["fit"]["usable"] > 30
    assert "held_out not through" in output.with_suffix(".html").read_text()
    again = ohmloop("fit", output, "-o", tmp_path / "again.nc", *arguments[2:])
    assert json.loads(again.out)["fit"] == found["fit"]
    with xr.open_dataset(tmp_path / "again.nc", group="routines/pulse_response") as group:
        assert group.attrs["verdict"]


def _foreign(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table people (name text)")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b""), "not a measurement of ohmloop"),
        (lambda path: path.write_text("something else"), "not a measurement of ohmloop"),
        (_foreign, "not a measurement of ohmloop"),
        (lambda path: MeasurementStore(path).close(), "nothing was measured into it"),
        (lambda path: measured(path, 3), "none of pulse_response, symmetric_point, held_out was"),
        (lambda path: measured(path, 11), "the raw data lack pulse trains"),
    ],
)
def test_no_measurement(ohmloop, tmp_path, make, says):
    path = tmp_path / "chip.measurement.sqlite"
    make(path)
    before = path.read_bytes() if path.exists() else None
    done = ohmloop("fit", path, "-o", tmp_path / "chip.nc")
    assert done.status == 2
    assert says in done.err
    assert str(path) in done.err
    assert done.err.count("\n") == 1
    assert (path.read_bytes() if path.exists() else None) == before
    assert not (tmp_path / "chip.nc").exists()


def test_a_measurement_that_goes_on_is_left_alone(ohmloop, tmp_path):
    path = tmp_path / "chip.measurement.sqlite"
    with closing(MeasurementStore(path)):
        done = ohmloop("fit", path, "-o", tmp_path / "chip.nc")
    assert done.status == 2
    assert "is being written by another process" in done.err
    assert done.err.count("\n") == 1
