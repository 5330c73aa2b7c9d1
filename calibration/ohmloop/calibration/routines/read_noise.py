"""Read noise: how much readings of a cell that is left alone differ, and over which times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ohmloop.calibration.analysis.periodogram import LEAST, Bands, bands, pieces
from ohmloop.calibration.analysis.spectrum import Spectrum, apparent_slope, fit_spectrum
from ohmloop.calibration.analysis.telegraph import Traps, find_traps
from ohmloop.calibration.drawing import BLUE, GREY, ORANGE, drawing
from ohmloop.calibration.measuring.cost import Cost
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.routine import Routine
from ohmloop.calibration.measuring.session import Session
from ohmloop.drivers import ALL, Crossbar
from ohmloop.drivers.crossbar import Lines, line_indices

from .results import as_dataset, with_errors

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
_LABEL = "noise"
_LINE_CYCLE = 0.02  # s, at 50 Hz

LineList = tuple[Annotated[int, Field(ge=0)], ...] | None
"""Indices of lines in a recipe; none are all."""


class ReadNoise(Routine):
    """Read the cells again and again: noise, its spectrum, and traps that switch.

    Attributes:
        reads: readings; the slowest noise that is seen takes as long as all of them, the fastest
            as long as two.
        rows: which rows; all by default.
        columns: which columns; all by default. Fewer cells are read faster.
    """

    name: ClassVar[str] = "read_noise"
    moves: ClassVar[bool] = False

    reads: Annotated[int, Field(ge=32)] = 256
    rows: LineList = None
    columns: LineList = None

    def cost(self, crossbar: Crossbar) -> Cost:
        """So many maps of the chosen cells."""
        share = chosen_share(crossbar.shape, self.rows, self.columns)
        return Cost(maps=self.reads, reads=self.reads * share)

    def acquire(self, session: Session) -> None:
        """Read."""
        for k in range(self.reads):
            session.read(lines_of(self.rows), lines_of(self.columns), label=_LABEL, repeat=k)

    @classmethod
    def figure(cls, found: xr.Dataset) -> Figure:
        """The mean spectrum with its fit, and noise over all cells."""
        return figure(found)

    def analyse(self, measured: Measured) -> xr.Dataset:
        """Noise of every cell, and the spectrum of all.

        Raises:
            BadInputError: too few readings follow one another.
        """
        readings = measured.readings(_LABEL).reshape(-1, int(np.prod(measured.shape)))
        times = measured.times(_LABEL)
        if not np.ptp(times):  # of a twin whose cells know no time, and so its clock neither
            reading = measured.reading
            each = reading.settle + reading.nplc * _LINE_CYCLE
            times = np.arange(len(times), dtype=np.float64) * (each or 1.0)
        return noise_of(readings, times, measured.shape)


def noise_of(readings: Array, times: Array, shape: tuple[int, int]) -> xr.Dataset:
    """What readings of cells that were left alone say.

    Args:
        readings: ``(n, cells)``, S.
        times: of the readings, s.
        shape: rows and columns of the cells.

    Raises:
        BadInputError: times that do not ascend, or too few readings without a gap.
    """
    found = bands(readings, times)
    fit = fit_spectrum(found)
    traps = find_traps(readings, found.interval, gaps(times))
    slope, slope_stderr = apparent_slope(found)
    total, total_error, sample, sample_error = deviations(readings, times, fit)
    rate = 1 / found.interval
    white = np.sqrt(fit.white * rate / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        white_error = white * fit.white_stderr / fit.white / 2
    maps = {
        "mean": (readings.mean(axis=0), "S", "mean of all readings"),
        **with_errors("noise_std", total, total_error, "1", "read noise in all, relative"),
        **with_errors(
            "sample_std", sample, sample_error, "1", "noise from one reading to the next, relative"
        ),
        **with_errors("white_std", white, white_error, "1", "white part of the noise, relative"),
        **with_errors(
            "flicker_density",
            fit.flicker,
            fit.flicker_stderr,
            "1/Hz",
            f"1/f part at {fit.at:.4g} Hz, relative",
        ),
        **with_errors("corner", fit.corner, fit.corner_stderr, "Hz", "where both parts are equal"),
        **with_errors("slope", slope, slope_stderr, "1", "slope of the whole spectrum"),
        **with_errors(
            "cell_alpha", fit.cell_alpha, fit.cell_alpha_stderr, "1", "exponent of the 1/f part"
        ),
        "telegraph": (traps.found.astype(np.int8), "1", "1 where a trap switches"),
        **with_errors(
            "telegraph_amplitude",
            traps.amplitude,
            traps.amplitude_stderr,
            "1",
            "share of the conductance that a filled trap takes",
        ),
        **with_errors(
            "telegraph_filled", traps.filled, traps.filled_stderr, "s", "mean time filled"
        ),
        **with_errors("telegraph_empty", traps.empty, traps.empty_stderr, "s", "mean time empty"),
    }
    return as_dataset(shape, maps, _spectrum(found, fit), verdict=_words(maps, fit, traps))


def gaps(times: Array) -> NDArray[np.bool_]:
    """True where a reading does not follow the one before, ``(n,)``."""
    starts = np.zeros(times.size, bool)
    if times.size >= LEAST:
        for piece in pieces(times):
            starts[piece.start] = True
            starts[piece.stop % times.size] = True
    return starts


def deviations(readings: Array, times: Array, fit: Spectrum) -> tuple[Array, Array, Array, Array]:
    """Relative standard deviation in all and from reading to reading, each with its error.

    The error of the first is of the fitted spectrum, because slow noise has fewer independent
    values than readings; the second is von Neumann's (Ann. Math. Stat. 12:367, 1941).
    """
    n, mean = len(readings), readings.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = readings.std(axis=0, ddof=1) / mean
        following = ~gaps(times)[1:]
        differences = np.diff(readings, axis=0)[following]
        sample = np.sqrt((differences**2).mean(axis=0) / 2) / mean
    return total, total * fit.relative_error, sample, sample * np.sqrt(3 * n - 4) / (2 * (n - 1))


def lines_of(lines: LineList) -> Lines:
    """As a crossbar takes them."""
    return ALL if lines is None else np.array(lines, np.intp)


def chosen_share(shape: tuple[int, int], rows: LineList, columns: LineList) -> float:
    """Share of all cells.

    Raises:
        IndexError: a line that the crossbar has not.
    """
    counts = [
        line_indices(lines_of(x), n).size for x, n in zip((rows, columns), shape, strict=True)
    ]
    return counts[0] * counts[1] / (shape[0] * shape[1])


def figure(found: xr.Dataset) -> Figure:
    """The mean spectrum with its fit, and noise over all cells."""
    with drawing(1, 2, (6.5, 2.6)) as (fig, axes):
        f = found["frequency"].to_numpy()
        axes[0].errorbar(
            f, found["spectrum"], found["spectrum_stderr"], fmt=".", ms=4, color=BLUE,
            label="measured",
        )  # fmt: skip
        axes[0].plot(f, found["spectrum_fit"], color=ORANGE, label="white and 1/f")
        axes[0].set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel="relative, 1/Hz")
        axes[0].legend(loc="best")
        std = found["noise_std"].to_numpy().ravel() * 100
        trap = found["telegraph"].to_numpy().ravel() == 1
        shown = [std[np.isfinite(std) & ~trap], std[np.isfinite(std) & trap]]
        axes[1].hist(shown, bins=30, stacked=True, color=[GREY, ORANGE], label=["steady", "trap"])
        axes[1].set(xlabel="read noise (% of reading)", ylabel="cells")
        axes[1].legend(loc="best")
    return fig


def _spectrum(found: Bands, fit: Spectrum) -> dict[str, tuple[tuple[str, ...], Any, str, str]]:
    usable = np.isfinite(fit.white)
    power = found.power[:, usable]
    fits = fit.density(found.frequency)[:, usable]
    count = max(int(usable.sum()), 1)
    error = np.sqrt((fits**2).sum(axis=1) / found.degrees) / count
    over = ("frequency",)
    return {
        "frequency": (over, found.frequency, "Hz", "middle of a band"),
        "spectrum": (over, power.sum(axis=1) / count, "1/Hz", "mean of cells, relative"),
        "spectrum_stderr": (over, error, "1/Hz", "standard error of spectrum"),
        "spectrum_fit": (over, fits.sum(axis=1) / count, "1/Hz", "white and 1/f noise, fitted"),
        "alpha": ((), fit.alpha, "1", "exponent of the 1/f part, of all cells"),
        "alpha_stderr": ((), fit.alpha_stderr, "1", "standard error of alpha"),
        "interval": ((), found.interval, "s", "median time between two readings"),
    }


def _words(maps: dict[str, tuple[Array, str, str]], fit: Spectrum, traps: Traps) -> str:
    median = 100 * float(np.nanmedian(maps["noise_std"][0]))
    noise = f"read noise {median:.2g} % in the median"
    if np.isnan(fit.alpha):
        colour = "white as far as can be told"
    else:
        corner = float(np.nanmedian(fit.corner)) if np.isfinite(fit.corner).any() else np.nan
        share = int(np.isfinite(fit.cell_alpha).sum())
        colour = f"1/f noise in {share} cells (exponent {fit.alpha:.2f} ± {fit.alpha_stderr:.2f})"
        colour += f", above white noise below {corner:.2g} Hz" if np.isfinite(corner) else ""
    return f"{noise}; {colour}; {int(traps.found.sum())} cells with a trap that switches"
