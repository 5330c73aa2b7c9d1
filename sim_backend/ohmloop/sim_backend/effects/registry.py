"""All effects by name, in the order in which they act: on the state first, then on readings.

Those that are about pulses come last.
"""

from __future__ import annotations

from collections.abc import Mapping

from .drift import Drift
from .effect import Effect
from .flicker import Flicker
from .forming import Forming
from .iv import Iv
from .retention import Retention
from .switching import Switching
from .telegraph import Telegraph
from .write_noise import WriteNoise

EFFECTS: Mapping[str, type[Effect]] = {
    kind.name: kind
    for kind in (Retention, WriteNoise, Drift, Flicker, Telegraph, Iv, Switching, Forming)
}
"""Name, which leads its keys -> class."""
