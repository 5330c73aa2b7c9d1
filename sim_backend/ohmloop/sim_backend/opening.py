"""Opening twins by name: ``chip.nc``, ``sim:soft-bounds?shape=64x64&seed=1``, ``sim:ecram?...``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from ohmloop.drivers import BadInputError, Characteristics, ConfigError
from ohmloop.drivers.validation import validate

from .chip_file import bench_of, characteristics_of, load_characteristics, load_chip, population_of
from .periphery import Periphery
from .periphery.periphery_file import load_periphery
from .population import Population
from .population_spec import PopulationSpec, sample, spec_from_text
from .presets import presets
from .presets.preset import Range
from .responses import response_names
from .twin import TwinCrossbar


def open_chip_file(
    name: str,
    calibration: str | None = None,
    seed: int | None = None,
    periphery: Mapping[str, Any] | None = None,
) -> TwinCrossbar:
    """The twin of a calibrated chip, under the conditions it was calibrated at.

    Args:
        name: the calibration file.
        calibration: another chip file to take what training knows from; by default this one.
        seed: of the twin's noise; 0 by default.
        periphery: what surrounds its cells, as configuration says it; see ``Periphery``.

    Raises:
        ChipFileError: not a calibration file.
        ConfigError: a key of the periphery is wrong.
        LimitError: the periphery scales inputs up to more than the chip's limits allow.
    """
    data = load_chip(Path(name))
    known = load_characteristics(Path(calibration)) if calibration else characteristics_of(data)
    return TwinCrossbar(
        population_of(data),
        seed=seed or 0,
        characteristics=known,
        periphery=_periphery(periphery, name),
        name=name,
        **bench_of(data),
    )


def open_sim(
    name: str,
    calibration: str | None = None,
    seed: int | None = None,
    periphery: Mapping[str, Any] | None = None,
) -> TwinCrossbar:
    """A twin of nobody: cells drawn from a specification in the name.

    The part after ``?`` sets ``shape``, ``seed`` and ``periphery``, a file. Of a response function
    it also sets any key of ``PopulationSpec``; of a preset any figure of its device, and ``g_low``
    and ``g_high``, the conductances of its mean bounds. Arguments are as for ``open_chip_file``.

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
    file = given.pop("periphery", None)
    if file is not None and periphery is not None:
        raise ConfigError(name, "periphery", "is given twice, in the name and beside it")
    around = load_periphery(Path(file)) if file is not None else _periphery(periphery, name)
    population, truth = _drawn(model, given, shape, rng, name)
    known = load_characteristics(Path(calibration)) if calibration else truth
    return TwinCrossbar(
        population,
        seed=cells_seed if seed is None else seed,
        characteristics=known,
        periphery=around,
        name=name,
    )


def _periphery(given: Mapping[str, Any] | None, where: str) -> Periphery | None:
    return None if given is None else validate(Periphery, given, where, "periphery")


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
