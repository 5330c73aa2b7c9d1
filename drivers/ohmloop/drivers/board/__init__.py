"""The parallel pulse board: an open binary protocol on a serial line, and the crossbar behind it.

The protocol is specified in ``docs/reference/pulse-board.md``; ``frames``, ``messages``,
``answers``, ``measuring`` and ``programs`` are its codec, without any input or output.
"""

from .board_crossbar import PulseBoardCrossbar, PulseBoardKind
from .pulse_board import PulseBoard, PulseBoardOptions

__all__ = ["PulseBoard", "PulseBoardCrossbar", "PulseBoardKind", "PulseBoardOptions"]
