"""Random numbers for a map of cells: in order from a generator, or each by its place alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .noise import MAP, stream


class Numbers(Protocol):
    """Where the numbers of a map come from."""

    def normal(self, out: NDArray[np.float32], first: int) -> None:
        """Fill ``out``, in C order, with standard normal numbers of the cells from ``first`` on."""

    def uniform(self, out: NDArray[np.float32], first: int) -> None:
        """The same with numbers from 0 to 1, without 1."""


class InOrder:
    """Those that a generator has next, whatever the cells."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def normal(self, out: NDArray[np.float32], first: int) -> None:  # noqa: ARG002, by order
        """Standard normal numbers."""
        self._rng.standard_normal(dtype=np.float32, out=out)

    def uniform(self, out: NDArray[np.float32], first: int) -> None:  # noqa: ARG002, by order
        """From 0 to 1."""
        self._rng.random(dtype=np.float32, out=out)


class ByPlace:
    """Those that device noise draws first in a stream, so that rows may be drawn in any order.

    Compiled, at a tenth of the time; normal numbers end at 6.3 standard deviations.

    Args:
        root: of the stream.
    """

    def __init__(self, root: int) -> None:
        from .engine.entries import KEPT  # compilers take longer to load than small maps

        self._root, self._entries = np.uint64(root), KEPT

    def normal(self, out: NDArray[np.float32], first: int) -> None:
        """Standard normal numbers."""
        self._entries.normals(self._root, first, out.reshape(-1))

    def uniform(self, out: NDArray[np.float32], first: int) -> None:
        """From 0 to 1."""
        self._entries.uniforms(self._root, first, out.reshape(-1))


def by_place(rng: np.random.Generator) -> ByPlace:
    """For one map; takes one number of the generator."""
    return ByPlace(stream(int(rng.integers(1 << 63)), MAP).root)
