"""The parts that algorithms are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ohmloop.drivers import BadInputError
from ohmloop.training.algorithms.auto_scale import AutoScale
from ohmloop.training.algorithms.chopper import Chopper
from ohmloop.training.algorithms.counted_pulses import unary
from ohmloop.training.algorithms.hidden_buffer import HiddenBuffer
from ohmloop.training.algorithms.tracked_reference import TrackedReference
from ohmloop.training.algorithms.transfer_schedule import TransferSchedule
from ohmloop.training.algorithms.warm_start import WarmStart


@pytest.mark.parametrize("momentum", [0.0, 0.4])
def test_a_buffer_loses_nothing(rng: np.random.Generator, momentum: float) -> None:
    """What was gained is what was fired, less what momentum keeps of it, and what is left."""
    buffer, hidden = HiddenBuffer(momentum=momentum, most=2), np.zeros((3, 5))
    gained, fired, columns = np.zeros((3, 5)), np.zeros((3, 5)), np.array([4, 0, 2])
    for _ in range(200):
        new = rng.normal(0, 0.7, (3, 3))
        gained[:, columns] += new
        fired[:, columns] += buffer.add(hidden, columns, new)
    np.testing.assert_allclose(hidden, gained - (1 - momentum) * fired, atol=1e-12)
    assert abs(fired).max() > 5
    assert not hidden[:, [1, 3]].any()


def test_a_buffer_fires_at_a_pulse_and_not_below() -> None:
    hidden, column = np.array([[0.5], [0.5], [-0.5], [0.0]]), np.array([0])
    gained = np.array([[0.499], [0.5], [-0.6], [7.9]])
    counts = HiddenBuffer(most=3).add(hidden, column, gained)
    assert counts.ravel().tolist() == [0, 1, -1, 3]
    np.testing.assert_allclose(hidden.ravel(), [0.999, 0, -0.1, 4.9], atol=1e-12)


def test_a_buffer_may_forget_and_decay() -> None:
    hidden, column = np.array([[1.2], [0.4]]), np.array([0])
    buffer = HiddenBuffer(forget=True, momentum=0.25)
    counts = buffer.add(hidden, column, np.array([[1.0], [0.2]]), kept=0.5)
    assert counts.ravel().tolist() == [1, 0]
    np.testing.assert_allclose(hidden.ravel(), [0.25 * 1.6, 0.4])


@pytest.mark.parametrize("bad", [{"momentum": 1.0}, {"momentum": -0.1}, {"most": 0}])
def test_a_buffer_says_what_is_out_of_range(bad: dict) -> None:
    with pytest.raises(BadInputError, match="momentum must lie"):
        HiddenBuffer(**bad)


def test_regular_choppers_turn_at_every_so_many_readings(rng: np.random.Generator) -> None:
    chopper = Chopper(0.3, random=False)  # every fourth
    state = chopper.begin(3)
    turned = [chopper.turn(state, np.array([0, 2]), rng).tolist() for _ in range(9)]
    assert turned == [[], [], [], [0, 2], [], [], [], [0, 2], []]
    assert state["chopper"].tolist() == [1, 1, 1]
    chopper.turn(state, np.array([1]), rng)
    assert state["readings"].tolist() == [9, 1, 9]


def test_random_choppers_turn_as_often_as_they_should(rng: np.random.Generator) -> None:
    """H0: turns are binomial with odds 0.2; 40,000 draws, 5 standard deviations (6e-7)."""
    chopper, columns = Chopper(0.2), np.arange(40)
    state = chopper.begin(40)
    turns = np.zeros(40)
    for _ in range(1000):
        turns[chopper.turn(state, columns, rng)] += 1
    assert abs(turns.sum() - 8000) < 5 * np.sqrt(40_000 * 0.2 * 0.8)
    assert turns.std() > 0  # each column by itself
    np.testing.assert_array_equal(state["chopper"], np.where(turns % 2, -1, 1))


@pytest.mark.parametrize("random", [True, False])
def test_one_chopper_for_all(rng: np.random.Generator, random: bool) -> None:
    chopper = Chopper(0.5, random, together=True)
    state = chopper.begin(4)
    for k in range(20):
        before = state["chopper"].clone()
        turned = chopper.turn(state, np.array([k % 4]), rng)
        assert turned.size in (0, 4)
        assert torch.equal(state["chopper"], -before if turned.size else before)
    assert set(state["readings"].tolist()) == {20}


def test_a_chopper_of_odds_0_never_turns(rng: np.random.Generator) -> None:
    for random in (True, False):
        chopper = Chopper(0, random)
        assert not chopper.turn(chopper.begin(3), np.arange(3), rng).size
    with pytest.raises(BadInputError, match="odds"):
        Chopper(1.1)


def test_a_schedule_takes_columns_in_turn() -> None:
    schedule = TransferSchedule(every=2, columns=3)
    state = schedule.begin()
    due = [schedule.due(state, 4) for _ in range(6)]
    assert [c if c is None else c.tolist() for c in due] == [
        None, [0, 1, 2], None, [3, 0, 1], None, [2, 3, 0],
    ]  # fmt: skip
    assert schedule.steps_between(4) == pytest.approx(2 * 4 / 3)


@pytest.mark.parametrize("columns", [None, 9])
def test_no_column_comes_twice(columns: int | None) -> None:
    schedule = TransferSchedule(columns=columns)
    due = schedule.due(schedule.begin(), 4)
    assert due is not None
    assert due.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("bad", [{"every": 0}, {"columns": 0}])
def test_a_schedule_says_what_is_out_of_range(bad: dict) -> None:
    with pytest.raises(BadInputError, match="1 or more"):
        TransferSchedule(**bad)


def test_a_reference_is_the_leaky_mean_when_renewed(rng: np.random.Generator) -> None:
    tracked, columns = TrackedReference(0.25), np.array([2, 0])
    state = tracked.begin((2, 3))
    mean = np.zeros((2, 2))
    for _ in range(7):
        read = rng.normal(size=(2, 2))
        tracked.follow(state, columns, read)
        mean = 0.75 * mean + 0.25 * read
    assert not state["reference"].any()
    tracked.renew(state, np.array([0]))
    np.testing.assert_allclose(state["reference"][:, 0], mean[:, 1])
    assert not state["reference"][:, 1:].any()
    with pytest.raises(BadInputError, match="above 0"):
        TrackedReference(0)


def test_the_scaled_rate_gives_the_strongest_cell_its_share(rng: np.random.Generator) -> None:
    scale = AutoScale(longest=8)
    state = scale.begin()
    x, d = rng.normal(size=(5, 4)), rng.normal(size=(5, 3)) * 1e-6
    rate = scale.rate(state, x, d, fast_lr=0.5, dw_min=0.01)
    strongest = abs(x).max(axis=1).mean() * abs(d).max(axis=1).mean()
    assert rate * strongest / 0.01 == pytest.approx(0.5 * 8)
    again = scale.rate(state, x, 1000 * d, fast_lr=0.5, dw_min=0.01)
    share = 0.99**5
    assert again == pytest.approx(rate / (share + (1 - share) * 1000))
    assert AutoScale(8).rate(scale.begin(), 0 * x, d, 0.5, 0.01) == 0
    with pytest.raises(BadInputError, match="auto_momentum"):
        AutoScale(8, 1.0)


def test_counts_are_single_pulses_column_after_column() -> None:
    x, d = unary(np.array([2, 0]), np.array([[2, 0], [-1, -1]]), 3)
    assert x.tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0]]
    assert d.tolist() == [[-1, 1], [-1, 0], [0, 1]]
    assert len(unary(np.array([1]), np.zeros((2, 1), np.int64), 3)[0]) == 0


def test_a_warm_start_goes_on_when_the_loss_stops_falling() -> None:
    warm = WarmStart(stages=6)
    for loss in (5.0, 4.0, 4.5, 4.4, 4.3, 4.4):
        warm.tell(loss)
    assert (warm.stage, warm.done) == (2, False)
    again = WarmStart(stages=6)
    again.restore(warm.state())
    for start in (warm, again):
        for loss in (3.0, 4.0, 3.0, 4.0):
            start.tell(loss)
        assert start.stage == 4
        for loss in (3.0, 4.0, 3.9, 3.8, 3.7):  # one rise is no longer enough
            start.tell(loss)
        assert not start.done
        start.tell(3.8)  # the old rise has left the window
        assert not start.done
        start.tell(3.9)
        assert (start.stage, start.done) == (5, True)


def test_two_arrays_need_no_warm_start() -> None:
    assert WarmStart(stages=1).done
