"""What a fit maximises: prediction errors as a function of coordinates, a box, a prior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .entries import filter_of
from .families import Family
from .likelihood import Model, Problem
from .noises import WEAK, NoiseModel
from .reference import Filter, Noise
from .start import Frame
from .trajectories import Array, Trajectories


def problem_of(
    traj: Trajectories, frame: Frame, family: Family, noise: NoiseModel
) -> tuple[Problem, Array]:
    """Of cells about whose noises next to nothing is known, and where to start.

    Args:
        traj: of these cells.
        frame: of them.
        family: coordinates of the response function.
        noise: those of the noises.

    Returns:
        The problem, and coordinates ``(x, cells)`` within its box.
    """
    k = family.size
    model = model_of(filter_of(family.response), traj, frame, family, noise)
    start = np.concatenate([family.start(frame), noise.start(frame)])
    low, high = (
        np.concatenate(pair) for pair in zip(family.box(frame), noise.box(frame), strict=True)
    )
    start = np.clip(start, low, high)
    prior = start.copy()
    prior[k:] = np.median(start[k:], axis=1, keepdims=True)
    precision = precision_of(family, np.full(noise.size, WEAK))
    return Problem(model, traj.steps, low, high, prior, precision, np.zeros_like(start)), start


def precision_of(family: Family, width: Array) -> Array:
    """Of the prior of all coordinates, noises' widths given, ``(x, x)``."""
    k = family.size
    whole = np.zeros((k + width.size, k + width.size))
    whole[:k, :k] = family.precision()
    whole[k:, k:] = np.diag(width**-2.0)
    return whole


def model_of(
    run: Filter,
    traj: Trajectories,
    frame: Frame,
    family: Family,
    noise: NoiseModel,
    held: NDArray[np.bool_] | None = None,
) -> Model:
    """Prediction errors, in measured ranges, as a function of coordinates.

    Steps ``held`` (steps,) are compared, but not learnt from.
    """
    k, skipped = family.size, np.zeros(traj.steps, bool) if held is None else held

    def model(x: Array, cells: NDArray[np.intp]) -> tuple[Array, Array]:
        some, own = traj.of(cells), frame.of(cells)
        parameters = family.natural(x[:k], own)
        noises = noise.natural(x[k:], own)
        flat = [_flat(v, x.shape[1:]) for v in parameters]
        errors, variances = run(
            flat, Noise(*(_flat(v, x.shape[1:]) for v in noises)), some, skipped
        )
        shape = (*x.shape[1:], traj.steps)
        scale = own.span[:, None]
        seen = variances.reshape(shape) != 1.0
        errors = errors.reshape(shape) / scale
        return errors, np.where(seen, variances.reshape(shape) / scale**2, 1.0)

    return model


def _flat(values: Array, shape: tuple[int, ...]) -> Array:
    """Variants and cells on one axis."""
    nodes = values.shape[len(shape) :]
    return np.broadcast_to(values, (*shape, *nodes)).reshape(-1, *nodes)
