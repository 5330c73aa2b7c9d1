"""The filter as Python calls it: compiled, on all cores; or in numpy where a law does not compile.

What is compiled for built-in response functions is kept from process to process, under a stamp of
all the sources that it is made of (as ``sim_backend.engine.entries``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ohmloop.sim_backend import responses
from ohmloop.sim_backend.engine import kernel_noise, laws
from ohmloop.sim_backend.responses import LinearStep, NeuroSimStep, ResponseFunction

from . import kernels, reference
from .cores import cores, share
from .reference import Filter, Noise
from .trajectories import Array, Trajectories

_SHARED = 20_000
"""Instances times steps below which a second thread costs more than it saves."""


def filter_of(response: type[ResponseFunction]) -> Filter:
    """The fastest filter that there is for a response function."""
    if not response.compiled:
        return _plain(response)
    if response is NeuroSimStep:  # lines: two exponentials a cell, in place of four a pulse
        return _by_lines(filter_of(LinearStep))
    kept = laws.built_in(response)
    entry, made = _entry(_stamp() if kept else 0, kept), laws.parameters_of(response)

    def run(
        parameters: Sequence[Array], noise: Noise, traj: Trajectories, held: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        count = noise.dg_std.size
        # Writable, all of them: for a mixture numba would compile once more.
        given = made(*(np.require(v, np.float64, ["C", "W"]) for v in parameters))
        noises = tuple(np.require(v, np.float64, ["C", "W"]) for v in noise)
        seen = np.ascontiguousarray(traj.readings), np.ascontiguousarray(traj.pulses)
        out = np.empty((count, traj.steps)), np.empty((count, traj.steps))

        def part(edges: tuple[int, int]) -> None:
            entry(given, noises, seen, traj.starts, held, edges, out)

        share(part, _edges(count, count * traj.steps))
        return out

    return run


def _by_lines(run: Filter) -> Filter:
    def converted(
        parameters: Sequence[Array], noise: Noise, traj: Trajectories, held: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        up, slope_up, down, slope_down = NeuroSimStep.lines(np, *parameters)
        return run((*parameters[:2], up, down, slope_up, slope_down), noise, traj, held)

    return converted


def _plain(response: type[ResponseFunction]) -> Filter:
    def run(
        parameters: Sequence[Array], noise: Noise, traj: Trajectories, held: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        return reference.prediction_errors(response(*parameters), noise, traj, held)

    return run


def _edges(count: int, work: int) -> Iterator[tuple[int, int]]:
    """Where parts of instances begin and end."""
    threads = min(cores(), count) if work >= _SHARED else 1
    return pairwise(count * k // threads for k in range(threads + 1))


@cache
def _stamp() -> int:
    here, law = Path(__file__).parent, Path(responses.__file__).parent
    own = [
        here / f"{name}.py"
        for name in ("kernels", "kernel_bounds", "kernel_lanes", "reference", "robust")
    ]
    theirs = [Path(m.__file__) for m in (laws, kernel_noise) if m.__file__]
    stamp = 0
    for path in [*sorted(own), *theirs, *sorted(law.glob("*.py"))]:
        stamp = crc32(path.read_bytes(), stamp)
    return stamp


@cache
def _entry(stamp: int, keep: bool) -> Callable[..., Any]:
    @njit(nogil=True, error_model="numpy", cache=keep)  # type: ignore[untyped-decorator]
    def entry(p: Any, noise: Any, seen: Any, starts: Any, held: Any, first: Any, out: Any) -> Any:
        kernels.prediction_errors(p, noise, seen, starts, held, first, out)
        return 0 * stamp

    found: Callable[..., Any] = entry
    return found
