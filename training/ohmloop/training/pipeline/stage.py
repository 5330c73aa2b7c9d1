"""A stage: some layers of a model, on a chip of their own, with an optimizer of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ohmloop.drivers import BadInputError, Crossbar, OhmloopError
from ohmloop.training.algorithms.analog_optimizer import AnalogOptimizer
from ohmloop.training.layers.analog_layer import analog_tiles
from ohmloop.training.layers.analog_parameter import AnalogParameter
from ohmloop.training.tiles.tile import parts_of

Loss = Callable[[Tensor, Tensor], Tensor]


class _Kept(NamedTuple):
    """What a stage keeps of a micro-batch between its passes."""

    x: Tensor
    y: Tensor


class Stage:
    """Forward and backward passes of micro-batches, and updates from what they left.

    Weights are never stashed: a backward pass uses what the chip (or a digital parameter) holds
    then, whatever it held at the forward pass.

    Attributes:
        module: the layers.
        optimizer: of their parameters.
        number: from 0.
        count: stages in all.
        version: updates so far: which weights it has.
        begun: forward passes so far.
        name: for messages.

    Args:
        module: the layers.
        optimizer: of their parameters; None where there are none to train.
        number: from 0.
        count: stages in all.
        loss: mean loss of ``(outputs, targets)``, for the last stage.
        name: for messages, such as the name of its bench.

    Raises:
        BadInputError: layers draw random numbers of their own, which stages could not share.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        number: int,
        count: int,
        *,
        loss: Loss = nn.functional.cross_entropy,
        name: str = "",
    ) -> None:
        self.module, self.optimizer, self.loss = module, optimizer, loss
        self.number, self.count = number, count
        self.name = f"stage {number + 1} of {count}" + (f" ({name})" if name else "")
        self.version = self.begun = 0
        self._kept: dict[int, _Kept] = {}
        groups = [] if optimizer is None else optimizer.param_groups
        self._rates = [group["lr"] for group in groups]
        self._digital = _digital(module)
        self._aliases = {n: _alias(p) for n, p in self._digital.items()}
        _refuse_dropout(module, self.name)

    @property
    def is_first(self) -> bool:
        """Whether it gets the samples."""
        return self.number == 0

    @property
    def is_last(self) -> bool:
        """Whether it has the loss."""
        return self.number == self.count - 1

    def forward(self, micro_batch: int, x: Tensor) -> Tensor:
        """Outputs for the next stage; keeps what the backward pass wants."""
        self.begun += 1
        x = x.detach()
        if not self.is_first:
            x.requires_grad_()
        y: Tensor = torch.func.functional_call(self.module, self._aliases, (x,))
        self._kept[micro_batch] = _Kept(x, y)
        return y.detach()

    def backward(self, micro_batch: int, gradient: Tensor) -> Tensor | None:
        """The gradient of the loss by the inputs, from that by the outputs.

        Returns:
            It; None at the first stage.
        """
        kept = self._kept.pop(micro_batch)
        kept.y.backward(gradient)  # type: ignore[no-untyped-call]
        return None if self.is_first else kept.x.grad

    def backward_from_loss(
        self, micro_batch: int, targets: Tensor, share: float
    ) -> tuple[Tensor | None, float]:
        """The same at the last stage, where it begins.

        Args:
            micro_batch: which.
            targets: what the outputs should be.
            share: of the micro-batch in the mini-batch that its update is of.

        Returns:
            The gradient of ``share`` times the mean loss by the inputs, and the mean loss.

        Raises:
            OhmloopError: the loss is not finite.
        """
        kept = self._kept.pop(micro_batch)
        loss = self.loss(kept.y, targets)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise OhmloopError(
                f"the loss is {value} at micro-batch {micro_batch + 1}; no pulse was sent for it"
            )
        (loss if share == 1.0 else loss * share).backward()  # type: ignore[no-untyped-call]
        return (None if self.is_first else kept.x.grad), value

    def set_rate(self, factor: float) -> None:
        """Have the next updates at ``factor`` times the learning rates that it was made with."""
        if self.optimizer is not None:
            for rate, group in zip(self._rates, self.optimizer.param_groups, strict=True):
                group["lr"] = rate * factor

    def check(self) -> None:
        """Raise where an update would be of what is not finite.

        Raises:
            BadInputError: it would.
        """
        for parameter in self.module.parameters():
            if isinstance(parameter, AnalogParameter):
                parameter.check_records()

    def update(self) -> None:
        """One step of the optimizer, from all backward passes since the last.

        Raises:
            BadInputError: gradients are not finite; nothing was pulsed.
            InstrumentError: the chip failed.
        """
        self.check()
        for name, parameter in self._digital.items():
            parameter.grad = self._aliases[name].grad
            self._aliases[name].grad = None
        try:
            if self.optimizer is not None:
                self.optimizer.step()
                self.optimizer.zero_grad()
        finally:
            self.version += 1  # also where a chip failed on the way: it may have been pulsed

    def drop(self) -> None:
        """Forget all that is in flight, and gradients that no update has used."""
        self._kept.clear()
        for alias in self._aliases.values():
            alias.grad = None
        for parameter in self.module.parameters():
            if isinstance(parameter, AnalogParameter):
                parameter.forget()

    @torch.no_grad()
    def infer(self, x: Tensor) -> Tensor:
        """Outputs, in evaluation mode; keeps nothing."""
        training = self.module.training
        self.module.eval()
        try:
            y: Tensor = self.module(x)
        finally:
            self.module.train(training)
        return y

    def crossbars(self) -> list[Crossbar]:
        """Those that its tiles are on; each once."""
        tiles = (part.crossbar for tile in analog_tiles(self.module) for part in parts_of(tile))
        return list({id(_whole(crossbar)): _whole(crossbar) for crossbar in tiles}.values())

    def make_safe(self) -> None:
        """Outputs off."""
        for crossbar in self.crossbars():
            crossbar.make_safe()


def check_apart(stages: Iterable[Stage]) -> None:
    """Stages that work at the same time want chips and generators of their own.

    Raises:
        BadInputError: two share a crossbar or a generator.
    """
    owners: dict[int, str] = {}
    for stage in stages:
        shared: list[tuple[object, str]] = [(c, f"crossbar {c.name}") for c in stage.crossbars()]
        if isinstance(stage.optimizer, AnalogOptimizer):
            shared.append((stage.optimizer.rng, "generator"))
        for thing, what in shared:
            other = owners.setdefault(id(thing), stage.name)
            if other != stage.name:
                raise BadInputError(
                    f"{other} and {stage.name} share {what}; stages that work at the same time"
                    " need one each (or take the exact executor)"
                )


def _whole(crossbar: Crossbar) -> Crossbar:
    """What a region is part of."""
    parent = getattr(crossbar, "parent", None)
    return crossbar if parent is None else _whole(parent)


def _digital(module: nn.Module) -> dict[str, nn.Parameter]:
    return {
        name: parameter
        for name, parameter in module.named_parameters()
        if not isinstance(parameter, AnalogParameter) and parameter.requires_grad
    }


def _alias(parameter: nn.Parameter) -> Tensor:
    """The same memory under another name.

    Autograd refuses a backward pass through a parameter that was updated since the forward pass.
    A pipeline does just that, on purpose; through an alias it uses what is there.
    """
    return parameter.data.requires_grad_()


def _refuse_dropout(module: nn.Module, name: str) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            raise BadInputError(
                f"{name}: dropout draws from torch's one generator, which stages cannot share;"
                " leave it out of a pipelined model"
            )
