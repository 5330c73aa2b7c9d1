"""Emulated instruments: they speak the real ones' language over a real socket."""

from .bench import EmulatedBench

__all__ = ["EmulatedBench"]
