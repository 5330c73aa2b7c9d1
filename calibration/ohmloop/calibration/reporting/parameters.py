"""Fitted parameters over the cells: histograms, spreads, and the cells that stand out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.calibration.drawing import MICRO, draw_histogram, drawing
from ohmloop.sim_backend.chip_file import EXTRA, maps_of

from .html import figure, paragraph, table
from .source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = {
    "g_min": "lower bound g_min",
    "g_max": "upper bound g_max",
    "dg_min": "granularity dg_min",
    "symmetric_point": "symmetric point",
}
_PERCENT = {
    "slope_up": "slope up (%)",
    "slope_down": "slope down (%)",
    "dg_std": "noise of a step (% of step)",
    "read_std": "read noise (% of reading)",
}
_NOT = ("usable", "conductance")
_COLUMNS = 4


def section(source: Source) -> str:
    """Histograms and table; what a summary in the file says of spreads, pairs and outliers."""
    if not source.usable.any():
        return ""
    summary = json.loads(str(source.chip.attrs.get("population_summary", "{}")))
    head = (
        "parameter", "median", "5 %", "95 %", "spread of cells", "standard error of one cell"
    )  # fmt: skip
    caption = "Over usable cells. The orange line is the median; 1 % of outliers are not shown."
    drawn = figure(histograms(source), caption)
    return drawn + table(_rows(source, summary), head) + _pairs(summary) + _outliers(summary)


def shown(source: Source) -> dict[str, tuple[str, float]]:
    """Maps that are histogrammed: label with unit, and factor to it."""
    known = maps_of(type(source.population.response)) | EXTRA | {"read_add": ("S", "")}
    names = [n for n in known if n in source.chip and n not in _NOT]
    found = {}
    for name in names:
        values = source.chip[name].to_numpy()
        if values.ndim != 2 or not np.isfinite(values[source.usable]).any():
            continue  # tables have a figure of their own
        plain = name.replace("_", " ")
        if name in _PERCENT:
            found[name] = (_PERCENT[name], 100.0)
        elif known[name][0] == "S":
            found[name] = (f"{_LABELS.get(name, plain)} (uS)", MICRO)
        else:
            found[name] = (plain, 1.0)
    return found


def histograms(source: Source) -> Figure:
    """Fitted parameters of usable cells, with medians."""
    entries = shown(source)
    rows = -(-len(entries) // _COLUMNS)
    with drawing(rows, _COLUMNS, (6.5, 1.7 * rows)) as (fig, axes):
        grid = np.reshape(axes, (rows, _COLUMNS))
        for ax, (name, (label, factor)) in zip(grid.flat, entries.items(), strict=False):
            draw_histogram(ax, source.chip[name].to_numpy()[source.usable] * factor, label)
        for ax in grid[:, 0]:
            ax.set_ylabel("cells")
        for ax in grid.flat[len(entries) :]:
            ax.set_axis_off()
    return fig


def _rows(source: Source, summary: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for name, (label, factor) in shown(source).items():
        values = source.chip[name].to_numpy()[source.usable] * factor
        cut = (f"{v:.3g}" for v in (np.nanmedian(values), *np.nanpercentile(values, [5, 95])))
        spread = summary.get("spreads", {}).get(name)
        wide = "" if spread is None else f"{factor * spread:.2g}"
        rows.append((label, *cut, wide, _error(source, name, factor)))
    return rows


def _error(source: Source, name: str, factor: float) -> str:
    if f"{name}_stderr" not in source.chip:
        return ""
    errors = source.chip[f"{name}_stderr"].to_numpy()[source.usable] * factor
    errors = errors[np.isfinite(errors)]
    return f"{np.median(errors):.2g}" if errors.size else ""


def _pairs(summary: dict[str, Any]) -> str:
    found = summary.get("correlations", {})
    pairs = [f"{pair.replace(', ', ' with ')} {r:+.2f}" for pair, r in found.items()]
    return paragraph(f"Rank correlations of 0.3 and above: {'; '.join(pairs)}.") if pairs else ""


def _outliers(summary: dict[str, Any]) -> str:
    found, count = summary.get("outliers", []), int(summary.get("outlier_count", 0))
    if not found:
        return paragraph("No cell stands out.") if summary else ""
    rows = [(f"row {o['row']}, column {o['column']}", o["reason"]) for o in found]
    left = count - len(rows)
    more = paragraph(f"and {left} more") if left > 0 else ""
    units = "Figures in SI units; a spread is that of the chip, the cell's own error included."
    return paragraph(f"Cells that stand out: {count}. {units}") + table(rows) + more
