"""The conductances of a crossbar and how pulses move them: the only state of a twin.

Several ways in, one law: whole programs at once (``play``), lowered ones (``apply``), and pulses
one at a time (for emulated instruments, where a script pulses in real time). All give the same
bits, and so do the engines behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers import BadInputError, PulseProgram, PulseRuns

from .arrays import Arrays, NumpyArrays
from .cell_state import state_of
from .clock import VirtualClock
from .effects import Forming, Iv
from .effects.stack import EffectStack
from .engine import Engine, KernelEngine, ReferenceEngine
from .engine.reference import noisy
from .engine.stressed import StressedEngine
from .population import Population
from .pulse_strength import Strength


class CellArray:
    """Cells in a flat order, ``row * columns + column``.

    Attributes:
        direct: whether terminals lead to their own cell and to no other.

    Args:
        population: their parameters and first conductances.
        seed: of the device noise.
        arrays: where the state lives; given, whole-array operations of it move the cells, and by
            default compiled kernels do.
        threads: most threads of the kernels; by default the machine's cores.
        clock: the crossbar's time, for effects that depend on it; one of its own by default.
        read_voltage: at which a conductance is what it is said to be, V, for cells that are not
            linear.
    """

    direct: ClassVar[bool] = True

    def __init__(
        self,
        population: Population,
        seed: int,
        arrays: Arrays | None = None,
        threads: int | None = None,
        clock: VirtualClock | None = None,
        read_voltage: float = 0.1,
    ) -> None:
        self.population, self.seed = population, seed
        self.arrays: Arrays = arrays or NumpyArrays()
        self.shape = population.shape
        compiled = arrays is None and population.response.compiled
        engine: Engine = KernelEngine(threads) if compiled else ReferenceEngine(self.arrays)
        self.stressed = _stressed(population, engine)
        self.engine: Engine = self.stressed or engine
        self._state = state_of(population, seed, self.arrays)
        self.clock = clock or VirtualClock()
        self.effects = self._stack(population, read_voltage)
        self.quiet = self.effects is None and not np.any(population.read_std)
        self._quiet_reads = 0  # of all cells, not yet in ``reads``

    def _stack(self, population: Population, read_voltage: float) -> EffectStack | None:
        effects = [effect for effect in population.effects if not effect.of_pulses]
        if not effects:
            return None
        return EffectStack(
            effects,
            self._state,
            self.seed,
            self.arrays,
            self.clock,
            population.signed,
            read_voltage,
        )

    def ready(self) -> None:
        """Have everything compiled: for an instrument, whose answers somebody waits for."""
        self.engine.ready(self._state)

    @property
    def timed(self) -> bool:
        """Whether anything of it depends on time."""
        return self.effects is not None and self.effects.timed

    @property
    def g(self) -> Any:
        """True conductances, flat, S: float32, the state itself."""
        return self._state.g

    @property
    def pulses(self) -> Any:
        """Pulses that each cell ever had, flat: int32, the state itself."""
        return self._state.pulses

    @property
    def reads(self) -> Any:
        """Readings of each cell, flat: int32, the state itself."""
        if self._quiet_reads:
            self._state.reads += self._quiet_reads
            self._quiet_reads = 0
        return self._state.reads

    @property
    def read_std(self) -> Any:
        """Read noise relative to the conductance: float32, one for each cell or one for all."""
        return self._state.read_std

    @property
    def conductance(self) -> NDArray[np.float64]:
        """A copy of the true conductances, ``(rows, columns)``, S."""
        return np.array(self.arrays.numpy(self.g), np.float64).reshape(self.shape)

    @property
    def pulses_applied(self) -> int:
        """Pulses that had any strength, since the array was made."""
        return int(self.arrays.numpy(self.pulses).sum(dtype=np.int64))

    @property
    def iv(self) -> Iv | None:
        """The current-voltage law of the cells, flat; none where they are linear."""
        return self.effects.iv if self.effects else None

    def play(self, program: PulseProgram, up: Strength = 1.0, down: Strength = 1.0) -> int:
        """Apply a program; arguments and result as for ``apply``."""
        return int(self._pulsed(self.engine.program, program, (up, down)))

    def apply(self, runs: PulseRuns, up: Strength = 1.0, down: Strength = 1.0) -> int:
        """Apply a lowered program.

        Args:
            runs: runs of equal pulses, each cell's in order of time.
            up: strength of up pulses, 1 at the modelled conditions; 0 leaves cells alone. Of cells
                that differ in this, a ``Stress``.
            down: the same of down pulses.

        Returns:
            Pulses applied.
        """
        return int(self._pulsed(self.engine.runs, runs, (up, down)))

    def _pulsed(self, give: Callable[..., Any], *what: Any) -> Any:
        """Pulses by a method of the engine, and what effects make of them."""
        if self.effects is None:
            return give(self._state, *what)
        with self.effects.pulsing():
            return give(self._state, *what)

    def pulse_cell(self, cell: int, up: bool, strength: Strength = 1.0) -> None:
        """One pulse on one cell."""
        self._pulsed(self.engine.train, cell, up, strength, 1, np.inf)

    def pulse_train(
        self, cell: int, up: bool, strength: Strength, count: int, size: float, limit: float
    ) -> list[float]:
        """Equal pulses on one cell, the same bits as one by one.

        Args:
            cell: which.
            up: direction.
            strength: of every pulse.
            count: how many.
            size: their voltage, V.
            limit: it ends before the first pulse that would draw more than this, A.

        Returns:
            Its conductance before each pulse that was given, S, at the voltage of the pulse.
        """
        if self.effects is None:
            return self.engine.train(self._state, cell, up, strength, count, limit / size)
        before: list[float] = []
        volts = self.effects.read_voltage if self.iv is None else size if up else -size
        while len(before) < count and size * (seen := self.seen(cell, volts)) <= limit:
            before.append(seen)
            self.pulse_cell(cell, up, strength)
        return before

    def read(self, cells: NDArray[np.intp], voltage: Any = None) -> Any:
        """Conductances with read noise, S, float64; each reading of a cell draws anew.

        Args:
            cells: which.
            voltage: at which, V, one or one a cell; the read voltage by default.
        """
        return self._read(self.arrays.asarray(cells.astype(np.int64)), voltage)

    def currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float, over: float = 1.0
    ) -> NDArray[np.float64]:
        """Of ``read``, through the crossings of some lines.

        Args:
            rows: which.
            columns: which.
            voltage: at which, V.
            over: what currents are divided by: the voltage gives conductances as a meter finds
                them, to the last bit.

        Returns:
            ``(rows, columns)``, A, or S.
        """
        starts, plain = rows * self.shape[1], self.direct and self.effects is None
        if plain and isinstance(self.engine, KernelEngine):
            return self.engine.read_lines(self._state, starts, columns, voltage, over)
        noisy = self.arrays.numpy(self.read((starts[:, None] + columns).ravel(), voltage))
        found: NDArray[np.float64] = (noisy * voltage / over).reshape(rows.size, columns.size)
        return found

    def read_all(self) -> Any:
        """``read`` of all cells at the read voltage, ``(rows, columns)``; not to be written to.

        Without noise it is the state itself, in single precision.
        """
        if not self.quiet:
            every = np.arange(self.shape[0] * self.shape[1])
            return self.read(every).reshape(self.shape)
        self._quiet_reads += 1  # as if they had been drawn
        return self.g.reshape(self.shape)

    def read_cell(self, cell: int, voltage: float | None = None) -> float:
        """One reading of one cell, S."""
        return float(self._read(self.arrays.asarray(np.array([cell])), voltage)[0])

    def _read(self, cells: Any, voltage: Any) -> Any:
        if self.effects is None:
            return self.engine.read(self._state, cells)
        if isinstance(voltage, np.ndarray):
            voltage = self.arrays.asarray(voltage)
        return noisy(self._state, cells, self.effects.seen(cells, voltage), self.arrays)

    def seen(self, cell: int, voltage: float | None = None) -> float:
        """Conductance between a row's and a column's terminal, without noise, S."""
        if self.effects is None:
            return float(self.g[cell])
        return float(self.effects.seen(self.arrays.asarray(np.array([cell])), voltage)[0])

    @property
    def visible(self) -> NDArray[np.float64]:
        """What readings without read noise would find now, ``(rows, columns)``, S."""
        if self.effects is None:
            return self.conductance
        every = self.arrays.asarray(np.arange(self.g.shape[0], dtype=np.int64))
        return self.arrays.numpy(self.effects.seen(every)).reshape(self.shape)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes, by name, as flat numpy arrays; ``restore`` takes it back."""
        kept = {name: self.arrays.numpy(getattr(self, name)).copy() for name in _CHANGING}
        if self.stressed is not None and self.stressed.stage.size:
            kept["stage"] = self.stressed.stage.copy()
        return kept | (self.effects.state() if self.effects else {})

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to a ``state``.

        Raises:
            BadInputError: it is of cells without these effects.
        """
        self._quiet_reads = 0
        for name, kind in _CHANGING.items():
            setattr(self._state, name, self.arrays.asarray(state[name].astype(kind)))
        if self.effects:
            self.effects.restore(state)
        if self.stressed is not None and self.stressed.stage.size:
            if "stage" not in state:
                raise BadInputError(
                    "a state of cells that need no forming; restore it to the cells that it was"
                    " taken of"
                )
            self.stressed.stage = state["stage"].astype(np.uint8)


_CHANGING = {"g": np.float32, "pulses": np.int32, "reads": np.int32}


def _stressed(population: Population, engine: Engine) -> StressedEngine | None:
    """Around the engine, where cells are formed or differ in how they take a pulse."""
    found = [effect for effect in population.effects if effect.of_pulses]
    if not found:
        return None
    forming = next((effect for effect in found if isinstance(effect, Forming)), None)
    return StressedEngine(engine, forming, population.shape)
