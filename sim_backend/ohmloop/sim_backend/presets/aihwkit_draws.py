"""How aihwkit 1.2.0 draws the cells of an array, for every device model that it shares with us.

With ``xi`` standard normal, each by itself (its ``PulsedDevice``, as the code has it)::

    gain       = 1 + dw_min_dtod xi                    or e^(dw_min_dtod xi)
    r          = up_down_dtod xi
    scale_up   = |dw_min (gain + min(up_down, 0) + r)|
    scale_down = |dw_min (gain - max(up_down, 0) - r)|
    b_max      =  |w_max (1 + w_max_dtod xi)|
    b_min      = -|w_min (1 + w_min_dtod xi)|

So ``up_down`` makes the steps of one direction smaller and leaves the other alone, whatever is said
of it elsewhere. A corrupt cell does not move at all. Numbers come from our own generators: the same
distributions, not the same cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from ohmloop.drivers.units import to_si
from ohmloop.drivers.validation import Record
from ohmloop.sim_backend.responses import ResponseFunction

Shape = tuple[int, ...]
Rng = np.random.Generator
Positive = Annotated[float, Field(gt=0)]
Negative = Annotated[float, Field(lt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Cells: float32 maps, or one number for all where there is no spread.

    Attributes:
        b_min: lower bounds.
        b_max: upper bounds.
        scale_up: up steps at weight 0.
        scale_down: sizes of the down steps there.
        stuck_at: weights of cells that do not move, nan for those that do; a number if all do.
    """

    b_min: Any
    b_max: Any
    scale_up: Any
    scale_down: Any
    stuck_at: Any


def _seconds(value: object) -> float:
    """Text with a unit; figures that are in seconds already stay."""
    return value if isinstance(value, float) else to_si(value, unit="s")


class PulsedDevice(Record, ABC):
    """What all of aihwkit's pulsed devices have: means in weight units, spreads relative to them.

    Attributes:
        dw_min: step of one pulse at weight 0, before spreads.
        dw_min_dtod: its spread from cell to cell.
        dw_min_dtod_log_normal: whether it is log-normal, else normal.
        dw_min_std: cycle-to-cycle noise of a step, relative to it.
        up_down: by how much, relative to ``dw_min``, down steps are less; up steps if negative.
        up_down_dtod: spread of half the difference of both steps, relative to ``dw_min``.
        w_max: mean upper bound.
        w_min: mean lower bound.
        w_max_dtod: spread of the upper bound, relative to it.
        w_min_dtod: spread of the lower bound.
        corrupt_devices_prob: share of cells that are stuck.
        corrupt_devices_range: they are stuck within plus or minus this, and the bounds.
        write_noise_std: noise of the weight that is seen, in steps ``dw_min``.
        lifetime: mini-batches in which a weight decays to 1/e, 0 = it does not.
        lifetime_dtod: its spread.
        batch_time: how long a mini-batch takes, s; without it nothing decays, because no time
            follows from a number of mini-batches.
        reset: mean weight after a reset; fresh cells of a device that is reset are there.
        reset_dtod: its spread from cell to cell, in weight units.
        reset_std: its spread from reset to reset, in weight units.
    """

    dw_min: Positive
    dw_min_dtod: NotNegative = 0.0
    dw_min_dtod_log_normal: bool = False
    dw_min_std: NotNegative = 0.0
    up_down: Annotated[float, Field(gt=-1, lt=1)] = 0.0
    up_down_dtod: NotNegative = 0.0
    w_max: Positive = 1.0
    w_min: Annotated[float, Field(le=0)] = -1.0
    w_max_dtod: NotNegative = 0.0
    w_min_dtod: NotNegative = 0.0
    corrupt_devices_prob: Share = 0.0
    corrupt_devices_range: NotNegative = 0.1
    write_noise_std: NotNegative = 0.0
    lifetime: NotNegative = 0.0
    lifetime_dtod: NotNegative = 0.0
    batch_time: Annotated[NotNegative, BeforeValidator(_seconds)] = 0.0
    reset: float = 0.0
    reset_dtod: NotNegative = 0.0
    reset_std: NotNegative = 0.0

    @abstractmethod
    def response(self, cells: Drawn, shape: Shape, rng: Rng) -> ResponseFunction:
        """The response function of drawn cells, in weight units."""

    def noise(self, cells: Drawn) -> tuple[Any, Any]:  # noqa: ARG002
        """``dg_std`` and ``dg_add`` of drawn cells."""
        return self.dw_min_std, 0.0

    @property
    def noise_slope(self) -> float:
        """``dg_slope``; most devices have none."""
        return 0.0

    def additive_noise(self, cells: Drawn) -> tuple[Any, Any]:
        """Noise relative to the step at weight 0, wherever the cell is.

        One amplitude a cell: the mean of both directions', which differ by ``up_down_dtod``.
        """
        both = cells.scale_up + cells.scale_down
        return 0.0, self.dw_min_std * both / 2 if self.dw_min_std else 0.0


def draw_cells(device: PulsedDevice, shape: Shape, rng: Rng) -> Drawn:
    """Draw cells by the law above.

    Args:
        device: means and spreads.
        shape: of the maps.
        rng: the generator.
    """
    b_max = abs(device.w_max * around(1, device.w_max_dtod, shape, rng))
    b_min = -abs(device.w_min * around(1, device.w_min_dtod, shape, rng))
    if device.dw_min_dtod_log_normal:
        gain = np.exp(around(0, device.dw_min_dtod, shape, rng))
    else:
        gain = around(1, device.dw_min_dtod, shape, rng)
    r = around(0, device.up_down_dtod, shape, rng)
    up = abs(device.dw_min * (gain + (min(device.up_down, 0) + r)))
    down = abs(device.dw_min * (gain - (max(device.up_down, 0) + r)))
    if not device.corrupt_devices_prob:
        return Drawn(b_min, b_max, up, down, np.nan)
    corrupt = rng.random(shape, np.float32) < device.corrupt_devices_prob
    low = np.maximum(b_min, -device.corrupt_devices_range)
    high = np.minimum(b_max, device.corrupt_devices_range)
    place = low + (high - low) * rng.random(shape, np.float32)
    moving = ~corrupt
    return Drawn(b_min, b_max, up * moving, down * moving, np.where(corrupt, place, np.nan))


def around(mean: float, std: float, shape: Shape, rng: Rng) -> Any:
    """Normal numbers, float32 of ``shape``; the mean itself where nothing is spread."""
    if not std:
        return mean
    values = rng.standard_normal(shape, np.float32)
    values *= np.float32(std)
    values += np.float32(mean)
    return values
