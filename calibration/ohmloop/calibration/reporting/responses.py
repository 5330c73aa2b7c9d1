"""Pulse trains of a few cells with the fit and what it leaves, and the fitted steps by state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.calibration.drawing import BLUE, GREY, MICRO, ORANGE, drawing
from ohmloop.calibration.fitting.reference import Noise, prediction_errors
from ohmloop.calibration.fitting.trajectories import Array, Trajectories
from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import ResponseFunction

from .html import figure
from .source import Source, cell_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def section(source: Source) -> str:
    """Trains where the file holds raw data; steps by state of any response function."""
    at = source.example_cells()
    if not at:
        return ""
    flats, names = source.flat(at), [cell_name(*cell) for cell in at]
    response, traj = _response_of(source, flats), _trajectories(source, flats)
    body = ""
    if traj is not None:
        body = figure(
            trains(traj, response, _noise_of(source, flats), names),
            "Pulse trains of cells with small, typical and large steps. The line is the twin's mean"
            " from the first reading on; a cell's own noise makes it wander about that line. Below:"
            " error of predicting each reading from those before it, in its own standard"
            " deviations; 95 % should lie in the grey band.",
        )
    return body + figure(
        steps(response, names, traj),
        "Mean step of one pulse by state, as fitted, of the same cells; dotted beyond what was"
        " measured. Where the curves cross is the symmetric point.",
    )


def trains(
    traj: Trajectories, response: ResponseFunction, noise: Noise, names: list[str]
) -> Figure:
    """Trains of a few cells with the twin's mean, and one-step prediction errors below.

    Args:
        traj: of these cells.
        response: their response functions, flat.
        noise: of them, each ``(cells,)``.
        names: a title for each cell.
    """
    errors, variances = prediction_errors(response, noise, traj, np.zeros(traj.steps, bool))
    mean, x = mean_path(response, traj), np.abs(traj.pulses).cumsum(axis=0)
    seen = np.isfinite(traj.readings) & ~traj.starts[:, None]
    with drawing(2, len(names), (6.5, 3.6), sharex="col", sharey="row", height_ratios=(3, 1)) as (
        fig,
        axes,
    ):
        for i, name in enumerate(names):
            top, low = axes[0, i], axes[1, i]
            top.plot(x[:, i], traj.readings[:, i] * MICRO, ".", ms=4, color=BLUE, label="measured")
            top.plot(x[:, i], mean[:, i] * MICRO, color=ORANGE, label="twin's mean")
            top.set_title(name)
            with np.errstate(all="ignore"):
                z = errors[i] / np.sqrt(variances[i])
            low.axhspan(-1.96, 1.96, color="#eeeeee")
            here = seen[:, i]
            low.plot(x[here, i], np.clip(z[here], -4, 4), ".", ms=3, color=GREY, clip_on=False)
            low.set(xlabel="pulses given", ylim=(-4, 4))
        axes[0, 0].set_ylabel("conductance (uS)")
        axes[1, 0].set_ylabel("error of next\nreading (std)")
        axes[0, 0].legend(loc="best")
    return fig


def mean_path(response: ResponseFunction, traj: Trajectories) -> Array:
    """The twin's mean from the first reading of every trajectory: ``(steps, cells)``, S."""
    path = np.full(traj.readings.shape, np.nan)
    state = path[0]
    for t, (reading, counts) in enumerate(zip(traj.readings, traj.pulses, strict=True)):
        moved = response.after(state, np.maximum(counts, 0), np.maximum(-counts, 0))
        state = reading if traj.starts[t] else np.where(np.isnan(state), reading, moved)
        path[t] = state
    return path


def steps(response: ResponseFunction, names: list[str], traj: Trajectories | None) -> Figure:
    """Mean up and down steps against the state, with the symmetric point.

    Args:
        response: of some cells, flat.
        names: a title for each.
        traj: what was measured of them, to tell where the curves are backed by data.
    """
    with drawing(1, len(names), (6.5, 2.4), sharey=True) as (fig, axes):
        for i, (ax, name) in enumerate(zip(np.atleast_1d(axes).flat, names, strict=True)):
            one = _one(response, i)
            low, high = float(np.ravel(one.g_min)[0]), float(np.ravel(one.g_max)[0])
            g = np.linspace(low, high, 201)
            inside = np.ones(g.size, bool)
            if traj is not None and np.isfinite(traj.readings[:, i]).any():
                read = traj.readings[:, i]
                inside = (g >= np.nanmin(read)) & (g <= np.nanmax(read))
            for colour, label, size in (
                (BLUE, "up, q_up", one.q_up(g)), (ORANGE, "down, q_down", one.q_down(g))
            ):  # fmt: skip
                size = np.broadcast_to(np.asarray(size, float), g.shape) * MICRO
                ax.plot(g * MICRO, size, ":", color=colour)
                ax.plot(g * MICRO, np.where(inside, size, np.nan), color=colour, label=label)
            point = float(np.ravel(one.symmetric_point)[0])
            if np.isfinite(point):
                ax.axvline(point * MICRO, color=GREY, lw=0.8, ls="--")
            ax.set(title=name, xlabel="state (uS)")
        first = np.atleast_1d(axes).flat[0]
        first.set(ylabel="mean step (uS)", ylim=(0, None))
        first.legend(loc="best")
    return fig


def _one(response: ResponseFunction, i: int) -> ResponseFunction:
    """Cell ``i``, to be asked at many states."""
    return type(response)(*(np.asarray(v)[i : i + 1] for v in response.parameters()))


def _response_of(source: Source, flats: list[int]) -> ResponseFunction:
    values: Any = (v.astype(np.float64)[flats] for v in source.population.flat_parameters())
    return type(source.population.response)(*values)


def _noise_of(source: Source, flats: list[int]) -> Noise:
    cells, chip = source.population, source.chip
    read_std, read_add = cells.read_std, 0 * np.asarray(cells.dg_std)
    if "read_add" in chip:
        read_std, read_add = 0 * np.asarray(cells.read_std), chip["read_add"].to_numpy()
    noises = (cells.dg_std, cells.dg_add, read_std, read_add)
    return Noise(*(np.asarray(v).astype(np.float64).ravel()[flats] for v in noises))


def _trajectories(source: Source, flats: list[int]) -> Trajectories | None:
    if source.raw is None:
        return None
    try:
        return Trajectories.of_raw(source.raw).of(flats)
    except BadInputError:
        return None
