"""Calibration files (``chip.nc``): NetCDF by xarray, opened anywhere, units as attributes.

This module owns the format: what every chip file holds. ``calibration`` adds raw measurements,
uncertainties and validation to the same dataset.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import (
    Capabilities,
    Characteristics,
    ChipFileError,
    Limits,
    PulseConditions,
    PulseShape,
    ReadCondition,
)

from .population import Population

if TYPE_CHECKING:
    import xarray as xr

FORMAT, VERSION = "ohmloop-chip", 1
UNITS = {
    "g_min": "S", "g_max": "S", "slope_up": "1", "slope_down": "1", "dg_std": "1",
    "read_std": "1", "conductance": "S", "symmetric_point": "S", "dg_min": "S", "usable": "1",
}  # fmt: skip
"""Maps that every chip file holds, ``(row, column)``, with their units."""

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

_MEANING = {
    "g_min": "lower soft bound",
    "g_max": "upper soft bound",
    "slope_up": "share of the distance to g_max that one up pulse goes",
    "slope_down": "share of the distance to g_min that one down pulse goes",
    "dg_std": "cycle-to-cycle noise of a step, relative to the step",
    "read_std": "read noise, relative to the conductance",
    "conductance": "conductance at the end of the calibration",
    "symmetric_point": "conductance at which an up and a down pulse cancel",
    "dg_min": "granularity: mean step of one pulse at the symmetric point",
    "usable": "1 where the cell could be fitted",
}


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
    for name, unit in UNITS.items():
        source = known if name in {"symmetric_point", "dg_min", "usable"} else population
        values = np.asarray(getattr(source, name))
        values = values.astype(np.int8) if name == "usable" else values
        attrs = {"units": unit, "long_name": _MEANING[name]}
        data[name] = xr.DataArray(values, dims=("row", "column"), attrs=attrs)
    c = conditions
    data.attrs |= {
        "response_function": "soft-bounds",
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


def save_chip(data: xr.Dataset, path: Path) -> None:
    """Write a chip file, whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    data.to_netcdf(draft, engine="h5netcdf")
    draft.replace(path)


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
    missing = [name for name in UNITS if name not in data or data[name].dims != ("row", "column")]
    missing += [name for name in _BENCH if name not in data.attrs]
    if missing:
        raise ChipFileError(f"{path}: lacks {', '.join(missing)}; calibrate again")
    return data


def population_of(data: xr.Dataset) -> Population:
    """The cells of a chip file."""
    names = ("g_min", "g_max", "slope_up", "slope_down")
    rest = ("dg_std", "read_std", "conductance")
    return Population(
        SoftBounds(*(data[name].to_numpy() for name in names)),
        **{name: data[name].to_numpy() for name in rest},
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
