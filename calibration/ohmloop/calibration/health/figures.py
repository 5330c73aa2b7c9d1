"""Where the ill cells are: the map, and how many of each line cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.calibration.figures import HEALTH_COLOURS, ORANGE, _figure, _map

from .assessment import HealthReport
from .codes import Health

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(report: HealthReport) -> Figure:
    """Map of health, and unusable cells by row and by column; clusters stand out in orange."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    named = {(c.line, c.index) for c in report.clusters}
    bad = ~report.usable
    with _figure(1, 3, (7.5, 2.6), width_ratios=(2, 1, 1)) as (fig, axes):
        norm = BoundaryNorm(np.arange(len(Health) + 1) - 0.5, len(Health))
        bar = _map(
            fig,
            axes[0],
            report.health.astype(float),
            "health",
            cmap=ListedColormap(HEALTH_COLOURS),
            norm=norm,
        )
        bar.set_ticks([int(h) for h in Health], labels=[h.word for h in Health])
        for ax, line, counts in ((axes[1], "row", bad.sum(1)), (axes[2], "column", bad.sum(0))):
            shades = [ORANGE if (line, i) in named else "#777777" for i in range(counts.size)]
            ax.bar(np.arange(counts.size), counts, width=1.0, color=shades)
            ax.set(xlabel=line, ylabel="cells not usable")
    return fig
