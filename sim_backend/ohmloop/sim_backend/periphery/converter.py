"""Converters at the lines of a crossbar: resolution, range, rounding, and their errors as records.

Uniform, mid-tread: a code is a whole number from ``-levels`` to ``levels``, 0 stands for 0 V or
0 A, and ``levels = 2**(bits - 1) - 1``. So there are ``2**bits - 1`` codes, ``2**bits - 2`` steps
over the whole range, and one step is ``2 range / (2**bits - 2)``: what aihwkit's ``IOParameters``
call a resolution of ``1 / (2**bits - 2)``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ohmloop.drivers.units import Amperes, Volts
from ohmloop.drivers.validation import Record

Bits = Annotated[int, Field(ge=2, le=24)]  # 24: codes are exact in float32
Positive = Annotated[float, Field(gt=0)]


class Converter(Record):
    """What both kinds of converters have.

    Attributes:
        bits: resolution; None is one without steps.
        range: largest value of either sign, V or A; None is without limit.
        rounding: to the nearest code (a tie to the even one), or up and down at random, so that
            the mean is right.
        gain_std: spread of the gain from line to line, relative.
    """

    bits: Bits | None = None
    range: Positive | None = None
    rounding: Literal["nearest", "stochastic"] = "nearest"
    gain_std: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def levels(self) -> int | None:
        """The largest code; None without steps."""
        return None if self.bits is None else 2 ** (self.bits - 1) - 1

    @property
    def step(self) -> float | None:
        """From one code to the next, V or A; None without steps."""
        return None if self.levels is None or self.range is None else self.range / self.levels

    @model_validator(mode="after")
    def _fits(self) -> Converter:
        if self.bits is not None and self.range is None:
            raise ValueError("range: is needed where bits are given")
        if self.bits is None and self.rounding == "stochastic":
            raise ValueError("rounding: 'stochastic' needs bits")
        return self


class InputConverter(Converter):
    """Digital to analog, at the driven lines.

    A line gets ``code * step * (1 + gain error) + offset + noise`` volts.

    Attributes:
        range: largest voltage of either sign, V; None is without limit.
        offset_std: spread of the offset from line to line, V.
        noise: standard deviation, fresh at every line for every product, V.
    """

    range: Annotated[Volts, Field(gt=0)] | None = None
    offset_std: Annotated[Volts, Field(ge=0)] = 0.0
    noise: Annotated[Volts, Field(ge=0)] = 0.0


class OutputConverter(Converter):
    """Analog to digital, at the sensed lines.

    It converts ``(current + noise) * (1 + gain error) + offset`` amperes.

    Attributes:
        range: largest current of either sign, A; beyond it the converter saturates, and says so.
            None is without limit.
        offset: of all lines, A.
        offset_std: spread of the offset from line to line, A.
        noise: standard deviation, fresh at every line for every product, A.
    """

    range: Annotated[Amperes, Field(gt=0)] | None = None
    offset: Amperes = 0.0
    offset_std: Annotated[Amperes, Field(ge=0)] = 0.0
    noise: Annotated[Amperes, Field(ge=0)] = 0.0
