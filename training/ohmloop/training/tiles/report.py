"""What writing weights came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .mapping import Map


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a closed-loop writing came to, over the usable cells.

    Attributes:
        rounds: programs sent to the array that took most.
        pulses: pulses applied.
        error: root mean square of read minus wanted weights, in weight units.
        worst: the largest of them, absolute.
        within: share of cells within the tolerance, 0 to 1.
        out_of_reach: cells whose wanted weight is beyond their bounds; they got the bound.
        cells: usable cells that this is about.
    """

    rounds: int
    pulses: int
    error: float
    worst: float
    within: float
    out_of_reach: int
    cells: int

    @classmethod
    def of(
        cls,
        error: Map,
        usable: NDArray[np.bool_],
        tolerance: float,
        *,
        out_of_reach: int,
        rounds: int,
        pulses: int,
    ) -> WriteReport:
        """From the errors of all cells, in weight units."""
        size = np.abs(error[usable])
        return cls(
            rounds=rounds,
            pulses=pulses,
            error=float(np.sqrt(np.mean(size**2))) if size.size else 0.0,
            worst=float(size.max(initial=0.0)),
            within=float((size <= tolerance).mean()) if size.size else 1.0,
            out_of_reach=out_of_reach,
            cells=int(size.size),
        )

    @classmethod
    def together(cls, reports: Sequence[WriteReport]) -> WriteReport:
        """Of several parts that were written one after the other."""
        cells = np.array([report.cells for report in reports])
        share = cells / max(1, cells.sum())
        return cls(
            rounds=max(report.rounds for report in reports),
            pulses=sum(report.pulses for report in reports),
            error=float(np.sqrt(share @ np.array([report.error**2 for report in reports]))),
            worst=max(report.worst for report in reports),
            within=float(share @ np.array([report.within for report in reports])),
            out_of_reach=sum(report.out_of_reach for report in reports),
            cells=int(cells.sum()),
        )
