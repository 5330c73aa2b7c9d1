"""Emulated instruments: they speak the real ones' language over a real socket."""

from .bench import EmulatedBench
from .replay import ReplayedBench

__all__ = ["EmulatedBench", "ReplayedBench"]
