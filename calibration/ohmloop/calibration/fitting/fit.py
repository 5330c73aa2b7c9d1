"""Fitting a response function and its noise to what was measured."""

from __future__ import annotations

import numpy as np

from ohmloop.calibration.health import Health

from .cell_fit import CellFit
from .families import Candidate, family_of
from .large import fit_chip
from .noises import NoiseModel
from .screening import screen
from .start import frame_of
from .trajectories import Trajectories
from .units import empty, in_units


def fit_trajectories(
    traj: Trajectories,
    family: str | Candidate,
    *,
    steps: tuple[str, ...] = ("dg_std",),
) -> CellFit:
    """Fit every cell.

    Args:
        traj: what was measured.
        family: which response function, by name or class (``families.FAMILIES``).
        steps: which noises of steps are fitted, of ``dg_std`` and ``dg_add``.

    Returns:
        Parameters, covariance and health of all cells, in order.

    Raises:
        BadInputError: nobody offers the family.
    """
    kind, noise = family_of(family), NoiseModel.of(traj, steps)
    frame = frame_of(traj)
    health = screen(traj, frame, kind.size + noise.size)
    good = np.flatnonzero(health == Health.OK)
    if not good.size:
        return empty(kind, noise, health)
    fitted = fit_chip(traj.of(good), frame.of(good), kind, noise)
    return in_units(fitted, health, good)
