"""Tables: the logarithms of the steps at every node."""

from __future__ import annotations

import numpy as np

from ohmloop.calibration.fitting.start import Frame
from ohmloop.calibration.fitting.trajectories import Array
from ohmloop.sim_backend.responses import Piecewise

from .family import LOG_STEP, Family, floor

_ALONE, _BEND, _OF = 2.0, 0.7, 9
"""Widths of the priors: of a node about the line that it starts from, and of a bend of the
logarithms from node to node, of so many nodes. They fill in nodes that the cell hardly visited."""
_VANISHING = 4.0
"""Exponents with which steps vanish at a bound are up to this, or so."""
_MARGIN = 0.02


class PiecewiseFamily(Family):
    """Nodes from just below to just above what was measured; these bounds are not fitted.

    Args:
        nodes: how many, at least 2.
    """

    response = Piecewise
    bounded = False

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.name = f"piecewise-{nodes}"
        self.limits = (LOG_STEP,) * (2 * nodes)
        self.width = (_ALONE,) * (2 * nodes)

    @property
    def names(self) -> tuple[str, ...]:
        """Bounds, and entries of the tables."""
        tables = [f"table_{way}[{i}]" for way in ("up", "down") for i in range(self.nodes)]
        return ("g_min", "g_max", *tables)

    def start(self, frame: Frame) -> Array:
        """Along the lines."""
        place = np.linspace(-0.5, 0.5, self.nodes)[:, None] * frame.span
        up, down = frame.up - frame.slope_up * place, frame.down + frame.slope_down * place
        low, high = LOG_STEP
        steps = [
            np.clip(np.log(np.maximum(q, 0.15 * middle) / frame.span), low + 1, high)
            for q, middle in ((up, frame.up), (down, frame.down))
        ]
        return np.concatenate(steps)

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """Two tables."""
        low = frame.low + frame.span * np.maximum(-_MARGIN, floor(frame)) + 0 * x[0]
        high = frame.low + frame.span * (1 + _MARGIN) + 0 * x[0]
        tables = np.moveaxis(np.exp(x), 0, -1) * frame.span[:, None]
        return low, high, tables[..., : self.nodes], tables[..., self.nodes :]

    def unresolved(self, parameters: tuple[Array, ...]) -> Array:
        """What straight lines between nodes miss of a curve.

        Of all broken lines the one closest to a parabola, by least squares, runs a twelfth of a
        node's second difference beside it there; fitted nodes are those of the closest line.
        """
        found = super().unresolved(parameters)
        for place, table in zip((2, 2 + self.nodes), parameters[2:], strict=True):
            inner = slice(place + 1, place + self.nodes - 1)
            found[inner] = np.abs(np.diff(table, 2, axis=-1)).T / 12
        return found

    def precision(self) -> Array:
        """Nodes are alike their neighbours.

        Logarithms are taken for an integrated random walk along the states, as by a smoothing
        spline (Wahba, JRSS B 40:364, 1978): the bend at a node goes with the distance of nodes to
        the power 3/2, so that more nodes do not make a rougher function. Towards the bound that a
        direction ends at steps may vanish like a power: there logarithms bend as much as that does,
        by its exponent over the square of the node's number.
        """
        width = _BEND * ((_OF - 1) / (self.nodes - 1)) ** 1.5
        from_end = np.arange(1, self.nodes - 1)
        widths = np.hypot(width, _VANISHING / from_end**2)
        whole = np.zeros((2 * self.nodes, 2 * self.nodes))
        for way, wide in enumerate((widths[::-1], widths)):  # up steps vanish at the upper end
            bends = np.diff(np.eye(self.nodes), 2, axis=0) / wide[:, None]
            own = slice(way * self.nodes, (way + 1) * self.nodes)
            whole[own, own] = bends.T @ bends + np.eye(self.nodes) / _ALONE**2
        return whole
