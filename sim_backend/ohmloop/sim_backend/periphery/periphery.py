"""The periphery of a crossbar as a record, and products through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import model_validator

from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record

from .converter import InputConverter, OutputConverter
from .lines import LineErrors, draw_errors
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


class Periphery(Record):
    """What surrounds the cells.

    Plain numpy arrays go to the reference implementation, in float64; torch tensors to the fast
    one, in the type of the conductances (float32 is for speed).

    Attributes:
        to_rows: of ``forward``: columns are driven, rows sensed.
        to_columns: of ``backward``: rows are driven, columns sensed. By default the same.
    """

    to_rows: SignalPath = SignalPath()
    to_columns: SignalPath | None = None

    @property
    def backward_path(self) -> SignalPath:
        """The path that ``backward`` takes."""
        return self.to_columns or self.to_rows

    def errors(
        self, shape: tuple[int, int], rng: np.random.Generator
    ) -> tuple[LineErrors, LineErrors]:
        """Draw the errors of the lines of one crossbar, of forward and of backward.

        Args:
            shape: rows and columns.
            rng: the generator; the same state gives the same errors.
        """
        rows, columns = shape
        there, back = self.to_rows, self.backward_path
        return (
            draw_errors(there.input, there.output, columns, rows, rng),
            draw_errors(back.input, back.output, rows, columns, rng),
        )

    def forward(
        self,
        g: Any,
        column_voltages: Any,
        rng: Any,
        *,
        variance: Any = None,
        errors: LineErrors | None = None,
    ) -> Product:
        """Drive columns, sense rows: ``I = G V``.

        Args:
            g: conductances ``(rows, columns)``, S.
            column_voltages: ``(batch, columns)``, V, of the type of ``g``.
            rng: a numpy generator for arrays, a torch generator for tensors.
            variance: of each cell's read noise, ``(rows, columns)``, S²; see ``read_variance``.
            errors: of the lines, from ``errors``.

        Raises:
            BadInputError: shapes or types that do not fit, voltages that are no numbers, or errors
                that are missing.
        """
        return _product(self.to_rows, g, column_voltages, rng, variance, errors)

    def backward(
        self,
        g: Any,
        row_voltages: Any,
        rng: Any,
        *,
        variance: Any = None,
        errors: LineErrors | None = None,
    ) -> Product:
        """Drive rows, sense columns: ``I = G^T V``; as ``forward``, with ``(batch, rows)`` V."""
        turned = None if variance is None else variance.T
        return _product(self.backward_path, g.T, row_voltages, rng, turned, errors)


def read_variance(g: Any, read_std: Any) -> Any:
    """Variance of each cell's conductance as read, S².

    Args:
        g: conductances, S.
        read_std: read noise relative to the conductance, one for all or a map.
    """
    std = g * read_std
    return std * std


def _product(
    path: SignalPath, g: Any, x: Any, rng: Any, variance: Any, errors: LineErrors | None
) -> Product:
    if x.ndim != 2 or x.shape[1] != g.shape[1]:
        raise BadInputError(f"voltages must be (batch, {g.shape[1]}), not {tuple(x.shape)}")
    if variance is not None and variance.shape != g.shape:
        raise BadInputError(
            f"variance must be {tuple(g.shape)} like g, not {tuple(variance.shape)}"
        )
    if errors is None and path.uneven:
        raise BadInputError("errors: are needed, because the converters differ from line to line")
    if errors is not None:
        errors.check(g.shape[1], g.shape[0])
    if isinstance(g, np.ndarray):
        from . import reference

        return reference.product(path, g, x, rng, variance, errors or LineErrors())
    if x.dtype != g.dtype:
        raise BadInputError(f"voltages must be {g.dtype} like g, not {x.dtype}")
    from . import fast

    return fast.product(path, g, x, rng, variance, errors or LineErrors())
