from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ohmloop.calibration.validation import Kind, ValidationPlan, make_sequences
from ohmloop.calibration.validation.sequences import _trains


def made(truth, plan=None, usable=None, most=np.inf, seed=0):
    everywhere = np.ones(truth.shape, bool) if usable is None else usable
    rng = np.random.default_rng(seed)
    return make_sequences(plan or ValidationPlan(), truth, everywhere, most, rng)


def test_same_seed_same_programs(truth):
    one, two, other = (made(truth, seed=s) for s in (4, 4, 5))
    digests = [[p.digest for s in all_ for x in s.steps for p in x.programs] for all_ in (one, two)]
    assert digests[0] == digests[1]
    assert digests[0] != [p.digest for s in other for x in s.steps for p in x.programs]


def test_a_kind_is_the_same_whatever_the_others_are(truth):
    (alone,) = made(truth, ValidationPlan(kinds=(Kind.SPARSE,)))
    among = next(s for s in made(truth) if s.kind is Kind.SPARSE)
    assert [x.programs for x in alone.steps] == [x.programs for x in among.steps]


def test_no_program_is_beyond_the_limit(truth):
    for sequence in made(truth, most=7):
        programs = [*sequence.prepare, *(p for x in sequence.steps for p in x.programs)]
        assert max((int(p.per_cell.max()) for p in programs), default=0) <= 7


def test_a_limit_changes_no_long_train(truth):
    whole, cut = (next(s for s in made(truth, most=m) if s.kind is Kind.LONG) for m in (1e9, 7))
    for a, b in zip(whole.counts(truth.shape), cut.counts(truth.shape), strict=True):
        np.testing.assert_array_equal(a, b)
    assert cut.counts(truth.shape)[0].sum(axis=0).max() == ValidationPlan().long_pulses


def test_cells_not_usable_get_no_pulses_of_their_own(truth):
    usable = np.ones(truth.shape, bool)
    usable[3, 4] = False
    for sequence in made(truth, usable=usable):
        if sequence.kind is not Kind.SPARSE:
            assert sum(c[:, 3, 4].sum() for c in sequence.counts(truth.shape)) == 0


def test_idle_pulses_nothing_and_waits(truth):
    idle = next(s for s in made(truth) if s.kind is Kind.IDLE)
    assert all(not x.programs and x.wait == 1.0 for x in idle.steps)


def test_symmetric_point_is_met_by_the_twin(truth):
    point = next(s for s in made(truth) if s.kind is Kind.POINT)
    ups = sum(np.maximum(p.counts(), 0).sum(axis=0) for p in point.prepare)
    response = truth.response
    low = response.after(response.symmetric_point, 0, ValidationPlan().start_pulses)
    there = response.after(low, ups)
    assert (np.abs(there - response.symmetric_point) < response.dg_min).all()


def test_sparse_updates_are_sparse_and_of_both_signs(truth):
    sparse = next(s for s in made(truth) if s.kind is Kind.SPARSE)
    ups, downs = sparse.counts(truth.shape)
    assert 0.1 < ((ups + downs) == 0).mean() < 0.9
    assert 0.3 < ups.sum() / (ups + downs).sum() < 0.7


def test_trains_fire_as_often_as_they_should():
    """1,000 trains of 64 slots: within 5 standard errors, wrong once in 10^6 runs."""
    odds = np.full((1000, 1), 0.3)
    trains = _trains(odds, 64, np.random.default_rng(0))
    share = np.bitwise_count(trains).sum() / 64000
    assert abs(share - 0.3) < 5 * np.sqrt(0.21 / 64000)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"copies": 50}, "multiple of 40"),
        ({"kinds": ("mix", "mix")}, "once"),
        ({"long_reads": 90}, "long_reads"),
        ({"repeats": 1}, "greater than or equal to 2"),
        ({"kinds": ("fast",)}, "mix"),
        ({"speed": 3}, "speed"),
    ],
)
def test_plans_that_cannot_be(change, says):
    with pytest.raises(ValidationError, match=says):
        ValidationPlan(**change)
