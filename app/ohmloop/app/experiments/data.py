"""Section ``data`` of an experiment file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ohmloop.drivers.validation import Record


class DataConfig(Record):
    """A data set by name, and the share of it that is held out."""

    name: Literal["digits"] = "digits"
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
