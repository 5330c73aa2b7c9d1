"""The kernels as Python calls them, kept compiled from one process to the next.

Numba keeps compiled code by the file that a function stands in; what that function calls, it does
not see. So every entry holds a stamp of all the sources that its code is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

from numba import njit

from ohmloop.sim_backend import noise

from . import kernels

kept = njit(nogil=True, error_model="numpy", cache=True)


def _stamp() -> int:
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), *sorted(here.parent.glob("responses/*.py"))]
    stamp = 0
    for path in [Path(noise.__file__), *sources]:
        stamp = crc32(path.read_bytes(), stamp)
    return stamp


def _entries(stamp: int) -> tuple[Callable[..., Any], ...]:
    @kept
    def coincidences(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
        return kernels.coincidences(cells, rows, columns, start, stop) + 0 * stamp

    @kept
    def counts(cells: Any, signed: Any, start: Any, stop: Any) -> Any:
        return kernels.counts(cells, signed, start, stop) + 0 * stamp

    @kept
    def runs(cells: Any, which: Any, signed: Any) -> Any:
        return kernels.runs(cells, which, signed) + 0 * stamp

    @kept
    def train(cells: Any, j: Any, way: Any, before: Any, most: Any) -> Any:
        return kernels.train(cells, j, way, before, most) + 0 * stamp

    @kept
    def readings(g: Any, reads: Any, std: Any, root: Any, which: Any, out: Any) -> Any:
        kernels.readings(g, reads, std, root, which, out)
        return 0 * stamp

    return coincidences, counts, runs, train, readings


coincidences, counts, runs, train, readings = _entries(_stamp())
