"""What a chip record says of its response function: how chosen, and what it cannot describe."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from .fitting import Choice
from .fitting.choice import CHANCE, ENOUGH
from .prediction import Prediction

if TYPE_CHECKING:
    import xarray as xr


def keep_choice(chip: xr.Dataset, choice: Choice | None) -> None:
    """Why this response function, and all scores: ``choice`` and ``choice_scores`` (JSON)."""
    if choice is None:
        chip.attrs["choice"] = "the response function was given, not chosen"
        return
    chip.attrs["choice"] = choice.why
    scores = [asdict(s) | {"name": s.name, "chosen": s is choice.score} for s in choice.scores]
    chip.attrs["choice_scores"] = json.dumps(scores)


def keep_misfit(chip: xr.Dataset, choice: Choice | None, prediction: Prediction | None) -> None:
    """Whether errors on what was not fitted are as small as the noise lets them be.

    Held-out sequences that were repeated are compared with the chip's own repeatability; without
    them, held-out blocks with the forecast's own spread. ``misfit`` is the ratio, ``misfit_stderr``
    its standard error, ``adequate`` 0 where it is above ``ENOUGH`` by more than two of those, or
    where cells err alike (``fitting.choice.chance_of``).
    """
    if prediction is not None and np.isfinite(prediction.stderr):
        ratio, error, beside = prediction.rmse_over_noise, prediction.stderr, "repeatability"
    elif choice is not None:
        ratio, error, beside = choice.misfit, choice.misfit_stderr, "forecast noise"
    else:
        return
    alike = choice is not None and choice.chance < CHANCE
    adequate = ratio - 2 * error <= ENOUGH and not alike
    chip.attrs |= {"misfit": ratio, "misfit_stderr": error, "adequate": int(adequate)}
    says = (
        "the response function describes these cells"
        if adequate
        else "MISFIT: no response function that was tried describes these cells; their twin is off"
        " by more than their noise" + (", as cells err alike at the same time" if alike else "")
    )
    chip.attrs["misfit_verdict"] = (
        f"{says} (error on pulses that were not fitted over {beside}:"
        f" {ratio:.2f}, standard error {error:.2f})"
    )
