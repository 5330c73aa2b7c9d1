"""Every routine of noise goes on where it was killed, and over the wire it is the same routine."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration import MeasurementStore, Recipe, measure, run
from ohmloop.calibration.measuring import Measured
from ohmloop.calibration.routines.converters import Converters
from ohmloop.calibration.routines.endurance import Endurance
from ohmloop.calibration.routines.line_resistance import LineResistance
from ohmloop.calibration.routines.read_noise import ReadNoise
from ohmloop.calibration.routines.retention import Retention
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.periphery import Periphery

CELLS = sample(PopulationSpec(drift_nu=0.03), (4, 5), np.random.default_rng(1))
ROUTINES = (
    ReadNoise(reads=32),
    Retention(longest="20 s", levels=2),
    Endurance(cells=((0, 1), (3, 2)), cycles=30, reads_per_decade=3),
    LineResistance(repeats=2, up_pulses=3),
    Converters(repeats=2, points=33),
)


class Killed(BaseException):
    """The process ends here."""


class Mortal(TwinCrossbar):
    """Dies before its n-th deed, and counts them."""

    def __init__(self) -> None:
        super().__init__(CELLS, seed=4, periphery=Periphery())
        self.dies_at, self.deeds = 0, 0

    def _deed(self) -> None:
        self.deeds += 1
        if self.deeds == self.dies_at:
            raise Killed

    def _read(self, rows, columns):
        self._deed()
        return super()._read(rows, columns)

    def _pulse(self, program, sequence):
        self._deed()
        return super()._pulse(program, sequence)

    def _on_host(self, way, volts):
        self._deed()
        return super()._on_host(way, volts)


@pytest.mark.parametrize("routine", ROUTINES, ids=lambda routine: routine.name)
def test_killed_in_the_middle_it_ends_as_if_it_had_not_been(routine):
    whole, kept = Mortal(), MeasurementStore()
    measure(Recipe.of(routine), whole, kept, seed=7)
    expected = routine.analyse(Measured(kept, routine.name))
    reads = _reads(kept, routine)
    chip, store = Mortal(), MeasurementStore()
    # The middle reading: a program that was cut off would be in doubt, and the cells another's.
    chip.dies_at = reads[len(reads) // 2]
    with pytest.raises(Killed):
        measure(Recipe.of(routine), chip, store, seed=7)
    measure(Recipe.of(routine), chip, store, seed=7)
    assert chip.deeds == whole.deeds + 1
    xr.testing.assert_identical(routine.analyse(Measured(store, routine.name)), expected)


def _reads(store, routine):
    """Which deeds were readings, from 1."""
    steps = [s for s in Measured(store, routine.name).steps() if s.kind != "wait"]
    return [k for k, step in enumerate(steps, 1) if step.kind != "pulse"]


@pytest.mark.parametrize("routine", ROUTINES, ids=lambda routine: routine.name)
def test_the_cost_is_what_it_takes(routine):
    chip, store = Mortal(), MeasurementStore()
    cost = routine.cost(chip)
    measure(Recipe.of(routine), chip, store)
    assert chip.deeds == cost.steps
    assert chip.cells.pulses.max() == cost.life
    waits = Measured(store, routine.name).steps("wait")
    assert sum(s.arguments["seconds"] for s in waits) == pytest.approx(cost.waiting)


def test_read_noise_over_the_wire(chip, twin):
    # H0: the twin's cells have the noise that they were made with; 4.5 standard errors.
    found = run(ReadNoise(reads=32), chip)
    truth = np.broadcast_to(twin.cells.population.read_std, chip.shape)
    z = (found["noise_std"].to_numpy() - truth) / found["noise_std_stderr"].to_numpy()
    assert np.nanmax(np.abs(z)) < 4.5
    assert float(found["interval"]) > 0
    assert np.isfinite(z).any()
