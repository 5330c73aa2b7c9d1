"""What writing a map came to: maps, figures, the convergence curve, and a file of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.units import with_unit

from .outcome import Outcome

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[np.float64]
FORMAT = "ohmloop-written"


@dataclass(frozen=True, slots=True)
class Written:
    """A map that was written.

    Attributes:
        target: wanted conductances, ``(rows, columns)``, S.
        conductance: mean of all readings since the cell's last pulse, S; at the end of writing
            every cell is read anew.
        tolerance: largest error of a hit, ``(rows, columns)``, S.
        outcome: ``Outcome`` of every cell.
        pulses: pulses that every cell got.
        within: share of the usable cells within the tolerance after each round; the first entry is
            before any pulse.
        median_error: median absolute error of the usable cells after each round, S.
        given: pulses of all cells up to each round.
        read_noise: standard deviation of one reading, of a typical cell, S.
        readings: readings that were averaged for one decision.
        doubts: programs of which nobody could tell how much was applied.
        notes: what the user should know.
    """

    target: Array
    conductance: Array
    tolerance: Array
    outcome: NDArray[np.int8]
    pulses: NDArray[np.int64]
    within: Array
    median_error: Array
    given: NDArray[np.int64]
    read_noise: float
    readings: int
    doubts: int
    notes: tuple[str, ...] = ()

    @property
    def rounds(self) -> int:
        """Programs sent."""
        return len(self.within) - 1

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Cells that were to be written."""
        usable: NDArray[np.bool_] = self.outcome != Outcome.MASKED
        return usable

    @property
    def error(self) -> Array:
        """Conductance less target, S."""
        return self.conductance - self.target

    @property
    def hit_rate(self) -> float:
        """Share of the usable cells within the tolerance."""
        hits = self.outcome[self.usable] == Outcome.HIT
        return float(hits.mean()) if hits.size else float("nan")

    @property
    def counts(self) -> dict[Outcome, int]:
        """Cells of each outcome that there are."""
        codes, counts = np.unique(self.outcome, return_counts=True)
        return {Outcome(c): int(n) for c, n in zip(codes.tolist(), counts.tolist(), strict=True)}

    @property
    def summary(self) -> str:
        """One line."""
        usable = self.usable
        mean = float(self.pulses[usable].mean()) if usable.any() else 0.0
        error = float(np.sqrt(np.mean(self.error[usable] ** 2))) if usable.any() else 0.0
        return (
            f"{self.hit_rate:.1%} of {int(usable.sum())} cells within the tolerance after"
            f" {self.rounds} rounds and {mean:.1f} pulses a cell; rms error"
            f" {with_unit(error, 'S')}"
        )

    def dataset(self) -> xr.Dataset:
        """All of it, for a NetCDF file."""
        import xarray as xr

        maps = {
            "target": (self.target, "S", "wanted conductance"),
            "conductance": (self.conductance, "S", "conductance read in the end"),
            "tolerance": (self.tolerance, "S", "largest error of a hit"),
            "pulses": (self.pulses, "1", "pulses given"),
        }
        curve = {
            "within": (self.within, "1", "share of the usable cells within the tolerance"),
            "median_error": (self.median_error, "S", "median absolute error of the usable cells"),
            "given": (self.given, "1", "pulses given to all cells so far"),
        }
        data = xr.Dataset(attrs={"format": FORMAT, "summary": self.summary})
        for dims, group in ((("row", "column"), maps), (("round",), curve)):
            for name, (values, unit, meaning) in group.items():
                data[name] = (dims, values, {"units": unit, "long_name": meaning})
        flags = {
            "units": "1",
            "long_name": "what became of the cell",
            "flag_values": np.array([int(o) for o in Outcome], np.int8),
            "flag_meanings": " ".join(o.name.lower() for o in Outcome),
        }
        data["outcome"] = (("row", "column"), self.outcome, flags)
        data.attrs |= {
            "hit_rate": self.hit_rate,
            "read_noise_S": self.read_noise,
            "readings": self.readings,
            "doubts": self.doubts,
            "notes": "; ".join(self.notes),
        }
        return data
