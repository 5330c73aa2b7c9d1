"""The study as a table, and as a figure: measured, fitted, what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ohmloop.calibration.drawing import BLUE, ORANGE
from ohmloop.calibration.fitting import fit_trajectories

from .protocol import mean_path
from .study import Studied

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEAD = (
    "device", "chosen", "held-out error up / down", "yardstick up / down", "its best curves",
    "noise up / down", "error over noise", "error over yardstick", "95 % hold", "path up / down",
)  # fmt: skip


def markdown(found: Sequence[Studied]) -> str:
    """Rows of a table; errors in % of the range."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(s) for s in found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(s: Studied) -> tuple[str, ...]:
    over = (e / n for e, n in zip(s.held_out, s.noise, strict=True))
    return (
        s.device.name,
        s.choice.score.name,
        _pair(s.held_out),
        _pair(s.yardstick),
        " / ".join(d.best for d in s.direct),
        _pair(s.noise),
        _pair(over),
        f"{s.worst:.2f}",
        f"{s.errors.coverage:.1%}",
        _pair(s.path),
    )


def _pair(values: object) -> str:
    return " / ".join(f"{value:.2f}" for value in values)  # type: ignore[attr-defined]


def figure(found: Sequence[Studied]) -> Figure:
    """A column a device: staircases with the mean path, and held-out errors below."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    style = {"font.size": 7, "axes.spines.top": False, "axes.spines.right": False}
    with rc_context(style):  # type: ignore[arg-type]
        fig = Canvas(figsize=(2.0 * len(found), 4.2), layout="constrained")
        axes = fig.subplots(2, len(found), squeeze=False, height_ratios=(2, 1))
        for top, below, s in zip(axes[0], axes[1], found, strict=True):
            traj = s.device.trajectories()
            fit = fit_trajectories(traj, s.choice.family, steps=s.choice.steps)
            path, pulse = mean_path(fit.response, traj), np.arange(traj.steps)
            shown = traj.readings[:, 0] + s.device.middle
            top.plot(pulse, shown, ".", ms=1, color=BLUE, label="measured", rasterized=True)
            top.plot(pulse, path + s.device.middle, color=ORANGE, lw=1, label="fitted")
            chosen = s.choice.score.name.replace(" (", "\n(")
            top.set_title(f"{s.device.name}\n{chosen}", fontsize=7)
            top.set_ylabel("conductance" if s.device.unit == "1" else f"read-out ({s.device.unit})")
            below.axhline(0, color=ORANGE, lw=0.8)
            error = -100 * s.errors.held_out / s.device.range
            below.plot(pulse, error, ".", ms=1, color=BLUE, rasterized=True)
            below.set(xlabel="pulse", ylabel="held-out error (%)")
        axes[0, 0].legend(frameon=False, markerscale=4)
    return fig
