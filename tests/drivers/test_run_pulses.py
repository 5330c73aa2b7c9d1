from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    ProgramError,
    PulseConditions,
    PulseProgram,
    PulseShape,
    RunPulses,
)
from ohmloop.drivers.region import Region
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.arrays import NumpyArrays

CELLS, COUNTS = [1, 1, 1, 4], [3, -2, 1, -7]


def program() -> RunPulses:
    return RunPulses(np.array(CELLS), np.array(COUNTS), 2, 3)


def twin(shape: tuple[int, int] = (2, 3)) -> TwinCrossbar:
    cells = sample(PopulationSpec(), shape, np.random.default_rng(1))
    return TwinCrossbar(cells, seed=1, arrays=NumpyArrays())


def test_what_it_says_of_itself():
    runs = program()
    assert runs.shape == (2, 3)
    np.testing.assert_array_equal(runs.per_cell, [[0, 6, 0], [0, 7, 0]])
    assert (runs.total_pulses, runs.cells_touched) == (13, 2)
    np.testing.assert_array_equal(runs.counts()[:, 0, 1], COUNTS[:3])
    np.testing.assert_array_equal(runs.counts()[:, 1, 1], [-7, 0, 0])
    c = PulseConditions(PulseShape(1.0, 2.0), PulseShape(-1.0, 3.0), 0.5)
    assert runs.duration(c) == 4 * 2.5 + 9 * 3.5


def test_its_bytes_are_read_back():
    again = PulseProgram.from_bytes(program().to_bytes())
    assert again == program()
    assert isinstance(again, RunPulses)
    assert again.digest != RunPulses(np.array(CELLS), np.array(COUNTS), 3, 2).digest


def test_it_is_what_the_other_kinds_lower_to():
    rng = np.random.default_rng(3)
    trains = rng.integers(0, 2**7, (4, 2), np.uint64), rng.integers(0, 2**7, (4, 3), np.uint64)
    signs = [rng.choice(np.array([-1, 1], np.int8), t.shape) for t in trains]
    for other in (
        CoincidencePulses(*trains, *signs, 7),
        CellPulses(rng.integers(-4, 5, (2, 3))),
    ):
        same = RunPulses(other.runs.cells, other.runs.counts, 2, 3)
        one, two = twin(), twin()
        one.pulse(other)
        receipt = two.pulse(same)
        np.testing.assert_array_equal(one.conductance, two.conductance)
        assert receipt.pulses_applied == other.total_pulses


def test_in_a_region_it_keeps_its_order():
    whole, alone = twin((4, 5)), twin((4, 5))
    Region(whole, (1, 2), (2, 3)).pulse(program())
    at = np.array([1 * 5 + 3] * 3 + [2 * 5 + 3])
    alone.pulse(RunPulses(at, np.array(COUNTS), 4, 5))
    np.testing.assert_array_equal(whole.conductance, alone.conductance)
    assert (whole.conductance != twin((4, 5)).conductance).sum() == 2


@pytest.mark.parametrize(
    ("cells", "counts", "rows", "columns", "problem"),
    [
        ([0], [1], 0, 3, "rows must be a whole number"),
        ([0], [1], 2, 2.5, "columns must be a whole number"),
        ([0, 1], [1], 2, 3, "differ in length"),
        ([6], [1], 2, 3, "cells must be from 0 to 5"),
        ([-1], [1], 2, 3, "cells must be from 0 to 5"),
        ([2, 1], [1, 1], 2, 3, "never fall"),
        ([2], [0], 2, 3, "run_counts holds 0"),
        ([2], [-(2**31)], 2, 3, "run_counts holds 0"),
        ([2, 2], [1, 3], 2, 3, "are one run"),
        ([], [], 2, 3, "non-empty"),
        ([1.5], [1], 2, 3, "must hold integers"),
    ],
)
def test_what_cannot_be_is_refused(cells, counts, rows, columns, problem):
    with pytest.raises(ProgramError, match=problem):
        RunPulses(np.array(cells), np.array(counts), rows, columns)
