from __future__ import annotations

import numpy as np

from ohmloop.drivers import CellPulses, CoincidencePulses
from ohmloop.drivers.routed.snake import snake


def test_rows_run_to_and_fro():
    cells, counts = snake(CellPulses(np.arange(1, 7).reshape(2, 3)).runs, 3)
    assert cells.tolist() == [0, 1, 2, 5, 4, 3]
    assert counts.tolist() == [1, 2, 3, 6, 5, 4]


def test_runs_of_one_cell_stay_in_order():
    ones = np.array([[1], [1], [1]])
    signs = np.array([[1], [-1], [1]])
    program = CoincidencePulses(ones, ones * 3 // 3, signs, np.ones((3, 1), int), 1)
    cells, counts = snake(program.runs, 1)
    assert cells.tolist() == [0, 0, 0]
    assert counts.tolist() == [1, -1, 1]
