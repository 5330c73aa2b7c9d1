"""The experiment file: what is learned, how, and on which crossbar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, field_validator

from ohmloop.drivers.validation import Record, load_yaml, validate

from .algorithm import Algorithm
from .data import DataConfig
from .mapping import MappingConfig
from .model import ModelConfig
from .pipeline import PipelineConfig
from .training import TrainingConfig
from .zero_shift import ZeroShiftConfig

if TYPE_CHECKING:
    from ohmloop.training import DataSet


Names = Annotated[str, Field(min_length=1)] | list[Annotated[str, Field(min_length=1)]]
"""One, or several."""


class Experiment(Record):
    """A whole experiment file. ``crossbar`` is the line that swaps a chip for its twin.

    Attributes:
        name: names the run folder.
        crossbar: ``bench.yaml``, ``chip.nc`` or ``sim:...``, or a list of them; may be left to the
            command line.
        calibration: what training knows of the cells, where the bench file does not say; a list
            where there are several crossbars.
        periphery: what surrounds the cells of a twin, as its configuration says it.
        pipeline: how the model is spread over benches; None keeps it on one crossbar.
        zero_shift: measure the symmetric points of the fast arrays before training.
        omega: see ``convert_to_analog``.
        mapping: how weights are kept on the crossbar; its ``omega`` goes before the one here.
        seed: of everything random on the training side, and of a twin's noise.
    """

    name: str
    crossbar: Names | None = None
    calibration: Names | None = None
    periphery: dict[str, Any] | None = None
    model: ModelConfig
    data: DataConfig = DataConfig()
    algorithm: Algorithm
    training: TrainingConfig
    pipeline: PipelineConfig | None = None
    zero_shift: ZeroShiftConfig | None = None
    omega: Annotated[float, Field(gt=0, le=1)] = 0.2
    mapping: MappingConfig = MappingConfig()
    seed: int = 0

    @field_validator("crossbar", "calibration", mode="before")
    @classmethod
    def _name_or_names(cls, given: object) -> object:
        named = [given] if isinstance(given, str) else given
        if given is not None and not (
            isinstance(named, list) and named and all(isinstance(n, str) and n for n in named)
        ):
            raise ValueError(f"a name, or a list of names, not {given!r}")
        return given

    @property
    def crossbars(self) -> list[str]:
        """The names that ``crossbar`` gives."""
        return named(self.crossbar)

    def dataset(self) -> DataSet:
        """The data, split and chosen by the seed."""
        return self.data.load(self.seed)

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


def named(given: str | list[str] | None) -> list[str]:
    """One name, several or none as a list."""
    return [given] if isinstance(given, str) else list(given or [])


def located(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with paths taken relative to ``folder``."""

    def found(name: str | None) -> str | None:
        if name is None or name.startswith("sim:") or Path(name.partition("#")[0]).is_absolute():
            return name
        return str(folder / name)

    return relocated(experiment, found)


def relocated(experiment: Experiment, found: Callable[[str | None], str | None]) -> Experiment:
    """The experiment with every name of a file put through ``found``."""
    pipeline, data = experiment.pipeline, experiment.data

    def each(names: str | list[str] | None) -> Any:
        return [found(name) for name in names] if isinstance(names, list) else found(names)

    if pipeline is not None:
        lists = {
            what: [found(name) for name in names]
            for what in ("benches", "calibrations")
            if (names := getattr(pipeline, what)) is not None
        }
        pipeline = pipeline.model_copy(update=lists)
    return experiment.model_copy(
        update={
            "crossbar": each(experiment.crossbar),
            "calibration": each(experiment.calibration),
            "pipeline": pipeline,
            "data": data.model_copy(update={"path": found(data.path)}),
        }
    )
