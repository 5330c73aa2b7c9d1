"""One way through a crossbar, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import model_validator

from ohmloop.drivers.validation import Record

from .converter import InputConverter, OutputConverter
from .management import BoundManagement, NoiseManagement


class SignalPath(Record):
    """One way through a crossbar: from the driven lines to the sensed ones.

    Attributes:
        input: the converters of the driven lines.
        output: those of the sensed lines.
        noise_management: how inputs are scaled.
        bound_management: what is done about saturated outputs.
    """

    input: InputConverter = InputConverter()
    output: OutputConverter = OutputConverter()
    noise_management: NoiseManagement = NoiseManagement()
    bound_management: BoundManagement = BoundManagement()

    @model_validator(mode="after")
    def _fits(self) -> SignalPath:
        if self.noise_management.kind != "none" and self.input.range is None:
            raise ValueError("input.range: is needed by noise_management")
        if self.bound_management.kind != "none":
            for name, converter in (("input", self.input), ("output", self.output)):
                if converter.range is None:
                    raise ValueError(f"{name}.range: is needed by bound_management")
        return self

    @property
    def uneven(self) -> bool:
        """Whether lines differ, so that a product needs ``LineErrors``."""
        source, sense = self.input, self.output
        return any(
            (source.gain_std, source.offset_std, sense.gain_std, sense.offset, sense.offset_std)
        )


@dataclass(frozen=True, slots=True)
class Product:
    """What came out.

    Attributes:
        currents: ``(batch, outputs)``, A, scaled back to the voltages asked for.
        clipped_inputs: input values beyond the full scale, over the batch.
        saturated_outputs: output values beyond the range that stayed so, over the batch.
        repeats: samples done again by bound management, counted once a time.
    """

    currents: Any
    clipped_inputs: int
    saturated_outputs: int
    repeats: int
