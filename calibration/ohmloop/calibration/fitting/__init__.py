"""Fitting response functions to trajectories, and choosing among them."""

from .cell_fit import CellFit
from .choice import Choice, Score, choose_family
from .families import FAMILIES, Candidate
from .fit import fit_trajectories
from .trajectories import Trajectories

__all__ = [
    "FAMILIES",
    "Candidate",
    "CellFit",
    "Choice",
    "Score",
    "Trajectories",
    "choose_family",
    "fit_trajectories",
]
