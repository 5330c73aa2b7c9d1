"""Converters: offset, gain, step and range of what drives and senses a crossbar's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.calibration.analysis.lattice import Steps, lattice, staircase
from ohmloop.calibration.analysis.line_gains import Gains, line_gains
from ohmloop.calibration.drawing import BLUE, ORANGE, drawing
from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import Crossbar
from ohmloop.drivers.units import Volts, with_unit

from .results import as_dataset

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Way = Literal["forward", "backward"]
WAYS: tuple[Way, Way] = ("forward", "backward")
_ZOOMS = (1.0, 1 / 8, 1 / 64)
"""Ramps, as shares of the largest voltage; steps wider than two points of the last are seen."""


class Converters(Routine):
    """Offset, gain, step and range of input and output converters.

    For crossbars that drive all lines at once; where products are made on the host there are none.
    Zero input gives offsets; one driven line after the other, against cells read one by one, gives
    gains; ramps of one line give an input's steps and range; random inputs and all lines as far as
    they go give those of outputs.

    Attributes:
        repeats: of zero input and of single lines.
        points: of a ramp.
        voltage: of single lines, V; by default that of reads.
        most_voltage: to which ramps go, V; by default ten times that of reads, within the limits.
    """

    name: ClassVar[str] = "converters"
    moves: ClassVar[bool] = False

    repeats: Annotated[int, Field(ge=2)] = 16
    points: Annotated[int, Field(ge=33)] = 257
    voltage: Annotated[Volts, Field(gt=0)] | None = None
    most_voltage: Annotated[Volts, Field(gt=0)] | None = None

    def cost(self, crossbar: Crossbar) -> Cost:
        """Maps and products; a product takes about as long as a reading of a cell."""
        if not crossbar.capabilities.parallel_forward:
            return Cost()
        size = crossbar.shape[0] * crossbar.shape[1]
        batch = 2 * (self.repeats + len(_ZOOMS) * self.points + 3 * self.points)
        batch += 2 * self.repeats * sum(crossbar.shape)
        maps = 2 * (self.repeats + 1 + len(_ZOOMS) + 2) + self.repeats
        return Cost(maps=maps, reads=self.repeats + batch / size)

    def acquire(self, session: Session) -> None:
        """Zero, single lines, ramps, random inputs; one way and the other."""
        if not session.capabilities.parallel_forward:
            return
        cells = [session.read(label="cells", repeat=k) for k in range(self.repeats)]
        g = np.mean(cells, axis=0)
        volts = self.voltage or session.reading.voltage
        most = self._most(session)
        for way, lines, strong in (
            ("forward", session.shape[1], int(g.sum(axis=0).argmax())),
            ("backward", session.shape[0], int(g.sum(axis=1).argmax())),
        ):
            verb = getattr(session, way)
            verb(np.zeros((self.repeats, lines)), label=f"{way} zero")
            eye = volts * np.eye(lines)
            for k in range(self.repeats):
                verb(np.concatenate([eye, -eye]), label=f"{way} lines", repeat=k)
            for zoom in _ZOOMS:
                asked = np.zeros((self.points, lines))
                asked[:, strong] = np.linspace(-1, 1, self.points) * most * zoom
                verb(asked, label=f"{way} ramp")
            random = session.rng.uniform(-volts, volts, (2 * self.points, lines))
            verb(random, label=f"{way} random")
            all_lines = np.linspace(-1, 1, self.points)[:, None] * np.full(lines, most)
            verb(all_lines, label=f"{way} far")

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """Gain and offset of every sensed line."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """Every line's offset and gain, and both converters' steps and ranges."""
        if not measured.capabilities.parallel_forward:
            return as_dataset(measured.shape, {}, verdict=_NONE)
        g = measured.readings("cells").mean(axis=0)
        others: dict[str, Any] = {}
        words = []
        for way in WAYS:
            cells = g if way == "forward" else g.T
            found, said = _of_way(measured, way, cells)
            others |= found
            words.append(f"{way}: {said}")
        maps: dict[str, Any] = {"cells": (g, "S", "cells read one by one")}
        return as_dataset(measured.shape, maps, others, verdict="; ".join(words))

    def _most(self, session: Session) -> float:
        if self.most_voltage:
            return self.most_voltage
        return float(min(10 * session.reading.voltage, session.limits.read_voltage))


_NONE = (
    "this crossbar does not drive all lines at once: products are made on the host, and there are"
    " no converters to tell anything of"
)


def figure(found: xr.Dataset) -> Figure:
    """Gain and offset of every sensed line."""
    with drawing(1, 2, (6.5, 2.6)) as (fig, axes):
        for way, colour in zip(WAYS, (BLUE, ORANGE), strict=True):
            for ax, name, factor in ((axes[0], "gain", 1.0), (axes[1], "offset", 1e9)):
                key = f"{way}_output_{name}"
                if key in found:
                    values, errors = found[key] * factor, found[f"{key}_stderr"] * factor
                    ax.errorbar(
                        range(values.size), values, errors, fmt=".", color=colour, label=way
                    )
        axes[0].set(xlabel="sensed line", ylabel="gain")
        axes[1].set(xlabel="sensed line", ylabel="offset (nA)")
        axes[0].legend(loc="best")
    return fig


def _of_way(measured: Measured, way: Way, cells: Array) -> tuple[dict[str, Any], str]:
    """Results of one way, ``cells`` as ``(sensed, driven)``, and words."""
    (_, zero), *_ = measured.products(f"{way} zero")
    offset = zero.mean(axis=0)
    offset_error = zero.std(axis=0, ddof=1) / np.sqrt(len(zero))
    output, source = _steps(measured, way, offset)
    if np.isfinite(output.step):  # what rounds to one code looks more certain than it is
        offset_error = np.hypot(offset_error, output.step / np.sqrt(12))
    gains = line_gains(_conductances(measured, way), cells)
    sensed, driven = ("row", "column") if way == "forward" else ("column", "row")
    found = _lines(way, sensed, driven, offset, offset_error, gains)
    for name, steps, unit in (("output", output, "A"), ("input", source, "V")):
        found |= _figures(f"{way}_{name}", steps, unit)
    noise = float(zero.std(axis=0, ddof=1).mean())
    found[f"{way}_zero_noise"] = ((), noise, "A", "noise of an output at zero input")
    parts = [
        _said("outputs", output, "A"),
        _said("inputs", source, "V"),
        f"gain {np.median(gains.sensed):.4g} ± {100 * np.std(gains.sensed):.2g} % over lines",
        f"offset {with_unit(float(np.median(offset)), 'A')} in the median",
    ]
    return found, ", ".join(parts)


def _steps(measured: Measured, way: Way, offset: Array) -> tuple[Steps, Steps]:
    """Of outputs and of inputs."""
    far = [
        current
        for label in ("zero", "lines", "random", "far")
        for _, current in measured.products(f"{way} {label}")
    ]
    output = lattice(np.concatenate(far).ravel())
    ramps = []
    for volts, currents in measured.products(f"{way} ramp"):
        line = int(np.abs(volts).max(axis=0).argmax())
        ramps.append((volts[:, line], (currents - offset).sum(axis=1)))
    return output, staircase(ramps)


def _conductances(measured: Measured, way: Way) -> Array:
    """Of single driven lines, from both signs, so that offsets cancel: ``(sensed, driven)``, S."""
    found = []
    for volts, currents in measured.products(f"{way} lines"):
        half = len(volts) // 2
        found.append((currents[:half] - currents[half:]) / (2 * volts[:half].max()))
    mean: Array = np.mean(found, axis=0).T
    return mean


def _lines(
    way: Way, sensed: str, driven: str, offset: Array, offset_error: Array, gains: Gains
) -> dict[str, Any]:
    values = {
        "output_offset": (sensed, offset, offset_error, "A", "output at zero input"),
        "output_gain": (sensed, gains.sensed, gains.sensed_stderr, "1", "gain of a sensed line"),
        "input_gain": (
            driven,
            gains.driven,
            gains.driven_stderr,
            "1",
            "gain of a driven line over the mean of all",
        ),
    }
    found: dict[str, Any] = {}
    for name, (line, value, error, unit, meaning) in values.items():
        found[f"{way}_{name}"] = ((line,), value, unit, f"{meaning}, {way}")
        found[f"{way}_{name}_stderr"] = ((line,), error, unit, f"standard error of {name}")
    return found


def _figures(name: str, steps: Steps, unit: str) -> dict[str, Any]:
    return {
        f"{name}_step": ((), steps.step, unit, "from one code to the next"),
        f"{name}_step_stderr": ((), steps.step_stderr, unit, "standard error of the step"),
        f"{name}_range": ((), steps.range, unit, "largest value of either sign"),
        f"{name}_range_stderr": ((), steps.range_stderr, unit, "standard error of the range"),
        f"{name}_bits": ((), steps.bits, "1", "resolution"),
        f"{name}_tried": ((), steps.most, unit, "largest value that was tried"),
    }


def _said(what: str, steps: Steps, unit: str) -> str:
    bits = f"{steps.bits:.0f} bits, " if np.isfinite(steps.bits) else ""
    step = f"steps of {with_unit(steps.step, unit)}" if np.isfinite(steps.step) else "no steps seen"
    reach = (
        f"up to {with_unit(steps.range, unit)}"
        if np.isfinite(steps.range)
        else f"no limit up to {with_unit(steps.most, unit)}"
    )
    return f"{what} of {bits}{step}, {reach}" if bits else f"{what}: {step}, {reach}"
