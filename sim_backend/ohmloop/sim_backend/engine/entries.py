"""The kernels as Python calls them: for built-in response functions kept from process to process.

Numba keeps compiled code by the file that a function stands in; what that function calls, it does
not see. So every entry holds a stamp of all the sources that its code is made of, and what a user's
own response function is made of is compiled anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from numba import njit

from ohmloop.sim_backend import noise

from . import kernel_maps, kernel_trains, kernels
from .kernel_noise import F


class Entries(NamedTuple):
    """Arguments as in ``kernels``, ``kernel_trains`` and ``kernel_maps``."""

    trains: Callable[..., Any]
    counts: Callable[..., Any]
    runs: Callable[..., Any]
    train: Callable[..., Any]
    readings: Callable[..., Any]
    normals: Callable[..., Any]
    uniforms: Callable[..., Any]


def _stamp() -> int:
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), *sorted(here.parent.glob("responses/*.py"))]
    stamp = 0
    for path in [Path(noise.__file__), *sources]:
        stamp = crc32(path.read_bytes(), stamp)
    return stamp


def _entries(stamp: int, keep: bool) -> Entries:
    def kept(function: F) -> F:
        made: F = njit(nogil=True, error_model="numpy", cache=keep)(function)
        return made

    @kept
    def trains(
        cells: Any, rows: Any, columns: Any, length: Any, start: Any, stop: Any, most: Any
    ) -> Any:
        given = kernel_trains.trains(cells, rows, columns, length, start, stop, most)
        return given + 0 * stamp

    @kept
    def counts(cells: Any, signed: Any, start: Any, stop: Any) -> Any:
        return kernels.counts(cells, signed, start, stop) + 0 * stamp

    @kept
    def runs(cells: Any, which: Any, signed: Any) -> Any:
        return kernels.runs(cells, which, signed) + 0 * stamp

    @kept
    def train(cells: Any, j: Any, up: Any, before: Any, most: Any) -> Any:
        return kernels.train(cells, j, up, before, most) + 0 * stamp

    @kept
    def readings(cells: Any, rows: Any, columns: Any, scale: Any, out: Any) -> Any:
        kernels.readings(cells, rows, columns, scale, out)
        return 0 * stamp

    @kept
    def normals(root: Any, first: Any, out: Any) -> Any:
        kernel_maps.normals(root, first, out)
        return 0 * stamp

    @kept
    def uniforms(root: Any, first: Any, out: Any) -> Any:
        kernel_maps.uniforms(root, first, out)
        return 0 * stamp

    return Entries(trains, counts, runs, train, readings, normals, uniforms)


KEPT, FRESH = _entries(_stamp(), keep=True), _entries(0, keep=False)
