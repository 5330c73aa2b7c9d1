"""The periphery of a crossbar as a record, and products through it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record

from . import reference
from .lines import LineErrors, draw_errors
from .path import Product, SignalPath
from .read_disturb import ReadDisturb
from .wire_resistance import Wires


class Periphery(Record):
    """What surrounds the cells.

    Plain numpy arrays go to the reference implementation, in float64; torch tensors to the fast
    one, in the type of the conductances (float32 is for speed).

    Attributes:
        to_rows: of ``forward``: columns are driven, rows sensed.
        to_columns: of ``backward``: rows are driven, columns sensed. By default the same.
        wires: of a twin: its lines. ``forward`` and ``backward`` here take conductances as lines
            see them.
        wire_method: the map that lines see: ``ladders`` (see ``ladder_map``), or ``exact``, which
            takes long where pulses and products alternate.
        read_disturb: of a twin: what reads and products do to its cells.
    """

    to_rows: SignalPath = SignalPath()
    to_columns: SignalPath | None = None
    wires: Wires | None = None
    wire_method: Literal["ladders", "exact"] = "ladders"
    read_disturb: ReadDisturb | None = None

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
        return reference.product(path, g, x, rng, variance, errors or LineErrors())
    if x.dtype != g.dtype:
        raise BadInputError(f"voltages must be {g.dtype} like g, not {x.dtype}")
    from . import fast

    return fast.product(path, g, x, rng, variance, errors or LineErrors())
