"""How pulses move cells: one definition in plain arrays, and compiled kernels that agree."""

from .engine import Engine
from .kernel_engine import KernelEngine
from .reference import ReferenceEngine

__all__ = ["Engine", "KernelEngine", "ReferenceEngine"]
