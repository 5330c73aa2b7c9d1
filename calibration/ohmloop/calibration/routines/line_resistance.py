"""Line resistance: what the wires of a crossbar's rows and columns are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.calibration.analysis.wires import NAMES, Products, fit_lines, gradients
from ohmloop.calibration.drawing import BLUE, ORANGE, drawing
from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import CellPulses, Crossbar
from ohmloop.drivers.units import with_unit
from ohmloop.sim_backend.periphery.wire_resistance import Ends

from .results import as_dataset

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_MEANING = {
    "row_segment": "wire of a row, from one cell to the next",
    "column_segment": "wire of a column, from one cell to the next",
    "source": "between a source and a driven line",
    "sense": "between a sensed line and its ground",
}


class LineResistance(Routine):
    """Resistance of wires, from how much less far cells carry.

    On a crossbar that drives all lines at once, products of one driven line each are compared with
    cells read one by one: segments, source and sense resistance. On a bench that addresses one cell
    at a time, only a trend over rows and columns can be told.

    Attributes:
        repeats: of every reading and product.
        up_pulses: given first, to bring all cells up, where wires matter most; none by default.
        row_ends: where rows are connected: ``first`` (column 0), ``last`` or ``both``.
        column_ends: where columns are.
    """

    name: ClassVar[str] = "line_resistance"

    repeats: Annotated[int, Field(ge=1)] = 8
    up_pulses: Annotated[int, Field(ge=0)] = 0
    row_ends: Ends = "first"
    column_ends: Ends = "first"

    def cost(self, crossbar: Crossbar) -> Cost:
        """Maps, and products as long as a map."""
        maps = self.repeats * (3 if crossbar.capabilities.parallel_forward else 1)
        return Cost(
            programs=int(self.up_pulses > 0),
            maps=maps,
            pulses=self.up_pulses,
            reads=maps,
            most_per_program=self.up_pulses,
            key="up_pulses",
        )

    def acquire(self, session: Session) -> None:
        """Bring up, read, multiply."""
        if self.up_pulses:
            session.pulse(CellPulses(np.full(session.shape, self.up_pulses, np.int32)), label="up")
        rows, columns = session.shape
        volts = session.reading.voltage
        for k in range(self.repeats):
            session.read(label="cells", repeat=k)
            if session.capabilities.parallel_forward:
                session.forward(volts * np.eye(columns), label="columns", repeat=k)
                session.backward(volts * np.eye(rows), label="rows", repeat=k)

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """What products lose on their way, along rows and along columns."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """Resistances and their errors."""
        cells = measured.readings("cells")
        g = cells.mean(axis=0)
        if not measured.capabilities.parallel_forward:
            return trend_of(g)
        volts = measured.reading.voltage
        forward = np.mean([currents.T for _, currents in measured.products("columns")], axis=0)
        backward = np.mean([currents for _, currents in measured.products("rows")], axis=0)
        products = Products(forward / volts, backward / volts)
        found = fit_lines(g, products, self.row_ends, self.column_ends)
        parts = [
            f"{name.replace('_', ' ')} {with_unit(value, 'ohm')} ± {with_unit(error, 'ohm')}"
            if value > 3 * error
            else f"{name.replace('_', ' ')} below {with_unit(value + 3 * error, 'ohm')}"
            for name, value, error in zip(NAMES, found.ohms, found.stderr, strict=True)
        ]
        others = _figures(NAMES, found.ohms, found.stderr)
        others["gain"] = ((), found.gain, "1", "currents of products over those of single cells")
        others["gain_stderr"] = ((), found.gain_stderr, "1", "standard error of gain")
        others["residual"] = ((), found.residual, "1", "relative deviation that is left")
        return as_dataset(g.shape, _maps(g, products), others, verdict="; ".join(parts))


def trend_of(g: Array) -> xr.Dataset:
    """What single cells say of wires.

    Args:
        g: ``(rows, columns)``, S.
    """
    ohms, errors = gradients(g)
    told = ohms > 3 * errors
    parts = [
        f"{name.replace('_', ' ')} {with_unit(value, 'ohm')} ± {with_unit(error, 'ohm')}, if cells"
        " themselves do not change from line to line"
        if seen
        else f"{name.replace('_', ' ')}: cannot be told on this bench, below"
        f" {with_unit(max(value, 0) + 3 * error, 'ohm')}"
        for name, value, error, seen in zip(NAMES, ohms, errors, told, strict=False)
    ]
    parts.append(
        "leads in series with every cell cannot be told from the cells on this bench: it addresses"
        " one cell at a time"
    )
    maps = {"cells": (g, "S", "cells read one by one")}
    return as_dataset(g.shape, maps, _figures(NAMES[:2], ohms, errors), verdict="; ".join(parts))


def figure(found: xr.Dataset) -> Figure:
    """What products lose on their way, along rows and along columns."""
    with drawing(1, 1, (3.6, 2.6)) as (fig, ax):
        name = "loss_forward" if "loss_forward" in found else "cells"
        loss = found[name].to_numpy()
        ax.plot(np.median(loss, axis=0), ".-", color=BLUE, label="over columns")
        ax.plot(np.median(loss, axis=1), ".-", color=ORANGE, label="over rows")
        ax.set(xlabel="line", ylabel=str(found[name].attrs["long_name"]))
        ax.legend(loc="best")
    return fig


def _maps(g: Array, products: Products) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "cells": (g, "S", "cells read one by one"),
            "loss_forward": (1 - products.forward / g, "1", "share that a product loses"),
            "loss_backward": (1 - products.backward / g, "1", "the same, rows driven"),
        }


def _figures(names: tuple[str, ...], ohms: Array, errors: Array) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value, error in zip(names, ohms, errors, strict=True):
        found[name] = ((), value, "ohm", _MEANING[name])
        found[f"{name}_stderr"] = ((), error, "ohm", f"standard error of {name}")
    return found
