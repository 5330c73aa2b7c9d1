"""How writing a map went: where errors are, how large, and how fast they fell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.calibration.drawing import BLUE, GREY, ORANGE, draw_map, drawing

from .outcome import Outcome
from .result import Written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MICRO = 1e6


def figure(written: Written) -> Figure:
    """Error map, outcomes, histogram of errors over tolerance, and convergence."""
    with drawing(2, 2, (6.5, 5.0)) as (fig, axes):
        usable = written.usable
        error = np.where(usable, written.error, np.nan) * _MICRO
        most = float(np.nanquantile(np.abs(error), 0.99)) if usable.any() else 1.0
        draw_map(fig, axes[0, 0], error, "error (uS)", cmap="RdBu_r", vmin=-most, vmax=most)
        share = (written.error / written.tolerance)[usable]
        axes[0, 1].hist(np.clip(share, -3, 3), bins=48, range=(-3, 3), color=BLUE)
        for edge in (-1, 1):
            axes[0, 1].axvline(edge, color=ORANGE)
        axes[0, 1].set(xlabel="error / tolerance", ylabel="cells")
        rounds = np.arange(len(written.within))
        axes[1, 0].plot(rounds, 100 * written.within, color=BLUE)
        axes[1, 0].set(xlabel="round", ylabel="cells within tolerance (%)", ylim=(0, 101))
        pulses = written.given / max(int(usable.sum()), 1)
        axes[1, 1].plot(pulses, written.median_error * _MICRO, color=BLUE)
        axes[1, 1].axhline(written.read_noise * _MICRO, color=GREY, ls="--", label="read noise")
        axes[1, 1].set(xlabel="pulses a cell", ylabel="median error (uS)", yscale="log")
        axes[1, 1].legend(loc="best")
        counts = [f"{n} {Outcome(o).name.lower()}" for o, n in written.counts.items()]
        fig.suptitle(", ".join(counts), fontsize=8)
    return fig
