from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration.validation import Validation, ValidationPlan, validate_twin
from ohmloop.drivers import Capabilities, Limits
from ohmloop.sim_backend import Population, PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.arrays import Arrays
from ohmloop.sim_backend.chip_file import chip_dataset, population_of

PLAN = ValidationPlan(copies=39)


class PlainSession:
    """A session that keeps nothing, and tells what was done in which order."""

    def __init__(self, chip: TwinCrossbar) -> None:
        self.chip, self.log, self.notes = chip, [], []
        self.doubts: set[int] = set()

    def read(self, *, label="", repeat=-1):
        self.log.append(("read", label))
        return self.chip.read()

    def pulse(self, program, *, label="", repeat=-1):
        self.log.append(("pulse", label))
        self.chip.pulse(program)
        return len(self.log) - 1 not in self.doubts

    def wait(self, seconds, *, label=""):
        self.log.append(("wait", label))
        self.chip.wait(seconds)

    def note(self, label, **values):
        self.log.append(("note", label))
        self.notes.append(values)


def twin_of(cells: Population, seed: int, arrays: Arrays | None = None) -> TwinCrossbar:
    return TwinCrossbar(cells, seed=seed, capabilities=Capabilities(), arrays=arrays)


def file_of(cells: Population) -> xr.Dataset:
    """The chip file of a calibration that found the truth."""
    chip = twin_of(cells, 0)
    usable = np.ones(cells.shape, bool)
    return chip_dataset(cells, usable, chip.conditions, chip.reading, Limits(), Capabilities())


def scaled(cells: Population, **factors: float) -> Population:
    """The same cells with some parameters of their response times something."""
    response = cells.response
    changed = {name: getattr(response, name) * by for name, by in factors.items()}
    return replace(cells, response=replace(response, **changed))


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    return SimpleNamespace(
        session=PlainSession,
        twin_of=twin_of,
        file_of=file_of,
        scaled=scaled,
        population_of=population_of,
    )


@pytest.fixture(scope="session")
def truth() -> Population:
    return sample(PopulationSpec(), (16, 16), np.random.default_rng(3))


@pytest.fixture(scope="session")
def tried() -> Callable[..., Validation]:
    """Validates a chip of some cells against a chip file."""

    def run(
        cells: Population, chip: xr.Dataset, seed: int = 1, plan: ValidationPlan = PLAN
    ) -> Validation:
        return validate_twin(PlainSession(twin_of(cells, 900 + seed)), chip, plan, seed=seed)

    return run
