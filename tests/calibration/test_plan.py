from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ohmloop.calibration import CalibrationPlan, acquire


def test_default_stays_within_its_budget():
    cost = CalibrationPlan().cost()
    assert cost.actions <= 350
    assert cost.seconds(64 * 64) < 25


def test_cost_is_what_is_measured(raw):
    cost = CalibrationPlan().cost()
    given = np.abs(raw["pulses"].to_numpy()).sum(axis=0)
    assert given.mean() == pytest.approx(cost.pulses, rel=0.01)
    assert np.isfinite(raw["conductance"].to_numpy()[:, 0, 0]).sum() == cost.reads


def test_progress_ends_at_the_total(make_chip, make_cells):
    seen = []
    plan = CalibrationPlan(reads=3, cycles=1)
    acquire(
        make_chip(make_cells(1, (2, 2))),
        plan,
        rng=np.random.default_rng(0),
        progress=lambda *args: seen.append(args),
    )
    assert [s[0] for s in seen] == list(range(1, plan.cost().maps + 1))
    assert {s[1] for s in seen} == {plan.cost().maps}


@pytest.mark.parametrize(
    "wrong",
    [
        {"alternating_reads": 6},
        {"alternating_pulses": 4},
        {"held_out_repeats": 1},
        {"reads": 1},
        {"pulses_per_read": 20},
        {"cycels": 2},
    ],
)
def test_refuses(wrong):
    with pytest.raises(ValidationError):
        CalibrationPlan(**wrong)
