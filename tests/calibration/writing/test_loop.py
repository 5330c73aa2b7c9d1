"""Write-verify on twins, whose true conductances are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmloop.calibration.writing import Budget, Outcome, write_verify
from ohmloop.drivers import (
    BadInputError,
    Capabilities,
    InDoubtError,
    InstrumentError,
    Limits,
    Region,
)
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

SHAPE = (16, 16)


def make(seed=0, limits=None, kind=TwinCrossbar, shape=SHAPE, **keys):
    cells = sample(PopulationSpec(**keys), shape, np.random.default_rng(seed))
    return kind(cells, seed=3, capabilities=Capabilities(), limits=limits)


def wanted(chip, seed=1, low=0.15, high=0.85):
    """Targets anywhere in the inner part of every cell's own range."""
    known = chip.characteristics
    share = np.random.default_rng(seed).uniform(low, high, chip.shape)
    return known.g_min + share * (known.g_max - known.g_min)


def response_of(chip):
    population = chip.cells.population
    values = (v.astype(float) for v in population.flat_parameters())
    return type(population.response)(*values)


@pytest.mark.parametrize("model", ["right", "wrong", None])
def test_one_granularity_is_reached_and_what_is_reported_is_true(model):
    """By the right response function, by a wrong one, and learning the steps on the way.

    Of 256 cells at most one in fifty may truly be off: a hit is judged by the mean of two readings
    at least, whose noise is a quarter of the tolerance.
    """
    chip = make()
    target, response = wanted(chip), response_of(chip) if model else None
    if model == "wrong":
        response = type(response)(
            response.g_min, response.g_max, 0.5 * response.slope_up, 2 * response.slope_down
        )
    tolerance = chip.characteristics.dg_min
    written = write_verify(chip, target, tolerance, response=response)
    assert written.hit_rate > 0.98
    assert (np.abs(chip.conductance - target) <= tolerance).mean() > 0.98
    assert written.pulses.sum() == written.given[-1] == chip.pulses_sent
    assert written.pulses.mean() < 60
    assert written.within[0] < 0.2 < 0.95 < written.within[-1]


def test_a_calibration_saves_rounds():
    """Followed along its response, a cell gets there in fewer rounds than by one step for all."""
    rounds = []
    for known in (True, False):
        chip = make()
        target = wanted(chip, low=0.05, high=0.95)
        response = response_of(chip) if known else None
        written = write_verify(chip, target, 2 * chip.characteristics.dg_min, response=response)
        rounds.append(int((written.within < 0.98).sum()))
    assert rounds[0] < rounds[1]


def test_repeated_with_the_same_seeds_it_is_the_same():
    first, second = (write_verify(make(), wanted(make()), 1e-6) for _ in range(2))
    np.testing.assert_array_equal(first.conductance, second.conductance)


def test_a_second_run_goes_on_where_the_first_was_stopped():
    chip = make()
    target, tolerance = wanted(chip), chip.characteristics.dg_min
    write_verify(chip, target, tolerance, budget=Budget(rounds=3))
    again = write_verify(chip, target, tolerance)
    whole = write_verify(make(), target, tolerance)
    assert again.within[0] > whole.within[0] + 0.2
    assert again.hit_rate > 0.98


def test_cells_that_cannot_are_named():
    """Stuck cells that no calibration has masked, targets out of range, and masked cells."""
    chip = make(stuck_high=[[0, 0]], stuck_low=[[1, 1]])
    target, usable = wanted(chip), np.ones(SHAPE, bool)
    target[0, 0], target[1, 1] = 20e-6, 40e-6
    target[2, 2] = 2 * chip.characteristics.g_max[2, 2]
    usable[3, 3], before = False, chip.conductance[3, 3]
    written = write_verify(chip, target, 1e-6, usable=usable, budget=Budget(pulses=2000))
    lost = (Outcome.UNRESPONSIVE, Outcome.OUT_OF_RANGE)
    assert written.outcome[0, 0] in lost
    assert written.outcome[1, 1] in lost
    assert written.outcome[2, 2] in (Outcome.OUT_OF_RANGE, Outcome.PULSES_SPENT)
    assert written.outcome[3, 3] == Outcome.MASKED
    assert chip.conductance[3, 3] == before
    assert written.pulses[3, 3] == 0
    assert written.pulses[0, 0] < 2000
    rest = np.delete(written.outcome.ravel(), [0, 17, 34, 51])
    assert (rest == Outcome.HIT).mean() > 0.98


def test_tolerance_below_the_noise_is_averaged_and_below_that_said():
    chip = make()
    target = wanted(chip)
    loose = write_verify(chip, target, 2e-6)
    tight = write_verify(make(), target, 0.3e-6)
    vain = write_verify(make(), target, 0.05e-6, budget=Budget(rounds=5))
    assert loose.readings == 1 < tight.readings <= 8
    assert not loose.notes
    assert "below what 8 readings can tell" in vain.notes[0]


def test_coarse_cells_do_not_swing_for_ever():
    """Steps of a fifth of the range, and a tolerance of a thirtieth of a step."""
    chip = make(slope_up=0.3, slope_down=0.3, dg_std=0.1, read_std=0)
    written = write_verify(chip, wanted(chip), 0.3e-6, budget=Budget(pulses=5000, rounds=500))
    assert written.rounds < 200
    assert written.pulses.max() < 200
    assert written.counts[Outcome.COARSE] > 20


@pytest.mark.parametrize(
    ("budget", "reason"),
    [(Budget(pulses=5), Outcome.PULSES_SPENT), (Budget(rounds=2), Outcome.ROUNDS_SPENT),
     (Budget(total=500), Outcome.PULSES_SPENT)],
)  # fmt: skip
def test_budgets_are_kept(budget, reason):
    chip = make()
    written = write_verify(chip, wanted(chip), 0.5e-6, budget=budget)
    assert written.pulses.max() <= budget.pulses
    assert written.rounds <= budget.rounds
    assert written.counts[reason] > 50


def test_limits_of_the_chip_are_kept():
    limits = Limits(pulses_per_program=4, pulses_per_cell=10)
    chip = make(limits=limits)
    written = write_verify(chip, wanted(chip), 0.5e-6)
    assert written.pulses.max() == 10
    assert written.counts[Outcome.LIFETIME] > 50


def test_a_region_counts_the_life_of_its_chip():
    chip = make(limits=Limits(pulses_per_cell=10))
    region = Region(chip, (4, 4), (8, 8))
    write_verify(chip, wanted(chip), 0.5e-6, budget=Budget(rounds=3))
    np.testing.assert_array_equal(region.pulses_left, chip.pulses_left[4:12, 4:12])
    written = write_verify(region, wanted(chip)[4:12, 4:12], 0.5e-6)
    assert chip.pulses_left.min() >= 0
    assert written.counts[Outcome.LIFETIME] > 10


class Doubtful(TwinCrossbar):
    """Loses every other answer, after half of the pulses, or all of them."""

    always = False

    def _pulse(self, program, sequence):
        if sequence % 2 and not self.always:
            return super()._pulse(program, sequence)
        half = replace(program, pulse_counts=program.pulse_counts // 2)
        super()._pulse(half, sequence)
        raise InDoubtError("board", "X", "no answer", applied=None)


def test_programs_in_doubt_are_not_repeated_but_read():
    chip = make(kind=Doubtful)
    target = wanted(chip)
    written = write_verify(chip, target, chip.characteristics.dg_min)
    assert written.doubts > 1
    assert (np.abs(chip.conductance - target) <= chip.characteristics.dg_min).mean() > 0.95


def test_three_doubts_in_a_row_end_it_and_what_was_reached_is_kept():
    chip, kept = make(kind=Doubtful), []
    chip.always = True
    with pytest.raises(InDoubtError):
        write_verify(chip, wanted(chip), 1e-6, keep=kept.append)
    assert kept[0].counts[Outcome.INTERRUPTED] > 100


class Shorted(TwinCrossbar):
    """Gives no reading of any rectangle that holds cell (2, 3)."""

    def _read(self, rows, columns):
        if 2 in rows and 3 in columns:
            raise InstrumentError("smu", "X", "beyond the range")
        return super()._read(rows, columns)


def test_masked_cells_that_cannot_be_read_do_not_stop_it():
    chip, usable = make(kind=Shorted), np.ones(SHAPE, bool)
    usable[2, 3] = False
    target = wanted(chip)
    written = write_verify(chip, target, chip.characteristics.dg_min, usable=usable)
    assert written.hit_rate > 0.98
    assert np.isnan(written.conductance[2, 3])
    with pytest.raises(InstrumentError, match="beyond the range"):
        write_verify(make(kind=Shorted), target, 1e-6)


@pytest.mark.parametrize(
    ("target", "tolerance", "message"),
    [
        (np.ones((3, 3)), 1e-6, "the target is 3 x 3"),
        (np.full(SHAPE, np.nan), 1e-6, "256 targets are not finite"),
        (np.full(SHAPE, 2e-5), -1e-6, "must be positive"),
    ],
)
def test_bad_input_sends_nothing(target, tolerance, message):
    chip = make()
    with pytest.raises(BadInputError, match=message):
        write_verify(chip, target, tolerance)
    assert chip.pulses_sent == 0


def test_the_dataset_has_it_all():
    data = write_verify(make(), wanted(make()), 1e-6).dataset()
    assert set(data) >= {"target", "conductance", "outcome", "pulses", "within", "median_error"}
    assert all("units" in v.attrs for v in data.data_vars.values())
