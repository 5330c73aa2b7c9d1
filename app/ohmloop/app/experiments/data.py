"""Section ``data`` of an experiment file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ohmloop.drivers.validation import Record

if TYPE_CHECKING:
    from ohmloop.training import DataSet

Count = Annotated[int, Field(ge=1)]

OF_FILES = ("path", "samples", "held_out_samples", "normalisation")
"""Keys that only data sets read from files have."""


class DataConfig(Record):
    """A data set by name, which samples of it, and what is held out.

    Attributes:
        name: ``digits`` needs no file; the others are read from ``path``.
        path: the folder of the standard files, or a standard archive.
        held_out: share of the training samples to judge by; of a data set from files None takes
            the test samples that come with it, of ``digits`` a fifth.
        samples: how many to learn from, every class in proportion.
        held_out_samples: how many to judge by.
        normalisation: pixels from 0 to 1, or of mean 0 and variance 1 channel by channel.
    """

    name: Literal["digits", "mnist", "fashion-mnist", "cifar-10", "cifar-100"] = "digits"
    path: str | None = None
    held_out: Annotated[float, Field(gt=0, lt=1)] | None = None
    samples: Count | None = None
    held_out_samples: Count | None = None
    normalisation: Literal["unit", "standard"] = "unit"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name == "digits":
            given = [key for key in OF_FILES if getattr(self, key) not in (None, "unit")]
            if given:
                raise ValueError(f"digits are always the same: they have no {given[0]}")
        elif self.path is None:
            raise ValueError(
                f"path is missing: {self.name} is read from its standard files, name their folder"
            )
        return self

    def load(self, seed: int) -> DataSet:
        """The data, split and chosen by the seed.

        Raises:
            BadInputError: files are missing or damaged, or hold fewer samples than asked for.
        """
        from ohmloop.training import Choice, cifar, digits, idx_images

        if self.path is None:
            return digits(seed, 0.2 if self.held_out is None else self.held_out)
        choice = Choice(
            self.held_out, self.samples, self.held_out_samples, self.normalisation, seed
        )
        read = cifar if self.name.startswith("cifar") else idx_images
        return read(Path(self.path), self.name, choice=choice)
