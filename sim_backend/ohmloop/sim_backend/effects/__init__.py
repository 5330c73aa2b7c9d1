"""What stands between the state of a cell and what is read of it, one effect a file."""

from .drift import Drift
from .effect import Effect, Moment
from .flicker import Flicker
from .registry import EFFECTS
from .retention import Retention
from .telegraph import Telegraph
from .write_noise import WriteNoise

__all__ = [
    "EFFECTS",
    "Drift",
    "Effect",
    "Flicker",
    "Moment",
    "Retention",
    "Telegraph",
    "WriteNoise",
]
