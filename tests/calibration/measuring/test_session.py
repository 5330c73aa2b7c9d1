"""Resuming: a killed run goes on where it was, and no pulse program is ever sent twice."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from ohmloop.calibration import MeasurementStore, Recipe, measure, predict, raw_of_store
from ohmloop.calibration.measuring import Session, raw_of_steps
from ohmloop.calibration.routines.held_out import HeldOut
from ohmloop.calibration.routines.pulse_response import PulseResponse
from ohmloop.drivers import (
    BadInputError,
    CellPulses,
    Clock,
    InDoubtError,
    LimitError,
    Limits,
    LinkError,
    ProgramError,
    ReportedError,
)
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample

SHAPE = (2, 3)
RECIPE = Recipe.of(
    PulseResponse(reads=2, up_pulses=6, down_pulses=6, cycles=1, pulses_per_read=2),
    HeldOut(length=2, repeats=2),
)
CELLS = sample(PopulationSpec(), SHAPE, np.random.default_rng(1))


class Killed(BaseException):
    """The process ends: nothing that could be done after it is done."""


class Mortal(TwinCrossbar):
    """Dies before, or after, its n-th deed; counts what it was sent."""

    def __init__(self, **keys) -> None:
        super().__init__(CELLS, seed=4, **keys)
        self.dies_at, self.after, self.deeds = -1, False, 0
        self.sent: list[str] = []

    def _deed(self, verb):
        self.deeds += 1
        dies = self.deeds == self.dies_at
        if dies and not self.after:
            raise Killed
        result = verb()
        if dies:
            raise Killed
        return result

    def _read(self, rows, columns):
        return self._deed(lambda: super(Mortal, self)._read(rows, columns))

    def _pulse(self, program, sequence):
        def send():
            self.sent.append(program.digest)
            return super(Mortal, self)._pulse(program, sequence)

        return self._deed(send)


def whole() -> tuple[Mortal, MeasurementStore]:
    chip, store = Mortal(), MeasurementStore()
    measure(RECIPE, chip, store, seed=3)
    return chip, store


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_step_it_resumes_and_repeats_no_pulse(after):
    done, kept = whole()
    expected = raw_of_store(kept)
    for dies_at in range(1, done.deeds + 1):
        chip, store = Mortal(), MeasurementStore()
        chip.dies_at, chip.after = dies_at, after
        with pytest.raises(Killed):
            measure(RECIPE, chip, store, seed=3)
        measure(RECIPE, chip, store, seed=99)  # the seed is the measurement's, not the caller's
        raw = raw_of_store(store)
        doubts = [s for s in store.steps() if s.state == "in doubt"]
        if not doubts:  # died at a reading
            for name in ("pulses", "phase", "repeat", "broken"):
                np.testing.assert_array_equal(raw[name], expected[name])
            assert chip.sent == done.sent
            if not after:  # else that reading was taken twice, and its noise was drawn twice
                np.testing.assert_array_equal(raw["conductance"], expected["conductance"])
        else:
            assert len(doubts) == 1
            number = [s.position for s in store.steps() if s.kind == "pulse"]
            assert len(number) == len(done.sent)
            assert len(chip.sent) == len(done.sent) - (not after)
            assert raw["broken"].to_numpy().sum() == 1


def test_in_doubt_is_marked_even_where_nobody_could_mark_it():
    """After SIGKILL a program stays ``intended``; it is in doubt, and never sent again."""
    chip, store = Mortal(), MeasurementStore()
    store.begin("a", "", "")
    program = CellPulses(np.ones(SHAPE, np.int32))
    first = Session(chip, store, "a")
    first.read(label="x")
    assert first.pulse(program)
    number = store.steps()[-1].number
    store.settle(number, "intended")
    again = Session(chip, store, "a")
    again.read(label="x")
    assert not again.pulse(program)
    assert store.steps()[-1].state == "in doubt"
    assert len(chip.sent) == 1
    assert not Session(chip, store, "a")._doubts


def test_a_killed_process_leaves_a_file_that_goes_on(tmp_path):
    path = tmp_path / "m.sqlite"
    chip, store = Mortal(), MeasurementStore(path)
    chip.dies_at = 6
    with pytest.raises(Killed):
        measure(RECIPE, chip, store, seed=3)
    with pytest.raises(BadInputError, match="another process"):
        MeasurementStore(path)
    store.close()
    again = MeasurementStore(path)
    measure(RECIPE, chip, again)
    assert all(again.is_done(name) for name in RECIPE.names)
    again.close()


class Watched(Mortal):
    """Keeps what is on the disk when a program comes to it, as a loss of power would leave it."""

    def __init__(self, path, statements) -> None:
        super().__init__()
        self.path, self.statements = path, statements
        self.left, self.waited = [], []

    def _pulse(self, program, sequence):
        copy = self.path.with_name(f"left{len(self.left)}.sqlite")
        for suffix in ("", "-wal"):  # the commit is in one of them
            shutil.copy(f"{self.path}{suffix}", f"{copy}{suffix}")
        self.left.append(copy)
        synchronous = [i for i, s in enumerate(self.statements) if "pragma synchronous" in s]
        written = max(i for i, s in enumerate(self.statements) if s.startswith("insert into steps"))
        at_commit = [self.statements[i] for i in synchronous if i < written][-1:]
        self.waited.append(at_commit == ["pragma synchronous = full"])
        self.statements.clear()
        return super()._pulse(program, sequence)


def test_a_loss_of_power_repeats_no_pulse(tmp_path):
    """A program is on the disk when it is sent: sqlite waited for it (``synchronous`` was full)."""
    statements: list[str] = []
    store = MeasurementStore(tmp_path / "m.sqlite")
    store._db.set_trace_callback(statements.append)
    chip = Watched(tmp_path / "m.sqlite", statements)
    measure(RECIPE, chip, store, seed=3)
    store.close()
    assert len(chip.waited) == len(chip.sent) > 3
    assert all(chip.waited)
    for number, left in enumerate(chip.left):
        again, rest = MeasurementStore(left), Mortal()
        measure(RECIPE, rest, again)
        assert rest.sent == chip.sent[number + 1 :]
        assert [s.state for s in again.steps()].count("in doubt") == 1
        again.close()


def test_other_arguments_are_refused():
    chip, store = Mortal(), MeasurementStore()
    store.begin("a", "", "")
    Session(chip, store, "a").read(label="x")
    with pytest.raises(BadInputError, match="step 0 of a was read x, and is read y now"):
        Session(chip, store, "a").read(label="y")
    with pytest.raises(BadInputError, match="with other arguments"):
        Session(chip, store, "a").read([0], label="x")


def test_other_parameters_are_refused():
    store = MeasurementStore()
    measure(Recipe.of(HeldOut(length=1)), Mortal(), store)
    with pytest.raises(BadInputError, match="held_out was begun with other parameters"):
        measure(Recipe.of(HeldOut(length=2)), Mortal(), store)


def test_a_chip_of_another_shape_is_refused():
    store = MeasurementStore()
    measure(Recipe.of(HeldOut(length=1)), Mortal(), store)
    other = TwinCrossbar(sample(PopulationSpec(), (4, 4), np.random.default_rng(0)), seed=0)
    with pytest.raises(BadInputError, match="2 x 3 cells, this one has 4 x 4"):
        measure(Recipe.of(HeldOut(length=1)), other, store)


class Broken(Mortal):
    """Leaves some programs in doubt."""

    doubtful = (2,)
    error = InDoubtError("smu", "here", "the link broke", None)

    def _pulse(self, program, sequence):
        if sequence in self.doubtful:
            raise self.error
        return super()._pulse(program, sequence)


def test_one_program_in_doubt_does_not_end_a_measurement():
    chip, store = Broken(), MeasurementStore()
    measure(RECIPE, chip, store)
    raw = raw_of_steps(store, "pulse_response")
    assert raw["broken"].to_numpy().tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert (raw["pulses"].to_numpy()[3] == 0).all()


def test_three_in_a_row_do():
    chip, store = Broken(), MeasurementStore()
    chip.doubtful = (2, 3, 4)
    with pytest.raises(InDoubtError):
        measure(RECIPE, chip, store)
    assert [s.state for s in store.steps() if s.kind == "pulse"][1:] == ["in doubt"] * 3


def test_a_program_that_was_refused_was_not_sent():
    chip, store = Mortal(limits=Limits(pulses_per_program=1)), MeasurementStore()
    store.begin("a", "", "")
    with pytest.raises(LimitError):
        Session(chip, store, "a").pulse(CellPulses(np.full(SHAPE, 2, np.int32)))
    assert not store.steps()


class Unreadable(Mortal):
    error: Exception = ReportedError("smu", "here", "overload", 82)
    asked = 0

    def _currents(self, rows, columns, voltage):
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    "error", [ReportedError("smu", "here", "overload", 82), ProgramError("0.1 V only")]
)
def test_a_reading_that_was_refused_is_refused_again(error):
    chip, store = Unreadable(), MeasurementStore()
    chip.error = error
    store.begin("a", "", "")
    for _ in range(2):
        with pytest.raises(type(error), match=str(error).split(": ")[-1]):
            Session(chip, store, "a").currents(0.1)
    assert chip.asked == 1


def test_a_broken_link_is_asked_again():
    chip, store = Unreadable(), MeasurementStore()
    chip.error = LinkError("smu", "here", "gone")
    store.begin("a", "", "")
    for _ in range(2):
        with pytest.raises(LinkError):
            Session(chip, store, "a").currents(0.1)
    assert chip.asked == 2


class Ticking:
    """A clock that can be stopped by an interrupt."""

    def __init__(self) -> None:
        self.now, self.breaks_after = 100.0, float("inf")

    def sleep(self, seconds: float) -> None:
        if seconds > self.breaks_after:
            self.now += self.breaks_after
            raise KeyboardInterrupt
        self.now += seconds


def test_a_wait_goes_on_where_the_clock_is():
    clock, store = Ticking(), MeasurementStore()
    typed: Clock = clock
    store.begin("a", "", "")
    clock.breaks_after = 10.0
    with pytest.raises(KeyboardInterrupt):
        Session(Mortal(), store, "a", clock=typed).wait(60.0)
    clock.now += 20.0
    clock.breaks_after = 40.0
    Session(Mortal(), store, "a", clock=typed).wait(60.0)
    assert clock.now == 160.0
    Session(Mortal(), store, "a", clock=typed).wait(60.0)
    assert clock.now == 160.0


def test_random_numbers_are_the_routines_own():
    chip, store = Mortal(), MeasurementStore()
    one, same, other = (Session(chip, store, n, seed=s).rng.random() for n, s in (
        ("a", 1), ("a", 1), ("b", 1)))  # fmt: skip
    assert one == same != other


@pytest.mark.parametrize("content", [b"", b"else" * 300])
def test_a_foreign_file_is_refused(tmp_path, content):
    import sqlite3

    path = tmp_path / "m.sqlite"
    path.write_bytes(content)
    if not content:
        with sqlite3.connect(path) as db:
            db.execute("create table runs (a text)")
        db.close()
    with pytest.raises(BadInputError, match="not a measurement of ohmloop"):
        MeasurementStore(path)


def test_a_broken_repeat_is_left_out_of_the_prediction():
    """Three repeats, a program of the last in doubt: two are left."""
    chip, store = Broken(), MeasurementStore()
    chip.doubtful = (12,)
    measure(Recipe.of(HeldOut(length=4, repeats=3)), chip, store)
    found = predict(raw_of_store(store), CELLS, np.ones(SHAPE, bool))
    assert found.measured.shape == (2, 5, *SHAPE)
