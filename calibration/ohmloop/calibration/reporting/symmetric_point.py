"""The symmetric point of the model beside the measured one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ohmloop.calibration.drawing import MICRO, draw_diagonal, draw_standard, drawing

from .html import figure
from .source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAPS = (
    "symmetric_point",
    "symmetric_point_measured",
    "symmetric_point_stderr",
    "symmetric_point_measured_stderr",
)


def section(source: Source) -> str:
    """Nothing where it was not measured by alternation."""
    if any(name not in source.chip for name in _MAPS) or not _known(source)[0].size:
        return ""
    return figure(
        symmetric_points(source),
        "The model's symmetric point comes from pulse trains, the measured one from alternating"
        " pulses that the fit did not see.",
    )


def symmetric_points(source: Source) -> Figure:
    """Symmetric points of the model against measured ones, and differences over their errors."""
    model, measured, model_error, error = _known(source)
    with np.errstate(all="ignore"):
        z = (measured - model) / np.hypot(model_error, error)
    with drawing(1, 2, (6.5, 2.9)) as (fig, axes):
        draw_diagonal(axes[0], model, measured)
        axes[0].set(xlabel="from the model (uS)", ylabel="measured by alternation (uS)")
        draw_standard(axes[1], z[np.isfinite(z)], "difference (standard errors)")
    return fig


def _known(source: Source) -> np.ndarray:
    """The maps in cells that have both points, ``(4, cells)``, uS."""
    values = np.stack([source.chip[name].to_numpy()[source.usable] for name in _MAPS]) * MICRO
    return np.asarray(values[:, np.isfinite(values[:2]).all(axis=0)])
