"""The maps that a routine found, as a figure: what there is to see without knowing the routine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.calibration.drawing import (
    BLUE,
    GREEN,
    GREY,
    MICRO,
    ORANGE,
    draw_classes,
    draw_map,
    drawing,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_MOST = 6
_COLUMNS = 3
_COLOURS = ("#e8e8e8", "#000000", ORANGE, "#CC79A7", "#56B4E9", BLUE, GREEN, GREY)


def found_maps(found: xr.Dataset) -> Figure | None:
    """Up to six maps over (row, column), standard errors left out; None where there are none."""
    names = [
        str(name)
        for name, values in found.data_vars.items()
        if values.dims == ("row", "column")
        and not str(name).endswith("_stderr")
        and np.isfinite(values.to_numpy().astype(float)).any()
    ][:_MOST]
    if not names:
        return None
    rows, columns = -(-len(names) // _COLUMNS), min(len(names), _COLUMNS)
    with drawing(rows, columns, (2.3 * columns + 0.4, 2.2 * rows)) as (fig, axes):
        flat = np.atleast_1d(axes).flat
        for ax, name in zip(flat, names, strict=False):
            _draw(fig, ax, name, found[name])
        for ax in list(flat)[len(names) :]:
            ax.set_axis_off()
    return fig


def _draw(fig: Figure, ax: Any, name: str, values: xr.DataArray) -> None:
    title, unit = name.replace("_", " "), str(values.attrs.get("units", "1"))
    if "flag_meanings" in values.attrs:
        codes = np.atleast_1d(values.attrs["flag_values"]).tolist()
        words = str(values.attrs["flag_meanings"]).split()
        named = {int(c): w.replace("_", " ") for c, w in zip(codes, words, strict=False)}
        colours = {int(c): _COLOURS[i % len(_COLOURS)] for i, c in enumerate(codes)}
        draw_classes(fig, ax, values.to_numpy(), title, named, colours)
        return
    factor, shown = (MICRO, "uS") if unit == "S" else (1.0, unit)
    label = title if shown == "1" else f"{title} ({shown})"
    draw_map(fig, ax, values.to_numpy() * factor, label, cmap="viridis")
