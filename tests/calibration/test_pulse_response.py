from __future__ import annotations

import json

import numpy as np
import pytest

from ohmloop.calibration import CalibrationPlan, acquire, calibrate, fit_raw
from ohmloop.calibration.raw import bench_of_raw
from ohmloop.drivers import ChipFileError, Crossbar, LimitError, Limits
from ohmloop.sim_backend import TwinCrossbar


class Flaky(TwinCrossbar):
    """Breaks at one reading."""

    reads_left = 30

    def _read(self, rows, columns):
        self.reads_left -= 1
        if self.reads_left < 0:
            raise KeyboardInterrupt
        return super()._read(rows, columns)


def test_notes_the_pulses_that_the_chip_got(make_chip, make_cells):
    chip = make_chip(make_cells(1, (3, 2)))
    raw = acquire(chip, CalibrationPlan(), rng=np.random.default_rng(0))
    given = np.abs(raw["pulses"].to_numpy()).sum(axis=0).ravel()
    np.testing.assert_array_equal(given, chip.cells.pulses)


def test_alternation_alternates(raw):
    steps = raw["phase"].to_numpy() == "alternate"
    pulses = raw["pulses"].to_numpy()[steps]
    np.testing.assert_array_equal(pulses[0::2], 1)
    np.testing.assert_array_equal(pulses[1::2], -1)


def test_held_out_sequences_repeat_and_differ_between_cells(raw):
    held = raw.sel(step=raw["phase"] == "held-out")
    pulses = held["pulses"].to_numpy()
    one, two = (pulses[held["repeat"].to_numpy() == r] for r in (0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one[:, 0, 0] != one[:, 0, 1]).any()
    assert (one != 0).all()


def test_same_generator_same_data(make_chip, make_cells):
    one, two = (
        acquire(make_chip(make_cells(1, (3, 2))), CalibrationPlan(), rng=np.random.default_rng(9))
        for _ in range(2)
    )
    assert one.identical(two)


def test_conditions_travel_with_the_data(raw, make_chip, cells):
    chip = make_chip(cells)
    bench = bench_of_raw(raw)
    assert bench["conditions"] == chip.conditions
    assert bench["reading"] == chip.reading
    assert bench["limits"] == chip.limits
    assert bench["capabilities"] == chip.capabilities
    assert json.loads(raw.attrs["plan"]) == CalibrationPlan().model_dump()


def test_interruption_keeps_what_was_measured(make_cells):
    kept = []
    chip: Crossbar = Flaky(make_cells(1, (3, 2)), seed=0)
    with pytest.raises(KeyboardInterrupt):
        calibrate(chip, rng=np.random.default_rng(0), keep=kept.append)
    last = kept[-1]
    assert np.isfinite(last["conductance"].to_numpy()).all(axis=(1, 2)).sum() == 30
    given = np.abs(last["pulses"].to_numpy()).sum(axis=0).ravel()
    np.testing.assert_array_equal(given, chip.cells.pulses)
    with pytest.raises(ChipFileError, match="interrupted"):
        fit_raw(last)


def test_raw_is_kept_before_it_is_fitted(make_chip, make_cells, monkeypatch):
    kept = []

    def broken(*args):
        raise RuntimeError("the fit")

    monkeypatch.setattr("ohmloop.calibration.routine.fit_cells", broken)
    chip = make_chip(make_cells(1, (3, 2)))
    with pytest.raises(RuntimeError, match="the fit"):
        calibrate(chip, rng=np.random.default_rng(0), keep=kept.append)
    monkeypatch.undo()
    assert kept[-1].sizes["step"] > 80
    assert set(kept[-1]["phase"].to_numpy()) >= {"reads", "train", "alternate", "held-out"}


def test_limits_hold(make_cells):
    chip = TwinCrossbar(make_cells(1, (2, 2)), seed=0, limits=Limits(pulses_per_program=3))
    with pytest.raises(LimitError, match="pulses_per_program"):
        acquire(chip, CalibrationPlan(), rng=np.random.default_rng(0))


def test_other_data_is_refused(raw):
    with pytest.raises(ChipFileError, match="not raw"):
        fit_raw(raw.assign_attrs(format="else"))
    with pytest.raises(ChipFileError, match="pulses"):
        fit_raw(raw.drop_vars("pulses"))
