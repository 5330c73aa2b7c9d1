"""Recorded instruments: what answered once answers again, to the same messages only."""

from .replayed_bench import ReplayedBench

__all__ = ["ReplayedBench"]
