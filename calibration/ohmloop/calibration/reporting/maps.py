"""What each cell is: maps over the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.calibration.drawing import MICRO, draw_map, drawing

from .html import figure
from .source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def section(source: Source) -> str:
    """Maps, where a cell is usable."""
    if not source.usable.any():
        return ""
    return figure(maps(source), "What each cell is. Blank cells are not usable.")


def maps(source: Source) -> Figure:
    """Conductance, range, symmetric point and granularity over the chip."""
    chip, usable = source.chip, source.usable
    reach = (chip["g_max"] - chip["g_min"]).to_numpy()
    shown = {
        "conductance (uS)": chip["conductance"].to_numpy(),
        "range g_max - g_min (uS)": np.where(usable, reach, np.nan),
        "symmetric point (uS)": np.where(usable, chip["symmetric_point"].to_numpy(), np.nan),
        "granularity dg_min (uS)": np.where(usable, chip["dg_min"].to_numpy(), np.nan),
    }
    with drawing(2, 2, (6.5, 5.4)) as (fig, axes):
        for ax, (title, values) in zip(axes.flat, shown.items(), strict=True):
            draw_map(fig, ax, values * MICRO, title, cmap="viridis")
    return fig
