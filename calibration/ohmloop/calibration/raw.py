"""Raw measurements of a calibration: the dataset that is saved before anything is fitted.

One entry of dimension ``step`` is: pulses given to every cell, then a reading of the whole map, or
NaN where a step was not read. Nothing in it depends on a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import (
    Capabilities,
    ChipFileError,
    Crossbar,
    Limits,
    PulseConditions,
    PulseShape,
    ReadCondition,
)

if TYPE_CHECKING:
    import xarray as xr

FORMAT = "ohmloop-raw"
READS, TRAIN, APPROACH, ALTERNATE, START, HELD_OUT = (
    "reads", "train", "approach", "alternate", "start", "held-out",
)  # fmt: skip
FITTED = (READS, TRAIN, APPROACH)
"""Phases that the fit sees; the others check it."""

Progress = Callable[[int, int, str], None]
"""``progress(done, total, text)``, after every step."""


def raw_dataset(
    conductance: NDArray[np.float64],
    pulses: NDArray[np.int32],
    phases: Sequence[str],
    repeats: Sequence[int],
    attrs: Mapping[str, Any],
    *,
    broken: NDArray[np.bool_] | None = None,
    time: NDArray[np.float64] | None = None,
) -> xr.Dataset:
    """Raw data.

    Args:
        conductance: reading after each step, ``(steps, rows, columns)``, S; NaN where there is
            none.
        pulses: given in each step, same shape, positive = up.
        phases: what each step is part of.
        repeats: which repetition it is; -1 where there are none.
        attrs: numbers and text; ``bench`` as ``bench_attribute`` gives it.
        broken: True where what happened to the cells before a reading is not known.
        time: of each step, s since the first.
    """
    import xarray as xr

    dims, steps = ("step", "row", "column"), len(phases)
    broken = np.zeros(steps, bool) if broken is None else broken
    time = np.full(steps, np.nan) if time is None else time
    known = "1 where what happened to the cells before this reading is not known"
    return xr.Dataset(
        {
            "conductance": (
                dims,
                conductance,
                {"units": "S", "long_name": "conductance read after the step"},
            ),
            "pulses": (
                dims,
                pulses,
                {"units": "1", "long_name": "pulses given in the step, positive = up"},
            ),
        },
        coords={
            "phase": ("step", np.array(phases, dtype=object)),
            "repeat": ("step", np.array(repeats, np.int32)),
            "broken": ("step", broken.astype(np.int8), {"units": "1", "long_name": known}),
            "time": ("step", time, {"units": "s", "long_name": "time of the step since the first"}),
        },
        attrs={"format": FORMAT, **attrs},
    )


def check_raw(raw: xr.Dataset) -> None:
    """Refuse what is not a raw dataset.

    Raises:
        ChipFileError: says what is missing.
    """
    if raw.attrs.get("format") != FORMAT:
        raise ChipFileError("not raw calibration data of ohmloop")
    missing = [n for n in ("conductance", "pulses", "phase", "repeat") if n not in raw.variables]
    if missing:
        raise ChipFileError(f"raw calibration data lack {', '.join(missing)}; measure again")


def steps_of(raw: xr.Dataset, *phases: str) -> NDArray[np.intp]:
    """Indices of the steps of some phases."""
    return np.flatnonzero(np.isin(raw["phase"].to_numpy().astype(str), phases))


def broken_at(raw: xr.Dataset) -> NDArray[np.bool_]:
    """Steps before whose reading nobody knows what happened to the cells, ``(steps,)``."""
    if "broken" not in raw.variables:  # data of older versions ended where that happened
        return np.zeros(raw.sizes["step"], bool)
    return raw["broken"].to_numpy().astype(bool)


def flat(raw: xr.Dataset, steps: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Conductances (S) and pulses of some steps, ``(steps, cells)``."""
    g, n = (raw[name].to_numpy()[steps] for name in ("conductance", "pulses"))
    return g.reshape(steps.size, -1), n.reshape(steps.size, -1)


def bench_of_raw(raw: xr.Dataset) -> dict[str, Any]:
    """``conditions``, ``reading``, ``limits`` and ``capabilities`` under which it was measured."""
    return bench_of(str(raw.attrs["bench"]))


def bench_of(text: str) -> dict[str, Any]:
    """The same from the attribute's text."""
    bench = json.loads(text)
    c = bench["conditions"]
    return {
        "conditions": PulseConditions(PulseShape(**c["up"]), PulseShape(**c["down"]), c["rest"]),
        "reading": ReadCondition(**bench["reading"]),
        "limits": Limits(**bench["limits"]),
        "capabilities": Capabilities(**bench["capabilities"]),
    }


def bench_attribute(crossbar: Crossbar, conditions: PulseConditions | None = None) -> str:
    """What raw data are measured under, as text; ``conditions`` if not the bench's own."""
    parts: dict[str, Any] = {
        "conditions": conditions or crossbar.conditions,
        "reading": crossbar.reading,
        "limits": crossbar.limits,
        "capabilities": crossbar.capabilities,
    }
    return json.dumps({name: asdict(part) for name, part in parts.items()})
