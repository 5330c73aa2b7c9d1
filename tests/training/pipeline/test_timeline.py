"""The model of time: unequal stages, links, updates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.training.pipeline.schedules import SCHEDULES, asynchronous, sequential, synchronous
from ohmloop.training.pipeline.timeline import (
    Span,
    StageTimes,
    Timeline,
    predict,
    speed_up,
    timeline_of,
)

CHIP = StageTimes(40e-9, 40e-9, 31 * 5e-9)
"""A read of 40 ns and 31 slots of 5 ns."""


def test_one_thing_at_a_time_is_the_sum() -> None:
    times = [StageTimes(1.0, 2.0, 5.0), StageTimes(3.0, 4.0, 6.0)]
    found = predict(sequential(2, [3, 3]), times)
    assert found.duration == 6 * (1 + 2 + 3 + 4) + 2 * (5 + 6)
    assert found.utilisation == ((6 * 3 + 2 * 5) / 82, (6 * 7 + 2 * 6) / 82)
    assert found.bubble == pytest.approx(0.5)


def test_equal_stages_with_updates() -> None:
    """On a chip: t a clock for the passes, and an update ends each backward pass."""
    t, u, m, k = CHIP.forward, CHIP.update, 4, 50
    slow = predict(sequential(m, [1] * k), [CHIP] * m).duration
    fast = predict(asynchronous(m, [k]), [CHIP] * m).duration
    assert slow == pytest.approx(k * m * (2 * t + u))
    # A gradient goes on before its sender's update: filling costs passes, not updates.
    assert fast == pytest.approx(k * (2 * t + u) + 2 * (m - 1) * t)
    assert speed_up(slow, fast) > 0.9 * m
    both = predict(synchronous(m, [8] * 3), [CHIP] * m).duration
    assert both == pytest.approx(3 * (2 * (m + 8 - 1) * t + u))


def test_the_slowest_stage_sets_the_pace() -> None:
    times = [StageTimes(1.0, 1.0, 0.5), StageTimes(3.0, 2.0, 1.0), StageTimes(1.0, 1.0, 0.5)]
    found = predict(asynchronous(3, [200]), times)
    assert found.duration / 200 == pytest.approx(6.0, rel=0.03)
    assert found.utilisation[1] > 0.97
    assert found.utilisation[0] == pytest.approx(2.5 / 6, rel=0.05)


def test_a_link_delays_the_fill_and_nothing_else() -> None:
    """There, back, and the word to update, over three links each."""
    unit = [StageTimes(1.0, 1.0, 0.0)] * 4
    without = predict(synchronous(4, [5]), unit).duration
    with_link = predict(synchronous(4, [5]), unit, link=0.25).duration
    assert with_link - without == pytest.approx(3 * 3 * 0.25)


@pytest.mark.parametrize("name", SCHEDULES)
def test_nobody_is_in_two_places(name: str) -> None:
    rng = np.random.default_rng(4)
    times = [StageTimes(*rng.uniform(0.1, 2.0, 3)) for _ in range(5)]
    found = predict(SCHEDULES[name](5, [6, 6]), times, link=0.3)
    for stage in range(5):
        own = [span for span in found.spans if span.stage == stage]
        assert all(a.end <= b.start for a, b in pairwise(own))
    assert found.busy == pytest.approx(
        [
            12 * (t.forward + t.backward) + (12 if name == "asynchronous" else 2) * t.update
            for t in times
        ]
    )


def test_measured_times_come_back_from_a_timeline() -> None:
    times = [StageTimes(1.0, 2.0, 0.5), StageTimes(3.0, 1.0, 0.25)]
    found = predict(asynchronous(2, [9]), times)
    assert found.times() == times
    moved = timeline_of(2, [s._replace(start=s.start + 7, end=s.end + 7) for s in found.spans])
    assert moved.duration == found.duration
    assert min(span.start for span in moved.spans) == 0
    assert Timeline(2, ()).duration == 0
    assert Timeline(2, ()).bubble == 1
    one = Timeline(2, (Span(0, "forward", 0, 0.0, 1.0),))
    assert one.utilisation == (1.0, 0.0)


def test_bad_times() -> None:
    with pytest.raises(BadInputError, match="0 s or more"):
        StageTimes(1.0, -1.0, 0.0)
    with pytest.raises(BadInputError, match="as many times"):
        predict(asynchronous(2, [1]), [CHIP])
