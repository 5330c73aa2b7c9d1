from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import CellPulses, CoincidencePulses
from ohmloop.drivers.kxci import lowering
from ohmloop.drivers.kxci.lowering import Beat, levels, lower


def played(program, shape) -> list[list[tuple[int, int]]]:
    """Signed runs that each cell sees, in order, neighbours of one sign merged."""
    seen: list[list[list[int]]] = [[] for _ in range(shape[0] * shape[1])]
    for part in lower(program):
        for beat in part.beats:
            for row in beat.rows:
                for column in beat.columns:
                    runs, sign = seen[row * shape[1] + column], 1 if beat.up else -1
                    if runs and runs[-1][0] == sign:
                        runs[-1][1] += beat.loops
                    else:
                        runs.append([sign, beat.loops])
    return [[sign * count for sign, count in runs] for runs in seen]


def wanted(program, shape) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(shape[0] * shape[1])]
    for cell, count in zip(program.runs.cells, program.runs.counts, strict=True):
        found[cell].append(int(count))
    return found


@pytest.mark.parametrize("seed", range(10))
def test_every_cell_gets_its_runs_in_order(seed, monkeypatch):
    monkeypatch.setattr(lowering, "MOST_BEATS", 11)
    monkeypatch.setattr(lowering, "LIST_LENGTH", 5)
    rng, shape = np.random.default_rng(seed), (3, 4)
    trains = CoincidencePulses(
        rng.integers(0, 2**9, (4, 3)),
        rng.integers(0, 2**9, (4, 4)),
        rng.choice([-1, 1], (4, 3)),
        rng.choice([-1, 1], (4, 4)),
        length=9,
    )
    for program in (trains, CellPulses(rng.integers(-20, 21, shape))):
        assert played(program, shape) == wanted(program, shape)
        parts = lower(program)
        assert sum(part.pulses() for part in parts) == program.total_pulses
        assert all(part.slots <= 11 and len(part.beats) <= 4 for part in parts)


def test_columns_of_a_row_fire_together_until_each_has_its_pulses():
    (part,) = lower(CellPulses(np.array([[5, 2, -1, 0], [0, 0, 0, 0]])))
    assert part.beats == (
        Beat((0,), (0, 1), True, 2),
        Beat((0,), (0,), True, 3),
        Beat((0,), (2,), False, 1),
    )


def test_equal_slots_are_one_looped_beat_and_idle_ones_are_not_played():
    trains = CoincidencePulses([[0b0110]], [[0b1111]], [[1]], [[-1]], length=4)
    (part,) = lower(trains)
    assert part.beats == (Beat((0,), (0,), False, 2),)


def test_nothing_to_do_is_nothing_to_play():
    assert lower(CellPulses(np.zeros((2, 2), int))) == []
    assert lower(CoincidencePulses([[1]], [[2]], [[1]], [[1]], length=2)) == []


def test_pulses_are_counted_by_the_slots_played():
    part = lowering.Part((Beat((0, 1), (0, 1, 2), True, 2), Beat((0,), (1,), False, 3)))
    assert [part.pulses(slots) for slots in range(6)] == [0, 6, 12, 13, 14, 15]
    assert part.pulses() == 15


def test_a_firing_row_has_half_the_pulse_a_firing_column_minus_half():
    beat = Beat((1,), (0, 2), False, 1)
    assert levels(beat, -1.5, (2, 3)) == [0.0, -0.75, 0.75, 0.0, 0.75]
