"""A table of measured pulse responses, made into the raw dataset that a calibration would have."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.raw import ALTERNATE, APPROACH, FORMAT, HELD_OUT, READS, START, TRAIN
from ohmloop.drivers import BadInputError, Capabilities, Limits, PulseConditions, ReadCondition
from ohmloop.sim_backend.twin import NOMINAL, READING

from .columns import Array, Columns
from .layout import Layout, layout_of
from .options import ImportOptions
from .pulses import Amplitudes, pulses_of
from .readings import Readings, readings_of, said
from .text_table import read_text_table

if TYPE_CHECKING:
    import xarray as xr

FEWEST = 5
"""Readings after up pulses, and after down pulses, of a cell that can be fitted."""
_PHASES = (READS, TRAIN, APPROACH, ALTERNATE, START, HELD_OUT)
_DIMS = ("step", "row", "column")


def import_table(path: Path, options: ImportOptions | None = None) -> xr.Dataset:
    """Read a table: one reading a row, with the pulses that came before it.

    Rows of a cell follow one another as in the file. A reading that cannot be is dropped and
    counted; its pulses stay. What the file and the options do not say of pulses and reads is named
    in the attribute ``conditions_unknown``; nominal figures stand in its place.

    Args:
        path: CSV, TSV or the like, also gzipped.
        options: what the file does not say.

    Returns:
        Raw data over (step, row, column); see ``raw``. Attributes say where it came from, and
        ``notes`` what a person should know.

    Raises:
        BadInputError: one line that names the file, and the column or the line of text.
    """
    options = options or ImportOptions()
    columns = Columns(read_text_table(path), options.columns)
    readings = readings_of(columns, options)
    pulses, amplitudes = pulses_of(columns, options)
    layout = layout_of(columns)
    _check_enough(path, layout, readings, pulses)
    raw = _dataset(columns, layout, readings, pulses)
    bench, unknown = _bench(options, amplitudes, readings)
    raw.attrs |= {
        "format": FORMAT,
        "crossbar": path.name,
        "bench": json.dumps(bench),
        "conditions_unknown": " ".join(unknown),
        "provenance_file": path.name,
        "provenance_column": readings.column,
        "notes": "; ".join(_notes(layout, readings)),
    }
    if layout.labels:
        raw.attrs["cell_labels"] = json.dumps(layout.labels)
    if readings.scale:
        raw.attrs["scale_offset_S"], raw.attrs["scale_factor_S"] = readings.scale
    return raw


def _check_enough(
    path: Path, layout: Layout, readings: Readings, pulses: NDArray[np.int64]
) -> None:
    good = np.isfinite(readings.conductance)
    cells = math.prod(layout.shape)
    after = [
        np.bincount(layout.cell[good & way], minlength=cells) for way in (pulses > 0, pulses < 0)
    ]
    if np.minimum(*after).max() >= FEWEST:
        return
    up, down = (int(counts.max()) for counts in after)
    raise BadInputError(
        f"{path}: too few pulses to fit: no cell has {FEWEST} readings after up and {FEWEST} after"
        f" down pulses (at most {up} and {down})"
    )


def _dataset(
    columns: Columns, layout: Layout, readings: Readings, pulses: NDArray[np.int64]
) -> xr.Dataset:
    import xarray as xr

    size = layout.steps, math.prod(layout.shape)
    conductance, counts = np.full(size, np.nan), np.zeros(size, np.int32)
    conductance[layout.step, layout.cell] = readings.conductance
    counts[layout.step, layout.cell] = pulses
    shape = layout.steps, *layout.shape
    raw = xr.Dataset(
        {
            "conductance": (
                _DIMS,
                conductance.reshape(shape),
                {"units": "S", "long_name": "conductance read after the step"},
            ),
            "pulses": (
                _DIMS,
                counts.reshape(shape),
                {"units": "1", "long_name": "pulses given in the step, positive = up"},
            ),
            "broken": (
                "step",
                layout.fresh & (np.arange(layout.steps) > 0),
                {"long_name": "what happened to the cells before this reading is not known"},
            ),
        },
        coords={
            "phase": ("step", _phases(columns, layout)),
            "repeat": ("step", _cycles(columns, layout)),
        },
    )
    if "time" in columns:
        times = _by_step(columns.numbers("time"), layout)
        raw["time"] = ("step", times, {"units": "s", "long_name": "time, mean over cells"})
    return raw


def _phases(columns: Columns, layout: Layout) -> NDArray[np.object_]:
    found = np.full(layout.steps, TRAIN, dtype=object)
    if "phase" not in columns:
        return found
    names = np.full(layout.steps, "", dtype=object)
    for text, step, (line, _) in zip(
        columns.texts("phase"), layout.step.tolist(), columns.table.rows, strict=True
    ):
        if text not in _PHASES:
            raise BadInputError(
                f"{columns.table.path}: line {line}: there is no phase {text!r}; known are"
                f" {', '.join(_PHASES)}"
            )
        if names[step] not in ("", text):
            raise BadInputError(
                f"{columns.table.path}: line {line}: cells are in different phases at one step"
            )
        names[step] = text
    return names


def _cycles(columns: Columns, layout: Layout) -> NDArray[np.int32]:
    if "cycle" not in columns:
        return np.full(layout.steps, -1, np.int32)
    return np.rint(_by_step(columns.counts("cycle").astype(float), layout)).astype(np.int32)


def _by_step(values: Array, layout: Layout) -> Array:
    """Mean over the cells of a step."""
    count = np.bincount(layout.step, minlength=layout.steps)
    mean: Array = np.bincount(layout.step, values, layout.steps) / np.maximum(count, 1)
    return mean


def _bench(
    options: ImportOptions, amplitudes: Amplitudes, readings: Readings
) -> tuple[dict[str, Any], list[str]]:
    """Conditions for the file, and the names of those that nobody said."""
    known = {
        "pulse_up_amplitude_V": amplitudes[0],
        "pulse_up_width_s": options.width_up,
        "pulse_down_amplitude_V": amplitudes[1],
        "pulse_down_width_s": options.width_down,
        "read_voltage_V": readings.voltage,
    }
    up, down = NOMINAL.up, NOMINAL.down
    up = replace(up, amplitude=_or(amplitudes[0], up.amplitude))
    up = replace(up, width=_or(options.width_up, up.width))
    down = replace(down, amplitude=_or(amplitudes[1], down.amplitude))
    down = replace(down, width=_or(options.width_down, down.width))
    reading = ReadCondition(_or(readings.voltage, READING.voltage), READING.settle, READING.nplc)
    parts: dict[str, Any] = {
        "conditions": PulseConditions(up, down, NOMINAL.rest),
        "reading": reading,
        "limits": Limits(),
        "capabilities": Capabilities(),
    }
    return {name: asdict(part) for name, part in parts.items()}, [
        name for name, value in known.items() if value is None
    ]


def _or(value: float | None, nominal: float) -> float:
    return nominal if value is None else value


def _notes(layout: Layout, readings: Readings) -> list[str]:
    notes = []
    if readings.dropped:
        notes.append(f"readings dropped: {said(readings.dropped)}")
    if layout.uneven:
        notes.append(f"{layout.uneven} cells have fewer readings than {layout.steps}")
    if readings.scale:
        notes.append("conductances stand for a scale without a unit, by --full-scale")
    return notes
