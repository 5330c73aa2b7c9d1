"""Schedules as descriptions: clocks, staleness, conflicts, charts."""

from __future__ import annotations

import pytest

from ohmloop.drivers import BadInputError
from ohmloop.training.pipeline.chart import svg, text
from ohmloop.training.pipeline.schedule import Action, Schedule, ordered
from ohmloop.training.pipeline.schedules import (
    SCHEDULES,
    asynchronous,
    clocks,
    earliest,
    inference,
    one_forward_one_backward,
    sequential,
    synchronous,
)
from ohmloop.training.pipeline.timeline import UNIT, StageTimes, predict

STAGES = range(1, 9)


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_clocks_density_and_no_conflict(name: str, stages: int) -> None:
    for count in (1, 2, 3, 7, 8, 32):
        schedule = SCHEDULES[name](stages, [count])
        schedule.check()
        passes = 2 * stages * count
        length = {
            "sequential": passes,
            "synchronous": 2 * (stages + count - 1),
            "1f1b": 2 * (stages + count - 1),
            "asynchronous": 2 * (count + stages - 1),
        }[name]
        assert schedule.clocks == clocks(name, stages, [count]) == length
        assert schedule.busy == (2 * count,) * stages
        assert schedule.density == passes / (stages * length)
        assert predict(schedule, [UNIT] * stages).duration == length


@pytest.mark.parametrize("name", SCHEDULES)
def test_mini_batches_follow_each_other(name: str) -> None:
    schedule = SCHEDULES[name](3, [4, 4, 2])
    schedule.check()
    assert schedule.clocks == clocks(name, 3, [4, 4, 2])
    updates = [a for a in schedule.actions if a.kind == "update"]
    assert len(updates) == 3 * (10 if name == "asynchronous" else 3)


@pytest.mark.parametrize("stages", STAGES)
def test_what_a_stage_keeps_and_how_stale_it_is(stages: int) -> None:
    many = 2 * stages
    assert asynchronous(stages, [many]).staleness == tuple(range(stages - 1, -1, -1))
    assert asynchronous(stages, [many]).in_flight == tuple(range(stages, 0, -1))
    assert synchronous(stages, [many]).in_flight == (many,) * stages
    assert one_forward_one_backward(stages, [many]).in_flight == tuple(range(stages, 0, -1))
    for make in (sequential, synchronous, one_forward_one_backward):
        assert make(stages, [many, many]).staleness == (0,) * stages


def test_inference_is_forward_alone() -> None:
    schedule = inference(4, 5)
    schedule.check()
    assert schedule.clocks == 4 + 5 - 1


def broken(schedule: Schedule, change: dict[Action, Action | None]) -> Schedule:
    kept = [change.get(action, action) for action in schedule.actions]
    actions = ordered([action for action in kept if action is not None])
    return Schedule("broken", schedule.stages, schedule.micro_batches, actions, schedule.flush)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({Action(1, 1, "forward", 0): Action(0, 1, "forward", 0)}, "before its cause"),
        ({Action(1, 0, "forward", 1): Action(0, 0, "forward", 1)}, "clock 0 has both"),
        ({Action(1, 1, "forward", 0): None}, "never happens"),
        ({Action(5, 0, "backward", 1): None}, "never happens"),
        ({Action(3, 1, "backward", 0): Action(1, 1, "backward", 0)}, r"clock 1 has both"),
        ({Action(5, 1, "update", 1): Action(4, 1, "update", 1)}, "before its cause"),
        ({Action(1, 0, "forward", 1): Action(1, 0, "forward", 0)}, "happen twice"),
        ({Action(1, 1, "forward", 0): Action(1, 2, "forward", 0)}, "no place"),
    ],
)
def test_conflicts_are_found(change: dict[Action, Action | None], complaint: str) -> None:
    good = synchronous(2, [2])
    good.check()
    with pytest.raises(BadInputError, match=complaint):
        broken(good, change).check()


def test_orders_that_wait_for_each_other() -> None:
    with pytest.raises(BadInputError, match="wait for each other"):
        earliest([[("backward", 0), ("forward", 0)], [("forward", 0), ("backward", 0)]])


@pytest.mark.parametrize("bad", [(0, [1]), (2, []), (2, [3, 0])])
@pytest.mark.parametrize("name", SCHEDULES)
def test_counts_below_one(name: str, bad: tuple[int, list[int]]) -> None:
    with pytest.raises(BadInputError, match="a stage and a micro-batch"):
        SCHEDULES[name](*bad)


def test_the_chart_in_letters() -> None:
    assert text(asynchronous(2, [2])).splitlines() == [
        "stage 1 |F1  .   F2  B1* .   B2*",
        "stage 2 |.   F1  B1* F2  B2*",
    ] or text(asynchronous(2, [2])).splitlines() == [
        "stage 1 |F1  .   F2  B1* .   B2*",
        "stage 2 |.   F1  B1* F2  B2* .",
    ]
    assert "clocks more" in text(asynchronous(2, [90]))


def test_the_chart_as_a_drawing() -> None:
    timeline = predict(synchronous(3, [4]), [StageTimes(40e-9, 40e-9, 155e-9)] * 3)
    drawing = svg(timeline, ["a", "b & c", "d"])
    assert drawing.count("<title>") == 3 * (4 + 4 + 1)
    assert "b &amp; c" in drawing
    assert "155 ns" in drawing
    assert svg(timeline, until=1e-9).count("<title>") == 1
