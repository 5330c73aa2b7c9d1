"""Whether what is compiled is used, and how.

Loading the compiler takes longer than most programs do, and looking at arguments longer than many a
call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_MUCH = 1 << 18
"""Numbers to look at from which it is worth being loaded."""


def worth_compiling(numbers: int) -> bool:
    """Whether so many numbers want compiled code; any do once the compiler is loaded anyway."""
    return "numba" in sys.modules or numbers >= _MUCH


def direct(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """The compiled code for arguments of the types of these, which no call looks at any more.

    Finding out what named tuples of arrays are takes longer than many a small update. Whoever calls
    answers for the types, down to the order of arrays in memory and whether they may be written to.
    """
    from numba import typeof

    kinds = tuple(typeof(argument) for argument in arguments)
    compiled: Any = function
    compiled.compile(kinds)
    found: Callable[..., Any] = compiled.overloads[kinds].entry_point
    return found
