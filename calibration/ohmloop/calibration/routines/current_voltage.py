"""Current-voltage sweep at read voltages: how linear cells are, and whether reading disturbs them.

A cell whose current grows faster than its voltage multiplies inputs unevenly, and one whose current
differs on the way back moves while it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import BadInputError, Crossbar, Limits, ProgramError, ReadCondition
from ohmloop.drivers.units import Volts, with_unit

from .sinh_fit import fit_v0

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BEFORE, THERE, BACK, AFTER = "before", "there", "back", "after"
_BY_DEFAULT = 3.0  # times the read voltage, where no limit is nearer
_NEAR_LIMIT = 0.98  # of the current limit: what reads more is likely held there
_CLEAR = 4.0  # standard errors that a finding has to be off


class CurrentVoltage(Routine):
    """Sweep of read voltages: conductance at each, linearity, asymmetry, hysteresis; no pulses.

    Attributes:
        largest: voltage to sweep to, V; by default three times the read voltage, within
            ``limits.read_voltage``.
        points: voltages of each polarity, evenly spaced; an even number has half the largest
            among them.
        both_polarities: sweep the other polarity, too, where the bench can.
        sweeps: times that all of it is done.
        rows: which rows; all by default.
        columns: which columns; all by default.
    """

    name: ClassVar[str] = "current_voltage"
    moves: ClassVar[bool] = False

    largest: Annotated[Volts, Field(gt=0)] | None = None
    points: Annotated[int, Field(ge=2, le=200)] = 6
    both_polarities: bool = True
    sweeps: Annotated[int, Field(ge=1, le=100)] = 2
    rows: tuple[int, ...] | None = None
    columns: tuple[int, ...] | None = None

    def cost(self, crossbar: Crossbar) -> Cost:
        """Readings only.

        Raises:
            LimitError: ``largest`` is beyond ``limits.read_voltage``.
        """
        crossbar.limits.check_read(self._top(crossbar.limits, crossbar.reading))
        maps = 2 + 2 * self.points * self.sweeps * (2 if self.both_polarities else 1)
        rows, columns = crossbar.shape
        chosen = len(self.rows or range(rows)) * len(self.columns or range(columns))
        return Cost(maps=maps, reads=maps * chosen / (rows * columns))

    def acquire(self, session: Session) -> None:
        """Read, sweep up and back at each polarity, read again."""
        lines = self._lines(session.shape)
        top = self._top(session.limits, session.reading)
        sign = float(np.sign(session.reading.voltage))
        steps = [sign * top * k / self.points for k in range(1, self.points + 1)]
        ways = [steps, [-v for v in steps]] if self.both_polarities else [steps]
        session.read(*lines, label=BEFORE)
        for sweep in range(self.sweeps):
            for volts in ways:
                if not self._sweep(session, volts, lines, sweep):
                    break
        session.read(*lines, label=AFTER)

    @staticmethod
    def _sweep(session: Session, volts: list[float], lines: Any, sweep: int) -> bool:
        """Up and back; whether the bench can do these voltages at all."""
        try:
            for v in volts:
                session.currents(v, *lines, label=THERE, repeat=sweep)
            for v in reversed(volts):
                session.currents(v, *lines, label=BACK, repeat=sweep)
        except ProgramError:
            if volts[0] * session.reading.voltage > 0:
                raise
            return False
        return True

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """Conductance by voltage of some cells, and how linear all of them are."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """Maps of conductance by voltage, of linearity, asymmetry, hysteresis and compliance.

        Raises:
            BadInputError: no sweep of the read's polarity is complete.
        """
        return sweep_dataset(
            measured.voltages(THERE),
            measured.currents(THERE),
            measured.voltages(BACK),
            measured.currents(BACK),
            (measured.readings(BEFORE), measured.readings(AFTER)),
            measured.reading.voltage,
            measured.limits.current,
        )

    def _top(self, limits: Limits, reading: ReadCondition) -> float:
        return self.largest or min(_BY_DEFAULT * abs(reading.voltage), limits.read_voltage)

    def _lines(self, shape: tuple[int, int]) -> tuple[Any, Any]:
        given = []
        for name, chosen, count in zip(
            ("rows", "columns"), (self.rows, self.columns), shape, strict=True
        ):
            beyond = [line for line in chosen or () if not 0 <= line < count]
            if beyond:
                raise BadInputError(
                    f"current_voltage: {name}: {beyond[0]} is none of 0 to {count - 1}"
                )
            given.append(slice(None) if chosen is None else list(chosen))
        return given[0], given[1]


def sweep_dataset(
    volts: Array,
    there: Array,
    back_volts: Array,
    back: Array,
    reads: tuple[Array, Array],
    read_voltage: float,
    limit: float,
) -> xr.Dataset:
    """What a sweep says; pure.

    Args:
        volts: of each current on the way out, ``(measurements,)``, V.
        there: ``(measurements, rows, columns)``, A; NaN where a cell was not asked.
        back_volts: of each current on the way back.
        back: currents on the way back.
        reads: readings before and after, each ``(readings, rows, columns)``, S.
        read_voltage: V.
        limit: of the current, A.

    Raises:
        BadInputError: there is no whole sweep.
    """
    import xarray as xr

    known = np.unique(np.intersect1d(volts, back_volts))
    same = known[known * read_voltage > 0]
    if same.size < 2:
        raise BadInputError("current_voltage: no whole sweep was measured; measure again")
    g_there = np.stack([there[volts == v].mean(axis=0) / v for v in known])
    g_back = np.stack([back[back_volts == v].mean(axis=0) / v for v in known])
    g = (g_there + g_back) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        hysteresis = np.mean((g_back - g_there) / g, axis=0)
        pairs = sum(int((volts == v).sum()) for v in known)
        error = _noise(volts, there, known) * np.sqrt(2 / pairs)
        moved = reads[1].mean(axis=0) / reads[0].mean(axis=0) - 1
    mine = known * read_voltage > 0
    order = np.argsort(abs(known[mine]))
    size, own = abs(known[mine])[order], g[mine][order]
    v0, v0_error = fit_v0(size, own, abs(read_voltage))
    dims = ("row", "column")
    data = xr.Dataset(coords={"voltage": ("voltage", known, _about("V", "read voltage"))})
    maps = {
        "nonlinearity": (own[-1] / own[0], "1", "conductance at the largest over the smallest"),
        "v0": (v0, "V", "characteristic voltage of a hyperbolic sine; infinite for a resistor"),
        "v0_stderr": (v0_error, "V", "its standard error"),
        "asymmetry": (_asymmetry(known, g), "1", "loss of current at the other polarity"),
        "hysteresis": (hysteresis, "1", "change of conductance between there and back"),
        "hysteresis_stderr": (error, "1", "its standard error"),
        "disturb": (moved, "1", "change of the reading by all of the sweep"),
    }
    data["conductance"] = (("voltage", *dims), g, _about("S", "current over voltage"))
    for name, (values, unit, meaning) in maps.items():
        data[name] = (dims, values, _about(unit, meaning))
    held = np.nanmax(np.abs(there), axis=0, initial=0) >= _NEAR_LIMIT * limit
    data["compliance"] = (dims, held.astype(np.int8), _about("1", "1 where the limit was reached"))
    disturbed = np.abs(hysteresis) > np.maximum(_CLEAR * error, 0.01)
    data["disturbed"] = (dims, disturbed.astype(np.int8), _about("1", "1 where reading moves it"))
    data.attrs["verdict"] = _verdict(data, size[-1])
    return data


def _about(unit: str, meaning: str) -> dict[str, str]:
    return {"units": unit, "long_name": meaning}


def _noise(volts: Array, there: Array, known: Array) -> Array:
    """Noise of one relative conductance, by how repeated sweeps differ; 0 for a single sweep."""
    spread = [
        there[volts == v].std(axis=0, ddof=1) / np.abs(there[volts == v].mean(axis=0))
        for v in known
        if (volts == v).sum() > 1
    ]
    nothing: Array = np.zeros(there.shape[1:])
    return np.sqrt(np.mean(np.square(spread), axis=0)) if spread else nothing


def _asymmetry(known: Array, g: Array) -> Array:
    """``1 - |I(-V)| / I(V)``, the mean over voltages that were measured at both polarities."""
    pairs = [(np.flatnonzero(known == -v), np.flatnonzero(known == v)) for v in known[known > 0]]
    both = [1 - g[a[0]] / g[b[0]] for a, b in pairs if a.size]
    nothing: Array = np.full(g.shape[1:], np.nan)
    return np.mean(both, axis=0) if both else nothing


def _verdict(data: xr.Dataset, largest: float) -> str:
    at = with_unit(float(largest), "V")
    ratio = float(np.nanmedian(data["nonlinearity"]))
    words = [f"conductance at {at} is {ratio:.3g} times that at the smallest voltage (median)"]
    for name, what in (("disturbed", "moved while they were read"), ("compliance", "at the limit")):
        count = int(data[name].sum())
        if count:
            words.append(f"{count} cells {what}")
    return "; ".join(words)


def figure(found: xr.Dataset, cells: int = 6) -> Figure:
    """Conductance by voltage of some cells, and how linear all of them are."""
    from ohmloop.calibration.drawing import BLUE, drawing

    g = found["conductance"].to_numpy().reshape(found.sizes["voltage"], -1) * 1e6
    ratio = found["nonlinearity"].to_numpy().ravel()
    seen = np.flatnonzero(np.isfinite(ratio))
    with drawing(1, 2, (6.5, 2.6)) as (fig, axes):
        for cell in seen[:: max(1, seen.size // cells)][:cells]:
            axes[0].plot(found["voltage"], g[:, cell], ".-", lw=0.8)
        axes[0].set(xlabel="voltage (V)", ylabel="current over voltage (uS)")
        axes[1].hist(ratio[seen], bins=30, color=BLUE, alpha=0.75)
        axes[1].set(xlabel="conductance at the largest voltage\nover the smallest", ylabel="cells")
    return fig
