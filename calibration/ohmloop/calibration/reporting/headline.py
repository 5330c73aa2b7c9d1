"""The verdict, and the figures that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .html import paragraph, table
from .source import Source, siemens

if TYPE_CHECKING:
    import xarray as xr

GOOD, FAIR = 1.2, 1.5
"""``rmse_over_noise`` up to which a twin is good, and up to which it may serve."""


def section(source: Source) -> str:
    """Verdict and table."""
    return paragraph(verdict(source.chip)) + table(_rows(source))


def verdict(chip: xr.Dataset) -> str:
    """What the held-out figure says, in a sentence; without one, that there is none."""
    share = float(chip["usable"].to_numpy().astype(bool).mean())
    usable = f"{share:.1%} of the cells are usable."
    ratio = float(chip.attrs.get("rmse_over_noise", np.nan))
    if not np.isfinite(ratio):
        unknown = "The twin was not held against repeated pulses that it was not fitted to"
        return f"{usable} {unknown}; measure held_out, or validate it."
    if ratio <= GOOD:
        says = "the twin predicts the chip about as well as the chip repeats itself"
    elif ratio <= FAIR:
        says = "the twin's own error shows beside the chip's noise; use it with care"
    else:
        says = "the twin does not describe the chip; check pulses, drift and the response function"
    return f"{usable} Error over noise is {ratio:.2f}: {says}."


def _rows(source: Source) -> list[tuple[str, str]]:
    chip, usable = source.chip, source.usable
    rows = [
        ("Cells usable", f"{usable.sum()} of {usable.size}"),
        ("Response function", source.population.response.name),
    ]
    if usable.any():
        rows += _typical(source)
    known = {k: float(v) for k, v in chip.attrs.items() if k in _NUMBERS}
    if "symmetric_point_agreement" in known:
        differs = f"differs by {known['symmetric_point_agreement']:.2f} standard errors rms"
        rows.append(("Symmetric point, measured", f"{differs}; 1 expected"))
    if "rmse_S" in known and "repeatability_S" in known:
        error, noise = siemens(known["rmse_S"]), siemens(known["repeatability_S"])
        rows.append(("Held-out error", f"{error}; the chip itself {noise}"))
    if np.isfinite(known.get("rmse_over_noise", np.nan)):
        says = f"{known['rmse_over_noise']:.3f}; 1 is a perfect twin, up to {GOOD} is good"
        rows.append(("Error over noise", says))
    return rows


_NUMBERS = ("symmetric_point_agreement", "rmse_S", "repeatability_S", "rmse_over_noise")


def _typical(source: Source) -> list[tuple[str, str]]:
    usable = source.usable
    names = ("g_min", "g_max", "dg_std", "read_std", "symmetric_point", "dg_min")
    maps = {n: source.chip[n].to_numpy()[usable] for n in names}
    middle = {n: _median(values) for n, values in maps.items()}
    with np.errstate(all="ignore"):
        states = _median((maps["g_max"] - maps["g_min"]) / maps["dg_min"])
        spread = float(maps["dg_min"].std() / maps["dg_min"].mean())
    return [
        ("Range", f"{siemens(middle['g_min'])} to {siemens(middle['g_max'])} (medians)"),
        ("Granularity dg_min", f"{siemens(middle['dg_min'])}, spread over cells {spread:.0%}"),
        ("States", f"{states:.0f} (range over granularity, median)"),
        ("Symmetric point", f"{siemens(middle['symmetric_point'])} (median)"),
        ("Noise of a step", f"{middle['dg_std']:.0%} of the step (median)"),
        ("Read noise", f"{middle['read_std']:.2%} of the reading (median)"),
    ]


def _median(values: np.ndarray) -> float:
    """Of those that are numbers."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")
