"""Whether pulse trains are what they must be: looked at in numpy, or compiled where that is loaded.

Every program of trains is looked at, so it has to cost next to nothing beside small programs.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from .compiled import worth_compiling
from .errors import ProgramError

_SIGNS = np.array([1, -1], np.int8).tobytes()


def check_trains(
    rows: NDArray[np.uint64],
    row_signs: NDArray[np.int8],
    columns: NDArray[np.uint64],
    column_signs: NDArray[np.int8],
    length: int,
) -> None:
    """Refuse trains that do not fit together.

    Args:
        rows: trains ``(batch, rows)``.
        row_signs: ``(batch, rows)``.
        columns: trains ``(batch, columns)``.
        column_signs: ``(batch, columns)``.
        length: slots, 1 to 64.

    Raises:
        ProgramError: sizes that differ, signs other than -1 and 1, bits beyond the last slot.
    """
    if rows.shape[0] != columns.shape[0]:
        raise ProgramError("row_trains and column_trains have different batch sizes")
    lines = ("row", rows, row_signs), ("column", columns, column_signs)
    for line, trains, signs in lines:
        if trains.shape != signs.shape:
            raise ProgramError(f"{line}_trains and {line}_signs differ in shape")
    if worth_compiling(rows.size + columns.size) and _kernels().sound(
        rows, row_signs, columns, column_signs, length
    ):
        return
    for line, trains, signs in lines:
        if signs.tobytes().translate(None, _SIGNS):  # the quickest that there is
            raise ProgramError(f"{line}_signs may only hold -1 and 1")
        if int(trains.max()) >> length:
            raise ProgramError(f"{line}_trains fire beyond slot {length - 1}")


@cache
def _kernels() -> ModuleType:
    from . import trains_kernel  # compiles

    return trains_kernel
