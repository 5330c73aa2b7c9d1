"""A preset: a published device by name, from which cells are drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from ohmloop.drivers import BadInputError, Characteristics
from ohmloop.drivers.units import Siemens
from ohmloop.drivers.validation import Record, load_yaml, validate
from ohmloop.sim_backend.population import Population
from ohmloop.sim_backend.responses import ResponseFunction

from .affine import in_siemens, line
from .aihwkit_draws import Drawn, PulsedDevice, Rng, around, draw_cells
from .device_effects import device_effects
from .devices import (
    ConstantDevice,
    LinearDevice,
    OneMinusExpDevice,
    PiecewiseDevice,
    PowerDevice,
    SoftBoundsDevice,
)
from .paper_devices import PaperExponentialDevice, PaperPowerDevice

_TABLE = Path(__file__).with_name("presets.yaml")


class PresetRecord(Record):
    """An entry of the table of presets.

    Attributes:
        title: what it is.
        source: the paper, and where the figures are from.
        remark: what to know before using it.
        device: the figures; their ``model`` says of which device.
    """

    title: str
    source: str
    remark: str = ""
    device: Annotated[
        ConstantDevice
        | LinearDevice
        | SoftBoundsDevice
        | OneMinusExpDevice
        | PowerDevice
        | PiecewiseDevice
        | PaperPowerDevice
        | PaperExponentialDevice,
        Field(discriminator="model"),
    ]


class Range(Record):
    """Conductances that stand for the mean bounds.

    The defaults leave room below for the widest spread of any preset.

    Attributes:
        g_low: of ``w_min``, S.
        g_high: of ``w_max``, S.
    """

    g_low: Annotated[Siemens, Field(ge=0)] = 40e-6
    g_high: Annotated[Siemens, Field(gt=0)] = 60e-6


DEFAULT_RANGE = Range()


@dataclass(frozen=True)
class Preset:
    """A published device.

    Attributes:
        name: by which it opens, ``sim:NAME?shape=64x64``.
        title: what it is.
        source: the paper, and where the figures are from.
        remark: what to know before using it.
        device: the figures, in weight units.
    """

    name: str
    title: str
    source: str
    remark: str
    device: PulsedDevice

    @property
    def not_simulated(self) -> dict[str, float]:
        """Figures of the device that drawn cells do not have in them, because pulses lack it."""
        lifetime = 0.0 if self.device.batch_time else self.device.lifetime
        return {"lifetime": lifetime} if lifetime else {}

    @property
    def typical(self) -> ResponseFunction:
        """The response function of a cell without spread, in weight units."""
        shape, nobody = (), np.random.default_rng(0)
        mean = self._without_spread()
        return mean.response(draw_cells(mean, shape, nobody), shape, nobody)

    def changed(self, figures: dict[str, Any], where: str = "") -> Self:
        """With other figures.

        Args:
            figures: name -> number, or text that is one.
            where: they come from, for messages; by default the name.

        Raises:
            ConfigError: a figure that its device does not have, or cannot have.
        """
        data = self.device.model_dump() | figures
        device = validate(type(self.device), data, where or self.name, all_text=True)
        return replace(self, device=device)

    def draw(self, shape: tuple[int, int], rng: Rng) -> Population:
        """Cells in weight units, at weight 0, or where a reset leaves them.

        Args:
            shape: rows and columns.
            rng: the generator; the same state gives the same cells.
        """
        cells = draw_cells(self.device, shape, rng)
        response = self.device.response(cells, shape, rng)
        dg_std, dg_add = self.device.noise(cells)
        return Population(
            response,
            dg_std=dg_std,
            read_std=np.zeros((), np.float32),
            conductance=self._start(cells, response, shape, rng),
            dg_add=dg_add,
            dg_slope=np.where(np.isnan(cells.stuck_at), self.device.noise_slope, 0.0),
            effects=device_effects(self.device, cells, shape, rng),
        )

    def in_siemens(self, population: Population, between: Range = DEFAULT_RANGE) -> Population:
        """Cells that were drawn, by the line that takes the mean bounds to conductances.

        Args:
            population: from ``draw``.
            between: the conductances.

        Raises:
            BadInputError: no range, or a cell's lower bound would be below 0 S.
        """
        return in_siemens(population, self._bounds, (between.g_low, between.g_high))

    def characteristics(
        self, population: Population, between: Range = DEFAULT_RANGE
    ) -> Characteristics:
        """What training may know of cells: the truth, and which are stuck.

        A cell that has no symmetric point within its bounds is counted from weight 0.

        Args:
            population: from ``in_siemens``.
            between: the conductances it was given.
        """
        known = population.characteristics()
        zero, _ = line(self._bounds, (between.g_low, between.g_high))
        point = np.where(np.isnan(known.symmetric_point), zero, known.symmetric_point)
        return replace(known, symmetric_point=point, usable=known.dg_min > 0)

    @property
    def _bounds(self) -> tuple[float, float]:
        return self.device.w_min, self.device.w_max

    def _start(
        self, cells: Drawn, response: ResponseFunction, shape: tuple[int, int], rng: Rng
    ) -> Any:
        of = self.device
        fresh = around(of.reset, of.reset_dtod, shape, rng) + around(0, of.reset_std, shape, rng)
        start = np.where(np.isnan(cells.stuck_at), fresh, cells.stuck_at)
        inside = np.clip(start, response.g_min, response.g_max)
        return np.broadcast_to(inside, shape).astype(np.float32)

    def _without_spread(self) -> PulsedDevice:
        keys = type(self.device).model_fields
        spreads = [key for key in keys if key.endswith("_dtod")]
        nothing: dict[str, float] = dict.fromkeys([*spreads, "corrupt_devices_prob"], 0.0)
        if "reference_std" in keys:
            nothing["reference_std"] = 0.0
        return self.device.model_copy(update=nothing)


def preset(name: str) -> Preset:
    """A published device.

    Raises:
        BadInputError: there is none of that name; says which there are.
    """
    try:
        return presets()[name]
    except KeyError:
        raise BadInputError(f"no preset {name!r}; known are {', '.join(presets())}") from None


@cache
def presets() -> dict[str, Preset]:
    """All published devices, by name."""
    found = {}
    for name, entry in load_yaml(_TABLE).items():
        record = validate(PresetRecord, entry, _TABLE, name)
        found[name] = Preset(name, record.title, record.source, record.remark, record.device)
    return found
