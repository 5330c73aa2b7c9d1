"""The experiment file: what is learned, how, and on which crossbar."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ohmloop.drivers.validation import Record, load_yaml, validate

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from ohmloop.training import DataSet

Rate = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class ModelConfig(Record):
    """A multilayer perceptron: sizes from inputs to outputs, and the activation between."""

    layers: Annotated[list[Count], Field(min_length=2)]
    activation: Literal["relu", "sigmoid", "tanh"] = "tanh"


class DataConfig(Record):
    """A data set by name, and the share of it that is held out."""

    name: Literal["digits"] = "digits"
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2


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


class ScheduleConfig(Record):
    """The learning rate is multiplied by ``factor`` every ``every`` epochs."""

    every: Count
    factor: Annotated[float, Field(gt=0, le=1)]


class TrainingConfig(Record):
    """How long, in which portions, and how the learning rate falls."""

    epochs: Count
    batch: Count = 10
    schedule: ScheduleConfig | None = None

    def factor(self, epoch: int) -> float:
        """What the learning rate is multiplied by in epoch ``epoch`` (from 0)."""
        return (
            1.0 if self.schedule is None else self.schedule.factor ** (epoch // self.schedule.every)
        )


class Experiment(Record):
    """A whole experiment file. ``crossbar`` is the line that swaps a chip for its twin.

    Attributes:
        name: names the run folder.
        crossbar: ``bench.yaml``, ``chip.nc`` or ``sim:...``; may be left to the command line.
        calibration: what training knows of the cells, where the bench file does not say.
        periphery: what surrounds the cells of a twin, as its configuration says it.
        omega: see ``convert_to_analog``.
        seed: of everything random on the training side, and of a twin's noise.
    """

    name: str
    crossbar: str | None = None
    calibration: str | None = None
    periphery: dict[str, Any] | None = None
    model: ModelConfig
    data: DataConfig = DataConfig()
    algorithm: Annotated[DigitalSgd | AnalogSgd | TikiTakaConfig, Field(discriminator="name")]
    training: TrainingConfig
    omega: Annotated[float, Field(gt=0, le=1)] = 0.2
    seed: int = 0

    def dataset(self) -> DataSet:
        """The data, split by the seed."""
        from ohmloop.training import digits

        return digits(self.seed, self.data.held_out)

    def generators(self) -> tuple[np.random.Generator, np.random.Generator]:
        """Independent generators: one shuffles, one draws pulse trains."""
        shuffle, trains = np.random.SeedSequence(self.seed).spawn(2)
        return np.random.default_rng(shuffle), np.random.default_rng(trains)


def load_experiment(path: Path) -> Experiment:
    """Read and check an experiment file; paths in it become relative to where we are.

    Raises:
        ConfigError: names file and key.
    """
    found = validate(Experiment, load_yaml(path), path)
    if found.periphery is not None:
        from ohmloop.sim_backend.periphery import Periphery

        validate(Periphery, found.periphery, path, "periphery")  # kept as it is written
    return located(found, path.parent)


def located(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with paths taken relative to ``folder``."""

    def found(name: str | None) -> str | None:
        if name is None or name.startswith("sim:") or Path(name.partition("#")[0]).is_absolute():
            return name
        return str(folder / name)

    return experiment.model_copy(
        update={
            "crossbar": found(experiment.crossbar),
            "calibration": found(experiment.calibration),
        }
    )
