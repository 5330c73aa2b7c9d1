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

import numpy as np
from numba import njit

from ohmloop.sim_backend import noise

from . import kernel_listed, kernels
from .kernel_noise import F


class Entries(NamedTuple):
    """Arguments as in ``kernels``."""

    coincidences: Callable[..., Any]
    listed: Callable[..., Any]
    counts: Callable[..., Any]
    runs: Callable[..., Any]
    train: Callable[..., Any]
    readings: Callable[..., Any]


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
    def coincidences(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
        return kernels.coincidences(cells, rows, columns, start, stop) + 0 * stamp

    @kept
    def listed(cells: Any, rows: Any, columns: Any, start: Any, stop: Any) -> Any:
        return kernel_listed.listed(cells, rows, columns, start, stop) + 0 * stamp

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
    def readings(g: Any, reads: Any, std: Any, root: Any, which: Any, out: Any) -> Any:
        kernels.readings(g, reads, std, root, which, out)
        return 0 * stamp

    return Entries(coincidences, listed, counts, runs, train, readings)


@njit(nogil=True, error_model="numpy", cache=True)  # type: ignore[untyped-decorator]
def parted(rows: Any, columns: Any, row_parts: Any, column_parts: Any, slots: Any) -> Any:
    """Cut trains into parts.

    Args:
        rows: trains uint64 ``(batch, rows)``.
        columns: trains uint64 ``(batch, columns)``.
        row_parts: filled, uint16 ``(batch * parts, rows)``.
        column_parts: filled likewise.
        slots: of a part.

    Returns:
        Lines that fire in a part: rows and columns, each added up over all parts.
    """
    firing, of_columns = 0, 0
    parts = row_parts.shape[0] // rows.shape[0]
    for k in range(row_parts.shape[0]):
        shift = np.uint64(slots * (k % parts))
        for i in range(rows.shape[1]):
            row_parts[k, i] = np.uint16(rows[k // parts, i] >> shift)
            firing += row_parts[k, i] != 0
        for i in range(columns.shape[1]):
            column_parts[k, i] = np.uint16(columns[k // parts, i] >> shift)
            of_columns += column_parts[k, i] != 0
    return firing, of_columns


KEPT, FRESH = _entries(_stamp(), keep=True), _entries(0, keep=False)
