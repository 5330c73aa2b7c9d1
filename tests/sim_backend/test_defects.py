from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, CellPulses
from ohmloop.sim_backend import Population, PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.arrays import NumpyArrays
from ohmloop.sim_backend.population import DEFECTS, SLUGGISH, STUCK_ANYWHERE, STUCK_HIGH, STUCK_LOW

SHAPE = (100, 100)
NAMED = {
    "stuck_low": [[0, 0]],
    "stuck_high": [[0, 1]],
    "stuck_anywhere": [[1, 0]],
    "sluggish": [[1, 2], [2, 3]],
}


def _sample(shape=(3, 4), **keys) -> Population:
    return sample(PopulationSpec(**keys), shape, np.random.default_rng(1))


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"model": "constant-step", "step_up": "1 uS", "step_down": "1 uS"},
        {
            "model": "neurosim-step",
            "pulses_up": 50,
            "pulses_down": 50,
            "curvature_up": 1,
            "curvature_down": 1,
        },
    ],
)
def test_stuck_cells_stay_and_sluggish_ones_are_slow(model):
    model = {**model, "dg_add": "100 nS", "dg_slope": 0.01, "g_min_dtod": 0}
    cells, sound = _sample(**NAMED, **model, sluggish_factor=0.2), _sample(**model)
    twin = TwinCrossbar(cells, seed=1, arrays=NumpyArrays())  # compiles nothing
    before = twin.conductance
    twin.pulse(CellPulses(np.full((3, 4), 5)))
    twin.pulse(CellPulses(np.full((3, 4), -20)))
    stays = np.zeros((3, 4), bool)
    stays[0, 0] = stays[0, 1] = stays[1, 0] = True
    np.testing.assert_array_equal(twin.conductance == before, stays)
    assert before[0, 0] == cells.g_min[0, 0]
    assert before[0, 1] == cells.g_max[0, 1]
    assert cells.g_min[1, 0] < before[1, 0] < cells.g_max[1, 0]
    middle = sound.response.middle
    ratio = cells.response.q_up(middle) / sound.response.q_up(middle)
    np.testing.assert_allclose(ratio[~stays], np.where(cells.defects == 4, 0.2, 1)[~stays], 1e-3)


def test_a_population_knows_which_cells_they_are():
    defects = _sample(**NAMED).defects
    kinds = {key: DEFECTS.index(key) for key in NAMED}
    for key, chosen in NAMED.items():
        assert sorted(map(list, np.argwhere(defects == kinds[key]))) == sorted(chosen)
    assert not _sample().defects.any()
    stuck = np.isin(defects, (STUCK_LOW, STUCK_HIGH, STUCK_ANYWHERE))
    np.testing.assert_array_equal(_sample(**NAMED).characteristics().usable, ~stuck)


def test_shares_are_drawn_at_random():
    cells = _sample(SHAPE, stuck_low=0.05, stuck_high=0.1, stuck_anywhere=0.02, sluggish=0.2)
    # H0: counts are binomial; each within 5 standard deviations, false alarm below 1e-6 each.
    wanted = {STUCK_LOW: 0.05, STUCK_HIGH: 0.1, STUCK_ANYWHERE: 0.02, SLUGGISH: 0.2}
    for kind, share in wanted.items():
        spread = np.sqrt(share * (1 - share) / cells.defects.size)
        assert abs((cells.defects == kind).mean() - share) < 5 * spread
    again = _sample(SHAPE, stuck_low=0.05, stuck_high=0.1, stuck_anywhere=0.02, sluggish=0.2)
    np.testing.assert_array_equal(cells.defects, again.defects)


def test_sound_cells_are_those_of_a_chip_without_defects():
    plain, cells = _sample(SHAPE), _sample(SHAPE, stuck_low=0.1)
    sound = cells.defects == 0
    np.testing.assert_array_equal(cells.conductance[sound], plain.conductance[sound])
    np.testing.assert_array_equal(cells.response.slope_up[sound], plain.response.slope_up[sound])


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"stuck_low": [[3, 0]]}, r"stuck_low: cell \[3, 0\] is beyond a crossbar of 3 x 4"),
        ({"stuck_low": [[0, 0]], "sluggish": [[0, 0]]}, r"sluggish: cell \[0, 0\] is named before"),
        ({"stuck_low": 1.0, "sluggish": 1.0}, "sluggish: a share of 1 is more cells than are left"),
    ],
)
def test_impossible_choices_are_refused(keys, problem):
    with pytest.raises(BadInputError, match=problem):
        _sample(**keys)


@pytest.mark.parametrize("defects", [np.full((3, 4), 9), np.zeros((4, 3))])
def test_a_population_refuses_unknown_defects(defects):
    from dataclasses import replace

    with pytest.raises(BadInputError, match=r"defects must be \(3, 4\) of 0 to 4"):
        replace(_sample(), defects=defects)


def test_cells_wear_out_after_their_own_number_of_pulses():
    cells = _sample(SHAPE, endurance=20, endurance_dtod=0.3)
    twin = TwinCrossbar(cells, seed=1)
    moved = np.zeros(SHAPE, int)
    for k in range(60):
        before = twin.conductance
        twin.pulse(CellPulses(np.full(SHAPE, 1 if k % 2 else -1)))
        moved[twin.conductance != before] = k + 1
    np.testing.assert_array_equal(moved, np.minimum(cells.endurance.astype(int), 60))
