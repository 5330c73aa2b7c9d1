"""How figures are drawn: fonts, colours of Okabe and Ito (safe for all eyes), common panels.

Nothing here knows what is shown; conductances are in uS on every axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
CYCLE = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", GREY)
"""Of lines that were given no colour."""
HEALTH_COLOURS = [
    "#e8e8e8", "#000000", "#56B4E9", ORANGE, "#CC79A7", "#E69F00",
    "#8B2500", "#FFB07C", "#7A52A1", GREEN, BLUE, "#F0E442",
]  # fmt: skip
"""One for each of ``Health``, in order."""
MICRO = 1e6
_RC = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7,
    "ytick.labelsize": 7, "legend.fontsize": 7, "legend.frameon": False, "lines.linewidth": 1.0,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip
_POINTS = 5000  # in a scatter: more only makes a blot


@contextmanager
def drawing(
    rows: int, columns: int, size: tuple[float, float], **options: Any
) -> Iterator[tuple[Figure, Any]]:
    """Axes on a figure of no window system, with our fonts."""
    from cycler import cycler
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = _RC | {"axes.prop_cycle": cycler(color=CYCLE)}
    with rc_context(style):
        fig = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(fig)
        axes = fig.subplots(rows, columns, squeeze=rows == 1, **options)
        yield fig, axes


def draw_map(fig: Figure, ax: Any, values: Any, title: str, **style: Any) -> Any:
    """A value a cell, with its colour bar, which is returned."""
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **style)
    ax.set(title=title, xlabel="column", ylabel="row")
    for axis, count in ((ax.yaxis, values.shape[0]), (ax.xaxis, values.shape[1])):
        axis.get_major_locator().set_params(integer=True, nbins=min(count, 6))
    return fig.colorbar(image, ax=ax, pad=0.02)


def draw_classes(
    fig: Figure, ax: Any, codes: Any, title: str, names: dict[int, str], colours: dict[int, str]
) -> None:
    """A class a cell; the bar shows those that there are.

    Args:
        fig: the figure.
        ax: where.
        codes: ``(rows, columns)``.
        title: above it.
        names: of codes.
        colours: of codes.
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap

    present = np.unique(codes)
    shown = ListedColormap([colours.get(int(c), GREY) for c in present])
    norm = BoundaryNorm(np.arange(present.size + 1) - 0.5, present.size)
    at = np.searchsorted(present, codes).astype(float)
    bar = draw_map(fig, ax, at, title, cmap=shown, norm=norm)
    bar.set_ticks(list(range(present.size)), labels=[names.get(int(c), str(c)) for c in present])


def draw_diagonal(ax: Any, x: Array, y: Array) -> None:
    """Points that should lie on the diagonal."""
    both = np.concatenate([x, y])
    ends = np.percentile(both[np.isfinite(both)], [0.1, 99.9])
    some = slice(None, None, max(1, x.size // _POINTS))
    ax.plot(x[some], y[some], ".", ms=2, alpha=0.4, color=BLUE)
    ax.plot(ends, ends, color=ORANGE)
    margin = 0.05 * (ends[1] - ends[0]) or 1e-9
    ax.set(xlim=(ends[0] - margin, ends[1] + margin), ylim=(ends[0] - margin, ends[1] + margin))


def draw_standard(ax: Any, z: Array, label: str) -> None:
    """Histogram of what should be standard normal."""
    grid = np.linspace(-4, 4, 81)
    ax.hist(np.clip(z, -4, 4), bins=32, range=(-4, 4), density=True, color=BLUE, alpha=0.75)
    normal = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(grid, normal, color=ORANGE, label="standard normal")
    ax.set(xlabel=label, ylabel="density")
    ax.legend(loc="upper right")


def draw_histogram(ax: Any, values: Array, label: str) -> None:
    """Values of cells with their median; 1 % of outliers are left out."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [0.5, 99.5])
    margin = max(0.05 * (high - low), 1e-9 * abs(high), 1e-12)
    ax.hist(known, bins=30, range=(low - margin, high + margin), color=BLUE, alpha=0.75)
    ax.axvline(np.median(known), color=ORANGE)
    ax.set_title(f"median {np.median(known):.3g}")
    ax.set_xlabel(label, fontsize=7)
