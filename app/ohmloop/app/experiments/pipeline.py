"""Section ``pipeline`` of an experiment file: how a model is spread over benches."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, field_validator, model_validator

from ohmloop.drivers.units import Seconds
from ohmloop.drivers.validation import Record

Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
Duration = Annotated[Seconds, Field(ge=0), PlainSerializer(lambda seconds: f"{seconds!r} s")]

AT_ONCE = ("threads", "processes")
"""Executors whose stages work at the same time, each on a bench of its own."""


class TimesConfig(Record):
    """What a stage takes on chips that nothing else slows: for the forecast in the report."""

    forward: Duration = 40e-9
    backward: Duration = 40e-9
    pulse: Duration = 5e-9


class PipelineConfig(Record):
    """Stages, their schedule, and the benches they are on.

    Attributes:
        stages: how many, balanced by ``costs``; or the names of each stage's layers.
        schedule: who works when.
        micro_batches: a mini-batch is cut into so many.
        benches: crossbars as ``crossbar`` names them, one a stage.
        calibrations: calibration file of each, where bench files name none.
        executor: ``exact`` in one process, stage by stage; ``threads``; ``processes`` started by
            torchrun. By default processes under torchrun, threads where there are benches.
        costs: what stages are balanced by: weights, reads measured on the chip, or numbers by
            layer.
        times: of a chip, for the forecast.
    """

    stages: Count | Annotated[list[list[Name]], Field(min_length=1)]
    schedule: Literal["sequential", "synchronous", "1f1b", "asynchronous"] = "asynchronous"
    micro_batches: Count = 1
    benches: list[Name] | None = None
    calibrations: list[Name] | None = None
    executor: Literal["exact", "threads", "processes"] | None = None
    costs: Literal["weights", "measured"] | dict[Name, Annotated[float, Field(ge=0)]] = "weights"
    times: TimesConfig = TimesConfig()

    @property
    def count(self) -> int:
        """Stages."""
        return self.stages if isinstance(self.stages, int) else len(self.stages)

    @field_validator("stages", mode="before")
    @classmethod
    def _count_or_lists(cls, stages: object) -> object:
        if isinstance(stages, bool) or not isinstance(stages, int | list):
            raise ValueError(f"a number of stages, or a list of layers for each, not {stages!r}")
        return stages

    @model_validator(mode="after")
    def _a_bench_a_stage(self) -> Self:
        for what in ("benches", "calibrations"):
            given = getattr(self, what)
            if given is not None and len(given) != self.count:
                raise ValueError(
                    f"{self.count} stages need {self.count} {what}, one each, not {len(given)}"
                )
        if self.calibrations is not None and self.benches is None:
            raise ValueError("calibrations are for benches, and there are none")
        if self.benches is not None and len(set(self.benches)) != len(self.benches):
            raise ValueError("two stages have the same bench; every stage needs one of its own")
        if self.executor in AT_ONCE and self.benches is None and self.count > 1:
            raise ValueError(
                f"executor {self.executor}: {self.count} stages work at the same time, and need"
                " benches, one each"
            )
        return self
