from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    ConfigError,
    InDoubtError,
    InstrumentError,
    load_bench,
    open_crossbar,
)
from ohmloop.drivers.links.recorder import Recorder
from ohmloop.drivers.links.transcript import Header, read_transcript
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import ReplayedBench
from ohmloop.sim_backend.instruments.faults import Fault, Strike

COUNTS = np.zeros((3, 4), np.int32)
COUNTS[0, 1], COUNTS[2, 3] = 3, -2
PROGRAM = CellPulses(COUNTS)
NAMES = ["tsp", "board", "arc-two"]


def _read(bench):
    with open_on_bench(bench) as chip:
        return chip.read()


def _read_and_pulse(bench):
    """What the program came to, and a read after it."""
    with open_on_bench(bench) as chip:
        before = chip.read()
        try:
            outcome = chip.pulse(PROGRAM).pulses_applied
        except InDoubtError as error:
            outcome = ("in doubt", error.applied)
        return outcome, before.tolist(), chip.read().tolist()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_session_plays_to_its_end(record, name):
    path, live = record(name, _read_and_pulse)
    with ReplayedBench(path) as replayed:
        assert _read_and_pulse(replayed.bench) == live
    assert (replayed.deviations, replayed.rest) == ([], [])
    for instrument in replayed.instruments.values():
        assert "messages were played" in instrument.describe()


FAULTS = [
    Fault.DROP_REQUEST,
    Fault.CUT_REQUEST,
    Fault.DROP,
    Strike(Fault.DELAY, seconds=0.6),
    Fault.GARBLE,
    Fault.TRUNCATE,
    Fault.DUPLICATE,
    Fault.HANG_UP,
    Fault.POWER_BEFORE,
    Fault.POWER_MIDWAY,
    Fault.POWER_AFTER,
    Fault.HARDWARE,
    Fault.ERROR,
]
SHORT = {
    "tsp": [("emulation:", "visa: {timeout: 300 ms}\nemulation:")],
    "board": [("{watchdog: 60 s}", "{watchdog: 60 s, timeout: 200 ms}")],
    "arc-two": [("{timeout: 2 s}", "{timeout: 200 ms}")],
}
HASTY: dict[str, list[tuple[str, str]]] = {
    "arc-two": [("{timeout: 2 s}", "{timeout: 100 ms}")],  # it looks for its board for long
}
FIRST = {"tsp": "smu", "board": "board", "arc-two": "board"}


LOSE_THE_REPLY = [*FAULTS[1:4], Fault.TRUNCATE, Fault.HANG_UP, Fault.POWER_MIDWAY]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: getattr(fault, "name", "DELAY"))
@pytest.mark.parametrize("name", NAMES)
def test_a_session_with_a_fault_plays_with_it(record, name, fault):
    """At a program: lost, damaged, broken off, in doubt; the replay's driver ends as the first."""

    def session(bench):
        with open_on_bench(bench) as chip:
            chip.read()
            faults.append(fault)
            try:
                outcome = chip.pulse(PROGRAM).pulses_applied
            except InDoubtError as error:
                outcome = ("in doubt", error.applied)
            try:
                after = chip.read().tolist()
            except InstrumentError as error:
                after = type(error)
            return outcome, after

    def prepare(emulated):
        nonlocal faults
        faults = emulated.servers[FIRST[name]].faults

    faults: object = []
    path, live = record(name, session, prepare, *SHORT[name])
    failed = any(entry.kind == "failed" for entry in read_transcript(path).entries)
    assert failed or fault not in LOSE_THE_REPLY
    faults = []
    with ReplayedBench(path) as replayed:
        assert session(replayed.bench) == live
    assert replayed.deviations == []
    assert replayed.rest == []


@pytest.mark.parametrize("name", NAMES)
def test_another_message_is_told_with_its_line_and_hung_up_on(record, name, caplog):
    path, _ = record(name, _read, lambda _: None, *HASTY.get(name, []))
    with ReplayedBench(path) as replayed, open_on_bench(replayed.bench) as chip:
        with pytest.raises(InstrumentError):
            chip.read([0, 2], [3])
        (deviation,) = replayed.deviations
        assert not [line for line in replayed.rest if f": {FIRST[name]}: " in line]
        assert deviation in caplog.messages
    line = int(deviation.removeprefix(f"{path}: line ").partition(":")[0])
    recorded = json.loads(path.read_text().splitlines()[line - 1])
    assert recorded["kind"] == "sent"
    assert recorded["instrument"] in deviation
    wanted = {
        "tsp": r"expected 'ohmloop\.read\(\"\w+-1\", \{1,2,3\}, .* came 'ohmloop\.read\(\"\w+-1\","
        r" \{1,3\}, \{4\}",
        "board": "expected frame of type 0x20.* came frame of type 0x21",
        "arc-two": "expected request WRITE of .* came request WRITE of ",
    }
    assert re.search(wanted[name], deviation), deviation


@pytest.mark.parametrize("name", NAMES)
def test_after_a_deviation_nobody_is_answered(record, name):
    path, _ = record(name, _read, lambda _: None, *HASTY.get(name, []))
    with ReplayedBench(path) as replayed:
        with open_on_bench(replayed.bench) as chip:
            for _ in range(2):
                with pytest.raises(InstrumentError):
                    chip.pulse(PROGRAM)
        first = [text for text in replayed.deviations if f": {FIRST[name]}: " in text]
        assert len(first) == 1
        with pytest.raises(InstrumentError):
            open_on_bench(replayed.bench)
        assert first[0] in replayed.deviations


@pytest.mark.parametrize("name", NAMES)
def test_more_than_was_recorded_is_told(record, name):
    path, _ = record(name, _read)
    with ReplayedBench(path) as replayed:
        _read(replayed.bench)
        assert replayed.deviations == []
        with pytest.raises(InstrumentError):
            open_on_bench(replayed.bench)
    assert "expected the end of the transcript, came" in replayed.deviations[0]


def test_less_than_was_recorded_is_left(record):
    path, _ = record("tsp", _read_and_pulse)
    with ReplayedBench(path) as replayed, open_on_bench(replayed.bench) as chip:
        chip.read()
        rest = {line.partition(": played")[0] for line in replayed.rest}
        assert len(rest) == 2
        assert any(line.endswith("smu") for line in rest)
        next_one = r"next would be 'ohmloop\.begin\(\"\w+-1\",1,2,5\)"
        assert re.search(next_one, " ".join(replayed.rest))


def test_a_recording_that_broke_off_is_played_as_far_as_it_goes(record):
    path, live = record("tsp", _read_and_pulse)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = next(n for n, line in enumerate(lines) if b'ohmloop.begin(\\"' in line)
    path.write_bytes(b"".join(lines[:kept]) + lines[kept][:30])
    with ReplayedBench(path) as replayed:
        assert len(replayed.transcript.remarks) == 2
        with open_on_bench(replayed.bench) as chip:
            assert chip.read().tolist() == live[1]
            assert replayed.deviations == []
            assert not [line for line in replayed.rest if ": smu: " in line]


def test_the_bench_file_that_is_written_opens_the_replay(record):
    path, live = record("tsp", _read)
    with ReplayedBench(path) as replayed:
        written = replayed.write_bench_file()
        assert written == path.with_name("session.bench.yaml")
        assert load_bench(written).config == replayed.bench.config
        with open_crossbar(str(written)) as chip:
            assert np.array_equal(chip.read(), live)
    assert (replayed.deviations, replayed.rest) == ([], [])
    with ReplayedBench(path) as replayed:  # other ports; ours is replaced
        replayed.write_bench_file()
        _read(load_bench(written))


def test_a_bench_file_of_somebody_else_is_left_alone(record):
    path, _ = record("tsp", _read)
    other = path.with_name("session.bench.yaml")
    other.write_text("name: mine\n")
    with ReplayedBench(path) as replayed, pytest.raises(ConfigError, match="is in the way"):
        replayed.write_bench_file()
    assert other.read_text() == "name: mine\n"


def _transcript(path: Path, file: str, *transfers: tuple[str, str, bytes], **header) -> Path:
    """A transcript by hand: (instrument, kind, data or note)."""
    instruments = {"smu": {"driver": "keithley-2600b", "resource": "GPIB0::26::INSTR"}}
    given = {
        "transcript": 1,
        "ohmloop": "0",
        "date": "",
        "bench": "b",
        "instruments": instruments,
        "file": file,
    }
    recorder = Recorder(path, Header.model_validate(given | header))
    for instrument, kind, data in transfers:
        tap = recorder(instrument)
        if kind in ("sent", "received"):
            getattr(tap, kind)(data)
        else:
            tap.happened(kind, data.decode())
    recorder.close()
    return path


BENCH = """\
name: by hand
instruments:
  smu: {driver: keithley-2600b, resource: "GPIB0::26::INSTR"}
  matrix: {driver: keithley-707b, resource: "GPIB0::16::INSTR", options: {tsp_link_node: 2}}
crossbars:
  array:
    kind: tsp
    shape: [2, 3]
    calibration: /elsewhere/chip.nc
    wiring: {source: smu, matrix: matrix, rows: "1A01..1A02", columns: "1F01..1F03"}
pulses: {up: {amplitude: 1.5 V, width: 1 ms}, down: {amplitude: -1 V, width: 1 ms}, rest: 1 ms}
read: {voltage: 100 mV}
limits:
  {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA, pulses_per_cell: 9}
visa: {backend: /opt/vendor/libvisa.so, timeout: 1 s}
"""
BOTH = {
    "smu": {"driver": "keithley-2600b", "resource": "GPIB0::26::INSTR"},
    "matrix": {"driver": "keithley-707b", "resource": "GPIB0::16::INSTR"},
}


@pytest.fixture
def by_hand(tmp_path):
    def make(*transfers):
        return _transcript(tmp_path / "hand.jsonl", BENCH, *transfers, instruments=BOTH)

    return make


def test_what_only_the_recorder_had_is_not_asked_for(by_hand):
    with ReplayedBench(by_hand()) as replayed:
        config = replayed.bench.config
        assert config.crossbars["array"].calibration is None
        assert config.limits.pulses_per_cell is None
        assert config.visa.backend == "@py"
        assert config.visa.timeout == 1.0
        resource = config.instruments["smu"].resource
        assert resource == f"TCPIP0::127.0.0.1::{replayed.servers['smu'].port}::SOCKET"


@pytest.mark.parametrize(
    ("file", "header", "message"),
    [
        ("name: [", {}, "line 1.file: is no bench file"),
        ("- a\n", {}, "line 1.file: is no bench file"),
        ("name: x\n", {}, "line 1.file: instruments: is missing"),
        (BENCH, {}, "line 1.file: does not have the instruments of the header"),
        (BENCH.replace("shape: [2, 3]", "shape: [9, 3]"), {"instruments": BOTH}, "wires 2 rows"),
    ],
)
def test_a_header_without_a_bench_is_refused(tmp_path, file, header, message):
    path = _transcript(tmp_path / "hand.jsonl", file, **header)
    with pytest.raises(ConfigError) as error:
        ReplayedBench(path)
    assert message in str(error.value)
    assert "hand" in str(error.value)


class Host:
    """Bytes to a replayed instrument and back."""

    def __init__(self, replayed: ReplayedBench, name: str = "smu") -> None:
        address = ("127.0.0.1", replayed.servers[name].port)
        self.socket = socket.create_connection(address, timeout=5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def get(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (more := self.socket.recv(count - len(data))):
            data += more
        return data


def test_bytes_may_come_in_any_pieces(by_hand):
    path = by_hand(
        ("smu", "sent", b"a = 1\nb = 2\n"),
        ("smu", "sent", b"print(a)\n"),
        ("smu", "received", b"1\n"),
        ("smu", "sent", b"print(b)\n"),
        ("smu", "received", b"2"),
        ("smu", "received", b"2\n"),
    )
    with ReplayedBench(path) as replayed, Host(replayed) as host:
        for byte in b"a = 1\nb = 2\nprint(a)\n":
            host.socket.sendall(bytes([byte]))
        assert host.get(2) == b"1\n"
        host.socket.sendall(b"print(b)\n")
        assert host.get(3) == b"22\n"
        assert (replayed.deviations, replayed.rest) == ([], [])


def test_replies_keep_their_pieces_and_their_delays(by_hand):
    path = by_hand(
        ("smu", "sent", b"print(b)\n"),
        ("smu", "received", b"2"),
        ("smu", "received", b"2\n"),
    )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line, time in zip(lines[1:], (1.0, 1.5, 1.75, 2.0), strict=True):
        line["time"] = time
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with ReplayedBench(path, real_time=True) as replayed:
        answers = list(replayed.instruments["smu"].feed(b"print(b)\n"))
    assert [(a.data, a.delay) for a in answers] == [(b"2", 0.5), (b"2\n", 0.25)]


@pytest.mark.parametrize(("real_time", "waited"), [(True, [0.5]), (False, [])])
def test_delays_are_waited_for_only_where_asked(by_hand, monkeypatch, real_time, waited):
    path = by_hand(("smu", "sent", b"print(b)\n"), ("smu", "received", b"2\n"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line, time in zip(lines[1:], (1.0, 1.5, 2.0), strict=True):
        line["time"] = time
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found: list[float] = []
    with ReplayedBench(path, real_time) as replayed:
        server = replayed.servers["smu"]
        monkeypatch.setattr(server._stopping, "wait", found.append)
        with Host(replayed) as host:
            host.socket.sendall(b"print(b)\n")
            assert host.get(2) == b"2\n"
    assert found == waited


class Listener:
    """A client that keeps what it is sent, piece by piece."""

    def __init__(self):
        self.pieces: list[bytes] = []
        self.sendall = self.pieces.append


@pytest.mark.parametrize(("real_time", "pieces"), [(True, [b"2\n", b"2\n"]), (False, [b"2\n2\n"])])
def test_at_once_a_second_copy_is_there_before_the_host_goes_on(by_hand, real_time, pieces):
    path = by_hand(
        ("smu", "sent", b"print(b)\n"), ("smu", "received", b"2\n"), ("smu", "received", b"2\n")
    )
    client = Listener()
    with ReplayedBench(path, real_time) as replayed:
        assert replayed.servers["smu"]._play(
            client, replayed.instruments["smu"].feed(b"print(b)\n")
        )
    assert client.pieces == pieces


def test_a_link_that_broke_and_was_opened_anew_is_hung_up_on(by_hand):
    path = by_hand(
        ("smu", "opened", b""),
        ("smu", "sent", b"print(a)\n"),
        ("smu", "failed", b"closed the connection"),
        ("smu", "closed", b""),
        ("smu", "opened", b""),
        ("smu", "sent", b"print(a)\n"),
        ("smu", "received", b"1\n"),
    )
    with ReplayedBench(path) as replayed:
        with Host(replayed) as host:
            host.socket.sendall(b"print(a)\n")
            assert host.get(1) == b""
        with Host(replayed) as host:
            host.socket.sendall(b"print(a)\n")
            assert host.get(2) == b"1\n"
        assert (replayed.deviations, replayed.rest) == ([], [])


def test_what_an_instrument_says_unasked_on_a_new_link_comes_again(by_hand):
    path = by_hand(
        ("smu", "opened", b""),
        ("smu", "received", b"hello\n"),
        ("smu", "sent", b"print(a)\n"),
        ("smu", "received", b"1\n"),
        ("smu", "closed", b""),
        ("smu", "opened", b""),
        ("smu", "received", b"hello again\n"),
    )
    with ReplayedBench(path) as replayed:
        with Host(replayed) as host:
            assert host.get(6) == b"hello\n"
            host.socket.sendall(b"print(a)\n")
            assert host.get(2) == b"1\n"
        with Host(replayed) as host:
            assert host.get(12) == b"hello again\n"
        assert (replayed.deviations, replayed.rest) == ([], [])


def test_a_host_that_goes_on_without_opening_the_link_anew_is_told(by_hand):
    path = by_hand(
        ("smu", "sent", b"print(a)\n"),
        ("smu", "received", b"1\n"),
        ("smu", "opened", b""),
        ("smu", "received", b"hello\n"),
    )
    with ReplayedBench(path) as replayed, Host(replayed) as host:
        host.socket.sendall(b"print(a)\nprint(b)\n")
        assert host.get(100) == b"1\nhello\n"
        assert "expected the end of the transcript" in replayed.deviations[0]


def test_what_was_sent_last_counts_though_nobody_waits_for_a_reply(by_hand):
    path = by_hand(("smu", "sent", b"off()\n"), ("smu", "sent", b"open()\n"))
    with ReplayedBench(path) as replayed, Host(replayed) as host:
        host.socket.sendall(b"off()\nopen()\n")
    assert (replayed.deviations, replayed.rest) == ([], [])


def test_a_message_that_was_cut_by_the_host_s_leaving_is_forgotten(by_hand):
    path = by_hand(("smu", "sent", b"print(a)\n"), ("smu", "received", b"1\n"))
    with ReplayedBench(path) as replayed:
        with Host(replayed) as host:
            host.socket.sendall(b"print(")
        with Host(replayed) as host:
            host.socket.sendall(b"print(a)\n")
            assert host.get(2) == b"1\n"


def test_instruments_do_not_wait_for_each_other(by_hand):
    path = by_hand(
        ("smu", "sent", b"*IDN?\n"),
        ("smu", "received", b"smu\n"),
        ("matrix", "sent", b"*IDN?\n"),
        ("matrix", "received", b"matrix\n"),
    )
    with (
        ReplayedBench(path) as replayed,
        Host(replayed, "matrix") as matrix,
        Host(replayed) as smu,
    ):
        matrix.socket.sendall(b"*IDN?\n")
        assert matrix.get(7) == b"matrix\n"
        smu.socket.sendall(b"*RST\n")
        assert smu.get(1) == b""
        assert len(replayed.deviations) == 1
        assert ": smu: expected '*IDN?\\n', came '*RST\\n'" in replayed.deviations[0]


def test_binary_data_that_differs_in_one_byte_is_told(by_hand):
    data = bytes(range(256))
    path = by_hand(("smu", "sent", data), ("smu", "received", data[::-1]))
    with ReplayedBench(path) as replayed, Host(replayed) as host:
        host.socket.sendall(data[:200] + b"\0" + data[201:])
        assert host.get(1) == b""
        assert r"\xc7\xc8\xc9" in replayed.deviations[0]
        assert r"\xc7\x00\xc9" in replayed.deviations[0]
    with ReplayedBench(path) as replayed, Host(replayed) as host:
        host.socket.sendall(data)
        assert host.get(256) == data[::-1]


def test_a_transcript_that_is_damaged_is_not_played(record):
    path, _ = record("board", _read)
    lines = path.read_text().splitlines()
    del lines[3]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigError, match="lines are missing"):
        ReplayedBench(path)


def test_a_replay_can_be_recorded(record, tmp_path):
    """Once more round: the transcript of a replay is that of the session."""
    path, _ = record("board", _read)
    again = tmp_path / "again.jsonl"
    with ReplayedBench(path) as replayed:
        replayed.write_bench_file()
        with open_crossbar(str(replayed.bench_file), record=again) as chip:
            chip.read()
    kinds = [(e.instrument, e.kind) for e in read_transcript(again).entries]
    assert kinds == [(e.instrument, e.kind) for e in read_transcript(path).entries]
