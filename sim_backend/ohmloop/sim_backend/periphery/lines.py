"""What differs from line to line and stays: gain errors and offsets of the converters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError

from .converter import InputConverter, OutputConverter


@dataclass(frozen=True, slots=True)
class LineErrors:
    """Errors of one way through a crossbar; None is an error of zero.

    Numpy arrays or torch tensors, like the conductances they are used with.

    Attributes:
        input_gain: relative gain errors of the driven lines, ``(inputs,)``.
        input_offset: their offsets, ``(inputs,)``, V.
        output_gain: relative gain errors of the sensed lines, ``(outputs,)``.
        output_offset: their offsets, ``(outputs,)``, A.
    """

    input_gain: Any = None
    input_offset: Any = None
    output_gain: Any = None
    output_offset: Any = None

    def check(self, inputs: int, outputs: int) -> None:
        """Raise BadInputError, naming it, for an array of the wrong length."""
        for field in fields(self):
            values = getattr(self, field.name)
            wanted = inputs if field.name.startswith("input") else outputs
            if values is not None and tuple(values.shape) != (wanted,):
                raise BadInputError(
                    f"line errors: {field.name} must be ({wanted},), not {tuple(values.shape)}"
                )

    def tensors(self, like: Any) -> LineErrors:
        """The same as torch tensors of the type and place of ``like``."""
        import torch

        def tensor(values: Any) -> Any:
            if values is None:
                return None
            return torch.as_tensor(values).to(device=like.device, dtype=like.dtype)

        return LineErrors(*(tensor(getattr(self, field.name)) for field in fields(self)))


def draw_errors(
    source: InputConverter,
    sense: OutputConverter,
    inputs: int,
    outputs: int,
    rng: np.random.Generator,
) -> LineErrors:
    """Errors of one way, normal, as the converters' spreads say.

    Args:
        source: the converters of the driven lines.
        sense: those of the sensed lines.
        inputs: how many lines are driven.
        outputs: how many are sensed.
        rng: the generator; the same state gives the same errors.
    """
    offset = _spread(sense.offset_std, outputs, rng)
    if sense.offset:
        offset = np.full(outputs, sense.offset) if offset is None else offset + sense.offset
    return LineErrors(
        _spread(source.gain_std, inputs, rng),
        _spread(source.offset_std, inputs, rng),
        _spread(sense.gain_std, outputs, rng),
        offset,
    )


def _spread(std: float, lines: int, rng: np.random.Generator) -> NDArray[np.float64] | None:
    return std * rng.standard_normal(lines) if std else None
