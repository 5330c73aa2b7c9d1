"""What a table of readings does not say itself: foreign names, voltages, widths, scales."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ohmloop.drivers.units import Seconds, Volts, to_si
from ohmloop.drivers.validation import Record

_RANGE = re.compile(r"(.+?)\s+to\s+(.+)")


def _scale(text: object) -> tuple[float, float]:
    """Read ``10 uS to 100 uS``."""
    found = _RANGE.fullmatch(str(text).strip())
    if not found:
        raise ValueError(f"{text!r} is not a range of conductances; write '10 uS to 100 uS'")
    low, high = (to_si(part, unit="S") for part in found.groups())
    if not 0 <= low < high:
        raise ValueError(f"{text!r}: the first conductance must be 0 or more, and the lower one")
    return low, high


class ImportOptions(Record):
    """How a table is read.

    Attributes:
        columns: our name of a column -> its name in the file, with a unit where the file has none:
            ``{"conductance": "G_meas [uS]"}``.
        read_voltage: at which currents were measured, V.
        amplitude_up: of the pulses, signed, V; None where it is not known.
        amplitude_down: likewise.
        width_up: of the pulses, s.
        width_down: likewise.
        full_scale: conductances that the lowest and the highest value of a column ``state`` without
            a unit stand for, S.
        polarity: the sign of the pulse voltages that raise conductance.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    read_voltage: Volts | None = None
    amplitude_up: Volts | None = None
    amplitude_down: Volts | None = None
    width_up: Annotated[Seconds, Field(gt=0)] | None = None
    width_down: Annotated[Seconds, Field(gt=0)] | None = None
    full_scale: Annotated[tuple[float, float], BeforeValidator(_scale)] | None = None
    polarity: Literal["positive", "negative"] = "positive"

    @model_validator(mode="before")
    @classmethod
    def _said_only(cls, values: Any) -> Any:
        """Options that were not given are absent."""
        return {k: v for k, v in values.items() if v is not None}
