"""What all analog optimizers share: digital parameters, drawing trains, state that resumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import optimizer

from ohmloop.drivers import BadInputError
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.protocol import Tile
from ohmloop.training.update.rule import Rows, UpdateRule

from .counted_pulses import ONE_PULSE, one_hot, unary

Group = dict[str, Any]


class AnalogOptimizer(torch.optim.Optimizer):
    """Plain SGD for digital parameters; analog ones are left to ``step_analog``.

    What an algorithm remembers of a parameter is in ``state``: arrays as float64 tensors, the rest
    plain numbers. ``state_dict`` carries it and the generator's state, so that an optimizer made
    alike and given it goes on exactly.

    Attributes:
        arrays: that a layer needs, for ``convert_to_analog``.
        rng: draws the pulse trains, and all else that is random.
        clipped: largest share of an update in the last step that was lost because it needed more
            pulses than a train holds, 0 to 1; see ``clipped_share``.

    Args:
        params: as for any torch optimizer.
        defaults: of the parameter groups; ``lr`` among them.
        rng: draws the pulse trains.
        rule: how an update becomes pulses.

    Raises:
        BadInputError: a negative or infinite rate, or a layer with another number of arrays.
    """

    arrays: ClassVar[int] = 1

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
        self._updates, self._lost = 0, 0.0  # since it was last asked what was clipped
        for _, parameter in self.analog():
            self.check_arrays(parameter)

    def check_arrays(self, parameter: AnalogParameter) -> None:
        """Raise where a parameter has another number of arrays than the algorithm works with.

        Raises:
            BadInputError: says how many it needs.
        """
        if len(parameter.tiles) != self.arrays:
            raise wrong_arrays(self, parameter, f"{self.arrays}")

    def step_analog(self, parameter: AnalogParameter, group: Group) -> None:
        """Update the tiles of one parameter from its records."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter once; records of analog ones are used up.

        Raises:
            BadInputError: inputs or gradients are not finite; no pulse was sent.
            InstrumentError: a chip failed.
        """
        return (_observed if self._is_observed() else AnalogOptimizer._step)(self, closure)

    step.hooked = True  # type: ignore[attr-defined] # torch: not to be wrapped by yourself

    @torch.no_grad()
    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for _, analog in self.analog():
            analog.check_records()
        self.clipped = 0.0
        for group in self.param_groups:
            digital, gradients = [], []
            for parameter in group["params"]:
                if type(parameter) is AnalogParameter:
                    self.step_analog(parameter, group)
                elif (gradient := parameter.grad) is not None:
                    digital.append(parameter)
                    gradients.append(gradient)
            if digital:
                torch._foreach_add_(digital, gradients, alpha=-group["lr"])
        return loss

    def _is_observed(self) -> bool:
        """Whether a profiler or a hook wants to be told of a step.

        Torch would ask for a profiler's range around every step, which takes as long as the update
        of a layer, also where nobody profiles.
        """
        return bool(
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or optimizer._global_optimizer_pre_hooks
            or optimizer._global_optimizer_post_hooks
            or torch.autograd._profiler_enabled()  # type: ignore[attr-defined]
        )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients, and the records of analog parameters."""
        super().zero_grad(set_to_none)
        for _, parameter in self.analog():
            parameter.forget()

    def analog(self) -> Iterator[tuple[Group, AnalogParameter]]:
        """The analog parameters, each with its group."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if type(parameter) is AnalogParameter:  # a class check of torch's takes longer
                    yield group, parameter

    def pulse_gradient(self, tile: Tile, records: tuple[Rows, Rows] | None, lr: float) -> int:
        """Pulse ``-lr * d.T @ x`` into a tile, in the mean; return the pulses applied."""
        return 0 if records is None else self.pulse_outer(tile, *records, lr)

    def pulse_outer(self, tile: Tile, x: Rows, d: Rows, lr: float) -> int:
        """The same from arrays ``(batch, in)`` and ``(batch, out)``."""
        report = tile.update(x, d, lr, self.rng, self.rule)
        self.clipped = max(self.clipped, report.clipped)
        self._updates, self._lost = self._updates + 1, self._lost + report.clipped
        return report.pulses

    def pulse_columns(
        self, tile: Tile, columns: NDArray[np.intp], values: NDArray[np.float64], lr: float
    ) -> int:
        """Pulse ``lr * values`` into some columns, one after the other; ``values (out, columns)``.

        One program; returns the pulses applied.
        """
        return self.pulse_outer(tile, one_hot(columns, tile.shape[1]), -values.T, lr)

    def pulse_counts(self, tile: Tile, columns: NDArray[np.intp], counts: NDArray[np.int64]) -> int:
        """Pulse cells exactly so often: ``counts (out, columns)``, positive up.

        One program; returns the pulses applied.
        """
        x, d = unary(columns, counts, tile.shape[1])
        return tile.update(x, d, tile.dw_min, self.rng, ONE_PULSE).pulses if len(x) else 0

    def clipped_share(self) -> float:
        """Mean share of the updates since this was last asked that was lost, 0 to 1.

        An update loses what needs more pulses than a train holds: with a learning rate that is too
        high, or with ``desired_bl`` too low. Every update of a tile counts alike, transfers
        included; 0 where there was none.
        """
        share = self._lost / self._updates if self._updates else 0.0
        self._updates, self._lost = 0, 0.0
        return share

    def epoch_ended(self, loss: float) -> None:
        """Be told the mean loss of an epoch; only some algorithms make something of it."""

    def memory(self, parameter: AnalogParameter) -> Group:
        """What the algorithm remembers of a parameter; begun when it is first asked for."""
        state: Group = self.state[parameter]
        if not state:
            state.update(self.begin(parameter))
            self.attach(parameter, state)
        return state

    def begin(self, parameter: AnalogParameter) -> Group:
        """A fresh memory of a parameter."""
        del parameter
        return {}

    def attach(self, parameter: AnalogParameter, state: Group) -> None:
        """Let the parameter's products use what is remembered, if they depend on it."""

    def state_dict(self) -> Group:
        """As of any torch optimizer, and ``rng``: the generator's state (plain numbers)."""
        return {**super().state_dict(), "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take back a ``state_dict``, the generator's state included."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "rng"})
        self.rng.bit_generator.state = state_dict["rng"]
        kept = [number for group in state_dict["param_groups"] for number in group["params"]]
        ours = [parameter for group in self.param_groups for parameter in group["params"]]
        for number, parameter in zip(kept, ours, strict=True):
            if isinstance(parameter, AnalogParameter) and number in state_dict["state"]:
                state = self.state[parameter]
                # torch has cast them to the type of the parameter, which has no values.
                tensors = state_dict["state"][number].items()
                state.update({k: v.clone() for k, v in tensors if isinstance(v, Tensor)})
                self.attach(parameter, state)


_observed = torch.optim.Optimizer.profile_hook_step(AnalogOptimizer._step)


def wrong_arrays(
    optimizer: AnalogOptimizer, parameter: AnalogParameter, wanted: str
) -> BadInputError:
    """The message for a layer that was converted for another algorithm."""
    out, inputs = parameter.matrix_shape
    return BadInputError(
        f"{type(optimizer).__name__} keeps a layer's weights on {wanted} arrays, but a layer of"
        f" {out} x {inputs} has {len(parameter.tiles)}:"
        f" convert the model with arrays={optimizer.arrays}"
    )
