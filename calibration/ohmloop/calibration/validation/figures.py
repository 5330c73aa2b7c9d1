"""The figures of a validation: errors by position, coverage, classes, and which cells fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.calibration.drawing import BLUE, GREY, ORANGE, drawing

from .plan import Kind
from .predictive import CUTS
from .scores import FAILING, Scores

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_MICRO = 1e6


def overview(scores: Scores) -> Figure:
    """All that the verdict is made of, on one page."""
    with drawing(2, 3, (7.2, 4.6)) as (fig, axes):
        draw_ratios(axes[0, 0], scores)
        draw_positions(axes[0, 1], scores)
        draw_coverage(axes[0, 2], scores)
        draw_classes(axes[1, 0], scores)
        draw_z(axes[1, 1], scores)
        image = axes[1, 2].imshow(scores.z, aspect="auto", cmap="viridis", vmin=0, vmax=3)
        axes[1, 2].set(title="error over expected spread", xlabel="column", ylabel="row")
        fig.colorbar(image, ax=axes[1, 2], pad=0.02)
    return fig


def draw_ratios(ax: Any, scores: Scores) -> None:
    """Error over noise of every kind, with its standard error."""
    names = [str(k.kind) for k in scores.kinds]
    at = np.arange(len(names))
    values, errors = ([getattr(k.ratio, n) for k in scores.kinds] for n in ("value", "stderr"))
    ax.bar(at, values, color=BLUE, alpha=0.75)
    ax.errorbar(at, values, 2 * np.nan_to_num(errors, posinf=0), fmt="none", color=GREY)
    ax.axhline(1, color=ORANGE)
    ax.set_xticks(at, names)
    ax.set(ylabel="error over noise", title="twin against chip")


def draw_positions(ax: Any, scores: Scores) -> None:
    """Error over noise along the sequences."""
    for k in scores.kinds:
        rmse, noise = k.by_position()
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = rmse / noise
        ax.plot(np.arange(1, rmse.size + 1), ratio, "o-", ms=2.5, label=str(k.kind))
    ax.axhline(1, color=GREY, lw=0.8)
    ax.set(xlabel="step of the sequence", ylabel="error over noise", ylim=(0, None))
    ax.legend(loc="lower center", ncols=2)  # ratios are 1 or more: below is room


def draw_coverage(ax: Any, scores: Scores) -> None:
    """Shares of readings in intervals, against what they should be."""
    for k in scores.kinds:
        levels = list(k.coverage)
        ax.plot(levels, [k.coverage[p].value for p in levels], ".-", ms=4, label=str(k.kind))
    ax.plot([0.4, 1], [0.4, 1], color=GREY, lw=0.8)
    ax.set(xlabel="interval", ylabel="readings within", title="coverage", ylim=(0, 1.02))


def draw_classes(ax: Any, scores: Scores) -> None:
    """Where readings fall among expectations (probability integral transform); flat is right."""
    edges = np.array([0.0, *CUTS, 1.0])
    ax.stairs(scores.classes / np.diff(edges), edges, color=BLUE, fill=True, alpha=0.75)
    ax.axhline(1, color=ORANGE)
    ax.set(xlabel="expected probability below the reading", ylabel="density", xlim=(0, 1))


def draw_z(ax: Any, scores: Scores) -> None:
    """Cells by their errors over expected spread."""
    z = scores.z[scores.usable]
    ax.hist(np.clip(z, 0, 4), bins=32, range=(0, 4), color=BLUE, alpha=0.75)
    ax.axvline(1, color=ORANGE)
    ax.axvline(FAILING, color=GREY, ls="--")
    ax.set(xlabel="error over expected spread", ylabel="cells", title=f"{z.size} cells")


def paths(data: xr.Dataset, kind: Kind, cells: list[tuple[int, int]]) -> Figure:
    """Repeats of a kind in some cells: what was read, and the twin's 95 % band.

    Args:
        data: the outcome.
        kind: of which kind.
        cells: (row, column) of each.
    """
    from .outcome import of_kind

    measured, mean, spread = (of_kind(data, kind, n) for n in ("measured", "predicted", "spread"))
    with drawing(1, len(cells), (6.5, 2.4)) as (fig, axes):
        for ax, (row, column) in zip(np.atleast_1d(axes).flat, cells, strict=True):
            at = np.arange(measured.shape[1])
            for r in range(measured.shape[0]):
                middle, wide = mean[r, :, row, column], 1.96 * spread[r, :, row, column]
                low, high = (middle - wide) * _MICRO, (middle + wide) * _MICRO
                ax.fill_between(at, low, high, color=ORANGE, alpha=0.2, lw=0)
                ax.plot(at, middle * _MICRO, color=ORANGE, lw=0.8)
                ax.plot(at, measured[r, :, row, column] * _MICRO, ".", ms=4, color=BLUE)
            ax.set(title=f"row {row}, column {column}", xlabel="step of the sequence")
        np.atleast_1d(axes).flat[0].set_ylabel("conductance (uS)")
    return fig
