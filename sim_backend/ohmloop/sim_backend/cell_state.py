"""A population made ready for the engines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .aligned import aligned, aligned_zeros
from .arrays import Arrays, NumpyArrays
from .engine.state import CellState
from .noise import PULSE, READ, stream
from .population import Population


def state_of(population: Population, seed: int, arrays: Arrays) -> CellState:
    """The cells of a population, as they are before the first pulse.

    Args:
        population: their parameters and first conductances.
        seed: of the device noise.
        arrays: where the state lives.
    """

    def of(values: NDArray[np.float32]) -> Any:
        return arrays.asarray(values.flat[:1] if values.strides == (0, 0) else values.ravel())

    count = population.conductance.size
    maps = population.flat_parameters()
    # Parameters are never written to, so not copied either but where one value stands for all of
    # them: kernels are compiled for full maps alone.
    host = isinstance(arrays, NumpyArrays)
    return CellState(
        shape=population.shape,
        response=type(population.response),
        parameters=tuple(map(aligned if host else arrays.asarray, maps)),
        dg_std=of(population.dg_std),
        dg_add=of(population.dg_add),
        dg_slope=arrays.asarray(_sloped(population, population.dg_slope)),
        dg_rest=arrays.asarray(_sloped(population, population.dg_rest)),
        read_std=of(population.read_std),
        g=arrays.asarray(population.conductance.ravel()),
        pulses=_zeros(count, arrays),
        reads=_zeros(count, arrays),
        endurance=arrays.asarray(_endurance(population.endurance)),
        pulse_noise=stream(seed, PULSE),
        read_noise=stream(seed, READ),
    )


def _zeros(count: int, arrays: Arrays) -> Any:
    zeros = aligned_zeros((count,), np.int32)
    return zeros if isinstance(arrays, NumpyArrays) else arrays.asarray(zeros)


def _sloped(population: Population, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """As the engines take it: nothing where no cell has noise that grows with its conductance."""
    return values.ravel() if population.dg_slope.any() else np.zeros(0, np.float32)


def _endurance(pulses: NDArray[np.float32]) -> NDArray[np.int32]:
    """As the engines take it: nothing where no cell tires."""
    if not pulses.any():
        return np.zeros(0, np.int32)
    most = np.float32(2e9)
    return np.where(pulses > 0, np.minimum(pulses, most), most).astype(np.int32).ravel()
