from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.measuring.recipe import load_recipe
from ohmloop.calibration.measuring.run import run
from ohmloop.calibration.routines.endurance import Endurance, figure
from ohmloop.drivers import BadInputError, ConfigError, Limits, OhmloopError

CELLS = ((0, 1), (2, 3), (3, 0))


def test_cells_fail_where_they_were_planted_to(planted):
    # A cycle is 40 pulses, and a cell that has had 2,000 moves no more: its window closes in cycle
    # 51, between two of the cycles that are read.
    twin = planted((4, 4), endurance=2000, read_std=0.002)
    routine = Endurance(cells=CELLS, cycles=200, reads_per_decade=8)
    found = run(routine, twin)
    for row, column in CELLS:
        at = found.isel(row=row, column=column)
        assert float(at["well_at"]) <= 51 <= float(at["failed_at"])
        assert float(at["failed_at"]) in routine.read_at
    assert found.attrs["verdict"].startswith("3 of 3 cells failed")
    assert figure(found).axes


def test_only_chosen_cells_are_pulsed_and_failed_ones_no_more(planted):
    twin = planted((4, 4), endurance=2000, read_std=0.002)
    run(Endurance(cells=CELLS, cycles=1000, reads_per_decade=8), twin)
    pulses = twin.cells.pulses.reshape(4, 4)
    chosen = np.zeros((4, 4), bool)
    chosen[tuple(np.array(CELLS).T)] = True
    assert not pulses[~chosen].any()
    assert (pulses[chosen] < 4000).all()  # of 40,000
    assert (pulses[chosen] >= 2000).all()


def test_lasting_cells_do_not_fail(planted):
    found = run(Endurance(cells=CELLS, cycles=30), planted((4, 4), read_std=0.002))
    assert np.isnan(found["failed_at"].to_numpy()).all()
    assert float(found["well_at"].isel(row=0, column=1)) == 30
    # H0: no trend; a window's noise is that of its steps: 5 standard errors of 4 degrees of freedom
    # or more are passed with a chance below 1 %, all of three below 1e-5.
    z = found["closing"] / found["closing_stderr"]
    assert np.nanmin(np.abs(z)) < 5
    assert "0 of 3" in found.attrs["verdict"]


def test_cells_have_to_be_named_and_to_exist(planted):
    with pytest.raises(ValueError, match="cells"):
        Endurance()
    with pytest.raises(ConfigError, match="--routine endurance: cells: is missing"):
        load_recipe("quick").only(["endurance"])
    with pytest.raises(ValueError, match="named twice"):
        Endurance(cells=((0, 0), (0, 0)))
    with pytest.raises(BadInputError, match="no row 4, column 0"):
        run(Endurance(cells=((4, 0),)), planted((4, 4)))


def test_more_than_a_life_is_refused_before_anything_is_sent(planted):
    twin = planted((4, 4), limits=Limits(pulses_per_cell=1000))
    with pytest.raises(OhmloopError):
        run(Endurance(cells=CELLS, cycles=100), twin)
    assert not twin.cells.pulses.any()
