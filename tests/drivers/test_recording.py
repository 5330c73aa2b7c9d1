from __future__ import annotations

import numpy as np
import pytest
import yaml

from ohmloop.drivers import (
    BadInputError,
    CellPulses,
    ConfigError,
    OhmloopError,
    load_bench,
    open_crossbar,
    recorded,
)
from ohmloop.drivers.links.recorder import Recorder
from ohmloop.drivers.links.transcript import read_transcript
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.recording import bench_text

COMMENTED = """\
# On the left desk.
name: small bench  # of two
instruments:
  smu: {driver: keithley-2600b, resource: "TCPIP0::127.0.0.1::5025::SOCKET"}
  matrix:
    driver: keithley-707b
    resource: "TCPIP0::127.0.0.1::5026::SOCKET"
    options: {tsp_link_node: 2}
# Read by emulators only.
# Two lines of it.
emulation:
  seed: 5
  chip:
    g_min: 5 uS  # secret

# Wired on Monday.
crossbars:
  array:
    kind: tsp
    shape: [2, 3]
    wiring: {source: smu, matrix: matrix, rows: "1A01..1A02", columns: "1F01..1F03"}
pulses: {up: {amplitude: 1.5 V, width: 1 ms}, down: {amplitude: -1 V, width: 1 ms}, rest: 1 ms}
read: {voltage: 100 mV}
limits: {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA}
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "session.jsonl"


def _bench(tmp_path, text):
    path = tmp_path / "commented.yaml"
    path.write_text(text)
    return load_bench(path)


def test_the_bench_file_keeps_its_comments_and_loses_its_emulation(tmp_path):
    text = bench_text(_bench(tmp_path, COMMENTED))
    start, end = COMMENTED.index("# Read by"), COMMENTED.index("# Wired on")
    assert text == COMMENTED[:start] + "\n" + COMMENTED[end:]


@pytest.mark.parametrize("place", ["first", "last", "braces", "none"])
def test_the_emulation_is_gone_wherever_it_stood(tmp_path, place):
    data = yaml.safe_load(COMMENTED)
    emulation = {"emulation": data.pop("emulation")}
    whole = {"first": emulation | data, "none": data}.get(place, data | emulation)
    text = yaml.safe_dump(whole, sort_keys=False, default_flow_style=place == "braces" or None)
    assert yaml.safe_load(bench_text(_bench(tmp_path, text))) == data


def test_a_bench_file_that_changed_since_is_not_passed_off(tmp_path, file):
    bench = _bench(tmp_path, COMMENTED)
    bench.path.write_text(COMMENTED.replace("voltage: 2 V", "voltage: 3 V"))
    with (
        pytest.raises(ConfigError, match=r"commented\.yaml: has changed since it was loaded"),
        recorded(bench, file),
    ):
        pass
    assert not file.exists()


def test_a_session_is_recorded_from_first_byte_to_last(emulated, file):
    with open_on_bench(emulated.bench, record=file) as chip:
        chip.read()
        counts = np.zeros(chip.shape, np.int32)
        counts[1, 2] = 4
        chip.pulse(CellPulses(counts))
        assert file.read_bytes().count(b"\n") > 20  # already there, before anything is closed
    found = read_transcript(file)
    assert found.remarks == ()
    assert emulated.bench.recorder is None
    assert found.header.bench == "small bench"
    assert found.header.instruments["smu"].resource == emulated.servers["smu"].resource
    assert "emulation" not in found.header.file
    for name, server in emulated.servers.items():
        sent = b"".join(e.data for e in found.of(name) if e.kind == "sent")
        assert len(sent) == server.bytes_received
        kinds = [e.kind for e in found.of(name) if e.kind not in ("sent", "received")]
        assert kinds == ["opened", "identified", "closed"]
        assert found.of(name)[-1].kind == "closed"
    smu = b"".join(e.data for e in found.of("smu") if e.kind == "sent")
    assert b"ohmloop.add{2,3,4}" in smu
    assert b"source.output = 0" in smu[smu.index(b"ohmloop.run") :]


def test_nothing_is_recorded_unless_asked_for(emulated, file):
    with open_on_bench(emulated.bench) as chip:
        assert chip.recording is None
    with recorded(emulated.bench, None) as recorder:
        assert recorder is None
        assert emulated.bench.recorder is None


def test_several_links_one_transcript(emulated, file):
    with recorded(emulated.bench, file) as recorder, open_on_bench(emulated.bench) as chip:
        assert chip.recording is recorder
        with (
            pytest.raises(BadInputError, match="is being recorded already"),
            recorded(emulated.bench, file.with_name("other.jsonl")),
        ):
            pass
        chip.read()
    assert {e.instrument for e in read_transcript(file).entries} == {"smu", "matrix"}


def test_a_session_that_fails_says_so_at_its_end(emulated, file):
    with pytest.raises(RuntimeError), open_on_bench(emulated.bench, record=file):
        raise RuntimeError("the cat")
    assert "ended with: RuntimeError: the cat" in read_transcript(file).remarks[0]


def test_a_bench_that_cannot_be_opened_leaves_a_transcript_of_the_attempt(emulated, file):
    emulated.servers["matrix"].close()
    with pytest.raises(OhmloopError):
        open_on_bench(emulated.bench, record=file)
    found = read_transcript(file)
    assert "ended with: NotConnectedError" in found.remarks[0]
    kinds = [e.kind for e in found.of("matrix")]
    assert "failed" in kinds
    assert "received" not in kinds
    assert emulated.bench.recorder is None


@pytest.mark.parametrize("name", ["sim:soft-bounds?shape=4x4", "chip.nc"])
def test_what_has_no_wires_is_not_recorded(name, file):
    with pytest.raises(BadInputError, match="has no wires"):
        open_crossbar(name, record=file)
    assert not file.exists()


def test_a_twin_opens_as_before_where_nothing_is_to_be_recorded():
    with open_crossbar("sim:soft-bounds?shape=4x4", record=None) as twin:
        assert twin.shape == (4, 4)


def test_a_full_disk_stops_before_the_next_program_and_outputs_go_off(emulated, file, monkeypatch):
    program = CellPulses(np.full(emulated.cells.shape, 1, np.int32))

    def full(recorder, line):
        recorder._problem = "No space left on device"

    with open_on_bench(emulated.bench, record=file) as chip:
        chip.read()
        monkeypatch.setattr(Recorder, "_put", full)
        # What is under way is finished, and its receipt is not lost.
        assert chip.pulse(program).pulses_applied == program.total_pulses
        before = {name: server.bytes_received for name, server in emulated.servers.items()}
        for refused in (
            lambda: chip.pulse(program),
            chip.read,
            lambda: chip.currents(0.1),
            lambda: chip.forward(np.zeros((1, 6))),
            lambda: chip.backward(np.zeros((1, 4))),
        ):
            with pytest.raises(OhmloopError, match="cannot be written: No space left"):
                refused()
        after = {name: server.bytes_received for name, server in emulated.servers.items()}
        assert after == before
    assert emulated.pulses_applied == program.total_pulses
    assert not emulated.outputs_on


def test_closing_twice_ends_the_transcript_once(emulated, file):
    chip = open_on_bench(emulated.bench, record=file)
    chip.close()
    chip.close()
    assert read_transcript(file).remarks == ()
