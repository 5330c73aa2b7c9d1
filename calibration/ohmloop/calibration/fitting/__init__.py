"""Fitting response functions to trajectories, and choosing among them."""

from .cell_fit import CellFit
from .families import FAMILIES
from .fit import fit_trajectories
from .trajectories import Trajectories

__all__ = ["FAMILIES", "CellFit", "Trajectories", "fit_trajectories"]
