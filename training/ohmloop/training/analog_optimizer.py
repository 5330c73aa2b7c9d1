"""What all analog optimizers share: digital parameters, drawing trains, the generator's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError

from .analog_parameter import AnalogParameter
from .tile import AnalogTile
from .update import PulseSettings, pulsed_update

Group = dict[str, Any]


class AnalogOptimizer(torch.optim.Optimizer):
    """Plain SGD for digital parameters; analog ones are left to ``step_analog``.

    The optimizer's ``state_dict`` carries the generator's state, so a restored one draws on.

    Attributes:
        rng: draws the pulse trains.
        clipped: share of the last update that was lost to probabilities above 1.

    Args:
        params: as for any torch optimizer.
        defaults: of the parameter groups; ``lr`` among them.
        rng: draws the pulse trains.
        pulses: how trains are drawn.

    Raises:
        BadInputError: a negative or infinite rate.
    """

    def __init__(
        self,
        params: Iterable[Any],
        defaults: Group,
        rng: np.random.Generator,
        pulses: PulseSettings,
    ) -> None:
        for name, rate in defaults.items():
            if name.endswith("lr") and not (np.isfinite(rate) and rate >= 0):
                raise BadInputError(f"{name} must be 0 or more, not {rate}")
        super().__init__(params, defaults)
        self.rng, self.pulse_settings, self.clipped = rng, pulses, 0.0

    def step_analog(self, parameter: AnalogParameter, group: Group) -> None:
        """Update the tiles of one parameter from its records."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter once; records of analog ones are used up.

        Raises:
            BadInputError: inputs or gradients are not finite; no pulse was sent.
            InstrumentError: a chip failed.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for _, analog in self.analog():
            analog.check_records()
        for group in self.param_groups:
            for parameter in group["params"]:
                if isinstance(parameter, AnalogParameter):
                    self.step_analog(parameter, group)
                elif parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-group["lr"])
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients, and the records of analog parameters."""
        super().zero_grad(set_to_none)
        for _, parameter in self.analog():
            parameter.forget()

    def analog(self) -> Iterator[tuple[Group, AnalogParameter]]:
        """The analog parameters, each with its group."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if isinstance(parameter, AnalogParameter):
                    yield group, parameter

    def pulse_gradient(
        self, tile: AnalogTile, records: tuple[Tensor, Tensor] | None, lr: float
    ) -> int:
        """Pulse ``-lr * d.T @ x`` into a tile, in the mean; return the pulses applied."""
        if records is None:
            return 0
        x, d = (part.numpy() for part in records)
        return self.pulse_outer(tile, x, d, lr)

    def pulse_outer(
        self, tile: AnalogTile, x: NDArray[np.float64], d: NDArray[np.float64], lr: float
    ) -> int:
        """The same from arrays ``(batch, in)`` and ``(batch, out)``."""
        settings = _within(self.pulse_settings, tile.pulses_per_program)
        update = pulsed_update(x, d, lr, tile.dw_min, self.rng, settings)
        self.clipped = update.clipped
        return tile.apply_trains(update.program)

    def state_dict(self) -> Group:
        """As of any torch optimizer, and ``rng``: the generator's state (plain numbers)."""
        return {**super().state_dict(), "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take back a ``state_dict``, the generator's state included."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "rng"})
        self.rng.bit_generator.state = state_dict["rng"]


def _within(settings: PulseSettings, most: float) -> PulseSettings:
    """No sample may give one cell more pulses than the chip's limits allow in one program."""
    if most >= settings.desired_bl:
        return settings
    return PulseSettings(int(most), settings.update_management, settings.bl_management)
