"""Arrays that start at a cache line."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.sim_backend import PopulationSpec, sample
from ohmloop.sim_backend.aligned import LINE, aligned, aligned_copy, aligned_zeros
from ohmloop.sim_backend.cell_array import CellArray


@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 7), (2, 3, 4)])
def test_zeros_start_at_a_line_and_may_be_written_to(shape: tuple[int, ...]) -> None:
    found = [aligned_zeros(shape, kind) for kind in (np.float32, np.int32, np.uint8) * 20]
    assert {one.shape for one in found} == {shape}
    assert not any(one.ctypes.data % LINE for one in found if one.size)
    assert not any(one.any() for one in found)
    found[0][...] = 1
    assert (found[0] == 1).all()


def test_what_lies_elsewhere_is_copied_and_nothing_else() -> None:
    good = aligned_zeros((4, 6), np.float32)
    assert aligned(good) is good
    for other in (
        good[:, 1:],
        good.T,
        good.reshape(-1)[1:],
        np.broadcast_to(np.float32(2), (3, 3)),
    ):
        own = aligned(other)
        assert not np.shares_memory(own, good)
        assert own.flags.c_contiguous
        assert own.flags.writeable
        assert own.ctypes.data % LINE == 0
        np.testing.assert_array_equal(own, other)
    assert not np.shares_memory(aligned_copy(good), good)


@pytest.mark.parametrize("spec", [PopulationSpec(), PopulationSpec(slope_dtod=0.2)])
def test_the_state_of_cells_is_aligned(spec: PopulationSpec) -> None:
    cells = CellArray(sample(spec, (9, 7), np.random.default_rng(0)), seed=1)
    state = cells._state
    for one in (state.g, state.pulses, *state.parameters):
        assert one.ctypes.data % LINE == 0
