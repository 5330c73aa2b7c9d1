"""Held-out sequences of the calibration: predicted and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.calibration.drawing import BLUE, MICRO, ORANGE, draw_diagonal, drawing
from ohmloop.calibration.prediction import Prediction

from .html import figure
from .source import Source, cell_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def section(source: Source) -> str:
    """Nothing where none were measured."""
    prediction = source.prediction
    if prediction is None:
        return ""
    repeats = prediction.measured.shape[0]
    return figure(
        held_out(prediction),
        f"Every cell's own random sequence of up and down pulses, {repeats} times. Left: change"
        " since the start of the sequence. Right: error of the twin, and deviation of the chip"
        " from its own mean over the repeats.",
    ) + figure(
        trajectories(prediction, source.example_cells()),
        "The same for single cells; each repeat is predicted from its own measured start.",
    )


def held_out(prediction: Prediction) -> Figure:
    """Held-out changes predicted and measured, and how errors grow with position."""
    p = prediction
    change = ((p.measured - p.measured[:, :1])[:, 1:, p.usable] * MICRO).ravel()
    expected = ((p.predicted - p.measured[:, :1])[:, 1:, p.usable] * MICRO).ravel()
    rmse, noise = p.by_position()
    with drawing(1, 2, (6.5, 2.9)) as (fig, axes):
        draw_diagonal(axes[0], expected, change)
        axes[0].set(xlabel="predicted change (uS)", ylabel="measured change (uS)")
        at = np.arange(1, rmse.size + 1)
        axes[1].plot(at, rmse * MICRO, "o-", ms=3, color=BLUE, label="twin against chip")
        axes[1].plot(at, noise * MICRO, "s--", ms=3, color=ORANGE, label="chip against itself")
        axes[1].set(xlabel="step of the sequence", ylabel="rms error (uS)", ylim=(0, None))
        axes[1].legend(loc="lower right")
    return fig


def trajectories(prediction: Prediction, at: list[tuple[int, int]]) -> Figure:
    """Held-out sequences of a few cells: every repeat, and the twin's prediction of each."""
    with drawing(1, len(at), (6.5, 2.4), sharey=True) as (fig, axes):
        for ax, (row, column) in zip(np.atleast_1d(axes).flat, at, strict=True):
            for r, (seen, expected) in enumerate(
                zip(prediction.measured, prediction.predicted, strict=True)
            ):
                label = ("measured", "twin") if r == 0 else ("_", "_")
                ax.plot(seen[:, row, column] * MICRO, ".", ms=4, color=BLUE, label=label[0])
                ax.plot(expected[:, row, column] * MICRO, color=ORANGE, lw=0.8, label=label[1])
            ax.set(title=cell_name(row, column), xlabel="step of the sequence")
        first = np.atleast_1d(axes).flat[0]
        first.set_ylabel("conductance (uS)")
        first.legend(loc="best")
    return fig
