"""The figures of a chip report. Conductances in uS; colours of Okabe and Ito, safe for all eyes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.sim_backend.responses import ResponseFunction

from .fitting.reference import Noise, prediction_errors
from .fitting.trajectories import Array, Trajectories
from .health import Health
from .prediction import Prediction

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
_RC = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7,
    "ytick.labelsize": 7, "legend.fontsize": 7, "legend.frameon": False, "lines.linewidth": 1.0,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip
_MICRO = 1e6
_POINTS = 5000  # in a scatter: more only makes a blot
HISTOGRAMS = {
    "g_min": ("lower bound g_min (uS)", _MICRO),
    "g_max": ("upper bound g_max (uS)", _MICRO),
    "slope_up": ("slope up (%)", 100.0),
    "slope_down": ("slope down (%)", 100.0),
    "dg_min": ("granularity dg_min (uS)", _MICRO),
    "dg_std": ("noise of a step (% of step)", 100.0),
    "read_std": ("read noise (% of reading)", 100.0),
    "symmetric_point": ("symmetric point (uS)", _MICRO),
}


def histogrammed(chip: xr.Dataset) -> dict[str, tuple[str, float]]:
    """What of ``HISTOGRAMS`` a chip of this response function has."""
    return {name: entry for name, entry in HISTOGRAMS.items() if name in chip}


def maps(chip: xr.Dataset) -> Figure:
    """Conductance, symmetric point, granularity and health over the chip."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    with _figure(2, 2, (6.5, 5.4)) as (fig, axes):
        usable = chip["usable"].to_numpy().astype(bool)
        for ax, name, title in zip(
            axes.flat,
            ("conductance", "symmetric_point", "dg_min"),
            ("conductance (uS)", "symmetric point (uS)", "granularity dg_min (uS)"),
            strict=False,
        ):
            values = chip[name].to_numpy() * _MICRO
            shown = values if name == "conductance" else np.where(usable, values, np.nan)
            _map(fig, ax, shown, title, cmap="viridis")
        colours = ListedColormap(["#e8e8e8", "#000000", "#56B4E9", ORANGE, "#CC79A7", "#E69F00"])
        norm = BoundaryNorm(np.arange(len(Health) + 1) - 0.5, len(Health))
        health = axes.flat[3]
        bar = _map(fig, health, chip["health"].to_numpy(), "health", cmap=colours, norm=norm)
        bar.set_ticks([int(h) for h in Health], labels=[_word(h) for h in Health])
    return fig


def responses(
    traj: Trajectories, response: ResponseFunction, noise: Noise, names: list[str]
) -> Figure:
    """Trains of a few cells with the twin's mean, and one-step prediction errors below.

    Args:
        traj: of these cells.
        response: their response functions, flat.
        noise: of them, each ``(cells,)``.
        names: a title for each cell.
    """
    readings, pulses = traj.readings, traj.pulses
    errors, variances = prediction_errors(response, noise, traj, np.zeros(traj.steps, bool))
    mean = mean_path(response, readings[0], pulses)
    x = np.abs(pulses).cumsum(axis=0)
    with _figure(2, len(names), (6.5, 3.6), sharex="col", sharey="row", height_ratios=(3, 1)) as (
        fig,
        axes,
    ):
        for i, name in enumerate(names):
            top, low = axes[0, i], axes[1, i]
            top.plot(x[:, i], readings[:, i] * _MICRO, ".", ms=4, color=BLUE, label="measured")
            top.plot(x[:, i], mean[:, i] * _MICRO, color=ORANGE, label="twin's mean")
            top.set_title(name)
            z = (errors[i] / np.sqrt(variances[i]))[1:]
            low.axhspan(-1.96, 1.96, color="#eeeeee")
            low.plot(x[1:, i], z, ".", ms=3, color=GREY)
            low.set(xlabel="pulses given", ylim=(-4, 4))
        axes[0, 0].set_ylabel("conductance (uS)")
        axes[1, 0].set_ylabel("error of next\nreading (std)")
        axes[0, 0].legend(loc="best")
    return fig


def mean_path(response: ResponseFunction, start: Array, pulses: NDArray[np.int32]) -> Array:
    """The twin's mean from ``start`` ``(cells,)``: ``(steps, cells)``, S."""
    path = [start]
    for counts in pulses[1:]:
        path.append(response.after(path[-1], np.maximum(counts, 0), np.maximum(-counts, 0)))
    return np.stack(path)


def histograms(chip: xr.Dataset) -> Figure:
    """Fitted parameters of usable cells, with medians."""
    usable = chip["usable"].to_numpy().astype(bool)
    with _figure(2, 4, (6.5, 3.4)) as (fig, axes):
        for ax, (name, (label, factor)) in zip(axes.flat, histogrammed(chip).items(), strict=False):
            values = chip[name].to_numpy()[usable] * factor
            low, high = np.percentile(values, [0.5, 99.5])
            margin = max(0.05 * (high - low), 1e-9 * abs(high), 1e-12)
            ax.hist(values, bins=30, range=(low - margin, high + margin), color=BLUE, alpha=0.75)
            ax.axvline(np.median(values), color=ORANGE)
            ax.set_title(f"median {np.median(values):.3g}")
            ax.set_xlabel(label, fontsize=7)
        for ax in axes[:, 0]:
            ax.set_ylabel("cells")
    return fig


def symmetric_points(chip: xr.Dataset) -> Figure:
    """Symmetric points of the model against measured ones, and differences over their errors."""
    usable = chip["usable"].to_numpy().astype(bool)
    model, measured, model_error, error = (
        chip[name].to_numpy()[usable] * _MICRO
        for name in (
            "symmetric_point",
            "symmetric_point_measured",
            "symmetric_point_stderr",
            "symmetric_point_measured_stderr",
        )
    )
    z = (measured - model) / np.hypot(model_error, error)
    with _figure(1, 2, (6.5, 2.9)) as (fig, axes):
        _diagonal(axes[0], model, measured)
        axes[0].set(xlabel="from the model (uS)", ylabel="measured by alternation (uS)")
        _standard(axes[1], z, "difference (standard errors)")
    return fig


def held_out(prediction: Prediction) -> Figure:
    """Held-out changes predicted and measured, and how errors grow with position."""
    p = prediction
    change = ((p.measured - p.measured[:, :1])[:, 1:, p.usable] * _MICRO).ravel()
    expected = ((p.predicted - p.measured[:, :1])[:, 1:, p.usable] * _MICRO).ravel()
    rmse, noise = p.by_position()
    with _figure(1, 2, (6.5, 2.9)) as (fig, axes):
        _diagonal(axes[0], expected, change)
        axes[0].set(xlabel="predicted change (uS)", ylabel="measured change (uS)")
        at = np.arange(1, rmse.size + 1)
        axes[1].plot(at, rmse * _MICRO, "o-", ms=3, color=BLUE, label="twin against chip")
        axes[1].plot(at, noise * _MICRO, "s--", ms=3, color=ORANGE, label="chip against itself")
        axes[1].set(xlabel="step of the sequence", ylabel="rms error (uS)", ylim=(0, None))
        axes[1].legend(loc="lower right")
    return fig


def trajectories(prediction: Prediction, at: list[tuple[int, int]]) -> Figure:
    """Held-out sequences of a few cells: every repeat, and the twin's prediction of each."""
    with _figure(1, len(at), (6.5, 2.4), sharey=True) as (fig, axes):
        for ax, (row, column) in zip(np.atleast_1d(axes).flat, at, strict=True):
            for r, (seen, expected) in enumerate(
                zip(prediction.measured, prediction.predicted, strict=True)
            ):
                label = ("measured", "twin") if r == 0 else ("_", "_")
                ax.plot(seen[:, row, column] * _MICRO, ".", ms=4, color=BLUE, label=label[0])
                ax.plot(expected[:, row, column] * _MICRO, color=ORANGE, lw=0.8, label=label[1])
            ax.set(title=f"row {row}, column {column}", xlabel="step of the sequence")
        first = np.atleast_1d(axes).flat[0]
        first.set_ylabel("conductance (uS)")
        first.legend(loc="best")
    return fig


@contextmanager
def _figure(
    rows: int, columns: int, size: tuple[float, float], **options: Any
) -> Iterator[tuple[Figure, Any]]:
    """Axes on a figure of no window system, with our fonts."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_RC):  # type: ignore[arg-type]
        fig = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(fig)
        axes = fig.subplots(rows, columns, squeeze=rows == 1, **options)
        yield fig, axes


def _map(fig: Figure, ax: Any, values: Array, title: str, **style: Any) -> Any:
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **style)
    ax.set(title=title, xlabel="column", ylabel="row")
    for axis, count in ((ax.yaxis, values.shape[0]), (ax.xaxis, values.shape[1])):
        axis.get_major_locator().set_params(integer=True, nbins=min(count, 6))
    return fig.colorbar(image, ax=ax, pad=0.02)


def _diagonal(ax: Any, x: Array, y: Array) -> None:
    ends = np.percentile(np.concatenate([x, y]), [0.1, 99.9])
    some = slice(None, None, max(1, x.size // _POINTS))
    ax.plot(x[some], y[some], ".", ms=2, alpha=0.4, color=BLUE)
    ax.plot(ends, ends, color=ORANGE)
    margin = 0.05 * (ends[1] - ends[0]) or 1e-9
    ax.set(xlim=(ends[0] - margin, ends[1] + margin), ylim=(ends[0] - margin, ends[1] + margin))


def _standard(ax: Any, z: Array, label: str) -> None:
    grid = np.linspace(-4, 4, 81)
    ax.hist(np.clip(z, -4, 4), bins=32, range=(-4, 4), density=True, color=BLUE, alpha=0.75)
    normal = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(grid, normal, color=ORANGE, label="standard normal")
    ax.set(xlabel=label, ylabel="density")
    ax.legend(loc="upper right")


def _word(health: Health) -> str:
    return "ok" if health == Health.OK else health.name.lower().replace("_", " ")
