"""Section ``algorithm`` of an experiment file: one record an algorithm, told apart by ``name``.

A record's keys are the arguments of the optimizer of ``ohmloop.training`` that it names, with
rates spelt out; defaults are the optimizer's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from ohmloop.drivers.validation import Record

from .pulses import Pulses

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from ohmloop.training import AnalogOptimizer

Rate = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Columns = Count | Literal["all"]
Share = Annotated[float, Field(gt=0, le=1)]
Length = Annotated[int, Field(ge=1, le=64)]

_SPELT_OUT = {
    "learning_rate": "lr",
    "fast_learning_rate": "fast_lr",
    "transfer_learning_rate": "transfer_lr",
}


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


class AnalogAlgorithm(Record):
    """What the records of analog algorithms share.

    Attributes:
        pulses: how updates become pulses; goes before ``desired_bl``. Left out, stochastic trains.
    """

    made: ClassVar[str]
    """Name of the optimizer in ``ohmloop.training``."""

    learning_rate: Rate
    pulses: Pulses | None = None

    def options(self) -> dict[str, Any]:
        """Arguments of the optimizer."""
        given = self.model_dump(exclude={"name", "arrays", "pulses"})
        if given.get("transfer_columns") == "all":
            given["transfer_columns"] = None
        return {_SPELT_OUT.get(key, key): value for key, value in given.items()}

    def optimizer(self, parameters: Iterable[Any], rng: np.random.Generator) -> Optimizer:
        """The optimizer that the record is of."""
        import ohmloop.training

        made: AnalogOptimizer = getattr(ohmloop.training, self.made)(
            parameters, rng=rng, **self.options()
        )
        if self.pulses is not None:
            made.rule = self.pulses.rule()
        return made


class AnalogSgd(AnalogAlgorithm):
    """``AnalogSGD``: see there for the parameters."""

    made: ClassVar[str] = "AnalogSGD"
    name: Literal["analog-sgd"]
    desired_bl: Length = 31
    arrays: Literal[1] = 1


class MixedPrecisionConfig(AnalogAlgorithm):
    """``MixedPrecision``: see there for the parameters."""

    made: ClassVar[str] = "MixedPrecision"
    name: Literal["mixed-precision"]
    transfer_every: Count = 1
    transfer_bl: Count = 31
    arrays: Literal[1] = 1
    pulses: None = None  # whole pulses only, counted digitally


class GatheringAlgorithm(AnalogAlgorithm):
    """What algorithms share that gather gradients in an array of their own."""

    fast_learning_rate: Rate
    transfer_learning_rate: Rate = 2.0
    transfer_every: Count = 1
    transfer_columns: Columns = 1
    desired_bl: Length = 31


class TransferAlgorithm(GatheringAlgorithm):
    """What algorithms with a fast and a main array share."""

    arrays: Literal[2] = 2


class TikiTakaConfig(TransferAlgorithm):
    """``TikiTaka``: see there for the parameters."""

    made: ClassVar[str] = "TikiTaka"
    name: Literal["tiki-taka"]
    gamma: Annotated[float, Field(ge=0)] = 0.0


class ResidualLearningConfig(TransferAlgorithm):
    """``ResidualLearning``: see there for the parameters."""

    made: ClassVar[str] = "ResidualLearning"
    name: Literal["residual-learning"]
    gamma: Rate = 0.4


class ResidualLearningV2Config(TransferAlgorithm):
    """``ResidualLearningV2``: see there for the parameters."""

    made: ClassVar[str] = "ResidualLearningV2"
    name: Literal["residual-learning-v2"]
    gamma: Annotated[float, Field(ge=0)] = 0.4


class BufferedAlgorithm(TransferAlgorithm):
    """What the algorithms with Tiki-Taka version 2's hidden matrix share."""

    gamma: Annotated[float, Field(ge=0)] = 0.0
    threshold: Rate = 1.0
    auto_granularity: Rate | None = None
    forget: bool = False
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    transfer_bl: Count = 1
    auto_scale: bool = False
    auto_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99


class TikiTakaV2Config(BufferedAlgorithm):
    """``TikiTakaV2``: see there for the parameters."""

    made: ClassVar[str] = "TikiTakaV2"
    name: Literal["tiki-taka-v2"]


class ChoppedTikiTakaConfig(BufferedAlgorithm):
    """``ChoppedTikiTaka``: see there for the parameters."""

    made: ClassVar[str] = "ChoppedTikiTaka"
    name: Literal["chopped-tiki-taka"]
    chopper_probability: Annotated[float, Field(ge=0, le=1)] = 0.1
    chopper_random: bool = True


class AgadConfig(BufferedAlgorithm):
    """``AGAD``: see there for the parameters."""

    made: ClassVar[str] = "AGAD"
    name: Literal["agad"]
    reference_rate: Share = 0.5
    chopper_probability: Share = 0.1
    chopper_random: bool = False


class TrackingAlgorithm(TransferAlgorithm):
    """What the algorithms that track a symmetric point share."""

    gamma: Annotated[float, Field(ge=0)] = 0.1
    reference_rate: Share = 0.05


class RiderConfig(TrackingAlgorithm):
    """``RIDER``: see there for the parameters."""

    made: ClassVar[str] = "RIDER"
    name: Literal["rider"]


class ERiderConfig(TrackingAlgorithm):
    """``ERIDER``: see there for the parameters."""

    made: ClassVar[str] = "ERIDER"
    name: Literal["e-rider"]
    chopper_probability: Annotated[float, Field(ge=0, le=1)] = 0.05
    chopper_random: bool = True


class MultiTileConfig(GatheringAlgorithm):
    """``MultiTileResidualLearning``, experimental: see there for the parameters."""

    made: ClassVar[str] = "MultiTileResidualLearning"
    name: Literal["multi-tile-residual-learning"]
    arrays: Annotated[int, Field(ge=2, le=10)] = 4
    gamma: Rate = 0.2
    transfer_growth: Rate = 1.2
    transfer_ratio: Count = 2
    warm_start: bool = True


Algorithm = Annotated[
    DigitalSgd
    | AnalogSgd
    | MixedPrecisionConfig
    | TikiTakaConfig
    | ResidualLearningConfig
    | ResidualLearningV2Config
    | TikiTakaV2Config
    | ChoppedTikiTakaConfig
    | AgadConfig
    | RiderConfig
    | ERiderConfig
    | MultiTileConfig,
    Field(discriminator="name"),
]
