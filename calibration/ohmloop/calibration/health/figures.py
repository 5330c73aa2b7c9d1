"""Where the ill cells are: the map, and how many of each line cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmloop.calibration.drawing import GREY, HEALTH_COLOURS, ORANGE, draw_classes, drawing

from .clusters import clusters
from .codes import Health

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(health: NDArray[np.int8], usable: NDArray[np.bool_]) -> Figure:
    """Map of health, and unusable cells by row and by column; clusters stand out in orange.

    Args:
        health: codes, ``(rows, columns)``.
        usable: cells that may be used, ``(rows, columns)``.
    """
    bad = ~usable
    named = {(c.line, c.index) for c in clusters(bad)}
    with drawing(1, 3, (7.5, 2.6), width_ratios=(2, 1, 1)) as (fig, axes):
        names = {int(h): h.word for h in Health}
        colours = {int(h): HEALTH_COLOURS[h] for h in Health}
        draw_classes(fig, axes[0], health, "health", names, colours)
        for ax, line, counts in ((axes[1], "row", bad.sum(1)), (axes[2], "column", bad.sum(0))):
            shades = [ORANGE if (line, i) in named else GREY for i in range(counts.size)]
            ax.bar(np.arange(counts.size), counts, width=1.0, color=shades)
            ax.set(xlabel=line, ylabel="cells not usable", ylim=(0, max(1, 1.05 * counts.max())))
            for axis in (ax.xaxis, ax.yaxis):
                axis.get_major_locator().set_params(integer=True)
    return fig
