"""``ohmloop validate``, on twins in place of chips, and once over the wire."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ohmloop.calibration.validation import ValidationPlan
from ohmloop.calibration.validation.keeping import kept, load_kept
from ohmloop.drivers import load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, load_chip, sample, save_chip
from ohmloop.sim_backend.chip_file import bench_of, chip_dataset

SHAPE = (12, 12)


def file_of(cells, path, usable=True):
    chip = TwinCrossbar(cells, seed=0)
    data = chip_dataset(
        cells,
        np.full(cells.shape, usable),
        chip.conditions,
        chip.reading,
        chip.limits,
        chip.capabilities,
    )
    save_chip(data, path)
    return path


def coarser(cells, by=1.6):
    r = cells.response
    slopes = {n: getattr(r, n) * by for n in ("slope_up", "slope_down")}
    return replace(cells, response=replace(r, **slopes))


@pytest.fixture
def truth():
    return sample(PopulationSpec(), SHAPE, np.random.default_rng(4))


@pytest.fixture
def short(monkeypatch):
    """A plan for tests that are about something else than the verdict."""
    plan = ValidationPlan(
        repeats=2, positions=2, long_pulses=8, long_reads=2, point_reads=2, copies=39
    )
    monkeypatch.setattr("ohmloop.app.validate._plan", lambda repeats: plan)


@pytest.fixture
def chip_file(truth, tmp_path):
    """A chip that is served as a file of its own: the 'bench'."""
    return file_of(truth, tmp_path / "bench.nc")


def test_good_twin(ohmloop, truth, chip_file, tmp_path, short):
    twin, figure = file_of(truth, tmp_path / "chip.nc"), tmp_path / "v.png"
    done = ohmloop("validate", chip_file, twin, "--json", "--figure", figure)
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["verdict"] == "good"
    assert kept(twin) == [found["group"]]
    assert load_kept(twin, found["group"]).attrs["verdict"] == "good"
    assert figure.stat().st_size > 10_000
    assert not list(tmp_path.glob("*sqlite*"))
    again = ohmloop("validate", chip_file, twin)  # a second one stays beside the first
    assert again.status == 0
    assert "Good: " in again.out


def test_bad_twin(ohmloop, truth, chip_file, tmp_path):
    twin = file_of(coarser(truth), tmp_path / "chip.nc")
    done = ohmloop("validate", chip_file, twin)
    assert done.status == 1
    assert "Changed since the calibration: " in done.out
    assert done.out.rstrip().splitlines()[-2].endswith("Calibrate again.")
    assert kept(twin)  # a bad verdict is a result, too


class Killed(BaseException):
    pass


def test_killed_and_gone_on_with(ohmloop, truth, chip_file, tmp_path, monkeypatch, short):
    """As if the process had died between two readings; no pulse is sent twice."""
    twin = file_of(truth, tmp_path / "chip.nc")
    opened = []
    real_init, real_read = TwinCrossbar.__init__, TwinCrossbar._read

    def same_chip(self, *args, **options):
        real_init(self, *args, **options)
        if opened:
            self.cells = opened[0].cells
        opened.append(self)

    def dying(self, rows, columns):
        if self.cells.reads.max() == 20:
            raise Killed
        return real_read(self, rows, columns)

    monkeypatch.setattr(TwinCrossbar, "__init__", same_chip)
    monkeypatch.setattr(TwinCrossbar, "_read", dying)
    with pytest.raises(Killed):
        _run("validate", chip_file, twin)
    content = twin.read_bytes()
    assert (tmp_path / "chip.validation.measurement.sqlite").is_file()
    assert not kept(twin)
    monkeypatch.setattr(TwinCrossbar, "_read", real_read)
    done = ohmloop("validate", chip_file, twin, "--json")
    assert done.status == 0, done.err
    assert twin.read_bytes() != content
    applied = opened[0].cells.pulses_applied

    opened.clear()
    fresh = file_of(truth, tmp_path / "other.nc")
    undisturbed = ohmloop("validate", chip_file, fresh, "--json")
    assert opened[0].cells.pulses_applied == applied
    same, other = json.loads(done.out), json.loads(undisturbed.out)
    assert same["kinds"] == other["kinds"]


def _run(*arguments):
    from ohmloop.app.console import Screen
    from ohmloop.app.validate import validate

    return validate(str(arguments[1]), arguments[2], Screen(True), 0, 3)


def test_other_seed_does_not_go_on(ohmloop, truth, chip_file, tmp_path, monkeypatch, short):
    twin = file_of(truth, tmp_path / "chip.nc")

    def dying(self, rows, columns):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TwinCrossbar, "_read", dying)
        with pytest.raises(Killed):
            _run("validate", chip_file, twin)
    done = ohmloop("validate", chip_file, twin, "--seed", 5)
    assert done.status == 2
    assert "other parameters" in done.err
    anew = ohmloop("validate", chip_file, twin, "--seed", 5, "--fresh")
    assert anew.status == 0, anew.err


def test_pulses_of_the_file(ohmloop, truth, chip_file, tmp_path):
    """A file of stronger pulses than the bench's own: the chip gets those, and moves further."""
    twin = file_of(truth, tmp_path / "chip.nc")
    data = load_chip(twin)
    for name in ("pulse_up_amplitude_V", "pulse_down_amplitude_V"):
        data.attrs[name] *= 1.2
    save_chip(data, twin)
    done = ohmloop("validate", chip_file, twin, "--json")
    assert done.status == 1
    assert json.loads(done.out)["granularity_ratio"]["value"] > 1.1


def test_bad_input(ohmloop, truth, chip_file, tmp_path):
    def refused(twin, says, *more):
        done = ohmloop("validate", chip_file, twin, *more)
        assert done.status == 2, done.err
        assert says in done.err
        assert len(done.err.strip().splitlines()) == 1

    good = file_of(truth, tmp_path / "chip.nc")
    refused(tmp_path / "none.nc", "no such file")
    cut = tmp_path / "cut.nc"
    cut.write_bytes(good.read_bytes()[:5000])
    refused(cut, "not a calibration file")
    foreign = tmp_path / "foreign.nc"
    foreign.write_text("a table\n")
    refused(foreign, "not a calibration file")
    other = sample(PopulationSpec(), (4, 4), np.random.default_rng(0))
    refused(file_of(other, tmp_path / "small.nc"), "crossbar of (4, 4)")
    refused(file_of(truth, tmp_path / "dead.nc", usable=False), "no usable cell")
    refused(good, "--repeats", "--repeats", 1)
    refused(good, ".png", "--figure", tmp_path / "figure.txt")
    assert not list(tmp_path.glob("*sqlite*"))


def test_over_the_wire(ohmloop, live_bench_file, emulated, tmp_path, short):
    """The chip behind emulated instruments, against the file that tells the truth of it."""
    with open_on_bench(load_bench(live_bench_file)) as chip:
        bench = {
            "conditions": chip.conditions,
            "reading": chip.reading,
            "limits": chip.limits,
            "capabilities": chip.capabilities,
        }
    cells = emulated.cells.population
    twin = tmp_path / "chip.nc"
    save_chip(chip_dataset(cells, np.ones(cells.shape, bool), **bench), twin)
    assert bench_of(chip_dataset(cells, np.ones(cells.shape, bool), **bench)) == bench
    done = ohmloop("validate", live_bench_file, twin, "--json")
    assert done.status == 0, done.out + done.err
    assert not emulated.outputs_on
    assert json.loads(done.out)["serves"]
