"""Draws the picture of all response functions.

python docs/images/response_functions.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ohmloop.sim_backend.responses import (
    ConstantStep,
    ExponentialStep,
    LinearStep,
    NeuroSimStep,
    OneMinusExpStep,
    Piecewise,
    PowerStep,
    ResponseFunction,
    SoftBounds,
)
from ohmloop.sim_backend.responses.plot import plot_response

LOW, HIGH, STEP = 5e-6, 60e-6, 1e-6
MIDDLE = (LOW + HIGH) / 2
CELLS: tuple[ResponseFunction, ...] = (
    ConstantStep(LOW, HIGH, STEP, STEP),
    LinearStep(LOW, HIGH, 1.3 * STEP, 1.6 * STEP, 0.012, 0.02),
    SoftBounds(LOW, HIGH, 0.035, 0.045),
    PowerStep.with_step_at_middle(LOW, HIGH, STEP, STEP, 2.0, 1.5),
    ExponentialStep(LOW, HIGH, STEP, STEP, 2.0, 1.0),
    OneMinusExpStep(
        LOW, HIGH, 1.2 * STEP, STEP, 0.00081, 0.1, 12.44625, 12.78785, 0.244, 0.2425, MIDDLE
    ),
    NeuroSimStep.from_labels(LOW, HIGH, 60, 60, 2.4, -4.0),
    Piecewise(LOW, HIGH, STEP * np.array([0.6, 1.4, 1.6, 0.9, 0.5]), STEP * np.linspace(0.3, 2, 5)),
)
STYLE = {"font.size": 7, "axes.spines.top": False, "axes.spines.right": False}


def main(output: Path) -> None:
    """Two rows a line of families: steps, and the staircase below."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 9.5), layout="constrained")
        axes = figure.subplots(4, 4)
        for number, cell in enumerate(CELLS):
            row, column = 2 * (number // 4), number % 4
            plot_response(cell.checked(), axes[row : row + 2, column], pulses=80)
        figure.savefig(output, dpi=90)


if __name__ == "__main__":
    main(Path(__file__).with_name("response-functions.png"))
