"""The effects of one crossbar at work: what they need to remember, and when they act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.arrays import Arrays
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.engine.state import CellState

from .effect import Effect, Moment
from .iv import Iv


class EffectStack:
    """Effects one after the other around a ``CellState``.

    The time of each cell's last pulse is kept only where an effect asks for it; cells that never
    had one are as if pulsed when the clock started.

    Args:
        effects: in their order.
        state: the cells.
        seed: of the device noise.
        arrays: where the state lives.
        clock: the crossbar's time.
        signed: whether states are weights, which may be negative.
        read_voltage: at which conductances are what they are said to be, V.
    """

    def __init__(
        self,
        effects: Sequence[Effect],
        state: CellState,
        seed: int,
        arrays: Arrays,
        clock: VirtualClock,
        signed: bool,
        read_voltage: float = 1.0,
    ) -> None:
        self.arrays, self.clock, self.read_voltage = arrays, clock, read_voltage
        self.timed = any(e.timed for e in effects)
        self._effects = [effect.flat(arrays) for effect in effects]
        self._lasting = [e for e in self._effects if e.lasting]
        self._state, self._seed, self._signed = state, seed, signed
        aging = any(e.aging for e in effects)
        count = state.g.shape[0] if aging else 0
        self._last = arrays.asarray(np.zeros(count, np.int64))
        self._spared: Any = None

    def spare(self, cells: Sequence[int]) -> None:
        """Leave ``cells`` as their state is: what wiring has in their place does not age."""
        spared = np.zeros(self._state.g.shape[0], bool)
        spared[list(cells)] = True
        self._spared = self.arrays.asarray(spared)

    @property
    def iv(self) -> Iv | None:
        """The current-voltage law of the cells, flat; none where they are linear."""
        return next((e for e in self._effects if isinstance(e, Iv)), None)

    def seen(self, cells: Any, voltage: Any = None) -> Any:
        """What is seen of ``cells`` (int64), without read noise, S, float64.

        Args:
            cells: which.
            voltage: at which, V, one or one a cell; the read voltage by default.
        """
        plain = self.arrays.float64(self._state.g[cells])
        found = self._through(self._effects, plain, cells, voltage)
        if not self._signed:
            found = self.arrays.where(found > 0, found, found * 0.0)
        if self._spared is None:
            return found
        return self.arrays.where(self._spared[cells], plain, found)

    @contextmanager
    def pulsing(self) -> Iterator[None]:
        """Around pulses: cells that get one start from what is left, and their age starts anew."""
        if not self._last.shape[0]:
            yield
            return
        state, a = self._state, self.arrays
        before, pulses = state.g, a.int64(state.pulses) + 0
        every = a.asarray(np.arange(before.shape[0], dtype=np.int64))
        state.g = a.float32(self._through(self._lasting, a.float64(before), every))
        yield
        pulsed = a.int64(state.pulses) != pulses
        state.g = a.where(pulsed, state.g, before)
        self._last = a.where(pulsed, self._last * 0 + self.clock.ns, self._last)

    def state(self) -> dict[str, NDArray[Any]]:
        """What is remembered, by name: times on the clock, ns."""
        kept: dict[str, NDArray[Any]] = {}
        if self.timed:
            kept["time_ns"] = np.array([self.clock.ns], np.int64)
        if self._last.shape[0]:
            kept["last_pulse_ns"] = self.arrays.numpy(self._last).copy()
        return kept

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to a ``state``, and the clock with it.

        Raises:
            BadInputError: it is of cells without these effects.
        """
        missing = [name for name in self.state() if name not in state]
        if missing:
            raise BadInputError(
                f"a state of cells without these effects: it has no {', '.join(missing)}; restore"
                " it to the cells that it was taken of"
            )
        if self.timed:
            self.clock.ns = int(state["time_ns"][0])
        if self._last.shape[0]:
            self._last = self.arrays.asarray(state["last_pulse_ns"].astype(np.int64))

    def _through(self, effects: Sequence[Effect], g: Any, cells: Any, voltage: Any = None) -> Any:
        moment = self._moment(cells, self.read_voltage if voltage is None else voltage)
        for effect in effects:
            g = effect.at(cells).seen(g, moment)
        return g

    def _moment(self, cells: Any, voltage: Any) -> Moment:
        a, state = self.arrays, self._state
        pulses = a.int64(state.pulses[cells])
        if state.endurance.shape[0]:
            most = a.int64(state.endurance[cells])
            pulses = a.where(pulses < most, pulses, most)
        age = None
        if self._last.shape[0]:
            age = a.float64(self.clock.ns - self._last[cells]) * 1e-9
        now, reading = self.clock.now, self.read_voltage
        return Moment(a, self._seed, cells, pulses, now, age, voltage, reading)
