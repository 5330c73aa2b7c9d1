"""Any other response function: by the units and limits of its parameters.

Parameters in S of limits from 0 are steps or widths: their logarithms, relative to the range.
Others in S are counted in ranges from the lowest reading, and numbers without a unit as they are,
or as logarithms where they cannot be negative. The start is what brings the mean of the steps
closest to the straight lines that were measured, of many tries (``scipy.optimize.least_squares``).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ohmloop.calibration.fitting.start import Frame
from ohmloop.calibration.fitting.trajectories import Array
from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import ResponseFunction

from .family import ABOVE, BELOW, LOG_STEP, Family, bounds, start_bounds

_TRIES, _STATES = 24, 7
_LOG = (-12.0, 5.0)
_PLAIN = (-50.0, 50.0)


class ThirdPartyFamily(Family):
    """Coordinates made of what a response function says of its parameters.

    Args:
        response: it.

    Raises:
        BadInputError: a parameter is a table.
    """

    def __init__(self, response: type[ResponseFunction]) -> None:
        self.response, self.name = response, response.name
        own = fields(response)[2:]
        for entry in own:
            if entry.metadata.get("axes", 0):
                raise BadInputError(
                    f"{response.name}: {entry.name} is a table, which only piecewise can be fitted"
                    " with"
                )
        self.kinds = [self._kind(f.metadata) for f in own]
        self.limits = (
            BELOW,
            ABOVE,
            *(self._limits(k, f.metadata) for k, f in zip(self.kinds, own, strict=True)),
        )
        self.width = (0.3, 0.3, *(3.0 for _ in own))

    @staticmethod
    def _kind(of: Any) -> str:
        positive = of["low"] >= 0
        if of["unit"] == "S":
            return "step" if positive else "state"
        return "ratio" if positive else "plain"

    @staticmethod
    def _limits(kind: str, of: Any) -> tuple[float, float]:
        low, high = of["low"], of["high"]
        if kind == "step":
            return (LOG_STEP[0], 2.0)
        if kind == "ratio":
            most = np.log(high) if np.isfinite(high) and high > 0 else _LOG[1]
            return (float(np.log(low)) if low > 0 else _LOG[0], float(most))
        least, most = max(low, _PLAIN[0]), min(high, _PLAIN[1])
        return (-7.0, 7.0) if kind == "state" else (least, most)

    def natural(self, x: Array, frame: Frame) -> tuple[Array, ...]:
        """Each by its kind."""
        found = list(bounds(x, frame))
        for kind, value in zip(self.kinds, x[2:], strict=True):
            if kind == "step":
                found.append(frame.span * np.exp(value))
            elif kind == "state":
                found.append(frame.low + frame.span * value)
            else:
                found.append(np.exp(value) if kind == "ratio" else value)
        return tuple(found)

    def start(self, frame: Frame) -> Array:
        """Of the median cell, found by many tries; then each cell's own."""
        middle = Frame(*(np.median(v, keepdims=True) for v in frame))
        best = self._search(middle)
        x = np.repeat(best[:, None], frame.low.size, axis=1)
        x[:2] = start_bounds(frame)
        return x

    def _search(self, frame: Frame) -> Array:
        from scipy.optimize import least_squares

        place = np.linspace(0.1, 0.9, _STATES)
        g = frame.low + frame.span * place
        away = g - frame.middle
        up = np.maximum(frame.up - frame.slope_up * away, 0.1 * frame.up)
        down = np.maximum(frame.down + frame.slope_down * away, 0.1 * frame.down)
        low, high = (np.array(v) for v in zip(*self.limits[2:], strict=True))
        edges = np.array(start_bounds(frame))[:, 0]

        def misfit(inner: Array) -> Array:
            x = np.concatenate([edges, inner])[:, None]
            cell = self.response(*self.natural(x, frame))
            with np.errstate(all="ignore"):
                off = np.concatenate([cell.q_up(g) / up - 1, cell.q_down(g) / down - 1])
            bounded: Array = np.clip(np.nan_to_num(off, nan=10.0), -10, 10)
            return bounded

        rng = np.random.default_rng(0)  # tries, not noise: always the same
        usual = np.array(
            [
                np.log(np.sqrt(frame.up * frame.down) / frame.span)[0] if k == "step" else 0.0
                for k in self.kinds
            ]
        )
        best, least = usual, np.inf
        for k in range(_TRIES if usual.size else 0):
            first = np.clip(
                usual + (k > 0) * rng.normal(0, 1.5, usual.size), low + 1e-6, high - 1e-6
            )
            found = least_squares(misfit, first, bounds=(low, high), loss="soft_l1", max_nfev=200)
            if found.cost < least:
                best, least = found.x, found.cost
        return np.concatenate([edges, best])
