"""The ArC TWO family: 64 channels driven at once by command frames, and the crossbar on them.

The codec (``words``, ``channels``, ``instructions``, ``endpoint``) does no input or output. What
the driver asks of a board is in ``port``; two ports exist, frames over a socket and the maker's own
library. Reference for people: ``docs/reference/arc-two-bench.md``.
"""

from .arc_two import ArcTwo, ArcTwoOptions
from .arc_two_crossbar import ArcTwoCrossbar, ArcTwoKind

__all__ = ["ArcTwo", "ArcTwoCrossbar", "ArcTwoKind", "ArcTwoOptions"]
