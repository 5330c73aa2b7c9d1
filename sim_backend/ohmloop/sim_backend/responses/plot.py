"""A picture of one cell's response: its steps, and the staircase that pulses make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloop.drivers import BadInputError

from .checking import as_numpy
from .response_function import ResponseFunction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UP, _DOWN, _MARK = "#D55E00", "#0072B2", "#777777"
_POINTS, _MOST = 257, 2000


def plot_response(
    response: ResponseFunction,
    axes: Any = None,
    *,
    pulses: int | None = None,
    weights: bool = False,
) -> Figure:
    """Draw both steps against the state, and the state over up pulses and then as many down.

    Marked are the symmetric point and the granularity.

    Args:
        response: of one cell (floats, or arrays of one entry).
        axes: two matplotlib axes, for steps and staircase; a new figure if not given.
        pulses: in each direction of the staircase; as many as states, at most 2000, if not given.
        weights: whether states are weights; else they are siemens, drawn in uS.

    Returns:
        The figure that was drawn on; ``savefig`` works without a display.

    Raises:
        BadInputError: more cells than one.
    """
    from matplotlib.figure import Figure

    _one_cell(response)
    if axes is None:
        axes = Figure(figsize=(8, 3), layout="constrained").subplots(1, 2)
    plot_steps(response, axes[0], weights=weights)
    plot_staircase(response, axes[1], pulses, weights=weights)
    figure: Figure = axes[0].figure
    return figure


def plot_steps(response: ResponseFunction, ax: Axes, *, weights: bool = False) -> None:
    """Steps of an up and of a down pulse against the state, with the symmetric point."""
    scale, unit = _unit(weights)
    low, high = _number(response.g_min), _number(response.g_max)
    g = np.linspace(low, high, _POINTS)
    for label, steps, colour in (("up", response.q_up, _UP), ("down", response.q_down, _DOWN)):
        ax.plot(scale * g, scale * as_numpy(steps(g)), color=colour, label=label)
    point, size = _number(response.symmetric_point), _number(response.dg_min)
    if np.isfinite(point):
        ax.axvline(scale * point, color=_MARK, linewidth=0.8, label="symmetric point")
    ax.axhline(scale * size, color=_MARK, linewidth=0.8, linestyle=":", label="granularity")
    name = "weight" if weights else "conductance"
    ax.set(xlabel=f"{name}{unit}", ylabel=f"step of one pulse{unit}", title=response.name)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize="small")


def plot_staircase(
    response: ResponseFunction, ax: Axes, pulses: int | None = None, *, weights: bool = False
) -> None:
    """Mean state over ``pulses`` up pulses from the lower bound, and then as many down."""
    scale, unit = _unit(weights)
    states = _number(response.states)
    count = pulses or (int(min(np.ceil(states), _MOST)) if np.isfinite(states) else _MOST)
    up, down = _staircase(response, count)
    steps = np.arange(count + 1)
    ax.plot(steps, scale * up, color=_UP, label="up")
    ax.plot(count + steps, scale * down, color=_DOWN, label="down")
    point = _number(response.symmetric_point)
    if np.isfinite(point):
        ax.axhline(scale * point, color=_MARK, linewidth=0.8)
    name = "weight" if weights else "conductance"
    ax.set(xlabel="pulses", ylabel=f"{name}{unit}", title=f"{count} up, {count} down")


def _staircase(response: ResponseFunction, count: int) -> tuple[Any, Any]:
    """States after 0 to ``count`` up pulses from the lower bound, and down from there."""
    counts = np.arange(count + 1)
    up = as_numpy(response.after(response.g_min, counts)).ravel()
    return up, as_numpy(response.after(up[-1], 0, counts)).ravel()


def _unit(weights: bool) -> tuple[float, str]:
    return (1.0, "") if weights else (1e6, " (uS)")


def _number(value: Any) -> float:
    return float(as_numpy(value).item())


def _one_cell(response: ResponseFunction) -> None:
    cells = as_numpy(response.middle).size
    if cells != 1:
        raise BadInputError(f"{response.name}: of {cells} cells; a picture is of one")
