"""Draws the README's picture from what `ohmloop demo` made.

ohmloop demo -o ohmloop-demo && python docs/images/first_light.py ohmloop-demo
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ohmloop.app.run_folder import RunFolder
from ohmloop.calibration import predict, raw_of
from ohmloop.sim_backend import load_chip
from ohmloop.sim_backend.chip_file import population_of

GREY, ORANGE, GREEN, BLUE = "#777777", "#D55E00", "#009E73", "#0072B2"
RUNS = {
    "digital": ("digital yardstick", GREY),
    "twin-tiki-taka": ("Tiki-Taka, twin", GREEN),
    "twin-analog-sgd": ("Analog SGD, twin", ORANGE),
    "chip-analog-sgd": ("Analog SGD, chip over the wire", BLUE),
}
STYLE = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}


def conductances(ax: Any, chip: Any) -> None:
    """The chip as it was left by its calibration."""
    shown = ax.imshow(1e6 * chip["conductance"].to_numpy(), cmap="viridis")
    ax.set(xlabel="column", ylabel="row", title="measure every cell over the wire (uS)")
    ax.figure.colorbar(shown, ax=ax, fraction=0.046)


def prediction(ax: Any, chip: Any) -> None:
    """Pulses that no fit has seen: the twin against the chip."""
    raw = raw_of(chip)
    found = predict(raw, population_of(chip), chip["usable"].to_numpy().astype(bool))
    steps = np.arange(1, len(found.by_position()[0]) + 1)
    error, noise = found.by_position()
    ax.plot(steps, 1e6 * error, color=BLUE, marker="o", markersize=3, label="twin against chip")
    ax.plot(steps, 1e6 * noise, color=ORANGE, marker="s", markersize=3, label="chip against itself")
    ax.set(xlabel="step of a new random sequence", ylabel="rms error (uS)", ylim=(0, None))
    ax.set_title(f"fit a twin that predicts it: error / noise {found.rmse_over_noise:.2f}")
    ax.legend(frameon=False, loc="lower right")


def accuracies(ax: Any, folder: Path) -> None:
    """Held-out accuracy of every run."""
    for prefix, (label, colour) in RUNS.items():
        path = max(folder.glob(f"runs/{prefix}-2*"))
        run = RunFolder(path)
        history = run.history()
        run.close()
        shares = [100 * row["accuracy"] for row in history]
        ax.plot([row["epoch"] for row in history], shares, color=colour, label=label, linewidth=1.2)
    ax.set(xlabel="epoch", ylabel="held-out accuracy (%)", ylim=(60, 100))
    ax.set_title("train on either: one line of configuration")
    ax.legend(frameon=False, loc="lower right", fontsize=7)


def main(folder: Path, output: Path) -> None:
    """Three panels: chip, twin, training."""
    chip = load_chip(folder / "chip.nc")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 2.9), layout="constrained")
        axes = figure.subplots(1, 3)
        conductances(axes[0], chip)
        prediction(axes[1], chip)
        accuracies(axes[2], folder)
        figure.savefig(output, dpi=160)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("first-light.png"))
