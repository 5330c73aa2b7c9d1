"""Raw measurements of a calibration: the dataset that is saved before anything is fitted.

One entry of dimension ``step`` is: pulses given to every cell, then a reading of the whole map, or
NaN where a step was not read. Nothing in it depends on a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
Keep = Callable[["xr.Dataset"], None]
"""``keep(raw)`` saves what has been measured so far; called after every phase and on any error."""


class Recorder:
    """Collects steps into arrays of a known size.

    Args:
        crossbar: whose conditions go into the attributes.
        steps: most steps there will be.
        attrs: more attributes: numbers and text.
    """

    def __init__(self, crossbar: Crossbar, steps: int, attrs: Mapping[str, Any]) -> None:
        self.attrs = {"format": FORMAT, "crossbar": crossbar.name, **_bench(crossbar), **attrs}
        self.conductance = np.full((steps, *crossbar.shape), np.nan)
        self.pulses = np.zeros((steps, *crossbar.shape), np.int32)
        self.phases: list[str] = []
        self.repeats: list[int] = []

    def add(
        self,
        phase: str,
        pulses: NDArray[np.int32] | int,
        conductance: NDArray[np.float64] | None,
        repeat: int = -1,
    ) -> None:
        """Note one step; ``conductance`` is None where it was not read."""
        at = len(self.phases)
        self.pulses[at] = pulses
        if conductance is not None:
            self.conductance[at] = conductance
        self.phases.append(phase)
        self.repeats.append(repeat)

    def dataset(self) -> xr.Dataset:
        """All steps so far: ``conductance`` (S) and ``pulses`` over (step, row, column)."""
        import xarray as xr

        done, dims = len(self.phases), ("step", "row", "column")
        return xr.Dataset(
            {
                "conductance": (
                    dims,
                    self.conductance[:done].copy(),
                    {"units": "S", "long_name": "conductance read after the step"},
                ),
                "pulses": (
                    dims,
                    self.pulses[:done].copy(),
                    {"units": "1", "long_name": "pulses given in the step, positive = up"},
                ),
            },
            coords={
                "phase": ("step", np.array(self.phases, dtype=object)),
                "repeat": ("step", np.array(self.repeats, np.int32)),
            },
            attrs=self.attrs,
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


def flat(raw: xr.Dataset, steps: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Conductances (S) and pulses of some steps, ``(steps, cells)``."""
    g, n = (raw[name].to_numpy()[steps] for name in ("conductance", "pulses"))
    return g.reshape(steps.size, -1), n.reshape(steps.size, -1)


def bench_of_raw(raw: xr.Dataset) -> dict[str, Any]:
    """``conditions``, ``reading``, ``limits`` and ``capabilities`` under which it was measured."""
    bench = json.loads(raw.attrs["bench"])
    c = bench["conditions"]
    return {
        "conditions": PulseConditions(PulseShape(**c["up"]), PulseShape(**c["down"]), c["rest"]),
        "reading": ReadCondition(**bench["reading"]),
        "limits": Limits(**bench["limits"]),
        "capabilities": Capabilities(**bench["capabilities"]),
    }


def _bench(crossbar: Crossbar) -> dict[str, str]:
    parts: dict[str, Any] = {
        "conditions": crossbar.conditions,
        "reading": crossbar.reading,
        "limits": crossbar.limits,
        "capabilities": crossbar.capabilities,
    }
    return {"bench": json.dumps({name: asdict(part) for name, part in parts.items()})}
