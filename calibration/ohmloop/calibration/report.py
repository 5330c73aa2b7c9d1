"""The report of a chip: one HTML page for people who will decide whether to trust the twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.drivers.units import with_unit
from ohmloop.sim_backend.chip_file import population_of

from . import figures
from .fitting.reference import Noise
from .fitting.trajectories import Trajectories
from .health import Health
from .html import figure, page, paragraph, table
from .prediction import Prediction, predict
from .record import raw_of

if TYPE_CHECKING:
    import xarray as xr

_HEADLINES = ("g_min", "g_max", "dg_std", "read_std", "symmetric_point", "dg_min")
GOOD, FAIR = 1.2, 1.5
"""``rmse_over_noise`` up to which a twin is good, and up to which it may serve."""

_SHOWN = (
    "format", "raw_bench", "rmse_S", "repeatability_S", "rmse_over_noise", "cells", "cells_usable",
    "symmetric_point_agreement",
)  # fmt: skip
"""Attributes that the page shows elsewhere, or twice."""


def chip_report(chip: xr.Dataset) -> str:
    """One self-contained HTML page.

    Args:
        chip: a chip record of ``calibrate`` or ``fit_raw``, as made or as loaded.

    Raises:
        ChipFileError: the record holds no raw data.
    """
    usable = chip["usable"].to_numpy().astype(bool)
    prediction = predict(raw_of(chip), population_of(chip), usable)
    name = str(chip.attrs.get("raw_crossbar", "chip"))
    sections = [
        ("", paragraph(verdict(chip)) + table(_headline(chip))),
        ("Maps", figure(figures.maps(chip), "What each cell is. Blank cells are not usable.")),
        ("Response to pulses", _responses(chip)),
        ("Fitted parameters", _parameters(chip)),
        ("Symmetric point", _symmetric_point(chip)),
        ("Prediction of pulses that the fit never saw", _held_out(prediction, chip)),
        ("Provenance", table(_provenance(chip))),
    ]
    return page(f"Calibration of {name}", sections)


def verdict(chip: xr.Dataset) -> str:
    """What the held-out figure says, in a sentence."""
    ratio = float(chip.attrs["rmse_over_noise"])
    share = int(chip.attrs["cells_usable"]) / int(chip.attrs["cells"])
    if ratio <= GOOD:
        says = "the twin predicts the chip about as well as the chip repeats itself"
    elif ratio <= FAIR:
        says = "the twin's own error shows beside the chip's noise; use it with care"
    else:
        says = "the twin does not describe the chip; check pulses, drift and the response function"
    return f"{share:.1%} of the cells are usable. Error over noise is {ratio:.2f}: {says}."


def example_cells(chip: xr.Dataset, count: int = 3) -> list[tuple[int, int]]:
    """Usable cells from the low to the high end of granularity: (row, column)."""
    usable = np.flatnonzero(chip["usable"].to_numpy())
    order = usable[np.argsort(chip["dg_min"].to_numpy().ravel()[usable])]
    picks = order[np.unique(np.linspace(0.1, 0.9, count) * (order.size - 1)).astype(int)]
    columns = chip["g_min"].shape[1]
    return [(int(cell) // columns, int(cell) % columns) for cell in dict.fromkeys(picks.tolist())]


def _headline(chip: xr.Dataset) -> list[tuple[str, str]]:
    usable = chip["usable"].to_numpy().astype(bool)
    maps = {n: chip[n].to_numpy()[usable] for n in _HEADLINES}
    middle = {name: float(np.median(values)) for name, values in maps.items()}
    states = float(np.median((maps["g_max"] - maps["g_min"]) / maps["dg_min"]))
    spread = float(maps["dg_min"].std() / maps["dg_min"].mean())
    agreement = float(chip.attrs["symmetric_point_agreement"])
    noise, ratio = float(chip.attrs["repeatability_S"]), float(chip.attrs["rmse_over_noise"])
    return [
        ("Cells usable", f"{usable.sum()} of {usable.size}" + _reasons(chip)),
        ("Range", f"{_s(middle['g_min'])} to {_s(middle['g_max'])} (medians)"),
        ("Granularity dg_min", f"{_s(middle['dg_min'])}, spread over cells {spread:.0%}"),
        ("States", f"{states:.0f} (range over granularity, median)"),
        ("Symmetric point", f"{_s(middle['symmetric_point'])} (median)"),
        ("Noise of a step", f"{middle['dg_std']:.0%} of the step (median)"),
        ("Read noise", f"{middle['read_std']:.2%} of the reading (median)"),
        (
            "Symmetric point, measured",
            f"differs by {agreement:.2f} standard errors rms; 1 expected",
        ),
        ("Held-out error", f"{_s(float(chip.attrs['rmse_S']))}; the chip itself {_s(noise)}"),
        ("Error over noise", f"{ratio:.3f}; 1 is a perfect twin, up to {GOOD} is good"),
    ]


def _reasons(chip: xr.Dataset) -> str:
    codes, counts = np.unique(chip["health"].to_numpy(), return_counts=True)
    bad = [f"{n} {Health(c).meaning}" for c, n in zip(codes, counts, strict=True) if c != Health.OK]
    return f" ({'; '.join(bad)})" if bad else ""


def _responses(chip: xr.Dataset) -> str:
    raw, at = raw_of(chip), example_cells(chip)
    traj = Trajectories.of_raw(raw)
    flats = [row * chip["g_min"].shape[1] + column for row, column in at]
    cells = population_of(chip)
    values = (v.astype(np.float64)[flats] for v in cells.flat_parameters())
    noises = (cells.dg_std, cells.dg_add, cells.read_std)
    read_add = chip["read_add"].to_numpy() if "read_add" in chip else 0 * cells.dg_std
    if "read_add" in chip:
        noises = (cells.dg_std, cells.dg_add, 0 * cells.read_std)
    noise = Noise(*(v.astype(np.float64).ravel()[flats] for v in (*noises, read_add)))
    names = [f"row {row}, column {column}" for row, column in at]
    drawn = figures.responses(traj.of(flats), type(cells.response)(*values), noise, names)
    return figure(
        drawn,
        "Pulse trains of cells with small, typical and large steps. The line is the twin's mean"
        " from the first reading on; a cell's own noise makes it wander about that line. Below:"
        " error of predicting each reading from those before it, in its own standard deviations;"
        " 95 % should lie in the grey band.",
    )


def _parameters(chip: xr.Dataset) -> str:
    usable = chip["usable"].to_numpy().astype(bool)
    rows = []
    for name, (label, factor) in figures.histogrammed(chip).items():
        values = chip[name].to_numpy()[usable] * factor
        errors = chip[f"{name}_stderr"].to_numpy()[usable] * factor
        cut = (f"{v:.3g}" for v in (np.median(values), *np.percentile(values, [5, 95])))
        rows.append((label, *cut, f"{np.median(errors):.2g}"))
    head = ("parameter", "median", "5 %", "95 %", "standard error of one cell")
    caption = "Over usable cells. The orange line is the median; 1 % of outliers are not shown."
    return figure(figures.histograms(chip), caption) + table(rows, head)


def _symmetric_point(chip: xr.Dataset) -> str:
    return figure(
        figures.symmetric_points(chip),
        "The model's symmetric point comes from pulse trains, the measured one from alternating"
        " pulses that the fit did not see.",
    )


def _held_out(prediction: Prediction, chip: xr.Dataset) -> str:
    repeats = prediction.measured.shape[0]
    scatter = figure(
        figures.held_out(prediction),
        f"Every cell's own random sequence of up and down pulses, {repeats} times. Left: change"
        " since the start of the sequence. Right: error of the twin, and deviation of the chip"
        " from its own mean over the repeats.",
    )
    paths = figure(
        figures.trajectories(prediction, example_cells(chip)),
        "The same for single cells; each repeat is predicted from its own measured start.",
    )
    return scatter + paths


def _provenance(chip: xr.Dataset) -> list[tuple[str, str]]:
    first = ["raw_crossbar", "raw_date", "raw_seed", "ohmloop_version"]
    rest = sorted(set(chip.attrs) - {*first, *_SHOWN})
    return [
        (name.removeprefix("raw_").removeprefix("provenance_").replace("_", " "), str(value))
        for name in (*first, *rest)
        if (value := chip.attrs.get(name)) is not None
    ]


def _s(value: float) -> str:
    return with_unit(float(f"{value:.3g}"), "S")
