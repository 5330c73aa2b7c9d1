from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ohmloop.app.replay import _conclude
from ohmloop.drivers import OhmloopError
from ohmloop.drivers.links.transcript import read_transcript
from ohmloop.sim_backend.instruments import ReplayedBench


class Unheard:
    """A screen that keeps what it is told."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


@pytest.fixture
def session(ohmloop, live_bench_file, tmp_path) -> Path:
    """The transcript of a check."""
    path = tmp_path / "session.jsonl"
    assert ohmloop("check", live_bench_file, "--record", path, "--json").status == 0
    return path


def test_check_is_recorded_with_every_instrument(session):
    found = read_transcript(session)
    assert found.remarks == ()
    for name in ("smu", "matrix"):
        kinds = [entry.kind for entry in found.of(name)]
        assert kinds.count("opened") == kinds.count("closed") == kinds.count("identified") == 2


def test_check_runs_on_the_replay(ohmloop, session):
    with ReplayedBench(session) as replayed:
        result = ohmloop("check", replayed.write_bench_file(), "--json")
    assert result.status == 0
    assert json.loads(result.out)["crossbar"]["rows"] == 4
    assert (replayed.deviations, replayed.rest) == ([], [])


def test_a_transcript_is_never_overwritten_and_nothing_is_sent(
    ohmloop, session, live_bench_file, emulated
):
    before = session.read_bytes()
    sent = {name: server.bytes_received for name, server in emulated.servers.items()}
    for command in (
        ["check", live_bench_file],
        ["calibrate", live_bench_file, "-o", session.with_name("chip.nc")],
    ):
        result = ohmloop(*command, "--record", session)
        assert result.status == 2
        assert result.err.startswith(f"error: {session}: exists already")
        assert result.err.count("\n") == 1
    assert session.read_bytes() == before
    assert {name: server.bytes_received for name, server in emulated.servers.items()} == sent


EXPERIMENT = {
    "name": "tiny",
    "model": {"layers": [64, 10]},
    "algorithm": {"name": "analog-sgd", "learning_rate": 0.01},
    "training": {"epochs": 1},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crossbar": "sim:soft-bounds?shape=80x20"}, "has no wires"),
        ({"algorithm": {"name": "digital-sgd", "learning_rate": 0.1}}, "has no wires to record"),
    ],
)
def test_training_without_wires_is_not_recorded(ohmloop, tmp_path, change, message):
    file, record = tmp_path / "tiny.yaml", tmp_path / "session.jsonl"
    file.write_text(yaml.safe_dump(EXPERIMENT | change))
    result = ohmloop("train", file, "--record", record, "--runs", tmp_path / "runs")
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not record.exists()
    assert not (tmp_path / "runs").exists()


def test_training_on_a_bench_is_recorded(ohmloop, tmp_path, live_bench_file, emulated):
    """The crossbar is too small for the model, which is found out on the bench: before a pulse."""
    file, record = tmp_path / "tiny.yaml", tmp_path / "session.jsonl"
    file.write_text(yaml.safe_dump(EXPERIMENT | {"crossbar": str(live_bench_file)}))
    result = ohmloop("train", file, "--record", record, "--runs", tmp_path / "runs")
    assert result.status != 0
    found = read_transcript(record)
    assert {entry.instrument for entry in found.entries} == {"smu", "matrix"}
    assert "the session ended with" in found.remarks[0]
    assert not emulated.outputs_on


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["emulate"], "give a bench file, or --replay with a transcript"),
        (["emulate", "b.yaml", "--replay", "s.jsonl"], "give a bench file, or --replay"),
        (["emulate", "--replay", "s.jsonl", "--link", "gpib"], "are for a bench file, not"),
        (["emulate", "b.yaml", "--real-time"], "--real-time is for --replay"),
        (["emulate", "--replay", "missing.jsonl"], "missing.jsonl: no such file"),
    ],
)
def test_a_wrong_command_line_is_one_line(ohmloop, arguments, message):
    result = ohmloop(*arguments)
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1


class Emulator:
    """``ohmloop emulate --replay`` in a process of its own, until Ctrl-C."""

    def __init__(self, transcript: Path) -> None:
        command = [sys.executable, "-m", "ohmloop.app.cli", "emulate", "--json"]
        self.process = subprocess.Popen(
            [*command, "--replay", str(transcript)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def __enter__(self):
        assert self.process.stdout is not None
        self.ready = json.loads(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.out, self.err = self.process.communicate(timeout=30)


def test_emulate_plays_a_transcript_and_writes_its_bench_file(ohmloop, session):
    with Emulator(session) as emulator:
        assert emulator.ready["bench"] == str(session.with_name("session.bench.yaml"))
        assert ohmloop("check", emulator.ready["bench"], "--json").status == 0
    assert (emulator.process.returncode, emulator.err) == (0, "")
    with Emulator(session) as emulator:
        other = Path(emulator.ready["bench"])
        other.write_text(other.read_text().replace("voltage: 100 mV", "voltage: 90 mV"))
        assert ohmloop("check", other).status == 1
    assert emulator.process.returncode == 1
    last = emulator.err.splitlines()[-1]
    assert last.startswith(f"error: {session}: line ")
    assert re.search(r"smu: expected.*\{1,2,3,4\}, \{1,2,3,4,5,6\}, 0\.1\)", last)
    assert re.search(r"came .*\{1,2,3,4\}, \{1,2,3,4,5,6\}, 0\.09\)", last)


def test_the_end_says_what_is_left():
    screen = Unheard()
    _conclude([], [], screen)
    _conclude([], ["one", "two"], screen)
    assert screen.said == ["ended: all was played as recorded", "one\ntwo"]
    with pytest.raises(OhmloopError, match="this; that"):
        _conclude(["this", "that"], [], screen)
