"""The accounting of a routed crossbar, with parts that fail on purpose and remember everything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    CoincidencePulses,
    InDoubtError,
    InstrumentError,
    LinkError,
    OhmloopError,
    ProgramError,
    load_bench,
)
from ohmloop.drivers.routed import Evidence, Outcome, Route, RoutedCrossbar


class FakePart:
    name, resource, messages = "part", "nowhere", 0

    def __init__(self) -> None:
        self.log: list[object] = []
        self.unsafe = False

    def make_safe(self) -> None:
        self.log.append("safe")
        if self.unsafe:
            raise InstrumentError(self.name, self.resource, "stays on")

    def close(self) -> None:
        self.log.append("close")


class FakeMatrix(FakePart):
    name = "matrix"

    def __init__(self) -> None:
        super().__init__()
        self.points: tuple[str, ...] = ()
        self.held: list[bool] = []
        self.error: InstrumentError | None = None

    def open_all(self) -> None:
        self.points = ()

    def select(self, points) -> bool:
        if self.error:
            raise self.error
        self.points = tuple(points)
        self.log.append(self.points)
        return self.held.pop(0) if self.held else True

    def holds(self) -> bool:
        return self.held.pop(0) if self.held else True


class FakeSource(FakePart):
    name, longest = "source", 10

    def __init__(self, matrix: FakeMatrix) -> None:
        super().__init__()
        self.matrix, self.mixing = matrix, False
        self.played: list[tuple[tuple[str, ...], list[int]]] = []
        self.after: list[Outcome | LinkError] = []
        self.replies: list[bool] = []  # whether a play's reply is lost

    def prepare_meter(self, reading) -> None: ...
    def prepare_pulser(self, conditions) -> None: ...
    def idle(self) -> None:
        self.log.append("idle")

    def refusal(self, conditions) -> str:
        return "too short" if conditions.up.width < 1e-4 else ""

    def mixes(self, counts) -> bool:
        return self.mixing

    def measure(self, voltage: float) -> float:
        return voltage * (1 + int(self.matrix.points[0][-1]) + 10 * int(self.matrix.points[1][-1]))

    def play(self, counts) -> Outcome:
        if self.replies and self.replies.pop(0):
            raise LinkError(self.name, self.resource, "no reply")
        self.played.append((self.matrix.points, list(counts)))
        return Outcome(Evidence.WHOLE, sum(map(abs, counts)))

    def after_doubt(self, counts) -> Outcome:
        found = self.after.pop(0) if self.after else LinkError(self.name, self.resource, "gone")
        if isinstance(found, LinkError):
            raise found
        return found


@pytest.fixture
def crossbar(write_bench: Callable[..., object]) -> RoutedCrossbar:
    matrix = FakeMatrix()
    source = FakeSource(matrix)
    route = Route(["R0", "R1"], ["C0", "C1", "C2"])
    bench = load_bench(write_bench())
    return RoutedCrossbar(bench, "array", matrix, source, route, source, route)


PROGRAM = CellPulses(np.array([[1, 0, -2], [0, 3, 0]]))
LOST = LinkError("source", "nowhere", "lost")


def alternating(batch: int = 3) -> CoincidencePulses:
    signs = np.where(np.arange(batch) % 2, -1, 1)[:, None]
    rows, columns = np.full((batch, 2), 3), np.zeros((batch, 3), int)
    rows[:, 1] = 0
    columns[:, 0] = 3
    ones = np.ones((batch, 3), int)
    return CoincidencePulses(rows, columns, np.hstack([signs, signs]), ones, 2)


def test_every_cell_is_selected_once_and_gets_its_pulses(crossbar):
    receipt = crossbar.pulse(PROGRAM)
    assert receipt.pulses_applied == 6
    expected = [(("R0", "C0"), [1]), (("R0", "C2"), [-2]), (("R1", "C1"), [3])]
    assert crossbar.pulser.played == expected
    assert crossbar.matrix.log == [points for points, _ in expected]
    assert crossbar.pulser.log == ["idle"]


def test_an_empty_program_asks_nobody(crossbar):
    assert crossbar.pulse(CellPulses(np.zeros((2, 3), int))).pulses_applied == 0
    assert crossbar.pulser.log == crossbar.matrix.log == []


def test_runs_of_one_cell_share_a_visit_and_a_train_where_the_source_can(crossbar):
    crossbar.pulse(alternating())
    assert [counts for _, counts in crossbar.pulser.played] == [[2], [-2], [2]]
    assert crossbar.matrix.log == [("R0", "C0")]
    crossbar.pulser.played.clear()
    crossbar.pulser.mixing = True
    assert crossbar.pulse(alternating()).pulses_applied == 6
    assert [counts for _, counts in crossbar.pulser.played] == [[2, -2, 2]]


def test_long_runs_are_played_in_parts(crossbar):
    crossbar.pulse(CellPulses(np.array([[-25, 10, 0], [0, 0, 0]])))
    assert [c for _, c in crossbar.pulser.played] == [[-10], [-10], [-5], [10]]


def test_a_train_that_was_not_started_is_played_again(crossbar):
    crossbar.pulser.replies = [True, False]
    crossbar.pulser.after = [LOST, Outcome(Evidence.NOTHING, 0)]
    assert crossbar.pulse(PROGRAM).pulses_applied == 6
    assert len(crossbar.pulser.played) == 3


def test_a_train_that_was_played_is_not_played_again(crossbar):
    crossbar.pulser.replies = [False, True]
    crossbar.pulser.after = [Outcome(Evidence.WHOLE, 2, clipped=1)]
    receipt = crossbar.pulse(PROGRAM)
    assert (receipt.pulses_applied, receipt.clipped) == (6, 1)
    assert [c for _, c in crossbar.pulser.played] == [[1], [3]]


@pytest.mark.parametrize(
    ("after", "applied", "says"),
    [
        ([Outcome(Evidence.PART, 1)], 2, r"\(row 0, column 2\) got 1 of 2"),
        ([Outcome(Evidence.UNKNOWN, None)], None, r"got 0 to 2 of 2.*1 of its 6"),
        ([], None, "gone"),
    ],
)
def test_what_nobody_can_tell_is_in_doubt(crossbar, after, applied, says):
    crossbar.pulser.replies = [False, True]
    crossbar.pulser.after = after
    with pytest.raises(InDoubtError, match=says) as caught:
        crossbar.pulse(PROGRAM)
    assert caught.value.applied == applied
    assert len(crossbar.pulser.played) == 1
    assert crossbar.pulser.log[-1] == "idle"


def test_a_train_that_is_never_delivered_is_given_up_with_a_count(crossbar):
    crossbar.pulser.replies = [False, *[True] * 9]
    crossbar.pulser.after = [Outcome(Evidence.NOTHING, 0)] * 9
    with pytest.raises(InDoubtError, match="not delivered in 3 attempts") as caught:
        crossbar.pulse(PROGRAM)
    assert caught.value.applied == 1


def test_a_matrix_that_fails_on_the_way_leaves_a_known_count(crossbar):
    play = crossbar.pulser.play

    def and_then(counts):
        crossbar.matrix.error = LinkError("matrix", "nowhere", "gone")
        return play(counts)

    crossbar.pulser.play = and_then
    with pytest.raises(InDoubtError, match=r"matrix .*gone") as caught:
        crossbar.pulse(PROGRAM)
    assert caught.value.applied == 1


@pytest.mark.parametrize("held", [[True, False], [True, True, True, False]])
def test_relays_that_opened_during_pulses_leave_a_doubt(crossbar, held):
    crossbar.matrix.held = held
    with pytest.raises(InDoubtError, match="opened by themselves") as caught:
        crossbar.pulse(PROGRAM)
    assert caught.value.applied is None


def test_relays_that_opened_before_the_first_pulse_do_not_matter(crossbar):
    crossbar.matrix.held = [False]
    assert crossbar.pulse(PROGRAM).pulses_applied == 6


def test_reads_visit_cells_in_snake_order(crossbar):
    np.testing.assert_allclose(crossbar.read(), [[1, 11, 21], [2, 12, 22]])
    assert [c for _, c in crossbar.matrix.log] == ["C0", "C1", "C2", "C2", "C1", "C0"]
    assert crossbar.meter.log == ["idle"]
    np.testing.assert_allclose(crossbar.currents(0.2, 1, [2, 0]), [[0.2 * 22, 0.2 * 2]])
    np.testing.assert_allclose(crossbar.currents(0.0), np.zeros((2, 3)))
    assert crossbar.read(rows=[]).shape == (0, 3)


def test_a_row_is_read_again_where_relays_opened(crossbar):
    crossbar.matrix.held = [True, False]
    np.testing.assert_allclose(crossbar.read(), [[1, 11, 21], [2, 12, 22]])
    assert len(crossbar.matrix.log) == 9
    crossbar.matrix.held = [True, False, True, True] * 4
    with pytest.raises(InstrumentError, match="relays open by themselves"):
        crossbar.read()


def test_pulses_that_the_source_cannot_play_are_refused_before_anything_moves(crossbar):
    from dataclasses import replace

    c = crossbar.conditions
    short = replace(c, up=replace(c.up, width=1e-6))
    with pytest.raises(ProgramError, match="too short"):
        crossbar.pulse(CellPulses(np.ones((2, 3), int), conditions=short))
    assert crossbar.matrix.log == crossbar.pulser.log == []


def test_making_safe_tries_every_instrument(crossbar, caplog):
    crossbar.pulser.unsafe = True
    with pytest.raises(OhmloopError, match="stays on"):
        crossbar._make_safe()
    assert crossbar.matrix.log == ["safe"]
    crossbar.close()
    assert "stays on" in caplog.text
    assert crossbar.matrix.log[-1] == "close"
