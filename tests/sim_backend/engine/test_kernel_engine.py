"""How the kernels' work is shared between threads."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import CellPulses
from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.engine import KernelEngine, kernel_engine

SHAPE = (300, 400)
PULSES = CellPulses(np.random.default_rng(0).integers(-2, 3, SHAPE, np.int32))


def _cells(threads: int) -> CellArray:
    population = sample(PopulationSpec(), SHAPE, np.random.default_rng(1))
    return CellArray(population, seed=2, threads=threads)


@given(
    lines=st.integers(1, 3000),
    threads=st.integers(2, 9),
    least=st.integers(1, 500),
)
def test_parts_are_all_lines_in_order_and_get_smaller(lines: int, threads: int, least: int) -> None:
    parts = kernel_engine._parts(lines, threads, least)
    assert [a for a, _ in parts] == [0, *(b for _, b in parts[:-1])]
    assert parts[-1][1] == lines
    sizes = [b - a for a, b in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes[:-1], default=least) >= least
    assert sizes[0] <= max(least, lines // 3)


def test_nobody_waits_for_a_thread_that_has_not_begun() -> None:
    alone, shared, free = _cells(1), _cells(2), threading.Event()
    busy = kernel_engine._pool(2).submit(free.wait, 60)
    try:
        assert shared.play(PULSES) == alone.play(PULSES)
        assert not busy.done()
    finally:
        free.set()
    np.testing.assert_array_equal(shared.g, alone.g)


def test_what_another_thread_raises_arrives() -> None:
    here = threading.current_thread()
    begun = threading.Event()

    def play(start: int, stop: int) -> int:
        if threading.current_thread() is not here:
            begun.set()
            raise MemoryError("no room")
        begun.wait(10)
        return stop - start

    with pytest.raises(MemoryError, match="no room"):
        KernelEngine(2)._share(play, 100, 1e6)


def test_an_interrupt_leaves_no_thread_at_work() -> None:
    here, begun, done = threading.current_thread(), threading.Event(), []

    def play(start: int, stop: int) -> int:
        if threading.current_thread() is here:
            assert begun.wait(10)
            raise KeyboardInterrupt
        begun.set()
        time.sleep(0.02)
        done.append(stop)
        return stop - start

    with pytest.raises(KeyboardInterrupt):
        KernelEngine(2)._share(play, 100, 100 * 2.0**13)
    assert done[-1] == 100
