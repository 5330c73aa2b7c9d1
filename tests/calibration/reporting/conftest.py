from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ohmloop.calibration import MeasurementStore
from ohmloop.calibration.measuring import Session
from ohmloop.calibration.validation import ValidationPlan, validate_twin
from ohmloop.calibration.validation.keeping import to_keep
from ohmloop.drivers import Capabilities, Limits
from ohmloop.sim_backend import Population, PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.chip_file import chip_dataset


def bare(cells: Population, **attrs: str) -> xr.Dataset:
    """A chip file that holds cells and nothing else."""
    chip = TwinCrossbar(cells, seed=0, capabilities=Capabilities())
    usable = np.ones(cells.shape, bool)
    data = chip_dataset(
        cells, usable, chip.conditions, chip.reading, Limits(voltage=2.0), Capabilities()
    )
    return data.assign_attrs(attrs)


@pytest.fixture(scope="session")
def make_bare() -> Callable[..., xr.Dataset]:
    return bare


@pytest.fixture(scope="session")
def few() -> Population:
    return sample(PopulationSpec(), (4, 5), np.random.default_rng(3))


@pytest.fixture(scope="session")
def validation(few: Population) -> xr.Dataset:
    """The group of a short validation of a twin that is the truth."""
    chip = TwinCrossbar(few, seed=5, capabilities=Capabilities())
    session = Session(chip, MeasurementStore(), "validation", seed=1, conditions=chip.conditions)
    plan = ValidationPlan(repeats=2, positions=2, copies=39)
    return to_keep(validate_twin(session, bare(few), plan, seed=1))


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but take no time to be painted."""
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda _, file: file.write(b"\x89PNG"))


def headings(text: str, level: int = 2) -> list[str]:
    return re.findall(rf"<h{level}>(.*?)</h{level}>", text)


@pytest.fixture(scope="session")
def headings_of() -> Callable[..., list[str]]:
    return headings
