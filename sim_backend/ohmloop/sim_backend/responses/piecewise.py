"""Steps read from tables over the state: any shape, measured ones included.

Nodes lie at equal distances from ``g_min`` to ``g_max``; between them steps are interpolated along
straight lines. aihwkit's ``PiecewiseStepDevice`` is the same with tables relative to ``dw_min``.
Steps may grow with the state, and the symmetric point need not be the only one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ohmloop.drivers import BadInputError

from .libraries import plain, together
from .response_function import ResponseFunction, Step, parameter
from .table_fit import fit_table


@dataclass(frozen=True)
class Piecewise(ResponseFunction):
    """Tables of steps: one for all cells, ``(nodes,)``, or one a cell, ``(*cells, nodes)``.

    The functions of ``law`` take one table, ``(nodes,)``, for one state or many. So a compiled loop
    over cells hands them a row, ``q_up(g[c], g_min[c], g_max[c], table_up[c], table_down[c])``; a
    table for all cells is broadcast to one a cell first, which copies nothing.

    Attributes:
        g_min: lower bound, the first node, S.
        g_max: upper bound, the last node, S.
        table_up: steps of an up pulse at the nodes, S.
        table_down: sizes of the steps of a down pulse at the nodes, S.
    """

    name: ClassVar[str] = "piecewise"

    table_up: Any = parameter("S", "steps of an up pulse at nodes from g_min to g_max", 0, axes=1)
    table_down: Any = parameter(
        "S", "steps of a down pulse at nodes from g_min to g_max", 0, axes=1
    )

    @classmethod
    def from_steps(
        cls,
        g: ArrayLike,
        dg: ArrayLike,
        nodes: int,
        *,
        up: ArrayLike,
        g_min: float | None = None,
        g_max: float | None = None,
    ) -> Self:
        """One cell's tables from its measured steps, by robust regression (``table_fit``).

        States are taken as exact. Where read noise is not small against a step, a reading that is
        too high is followed by a change that is too low, and the tables lean: fit traces then.

        Args:
            g: state before each pulse, ``(n,)``, S.
            dg: change by that pulse, ``(n,)``, S.
            nodes: how many.
            up: whether the pulse was an up pulse, ``(n,)``; noise may turn single steps round.
            g_min: lower bound, S; the lowest of ``g`` if not given.
            g_max: upper bound, S.

        Raises:
            BadInputError: too few nodes, or fewer steps of a direction than nodes; arrays that do
                not match; states that do not differ.
        """
        place, change, ups = np.asarray(g, float), np.asarray(dg, float), np.asarray(up, bool)
        if not place.shape == change.shape == ups.shape == (place.size,):
            raise BadInputError(
                f"piecewise: {place.shape} states, {change.shape} steps and {ups.shape} directions;"
                " give one of each for every pulse"
            )
        low = float(place.min(initial=np.inf)) if g_min is None else g_min
        high = float(place.max(initial=-np.inf)) if g_max is None else g_max
        for word, count in (("up", int(ups.sum())), ("down", int((~ups).sum()))):
            if nodes < 2 or count < nodes:
                raise BadInputError(
                    f"piecewise: {count} {word} steps for {nodes} nodes; take at least 2 nodes, and"
                    " a step for each in both directions"
                )
        if not low < high:
            raise BadInputError(f"piecewise: states from {low:g} to {high:g} S do not differ")
        tables = (
            fit_table(place[way], sign * change[way], low, high, nodes)
            for way, sign in ((ups, 1.0), (~ups, -1.0))
        )
        return cls(low, high, *tables)

    @staticmethod
    def law(xp: Any) -> tuple[Step, Step]:
        """Interpolation in one table."""
        return _interpolation(xp, 0), _interpolation(xp, 1)

    def q_up(self, g: Any) -> Any:
        """Mean step of an up pulse at state ``g``, S."""
        return self._interpolated(g, self.table_up)

    def q_down(self, g: Any) -> Any:
        """Mean size of the step of a down pulse at ``g``, S."""
        return self._interpolated(g, self.table_down)

    def _interpolated(self, g: Any, table: Any) -> Any:
        """In a table for all, or in one a cell."""
        xp, (g, low, high, table) = together(g, self.g_min, self.g_max, table)
        last = table.shape[-1] - 1
        place = (xp.minimum(xp.maximum(g, low), high) - low) / (high - low) * last
        before = xp.floor(xp.nan_to_num(place))  # a cell that was not fitted has no numbers
        i = _index(xp)(before)
        a, b = _pick(xp, table, i), _pick(xp, table, i + (i < last))
        return plain(a + (place - before) * (b - a))

    @property
    def symmetric_point(self) -> Any:
        """Where the tables cross, S: exact, as both are straight between nodes.

        Of several the lowest towards which alternating pulses drive a cell, else the lowest; where
        the tables are equal mid-range, where they never cross nan.
        """
        xp, (low, high, up, down) = together(*self.parameters())
        gap = down - up
        a, b = gap[..., :-1], gap[..., 1:]
        rises, falls = (a <= 0) & (b >= 0) & (a < b), (a >= 0) & (b <= 0) & (a > b)
        stable, any_ = rises.any(-1), (rises | falls).any(-1)
        first = xp.where(stable, xp.argmax(rises + 0, -1), xp.argmax(falls + 0, -1))
        a, b = _pick(xp, gap, first), _pick(xp, gap, first + 1)
        node = xp.asarray(first, dtype=a.dtype)
        share = (node - a / xp.where(a == b, xp.ones_like(a), b - a)) / (gap.shape[-1] - 1)
        point = xp.where(any_, low + share * (high - low), xp.nan)
        return plain(xp.where((gap == 0).all(-1), low + (high - low) / 2, point))

    def scaled(self, factor: Any) -> Self:
        """All steps times ``factor``."""
        _, (factor, up, down) = together(factor, self.table_up, self.table_down)
        factor = factor[..., None]
        return replace(self, table_up=up * factor, table_down=down * factor)

    def checked(self) -> Self:
        """Itself, when every parameter can be.

        Raises:
            BadInputError: as any other, or tables that differ in their nodes, or have fewer than 2.
        """
        up, down = np.shape(self.table_up)[-1:], np.shape(self.table_down)[-1:]
        if up != down or up < (2,):
            raise BadInputError(
                f"{self.name}: table_up is of {up} nodes and table_down of {down}; give both the"
                " same, at least 2"
            )
        return super().checked()


def _interpolation(xp: Any, which: int) -> Step:
    """Step function that reads the table at place ``which``."""
    index, number = _index(xp), float if xp is not np else np.float32

    def q(g: Any, g_min: Any, g_max: Any, table_up: Any, table_down: Any) -> Any:
        table = (table_up, table_down)[which]
        last = table.shape[0] - 1
        place = (xp.minimum(xp.maximum(g, g_min), g_max) - g_min) / (g_max - g_min) * number(last)
        before = xp.floor(place)
        i = index(before)
        a, b = table[i], table[i + (i < last)]
        return a + (place - before) * (b - a)

    return q


def _index(xp: Any) -> Any:
    """What makes indices of whole numbers; numpy's also compiles on scalars."""
    return np.int64 if xp is np else lambda values: values.to(xp.int64)


def _pick(xp: Any, table: Any, i: Any) -> Any:
    """Entry ``i`` of a table for all, or of one a cell (``i`` may have axes before the cells')."""
    if table.ndim == 1:
        return table[i]
    shape = xp.broadcast_shapes(i.shape, table.shape[:-1])
    rows, i = xp.broadcast_to(table, (*shape, table.shape[-1])), xp.broadcast_to(i, shape)
    along = np.take_along_axis if xp is np else xp.take_along_dim
    return along(rows, i[..., None], -1)[..., 0]
