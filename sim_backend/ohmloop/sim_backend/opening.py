"""Opening twins by name: ``chip.nc``, ``sim:soft-bounds?shape=64x64&seed=1``, ``sim:ecram?...``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from ohmloop.drivers import BadInputError, Characteristics, ConfigError
from ohmloop.drivers.validation import validate

from .chip_file import bench_of, characteristics_of, load_characteristics, load_chip, population_of
from .population import Population
from .population_spec import PopulationSpec, sample, spec_from_text
from .presets import presets
from .presets.preset import Range
from .responses import response_names
from .twin import TwinCrossbar


def open_chip_file(
    name: str, calibration: str | None = None, seed: int | None = None
) -> TwinCrossbar:
    """The twin of a calibrated chip, under the conditions it was calibrated at.

    Args:
        name: the calibration file.
        calibration: another chip file to take what training knows from; by default this one.
        seed: of the twin's noise; 0 by default.

    Raises:
        ChipFileError: not a calibration file.
    """
    data = load_chip(Path(name))
    known = load_characteristics(Path(calibration)) if calibration else characteristics_of(data)
    return TwinCrossbar(
        population_of(data), seed=seed or 0, characteristics=known, name=name, **bench_of(data)
    )


def open_sim(name: str, calibration: str | None = None, seed: int | None = None) -> TwinCrossbar:
    """A twin of nobody: cells drawn from a specification in the name.

    The part after ``?`` sets ``shape`` and ``seed``. Of a response
    function it also sets any key of ``PopulationSpec``; of a preset any figure of its device, and
    ``g_low`` and ``g_high``, the
    conductances of its mean bounds.

    Raises:
        ConfigError: says which key is wrong.
        BadInputError: the range of conductances is too low for the preset's spread.
    """
    model, _, query = name.removeprefix("sim:").partition("?")
    given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    shape = parse_shape(given.pop("shape", ""), name)
    try:
        cells_seed = int(given.pop("seed", "0"))
        rng = np.random.default_rng(cells_seed)
    except ValueError:
        raise ConfigError(name, "seed", "must be a whole number from 0 on") from None
    population, truth = _drawn(model, given, shape, rng, name)
    known = load_characteristics(Path(calibration)) if calibration else truth
    return TwinCrossbar(
        population, seed=cells_seed if seed is None else seed, characteristics=known, name=name
    )


def _drawn(
    model: str, given: dict[str, Any], shape: tuple[int, int], rng: np.random.Generator, name: str
) -> tuple[Population, Characteristics]:
    """Cells of a preset, in siemens, or of a ``PopulationSpec``; and what is known of them."""
    if model in presets():
        ends = {key: given.pop(key) for key in Range.model_fields if key in given}
        between = validate(Range, ends, name, all_text=True)
        device = presets()[model].changed(given, name)
        cells = device.in_siemens(device.draw(shape, rng), between)
        return cells, device.characteristics(cells, between)
    if model not in response_names():
        known = ", ".join([*response_names(), *presets()])
        raise ConfigError(name, "model", f"there is no {model!r}; known are {known}")
    spec = validate(PopulationSpec, spec_from_text(model, given), name, all_text=True)
    cells = sample(spec, shape, rng)
    return cells, cells.characteristics()


def parse_shape(text: str, name: str) -> tuple[int, int]:
    """Read ``64x64`` as rows and columns.

    Raises:
        BadInputError: it is something else.
    """
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not match:
        raise BadInputError(f"{name}: shape: write rows x columns, as in shape=64x64")
    return int(match[1]), int(match[2])
