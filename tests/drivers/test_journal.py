import sqlite3
from contextlib import closing

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, CellPulses, InDoubtError, ProgramError, SqliteJournal

PROGRAM = CellPulses(np.array([[1, -2, 0], [0, 0, 4]]))


def _rows(path):
    with closing(sqlite3.connect(path)) as db:
        query = "select state, crossbar, digest, pulses, pulses_applied, note from programs"
        return list(db.execute(query))


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


def test_intended_program_is_on_disk_before_it_is_sent(journal, recording):
    states = []
    crossbar = recording(name="chip")
    crossbar.journal = journal
    send = crossbar._pulse
    crossbar._pulse = lambda *args: states.append(_rows(journal.path)) or send(*args)
    crossbar.pulse(PROGRAM)
    assert states == [[("intended", "chip", PROGRAM.digest, 7, None, None)]]
    assert _rows(journal.path) == [("done", "chip", PROGRAM.digest, 7, 7, None)]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), ValueError("odd")])
def test_any_interruption_leaves_the_program_in_doubt(journal, recording, error):
    crossbar = recording()
    crossbar.journal, crossbar.error = journal, error
    with pytest.raises(type(error)):
        crossbar.pulse(PROGRAM)
    (row,) = _rows(journal.path)
    assert row[0] == "in doubt"
    assert row[4] is None
    assert row[5].startswith(type(error).__name__)
    assert journal.totals() == {"done": 0, "in_doubt": 1, "pulses_applied": 0}


def test_what_the_instrument_counted_is_kept(journal, recording):
    crossbar = recording()
    crossbar.journal, crossbar.error = journal, InDoubtError("smu", "r", "link broke", 5)
    with pytest.raises(InDoubtError):
        crossbar.pulse(PROGRAM)
    assert _rows(journal.path)[0][4] == 5
    assert journal.totals()["pulses_applied"] == 5


def test_refused_program_is_not_journaled(journal, recording):
    crossbar = recording()
    crossbar.journal = journal
    with pytest.raises(BadInputError):
        crossbar.pulse(CellPulses(np.ones((1, 1), int)))
    assert _rows(journal.path) == []


def test_program_left_intended_counts_as_in_doubt_after_reopening(tmp_path):
    path = tmp_path / "journal.sqlite"
    killed = SqliteJournal(path)
    killed.done(killed.intend("chip", PROGRAM), 7)
    killed.intend("chip", PROGRAM)
    killed.close()
    again = SqliteJournal(path)
    assert again.totals() == {"done": 1, "in_doubt": 1, "pulses_applied": 7}
    again.close()


def test_the_stored_program_can_be_repeated(journal, recording):
    crossbar = recording()
    crossbar.journal = journal
    crossbar.pulse(PROGRAM)
    assert journal.program(1) == PROGRAM
    with pytest.raises(BadInputError, match="no entry 2"):
        journal.program(2)


def test_a_damaged_entry_is_a_clear_error(journal, recording):
    crossbar = recording()
    crossbar.journal = journal
    crossbar.pulse(PROGRAM)
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("update programs set program = x'00ff'")
    with pytest.raises(ProgramError, match="entry 1 is damaged"):
        journal.program(1)


def test_entries_are_numbered_and_updated_by_number(journal):
    first, second = journal.intend("a", PROGRAM), journal.intend("b", PROGRAM)
    assert first != second
    journal.done(second, 7)
    assert [row[0] for row in _rows(journal.path)] == ["intended", "done"]


def test_file_that_is_no_journal_is_bad_input(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(BadInputError, match="not a journal"):
        SqliteJournal(path)


def test_journal_in_a_missing_folder_is_bad_input(tmp_path):
    with pytest.raises(BadInputError, match="cannot be opened"):
        SqliteJournal(tmp_path / "none" / "journal.sqlite")
