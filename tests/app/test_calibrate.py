"""``ohmloop calibrate``: estimates, refusals, and a real SIGKILL in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration import MeasurementStore

ONE = ("--routine", "held_out")


def test_list(ohmloop):
    found = ohmloop("calibrate", "--list", "--json")
    assert found.status == 0
    listed = json.loads(found.out)
    assert {"continuity", "pulse_response", "symmetric_point"} <= set(listed["routines"])
    assert list(listed["recipes"]) == ["quick", "standard", "thorough"]


def test_an_estimate_connects_to_nothing(ohmloop, bench_file):
    """Nobody serves this bench."""
    found = ohmloop("calibrate", bench_file, "--estimate", "--json")
    assert found.status == 0, found.err
    estimate = json.loads(found.out)
    assert list(estimate["routines"]) == [
        "continuity",
        "pulse_response",
        "symmetric_point",
        "held_out",
    ]
    assert 10 < estimate["seconds"] < 60


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--recipe", "slow"), "slow: no such recipe; known are quick, standard, thorough"),
        (("--routine", "else"), "no routine 'else'; known are"),
        (("--resume",), "nothing to go on with"),
        (("--resume", "--fresh"), "give one of them"),
    ],
)
def test_refused(ohmloop, bench_file, tmp_path, given, message):
    found = ohmloop("calibrate", bench_file, "-o", tmp_path / "chip.nc", *given)
    assert found.status == 2
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not list(tmp_path.glob("*.sqlite"))


def test_a_recipe_beyond_the_limits_is_refused_before_anybody_connects(
    ohmloop, bench_file, tmp_path
):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "routines: [{pulse_response: {up_pulses: 18003, down_pulses: 18003,"
        " pulses_per_read: 6001}}]"
    )
    found = ohmloop("calibrate", bench_file, "-o", tmp_path / "chip.nc", "--recipe", recipe)
    assert found.status == 2
    assert "mine.yaml: routines.0.pulse_response.pulses_per_read: 6001 pulses" in found.err


def test_an_earlier_measurement_is_not_overwritten(ohmloop, live_bench_file, emulated, tmp_path):
    output = tmp_path / "chip.nc"
    first = ohmloop("calibrate", live_bench_file, "-o", output, *ONE, "--json")
    assert first.status == 0, first.err
    given = emulated.pulses_applied
    again = ohmloop("calibrate", live_bench_file, "-o", output, *ONE)
    assert again.status == 2
    assert "--resume goes on with it, --fresh throws it away" in again.err
    other = ohmloop("calibrate", live_bench_file, "-o", output, "--resume", "--recipe", "quick")
    assert other.status == 2
    assert "another recipe" in other.err
    assert ohmloop("calibrate", live_bench_file, "-o", output, "--resume").status == 0
    assert emulated.pulses_applied == given
    assert ohmloop("calibrate", live_bench_file, "-o", output, *ONE, "--fresh").status == 0
    assert emulated.pulses_applied == 2 * given
    with xr.open_dataset(output, group="routines/held_out", engine="h5netcdf") as group:
        assert group["repeatability"].attrs["units"] == "S"


@pytest.mark.campaign
def test_killed_and_resumed(ohmloop, live_bench_file, emulated, tmp_path):
    """SIGKILL, three times, over a real socket: no pulse twice, all routines, and a good fit."""
    output = tmp_path / "chip.nc"
    command = [sys.executable, "-m", "ohmloop.app.cli", "calibrate", str(live_bench_file)]
    names = ("continuity", "pulse_response", "symmetric_point", "held_out")
    flags = [flag for name in names for flag in ("--routine", name)]
    family = ("--family", "soft-bounds")
    for target in (100, 2500, 4200):
        process = subprocess.Popen([*command, "-o", str(output), *flags, *family])
        end = time.monotonic() + 120
        while emulated.pulses_applied < target:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        flags = ["--resume"]
    found = ohmloop("calibrate", live_bench_file, "-o", output, "--resume", "--json", *family)
    assert found.status == 0, found.err
    store = MeasurementStore(tmp_path / "chip.measurement.sqlite")
    programs = [s for s in store.steps() if s.program is not None]
    store.close()
    done = sum(s.program.total_pulses for s in programs if s.state == "done")
    doubtful = sum(s.program.total_pulses for s in programs if s.state == "in doubt")
    assert done <= emulated.pulses_applied <= done + doubtful
    assert sum(s.state == "in doubt" for s in programs) <= 3
    assert list(json.loads(found.out)["routines"]) == list(names)
    with xr.open_dataset(output, group="routines/continuity", engine="h5netcdf") as group:
        assert group.attrs["verdict"] == "nothing open or shorted"
    with xr.open_dataset(output, engine="h5netcdf") as chip:
        truth = np.asarray(emulated.cells.population.response.dg_min, float)
        z = ((chip["dg_min"] - truth) / chip["dg_min_stderr"]).to_numpy()
        assert chip["broken"].to_numpy().sum() <= 3
        assert int(chip.attrs["cells_usable"]) == truth.size
        # of 24 intervals of 95 % fewer than 18 hold the truth once in 7,000 tests
        assert (np.abs(z) < 1.96).sum() >= 18
