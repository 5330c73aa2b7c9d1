"""How strongly pulses of any amplitude and width act, where it is not as nothing was said.

The law is that of ``pulse_strength``; here are its constants, cell by cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ohmloop.sim_backend.responses import parameter

from .effect import Effect, Moment


@dataclass(frozen=True)
class Switching(Effect):
    """Constants of the law of pulse strength, for pulses up and down apart.

    Attributes:
        voltage_up: amplitude at which a cell moves as its response function says, V; 0 = that of
            the bench's own pulse.
        voltage_down: the same of down pulses, as a size.
        width_up: width at which it does, s; 0 = that of the bench's own pulse.
        width_down: the same of down pulses.
        threshold_up: share of the amplitude below which nothing happens.
        threshold_down: the same of down pulses.
        steepness_up: amplitude over the characteristic voltage of the law: 10 % more of it are
            about ``exp(steepness / 10)`` times the step.
        steepness_down: the same of down pulses.
    """

    name: ClassVar[str] = "switching"
    of_pulses: ClassVar[bool] = True
    defaults: ClassVar[dict[str, float]] = {
        "voltage_up": 0.0,
        "voltage_down": 0.0,
        "width_up": 0.0,
        "width_down": 0.0,
        "threshold_up": 0.6,
        "threshold_down": 0.6,
        "steepness_up": 10.0,
        "steepness_down": 10.0,
    }

    voltage_up: Any = parameter("V", "amplitude of the up pulse of strength 1", 0)
    voltage_down: Any = parameter("V", "size of the down pulse of strength 1", 0)
    width_up: Any = parameter("s", "width of the up pulse of strength 1", 0)
    width_down: Any = parameter("s", "width of the down pulse of strength 1", 0)
    threshold_up: Any = parameter("1", "share of voltage_up below which nothing happens", 0, 1)
    threshold_down: Any = parameter("1", "share of voltage_down below which nothing happens", 0, 1)
    steepness_up: Any = parameter("1", "voltage_up over the law's characteristic voltage", 0.01, 50)
    steepness_down: Any = parameter("1", "the same of voltage_down", 0.01, 50)

    def seen(self, g: Any, moment: Moment) -> Any:  # noqa: ARG002
        """Reading is as ever."""
        return g
