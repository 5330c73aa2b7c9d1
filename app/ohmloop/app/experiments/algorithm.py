"""Section ``algorithm`` of an experiment file: one record an algorithm, told apart by ``name``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ohmloop.drivers.validation import Record

if TYPE_CHECKING:
    from torch.optim import Optimizer

Rate = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class DigitalSgd(Record):
    """The digital yardstick: the same network in floating point, no crossbar."""

    name: Literal["digital-sgd"]
    learning_rate: Rate
    arrays: Literal[0] = 0

    def optimizer(self, parameters: Iterable[Any], rng: np.random.Generator) -> Optimizer:
        """A ``torch.optim.SGD``."""
        del rng
        from torch.optim import SGD

        return SGD(parameters, lr=self.learning_rate)


class AnalogSgd(Record):
    """``AnalogSGD``: see there for the parameters."""

    name: Literal["analog-sgd"]
    learning_rate: Rate
    desired_bl: Annotated[int, Field(ge=1, le=64)] = 31
    arrays: Literal[1] = 1

    def optimizer(self, parameters: Iterable[Any], rng: np.random.Generator) -> Optimizer:
        """An ``AnalogSGD``."""
        from ohmloop.training import AnalogSGD

        return AnalogSGD(parameters, self.learning_rate, rng=rng, desired_bl=self.desired_bl)


class TikiTakaConfig(Record):
    """``TikiTaka``: see there for the parameters."""

    name: Literal["tiki-taka"]
    learning_rate: Rate
    fast_learning_rate: Rate
    transfer_learning_rate: Rate = 1.0
    transfer_every: Count = 1
    transfer_columns: Count = 1
    desired_bl: Annotated[int, Field(ge=1, le=64)] = 31
    arrays: Literal[2] = 2

    def optimizer(self, parameters: Iterable[Any], rng: np.random.Generator) -> Optimizer:
        """A ``TikiTaka``."""
        from ohmloop.training import TikiTaka

        return TikiTaka(
            parameters,
            self.learning_rate,
            rng=rng,
            fast_lr=self.fast_learning_rate,
            transfer_lr=self.transfer_learning_rate,
            transfer_every=self.transfer_every,
            transfer_columns=self.transfer_columns,
            desired_bl=self.desired_bl,
        )


Algorithm = Annotated[DigitalSgd | AnalogSgd | TikiTakaConfig, Field(discriminator="name")]
