"""Readings of a chip in the form that the health tests take: no unread steps, no mixed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.raw import bench_of_raw

from .outliers import Array

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class Readings:
    """A chip's readings in order.

    Attributes:
        shape: rows and columns.
        readings: ``(steps, cells)``, S; not-a-number where a cell was not read.
        pulses: signed counts before each.
        starts: ``(steps,)``: what happened before the reading is not known well enough.
        time: of each reading, s; or its number, where the time was not kept.
        voltage: that they were read at, V.
    """

    shape: tuple[int, int]
    readings: Array
    pulses: NDArray[np.int32]
    starts: NDArray[np.bool_]
    time: Array
    voltage: float = 0.1

    @classmethod
    def of(cls, raw: xr.Dataset) -> Readings:
        """Of raw calibration data: steps that nobody read are joined to the reading after them.

        A reading that follows up and down pulses without one between begins anew.
        """
        g = raw["conductance"].to_numpy()
        steps, shape = len(g), (int(g.shape[1]), int(g.shape[2]))
        g, n = g.reshape(steps, -1), raw["pulses"].to_numpy().reshape(steps, -1)
        seen = np.asarray(np.isfinite(g).any(axis=1))
        at = np.flatnonzero(seen)
        broken = raw["broken"].to_numpy().astype(bool) if "broken" in raw else np.zeros(steps, bool)
        total, starts = np.zeros((at.size, n.shape[1]), np.int32), np.zeros(at.size, bool)
        for k, step in enumerate(at.tolist()):
            since = slice(int(at[k - 1]) + 1 if k else 0, step + 1)
            total[k] = n[since].sum(axis=0)
            mixed = (np.abs(n[since]).sum(axis=0) != np.abs(total[k])).any()
            starts[k] = mixed or broken[since].any()
        known = "time" in raw and np.isfinite(raw["time"].to_numpy()[at]).all()
        time = raw["time"].to_numpy()[at].astype(float) if known else np.arange(float(at.size))
        volts = bench_of_raw(raw)["reading"].voltage if "bench" in raw.attrs else 0.1
        return cls(shape, g[at], total, starts, time, volts)
