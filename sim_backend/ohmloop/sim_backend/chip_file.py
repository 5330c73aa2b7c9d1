"""Calibration files (``chip.nc``): NetCDF by xarray, opened anywhere, units as attributes.

This module owns the format: what every chip file holds. ``calibration`` adds raw measurements,
uncertainties and validation to the same dataset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import (
    BadInputError,
    Capabilities,
    Characteristics,
    ChipFileError,
    Limits,
    PulseConditions,
    PulseShape,
    ReadCondition,
)

from .effects import EFFECTS, Effect
from .population import DEFECTS, Population
from .responses import ResponseFunction, response_class

if TYPE_CHECKING:
    import xarray as xr

FORMAT, VERSION = "ohmloop-chip", 1
ROUTINES = "ohmloop-routines"
"""Format of a file that holds groups of routines, and no cells."""
COMMON = {
    "dg_std": ("1", "cycle-to-cycle noise of a step, relative to the step"),
    "read_std": ("1", "read noise, relative to the conductance"),
    "conductance": ("S", "conductance at the end of the calibration"),
    "symmetric_point": ("S", "conductance at which an up and a down pulse cancel"),
    "dg_min": ("S", "granularity: mean step of one pulse at the symmetric point"),
    "usable": ("1", "1 where the cell could be fitted"),
}
"""Maps that every chip file holds, ``(row, column)``, with unit and meaning."""
EXTRA = {
    "dg_add": ("S", "cycle-to-cycle noise of a step that does not depend on its size"),
    "dg_slope": (
        "1",
        "cycle-to-cycle noise of a step, for each siemens between conductance and dg_rest",
    ),
    "dg_rest": ("S", "conductance at which dg_slope makes no noise"),
    "endurance": ("1", "pulses after which a cell does not move any more; 0 = it never tires"),
}
"""Maps that it holds where a cell has any of it."""

_BENCH = (
    "pulse_up_amplitude_V",
    "pulse_up_width_s",
    "pulse_down_amplitude_V",
    "pulse_down_width_s",
    "pulse_rest_s",
    "read_voltage_V",
    "read_settle_s",
    "read_nplc",
    "limits",
    "parallel_forward",
    "coincidence_update",
)
"""Attributes that every chip file holds: what ``bench_of`` reads."""


def maps_of(response: type[ResponseFunction]) -> dict[str, tuple[str, str]]:
    """Maps that a file of this response function must hold: name -> unit and meaning."""
    own = {name: (unit, response.meanings[name]) for name, unit in response.units.items()}
    return own | COMMON


def chip_dataset(
    population: Population,
    usable: Any,
    conditions: PulseConditions,
    reading: ReadCondition,
    limits: Limits,
    capabilities: Capabilities,
) -> xr.Dataset:
    """The dataset of a chip: its cells, and the bench conditions they were measured under."""
    import xarray as xr

    known = population.characteristics(usable)
    data = xr.Dataset(attrs={"format": FORMAT, "format_version": VERSION})
    response = population.response
    for name, (unit, meaning) in (maps_of(type(response)) | EXTRA).items():
        source = next(s for s in (response, population, known) if hasattr(s, name))
        source = known if name in {"symmetric_point", "dg_min", "usable"} else source
        values = np.asarray(getattr(source, name))
        if name in EXTRA and not values.any():
            continue
        values = values.astype(np.int8) if name == "usable" else values.astype(np.float64)
        dims = ("row", "column") if values.ndim == 2 else ("row", "column", "node")
        data[name] = xr.DataArray(values, dims=dims, attrs={"units": unit, "long_name": meaning})
    data.attrs["effects"] = " ".join(effect.name for effect in population.effects)
    for effect in population.effects:
        for entry in fields(effect):
            attrs = {"units": entry.metadata["unit"], "long_name": entry.metadata["meaning"]}
            values = np.asarray(getattr(effect, entry.name), np.float64)
            data[f"{effect.name}_{entry.name}"] = (("row", "column"), values, attrs)
    if population.defects.any():
        data["defects"] = (("row", "column"), population.defects, _defect_attributes())
    c = conditions
    data.attrs |= {
        "response_function": response.name,
        "pulse_up_amplitude_V": c.up.amplitude,
        "pulse_up_width_s": c.up.width,
        "pulse_down_amplitude_V": c.down.amplitude,
        "pulse_down_width_s": c.down.width,
        "pulse_rest_s": c.rest,
        "read_voltage_V": reading.voltage,
        "read_settle_s": reading.settle,
        "read_nplc": reading.nplc,
        "limits": json.dumps({k: getattr(limits, k) for k in Limits.__slots__}),
        "parallel_forward": int(capabilities.parallel_forward),
        "coincidence_update": int(capabilities.coincidence_update),
    }
    return data


def _defect_attributes() -> dict[str, Any]:
    """A map of flags, as the CF conventions write them."""
    return {
        "units": "1",
        "long_name": "what each cell of an emulated chip was made to suffer from",
        "flag_values": np.arange(len(DEFECTS), dtype=np.uint8),
        "flag_meanings": " ".join(DEFECTS),
    }


def save_chip(data: xr.Dataset, path: Path, groups: Mapping[str, xr.Dataset] | None = None) -> None:
    """Write a chip file, whole or not at all; ``groups`` become NetCDF groups of it, by path."""
    draft = path.with_name(f".{path.name}.part")
    data.to_netcdf(draft, engine="h5netcdf")
    for name, group in (groups or {}).items():
        group.to_netcdf(draft, mode="a", group=name, engine="h5netcdf")
    draft.replace(path)


def load_groups(path: Path) -> dict[str, xr.Dataset]:
    """The groups of a chip file, by path: ``routines/NAME``, ``validation/DATE``.

    Raises:
        ChipFileError: missing, or a file that cannot be read.
    """
    import h5netcdf
    import xarray as xr

    if not path.is_file():
        raise ChipFileError(f"{path}: no such file")
    found: dict[str, xr.Dataset] = {}
    try:
        with h5netcdf.File(path) as file:
            names = [f"{head}/{name}" for head in file.groups for name in file.groups[head].groups]
        for name in names:
            with xr.open_dataset(path, group=name, engine="h5netcdf") as group:
                found[name] = group.load()
    except Exception as error:  # h5py and xarray raise many kinds
        raise ChipFileError(f"{path}: its groups cannot be read ({_first_line(error)})") from error
    return found


def only_routines(path: Path) -> bool:
    """Whether a file holds what routines found, and no twin."""
    import h5netcdf

    try:
        with h5netcdf.File(path) as file:
            return bool(file.attrs.get("format") == ROUTINES)
    except Exception:  # no such file, or not of this kind: load_chip says so
        return False


def load_chip(path: Path) -> xr.Dataset:
    """Read a chip file into memory.

    Raises:
        ChipFileError: missing, not a chip file, of a newer format, or incomplete.
    """
    import xarray as xr

    if not path.is_file():
        raise ChipFileError(f"{path}: no such file")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            data = file.load()
    except Exception as error:  # h5py and xarray raise many kinds
        raise ChipFileError(f"{path}: not a calibration file ({_first_line(error)})") from error
    if data.attrs.get("format") != FORMAT:
        raise ChipFileError(f"{path}: a NetCDF file, but not a calibration file of ohmloop")
    if data.attrs.get("format_version") != VERSION:
        raise ChipFileError(
            f"{path}: format {data.attrs.get('format_version')}; this ohmloop reads {VERSION}"
        )
    needed = [*maps_of(_response_of(data, path)), *_effect_maps(data, path)]
    missing = [n for n in needed if n not in data or data[n].dims[:2] != ("row", "column")]
    missing += [name for name in _BENCH if name not in data.attrs]
    if missing:
        raise ChipFileError(f"{path}: lacks {', '.join(missing)}; calibrate again")
    return data


def _response_of(data: xr.Dataset, where: Path | str) -> type[ResponseFunction]:
    try:
        return response_class(str(data.attrs.get("response_function", "soft-bounds")))
    except BadInputError as error:
        raise ChipFileError(f"{where}: {error}") from error


def _effects_of(data: xr.Dataset, where: Path | str) -> list[type[Effect]]:
    names = str(data.attrs.get("effects", "")).split()
    unknown = [name for name in names if name not in EFFECTS]
    if unknown:
        raise ChipFileError(
            f"{where}: effect {unknown[0]!r} is not known; known are {', '.join(EFFECTS)}"
        )
    return [EFFECTS[name] for name in names]


def _effect_maps(data: xr.Dataset, where: Path | str) -> list[str]:
    return [f"{e.name}_{f.name}" for e in _effects_of(data, where) for f in fields(e)]


def population_of(data: xr.Dataset) -> Population:
    """The cells of a chip file.

    Raises:
        ChipFileError: it is of a response function that nobody here offers.
        BadInputError: a parameter that cannot be, by name.
    """
    kind = _response_of(data, "chip file")
    names = ["dg_std", "read_std", "conductance"]
    names += [name for name in (*EXTRA, "defects") if name in data]
    effects = tuple(
        e(**{f.name: data[f"{e.name}_{f.name}"].to_numpy() for f in fields(e)})
        for e in _effects_of(data, "chip file")
    )
    return Population(
        kind(**{name: data[name].to_numpy() for name in kind.units}),
        effects=effects,
        **{name: data[name].to_numpy() for name in names},
    )


def characteristics_of(data: xr.Dataset) -> Characteristics:
    """What training needs of a chip file."""
    maps = {n: data[n].to_numpy() for n in ("g_min", "g_max", "symmetric_point", "dg_min")}
    return Characteristics(**maps, usable=data["usable"].to_numpy().astype(bool))


def load_characteristics(path: Path) -> Characteristics:
    """``characteristics_of`` a file.

    Raises:
        ChipFileError: not a calibration file.
    """
    return characteristics_of(load_chip(path))


def bench_of(data: xr.Dataset) -> dict[str, Any]:
    """Conditions, reading, limits and capabilities, as ``TwinCrossbar`` takes them."""
    a = data.attrs
    up = PulseShape(float(a["pulse_up_amplitude_V"]), float(a["pulse_up_width_s"]))
    down = PulseShape(float(a["pulse_down_amplitude_V"]), float(a["pulse_down_width_s"]))
    return {
        "conditions": PulseConditions(up, down, float(a["pulse_rest_s"])),
        "reading": ReadCondition(
            float(a["read_voltage_V"]), float(a["read_settle_s"]), float(a["read_nplc"])
        ),
        "limits": Limits(**json.loads(a["limits"])),
        "capabilities": Capabilities(
            parallel_forward=bool(a["parallel_forward"]),
            coincidence_update=bool(a["coincidence_update"]),
        ),
    }


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()
    return text[0][:120] if text else type(error).__name__
