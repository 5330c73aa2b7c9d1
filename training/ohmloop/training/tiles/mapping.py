"""How a weight is kept as a conductance: ``w = (g - g_ref) / siemens_per_weight``.

The reference is best the symmetric point of each cell, subtracted digitally, so that weight 0 is
the state where up and down pulses cancel and to which random pulses pull a cell (Gokmen and
Haensch, Front. Neurosci. 14:103, 2020; "zero-shifting", Kim et al., arXiv:1907.10228). One
conductance for all cells is the simplest periphery, and leaves every cell its own offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, Characteristics, Crossbar

Map = NDArray[np.float64]

DigitalReference = Literal["map", "fixed"]
"""``map``: every cell's symmetric point; ``fixed``: their mean, for all cells."""

REACH_QUANTILE = 0.1
"""The share of cells that may fall short of ``w_max``; a few poor cells must not set the scale."""


@dataclass(frozen=True)
class Mapping:
    """Weights of one tile, in siemens; every map is ``(out, in)``.

    Attributes:
        reference: conductance of weight 0, S.
        siemens_per_weight: conductance of one unit of weight, S.
        dg_min: granularity of each cell, S.
        g_min: lowest conductance, S.
        g_max: highest conductance, S.
        usable: cells that may be pulsed.
    """

    reference: Map
    siemens_per_weight: float
    dg_min: Map
    g_min: Map
    g_max: Map
    usable: NDArray[np.bool_]

    @classmethod
    def of(cls, crossbar: Crossbar, w_max: float, reference: DigitalReference = "map") -> Self:
        """The mapping in which nine cells in ten reach ``-w_max`` and ``w_max``.

        A cell that is not usable is referenced to what it reads now: it stands for weight 0 and
        does no harm.

        Args:
            crossbar: the cells, with characteristics.
            w_max: the largest weight to be kept.
            reference: what stands for weight 0.

        Raises:
            BadInputError: the crossbar is not calibrated, has no usable cell, or ``w_max`` is not
                a positive number.
        """
        known = known_cells(crossbar)
        mapping = cls.from_characteristics(known, w_max, crossbar.name, reference)
        if not known.usable.all():
            mapping.reference[~known.usable] = crossbar.read()[~known.usable]
        return mapping

    @classmethod
    def from_characteristics(
        cls,
        known: Characteristics,
        w_max: float,
        name: str,
        reference: DigitalReference = "map",
    ) -> Self:
        """The same without the crossbar: what cells read that are not usable is not known.

        Raises:
            BadInputError: ``w_max`` is not a positive number, or the cells have no range.
        """
        check_range(w_max, name)
        zero = np.array(known.symmetric_point, np.float64)
        if reference == "fixed":
            zero[:] = zero[known.usable].mean()
        return cls(
            reference=zero,
            siemens_per_weight=_reach(known, zero, name) / w_max,
            dg_min=known.dg_min,
            g_min=known.g_min,
            g_max=known.g_max,
            usable=known.usable,
        )

    @cached_property
    def dw_min(self) -> float:
        """Granularity: mean weight step of one pulse at weight 0, over the usable cells."""
        return float(self.dg_min[self.usable].mean()) / self.siemens_per_weight

    @cached_property
    def states(self) -> int:
        """Steps over the whole range of a usual cell: the median of those that step at all."""
        stepping = self.usable & (self.dg_min > 0)
        steps = (self.g_max - self.g_min)[stepping] / self.dg_min[stepping]
        return max(1, round(float(np.median(steps)))) if steps.size else 1

    @cached_property
    def all_usable(self) -> bool:
        """Whether every cell may be pulsed."""
        return bool(self.usable.all())

    def to_weights(self, conductance: Map) -> Map:
        """Conductances ``(out, in)``, S, as weights."""
        weights: Map = (conductance - self.reference) / self.siemens_per_weight
        return weights

    def to_conductance(self, weights: Map) -> Map:
        """Weights ``(out, in)`` as conductances within each cell's own bounds, S."""
        wanted = self.reference + weights * self.siemens_per_weight
        return np.where(self.usable, np.clip(wanted, self.g_min, self.g_max), self.reference)


def w_max_for(weights: NDArray[np.floating], omega: float) -> float:
    """The weight range for a layer that starts with ``weights``.

    The largest of them is kept at ``omega`` of the range (``weight_scaling_omega`` of Rasch et
    al., arXiv:2104.02184), which leaves the rest for training.

    Args:
        weights: initial weights, of any shape.
        omega: above 0, up to 1.

    Raises:
        BadInputError: ``omega`` is out of range, or the weights are not finite.
    """
    if not 0 < omega <= 1:
        raise BadInputError(f"omega must lie above 0 and up to 1, not {omega}")
    largest = float(np.abs(weights).max(initial=0.0))
    if not np.isfinite(largest):
        raise BadInputError("the initial weights are not finite")
    return largest / omega if largest > 0 else 1.0


def check_range(w_max: float, name: str) -> None:
    """Refuse a range of weights that is none.

    Raises:
        BadInputError: ``w_max`` is not a positive number.
    """
    if not (np.isfinite(w_max) and w_max > 0):
        raise BadInputError(f"{name}: w_max must be positive, not {w_max}")


def known_cells(crossbar: Crossbar) -> Characteristics:
    """What a calibration says of a crossbar.

    Raises:
        BadInputError: there is none, or it finds no usable cell.
    """
    known = crossbar.characteristics
    if known is None:
        raise BadInputError(
            f"{crossbar.name}: nothing is known of its cells; calibrate it first and open it"
            " with its calibration file"
        )
    if not known.usable.any():
        raise BadInputError(f"{crossbar.name}: the calibration finds no usable cell here")
    return known


def _reach(known: Characteristics, zero: Map, name: str) -> float:
    """Half-range that most usable cells have on both sides of weight 0, S."""
    half = np.minimum(known.g_max - zero, zero - known.g_min)[known.usable]
    reach = float(np.quantile(half, REACH_QUANTILE))
    if not reach > 0:
        raise BadInputError(f"{name}: the cells have no range on one side of weight 0")
    return reach
