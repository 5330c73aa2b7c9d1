"""All effects by name, in the order in which they act: on the state first, then on readings."""

from __future__ import annotations

from collections.abc import Mapping

from .drift import Drift
from .effect import Effect
from .flicker import Flicker
from .retention import Retention
from .telegraph import Telegraph
from .write_noise import WriteNoise

EFFECTS: Mapping[str, type[Effect]] = {
    kind.name: kind for kind in (Retention, WriteNoise, Drift, Flicker, Telegraph)
}
"""Name, which leads its keys -> class."""
