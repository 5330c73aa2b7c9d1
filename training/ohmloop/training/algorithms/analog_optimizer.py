"""What all analog optimizers share: digital parameters, drawing trains, the generator's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.protocol import Tile
from ohmloop.training.update.rule import UpdateRule

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
        rule: how an update becomes pulses.

    Raises:
        BadInputError: a negative or infinite rate.
    """

    def __init__(
        self,
        params: Iterable[Any],
        defaults: Group,
        rng: np.random.Generator,
        rule: UpdateRule,
    ) -> None:
        for name, rate in defaults.items():
            if name.endswith("lr") and not (np.isfinite(rate) and rate >= 0):
                raise BadInputError(f"{name} must be 0 or more, not {rate}")
        super().__init__(params, defaults)
        self.rng, self.rule, self.clipped = rng, rule, 0.0

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

    def pulse_gradient(self, tile: Tile, records: tuple[Tensor, Tensor] | None, lr: float) -> int:
        """Pulse ``-lr * d.T @ x`` into a tile, in the mean; return the pulses applied."""
        if records is None:
            return 0
        x, d = (part.numpy() for part in records)
        return self.pulse_outer(tile, x, d, lr)

    def pulse_outer(
        self, tile: Tile, x: NDArray[np.float64], d: NDArray[np.float64], lr: float
    ) -> int:
        """The same from arrays ``(batch, in)`` and ``(batch, out)``."""
        report = tile.update(x, d, lr, self.rng, self.rule)
        self.clipped = report.clipped
        return report.pulses

    def state_dict(self) -> Group:
        """As of any torch optimizer, and ``rng``: the generator's state (plain numbers)."""
        return {**super().state_dict(), "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take back a ``state_dict``, the generator's state included."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "rng"})
        self.rng.bit_generator.state = state_dict["rng"]
