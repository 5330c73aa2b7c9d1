"""A tile: a logical weight matrix on a crossbar; row = output, column = input."""

from __future__ import annotations

import logging
from collections.abc import Mapping as Named
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import (
    BadInputError,
    CoincidencePulses,
    Crossbar,
    InDoubtError,
    InstrumentError,
    PulseProgram,
)
from ohmloop.training.update.parts import spared, split
from ohmloop.training.update.rule import Rows, UpdateReport, UpdateRule

from .mapping import Map, Mapping
from .products import Products, TensorCrossbar
from .protocol import TileState
from .report import WriteReport
from .usage import Strongest, Usage
from .writing import write

log = logging.getLogger("ohmloop")

_MOST_DOUBTS = 3  # programs in a row that may be left in doubt before a run ends


class AnalogTile:
    """A weight matrix ``(out, in)`` on one crossbar, or on a region of one.

    Attributes:
        crossbar: the cells.
        mapping: weights as conductances.
        pulses: pulses applied through this tile.
        programs: programs applied through this tile.
        doubts: programs of which nobody could tell how much was applied; the cells concerned were
            read again, and the run went on from there.
        usage: what it was used for; ``cells_read`` is counted by the crossbar.
        strongest: the update that was clipped most.

    Args:
        crossbar: as large as the matrix, and calibrated.
        w_max: the largest weight to be kept.
        mapping: weights as conductances, where it is not to be ``Mapping.of(crossbar, w_max)``.

    Raises:
        BadInputError: the crossbar is not calibrated.
    """

    def __init__(
        self, crossbar: Crossbar, w_max: float = 1.0, mapping: Mapping | None = None
    ) -> None:
        self.crossbar = crossbar
        self.mapping = mapping or Mapping.of(crossbar, w_max)
        self.pulses = self.programs = self.doubts = 0
        self.usage, self.strongest = Usage(), Strongest()
        self._doubts_in_a_row = 0
        self._products = Products(crossbar)

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.crossbar.shape

    @property
    def dw_min(self) -> float:
        """Granularity, in weight units."""
        return self.mapping.dw_min

    @property
    def pulses_per_program(self) -> float:
        """Most pulses a cell may get in one program, by the chip's limits."""
        return self.crossbar.limits.pulses_per_program

    def forward(self, x: Tensor) -> Tensor:
        """``y = W x``: ``(batch, in)`` to ``(batch, out)``, in the type and place of ``x``."""
        self.usage.forward += x.shape[0]
        return self._products.of(x, "forward", self.mapping)

    def backward(self, d: Tensor) -> Tensor:
        """``W^T d``: ``(batch, out)`` to ``(batch, in)``, in the type and place of ``d``."""
        self.usage.backward += d.shape[0]
        return self._products.of(d, "backward", self.mapping)

    def weigh(self, way: str, values: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """``forward`` or ``backward`` of an array, where the crossbar makes it in one go.

        Args:
            way: "forward" or "backward".
            values: ``(batch, lines)``.

        Returns:
            ``(batch, lines)``; None where it does not.
        """
        found = self._products.at_once(values, way, self.mapping)
        if found is not None and way == "forward":
            self.usage.forward += values.shape[0]
        elif found is not None:
            self.usage.backward += values.shape[0]
        return found

    def weights(self) -> Map:
        """Read all cells: weights ``(out, in)``, with the noise of one reading."""
        self.usage.columns_read += self.shape[1]
        if not self.crossbar.capabilities.tensors:
            return self.mapping.to_weights(self.crossbar.read())
        measured = cast(TensorCrossbar, self.crossbar).read_tensor()
        return self.mapping.to_weights(measured.cpu().numpy())

    def read_columns(self, columns: int | Sequence[int]) -> Map:
        """Read some inputs' cells: weights ``(out, columns)``."""
        picked = np.array(columns, np.intp, ndmin=1)
        self.usage.columns_read += picked.size
        measured = self.crossbar.read(columns=picked)
        reference = self.mapping.reference[:, picked]
        weights: Map = (measured - reference) / self.mapping.siemens_per_weight
        return weights

    def apply(self, program: PulseProgram) -> int:
        """Pulse. What is left in doubt is read again, and counts as far as hardware counted it.

        A program in doubt is never repeated: an update lost in part costs a little progress, one
        that is applied twice costs lifetime. Whoever called goes on from what the chip says.

        Returns:
            Pulses applied.

        Raises:
            LimitError: beyond the chip's limits; nothing was sent.
            InDoubtError: in doubt, and the cells cannot be read, or the third in a row.
            InstrumentError: see ``Crossbar.pulse``.
        """
        try:
            applied = self.crossbar.pulse(program).pulses_applied
        except InDoubtError as doubt:
            self._read_again(doubt)
            applied = doubt.applied or 0
        else:
            self._doubts_in_a_row = 0
        self.pulses += applied
        self.programs += 1
        self.usage.count_program(program, applied, self.crossbar)
        return applied

    def _read_again(self, doubt: InDoubtError) -> None:
        """Make sure that the chip answers, and base all that follows on what it says."""
        self.doubts += 1
        self._doubts_in_a_row += 1
        if self._doubts_in_a_row >= _MOST_DOUBTS:
            raise doubt
        rows, columns = np.divmod(np.asarray(doubt.cells, np.intp), self.shape[1])
        try:
            self.crossbar.read(np.unique(rows), np.unique(columns))
        except InstrumentError as error:
            raise doubt from error
        self.crossbar.forget_map()
        log.warning("%s (%d cells were read again; going on)", doubt, len(doubt.cells))

    def apply_trains(self, program: PulseProgram | None) -> int:
        """Apply an update, in as few programs as the chip's limits allow; None does nothing.

        Cells that are not usable get no pulse where cells are addressed one at a time. Where the
        hardware drives lines together nobody can spare them; their weight is what they read.

        Returns:
            Pulses applied.
        """
        if program is None:
            return 0
        parts = split(program, self.pulses_per_program)
        by_lines = isinstance(program, CoincidencePulses)
        if self.mapping.all_usable or (by_lines and self.crossbar.capabilities.coincidence_update):
            return sum(self.apply(part) for part in parts)
        kept = (spared(part, self.mapping.usable) for part in parts)
        return sum(self.apply(part) for part in kept if part is not None)

    def update(
        self, x: Rows, d: Rows, lr: float, rng: np.random.Generator, rule: UpdateRule
    ) -> UpdateReport:
        """Pulse ``-lr * d.T @ x``, sample by sample, as a rule draws it.

        Args:
            x: inputs ``(batch, in)``.
            d: gradients of the loss by the outputs ``(batch, out)``.
            lr: learning rate.
            rng: draws what the rule draws.
            rule: how the change becomes pulses.

        Raises:
            BadInputError: not finite; no pulse was sent.
            InstrumentError: see ``apply``.
        """
        most = self.pulses_per_program
        drawn = rule.draw(x, d, lr, self.dw_min, rng, most)
        self.usage.updates += 1
        if drawn.clipped:
            self.usage.clipped += drawn.clipped
            self.strongest.note(x, d, lr, self.dw_min, rule, most, drawn.clipped)
        pulses = self.apply_trains(drawn.program)
        return UpdateReport(pulses, drawn.clipped, drawn.wanted, drawn.strongest)

    def program(
        self,
        weights: Map,
        tolerance: float | None = None,
        rounds: int = 20,
        where: NDArray[np.bool_] | None = None,
    ) -> WriteReport:
        """Write weights, closed loop: read, pulse by the difference, read again.

        Args:
            weights: ``(out, in)``; kept within each cell's bounds.
            tolerance: largest error that is good enough, in weight units; ``dw_min`` if None.
            rounds: most readings and programs.
            where: cells to write, all if None; those that are not usable never are.

        Raises:
            BadInputError: a shape that does not fit, or weights that are not finite.
        """
        if np.shape(weights) != self.shape or not np.isfinite(weights).all():
            raise BadInputError(f"a tile of {self.shape} takes as many finite weights, no others")
        enough = self.dw_min if tolerance is None else tolerance
        return write(self, np.asarray(weights, np.float64), enough, rounds, where)

    def refresh(self) -> None:
        """Base the products from now on on a new reading.

        Where hardware makes no products, a map read earlier serves until the next pulse. A run
        that is resumed has no such map; to go on as it would have, a run that is not interrupted
        drops its map at the same place.
        """
        self.crossbar.forget_map()

    def state(self) -> TileState:
        """Its reference map, S, and scale, S: the conductances are on the chip."""
        scale = np.array(self.mapping.siemens_per_weight)
        return {"reference": self.mapping.reference.copy(), "siemens_per_weight": scale}

    def adopt(self, state: Named[str, NDArray[Any]]) -> None:
        """Take over the ``state`` of a tile on the same cells.

        Raises:
            BadInputError: it is of a tile of another shape, or no mapping.
        """
        reference, scale = state["reference"], float(state["siemens_per_weight"])
        if reference.shape != self.shape or not (np.isfinite(reference).all() and scale > 0):
            raise BadInputError(f"a mapping of {reference.shape} cells for a tile of {self.shape}")
        self.rescale(reference, scale)

    def rescale(self, reference: Map, siemens_per_weight: float) -> None:
        """Take over the mapping of an earlier run: its reference map and its scale."""
        self.mapping = replace(
            self.mapping,
            reference=np.array(reference, np.float64),
            siemens_per_weight=siemens_per_weight,
        )
        self._products.forget_reference()


def parts_of(tile: object) -> list[AnalogTile]:
    """The tiles on crossbars that a tile of any kind is made of; none of one that is on none."""
    if isinstance(tile, AnalogTile):
        return [tile]
    return [leaf for part in getattr(tile, "parts", ()) for leaf in parts_of(part)]
