"""Key ``pulses`` of an algorithm: how updates become pulses, a record a kind, told by ``type``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ohmloop.drivers.validation import Record

if TYPE_CHECKING:
    from ohmloop.training import UpdateRule

Slots = Annotated[int, Field(ge=1, le=64)]


class StochasticConfig(Record):
    """Coincidences of random trains: ``PulseSettings``."""

    type: Literal["stochastic"] = "stochastic"
    desired_bl: Slots = 31
    update_management: bool = True
    bl_management: bool = True

    def rule(self) -> UpdateRule:
        """A ``PulseSettings``."""
        from ohmloop.training import PulseSettings

        return PulseSettings(self.desired_bl, self.update_management, self.bl_management)


class DeterministicConfig(Record):
    """Coincidences of trains that leave nothing to chance: ``DeterministicPulses``."""

    type: Literal["deterministic"]
    desired_bl: Slots = 31
    update_management: bool = True
    bl_management: bool = False

    def rule(self) -> UpdateRule:
        """A ``DeterministicPulses``."""
        from ohmloop.training import DeterministicPulses

        return DeterministicPulses(self.desired_bl, self.update_management, self.bl_management)


class ImplicitConfig(Record):
    """Counts of single cells, exact in the mean: ``ImplicitPulses``."""

    type: Literal["implicit"]
    desired_bl: Annotated[int, Field(ge=1)] = 31

    def rule(self) -> UpdateRule:
        """An ``ImplicitPulses``."""
        from ohmloop.training import ImplicitPulses

        return ImplicitPulses(self.desired_bl)


def _with_type(given: Any) -> Any:
    """Stochastic, where ``type`` is left out."""
    return {"type": "stochastic", **given} if isinstance(given, dict) else given


Pulses = Annotated[
    StochasticConfig | DeterministicConfig | ImplicitConfig,
    Field(discriminator="type"),
    BeforeValidator(_with_type),
]
