"""Whether what is compiled is used: loading the compiler takes longer than most programs do."""

from __future__ import annotations

import sys

_MUCH = 1 << 18
"""Numbers to look at from which it is worth being loaded."""


def worth_compiling(numbers: int) -> bool:
    """Whether so many numbers want compiled code; any do once the compiler is loaded anyway."""
    return "numba" in sys.modules or numbers >= _MUCH
