"""Device models, the twin, and emulated instruments."""

from .chip_file import load_chip, save_chip
from .population import Population
from .population_spec import PopulationSpec, sample
from .responses import SoftBounds
from .twin import TwinCrossbar

__all__ = [
    "Population",
    "PopulationSpec",
    "SoftBounds",
    "TwinCrossbar",
    "load_chip",
    "sample",
    "save_chip",
]
