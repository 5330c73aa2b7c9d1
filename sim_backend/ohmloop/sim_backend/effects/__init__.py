"""What stands between the state of a cell and what is read of it, one effect a file.

Two are about how pulses act: ``Switching`` and ``Forming``.
"""

from .drift import Drift
from .effect import Effect, Moment
from .flicker import Flicker
from .forming import Forming
from .iv import Iv
from .registry import EFFECTS
from .retention import Retention
from .switching import Switching
from .telegraph import Telegraph
from .write_noise import WriteNoise

__all__ = [
    "EFFECTS",
    "Drift",
    "Effect",
    "Flicker",
    "Forming",
    "Iv",
    "Moment",
    "Retention",
    "Switching",
    "Telegraph",
    "WriteNoise",
]
