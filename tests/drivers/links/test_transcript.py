from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers import BadInputError, ConfigError, OhmloopError
from ohmloop.drivers.links import recorder as recorder_module
from ohmloop.drivers.links.recorder import Recorder
from ohmloop.drivers.links.transcript import Header, Line, printed, read_transcript

HEADER = Header(
    transcript=1,
    ohmloop="0.1.0",
    date="2026-01-02T03:04:05+00:00",
    bench="desk",
    instruments={
        "smu": {"driver": "keithley-2600b", "resource": "GPIB0::26::INSTR"},
        "board": {"driver": "pulse-board", "resource": "/dev/ttyACM0"},
    },
    file="name: desk\n",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.jsonl"


@pytest.fixture
def recorded(path: Path) -> Path:
    """A short session with two instruments, text and binary data, and a link that failed."""
    recorder = Recorder(path, HEADER)
    smu, board = recorder("smu"), recorder("board")
    smu.happened("opened")
    smu.sent(b"*IDN?\n")
    board.sent(b"\0\x05\x01\0")
    smu.received(b"Keithley\r\n")
    board.received(b"\0\xff\n\0")
    smu.happened("failed", "no reply within 2 s")
    smu.happened("closed")
    recorder.close()
    return path


def test_everything_is_read_back_in_order(recorded):
    found = read_transcript(recorded)
    assert found.header == HEADER
    assert [(e.line, e.instrument, e.kind, e.data, e.note) for e in found.entries] == [
        (2, "smu", "opened", b"", ""),
        (3, "smu", "sent", b"*IDN?\n", ""),
        (4, "board", "sent", b"\0\x05\x01\0", ""),
        (5, "smu", "received", b"Keithley\r\n", ""),
        (6, "board", "received", b"\0\xff\n\0", ""),
        (7, "smu", "failed", b"", "no reply within 2 s"),
        (8, "smu", "closed", b"", ""),
    ]
    assert [e.line for e in found.of("board")] == [4, 6]
    assert found.remarks == ()


def test_a_person_can_read_it(recorded):
    lines = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert lines[2] == {
        "time": lines[2]["time"],
        "instrument": "smu",
        "kind": "sent",
        "text": "*IDN?\n",
    }
    assert lines[3]["base64"] == "AAUBAA=="
    assert lines[-1] == {"time": lines[-1]["time"], "kind": "end", "transfers": 4}


@given(st.binary())
def test_any_bytes_are_themselves_again(data):
    line = json.loads(json.dumps(printed(data)))
    assert Line(time=0, instrument="smu", kind="sent", **line).data == data


def test_an_existing_file_is_never_overwritten(path):
    path.write_text("the only copy")
    with pytest.raises(BadInputError, match=r"session\.jsonl: exists already"):
        Recorder(path, HEADER)
    assert path.read_text() == "the only copy"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(BadInputError, match="cannot be written: No such file"):
        Recorder(tmp_path / "no" / "session.jsonl", HEADER)


def test_how_a_session_ended_is_in_it(path):
    recorder = Recorder(path, HEADER)
    recorder.left_by(ValueError("two\nlines"))
    recorder.close()
    assert read_transcript(path).remarks == (
        f"{path}: the session ended with: ValueError: two lines",
    )


def test_what_comes_after_the_end_is_not_recorded(path):
    recorder = Recorder(path, HEADER)
    recorder.close()
    recorder("smu").sent(b"late\n")
    recorder.close()
    assert read_transcript(path).entries == ()


def test_threads_keep_the_order_of_each_link(path):
    recorder = Recorder(path, HEADER)
    start = threading.Barrier(4)

    def work(name: str, kind: str) -> None:
        tap = recorder(name)
        start.wait()
        for number in range(200):
            getattr(tap, kind)(b"%s %d\n" % (kind.encode(), number))

    kinds = [(name, kind) for name in ("smu", "board") for kind in ("sent", "received")]
    threads = [threading.Thread(target=work, args=each) for each in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    recorder.close()
    found = read_transcript(path)
    assert len(found.entries) == 800
    for name, kind in kinds:
        told = [e.data for e in found.of(name) if e.kind == kind]
        assert told == [b"%s %d\n" % (kind.encode(), number) for number in range(200)]


CRASH = """
import os, sys
from pathlib import Path
from ohmloop.drivers.links.recorder import Recorder
from ohmloop.drivers.links.transcript import Header

recorder = Recorder(Path(sys.argv[1]), Header.model_validate_json(sys.argv[2]))
for number in range(50):
    recorder("smu").sent(b"%d\\n" % number)
os._exit(9)
"""


def test_a_crash_keeps_every_whole_line(path):
    arguments = [sys.executable, "-c", CRASH, str(path), HEADER.model_dump_json()]
    assert subprocess.run(arguments, check=False, timeout=60).returncode == 9
    found = read_transcript(path)
    assert [e.data for e in found.entries] == [b"%d\n" % number for number in range(50)]
    assert found.remarks == (f"{path}: the recording broke off; what came after is not in it",)


def test_a_last_line_that_was_cut_anywhere_is_left_out(recorded):
    *lines, end = recorded.read_bytes().splitlines(keepends=True)
    last = lines[-1]
    for length in range(1, len(last) - 1):
        recorded.write_bytes(b"".join(lines[:-1]) + last[:length])
        found = read_transcript(recorded)
        assert [e.line for e in found.entries] == [2, 3, 4, 5, 6, 7]
        assert found.remarks[0] == f"{recorded}: its last line was cut off and is left out"
        assert "broke off" in found.remarks[1]
    assert end.startswith(b'{"time"')


def test_a_lost_last_line_feed_and_foreign_line_ends_do_no_harm(recorded):
    whole = recorded.read_bytes()
    entries = read_transcript(recorded).entries
    for other in (whole.rstrip(b"\n"), whole.replace(b"\n", b"\r\n"), whole + b"\n"):
        recorded.write_bytes(other)
        found = read_transcript(recorded)
        assert (found.entries, found.remarks) == (entries, ())


def _replaced(line: int, **values: object) -> object:
    def change(lines: list[str]) -> None:
        found = json.loads(lines[line - 1]) | values
        lines[line - 1] = json.dumps({k: v for k, v in found.items() if v is not ...})

    return change


def _set(line: int, text: str) -> object:
    def change(lines: list[str]) -> None:
        lines[line - 1] = text

    return change


def _dropped(line: int) -> object:
    def change(lines: list[str]) -> None:
        del lines[line - 1]

    return change


DAMAGE = {
    "version": (_replaced(1, transcript=2), "line 1.transcript: is version 2 of the format"),
    "no header": (_dropped(1), "line 1: is no header of an ohmloop transcript"),
    "header key": (_replaced(1, color="red"), "line 1.color: unknown key"),
    "nobody": (_replaced(1, instruments={}), "line 1.instruments: "),
    "garbled": (_set(4, '{"time": 0.1, "instr'), "line 4: is no JSON"),
    "not ASCII": (_set(4, "\ufffd\ufffd"), "line 4: is no JSON"),
    "a list": (_set(4, "[1, 2]"), "line 4: is no JSON object"),
    "unknown key": (_replaced(3, txt="x"), "line 3.txt: unknown key"),
    "unknown kind": (_replaced(3, kind="thought"), "line 3.kind: "),
    "no data": (_replaced(3, text=...), "line 3: 'sent' carries 0 of text and base64"),
    "data twice": (_replaced(3, base64="AA=="), "line 3: 'sent' carries 2 of text and base64"),
    "data of a note": (_replaced(2, text="x"), "line 2: 'opened' carries 1 of text"),
    "not base64": (_replaced(4, base64="A%=="), "line 4.base64: holds no bytes"),
    "not bytes": (_replaced(3, text="\u03a9"), "line 3.text: holds no bytes"),
    "stranger": (_replaced(3, instrument="dmm"), "line 3.instrument: no 'dmm' in the header"),
    "no instrument": (_replaced(3, instrument=...), "line 3: 'sent' with instrument None"),
    "no time": (_replaced(3, time=...), "line 3.time: is missing"),
    "not a time": (_replaced(3, time=-1), "line 3.time: "),
    "back in time": (_replaced(2, time=3600), "line 3.time: "),
    "a line is gone": (_dropped(5), "end: says 4 transfers, but 3 are here"),
    "end first": (_set(3, '{"time": 9, "kind": "end", "transfers": 0}'), "line 4: comes after"),
    "end without count": (_replaced(9, transfers=...), "line 9: 'end' with transfers = None"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_with_file_and_line(recorded, what):
    change, message = DAMAGE[what]
    lines = recorded.read_text().splitlines()
    change(lines)
    recorded.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_transcript(recorded)
    assert str(error.value).startswith(f"{recorded}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "\n", '{"transcript": 1, "ohm'])
def test_an_empty_file_is_no_transcript(path, content):
    path.write_text(content)
    with pytest.raises(ConfigError, match="no transcript"):
        read_transcript(path)


def test_no_such_file(path):
    with pytest.raises(ConfigError, match=r"session\.jsonl: no such file"):
        read_transcript(path)


def _full_after(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """A disk with ``room`` bytes left; the write that does not fit is cut short, as on a disk."""
    write = os.write

    def limited(file: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(file, data[:room])
        room -= written
        return written

    monkeypatch.setattr(recorder_module.os, "write", limited)


def test_a_full_disk_is_told_by_check_and_never_by_a_tap(path, monkeypatch):
    recorder = Recorder(path, HEADER)
    _full_after(monkeypatch, 100)
    tap = recorder("smu")
    tap.sent(b"*IDN?\n")
    recorder.check()
    tap.received(b"x" * 100 + b"\n")
    tap.sent(b"more\n")
    problem = r"session\.jsonl: the transcript cannot be written: No space left on device"
    with pytest.raises(OhmloopError, match=problem):
        recorder.check()
    with pytest.raises(OhmloopError, match=problem):
        recorder.close()
    monkeypatch.undo()
    found = read_transcript(path)
    assert [e.data for e in found.entries] == [b"*IDN?\n"]
    assert "cut off" in found.remarks[0]


def test_room_that_comes_back_makes_no_gap(path, monkeypatch):
    recorder = Recorder(path, HEADER)
    _full_after(monkeypatch, 0)
    recorder("smu").sent(b"lost\n")
    monkeypatch.undo()
    recorder("smu").sent(b"after\n")
    with pytest.raises(OhmloopError, match="No space left"):
        recorder.close()
    assert read_transcript(path).entries == ()


def test_a_disk_that_is_full_from_the_start(path, monkeypatch):
    _full_after(monkeypatch, 10)
    with pytest.raises(OhmloopError, match="No space left"):
        Recorder(path, HEADER)
