"""The WGFMU's library, a stand-in for it compiled here: calls in the right order, exactly once."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    InDoubtError,
    LinkError,
    NotConnectedError,
    ReportedError,
    load_bench,
)
from ohmloop.drivers.conditions import PulseShape
from ohmloop.drivers.flex.flex_crossbar import FlexCrossbar
from ohmloop.drivers.flex.wgfmu import DATA_AVERAGED, SIGNATURES, Wgfmu
from ohmloop.drivers.flex.wgfmu_trains import wgfmu_refusal
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.instruments import EmulatedBench

SOURCE = Path(__file__).with_name("fake_wgfmu.c")
needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")


@pytest.fixture(scope="session")
def library_file(tmp_path_factory) -> Path:
    built = tmp_path_factory.mktemp("wgfmu") / "libwgfmu.so"
    command = ["gcc", "-shared", "-fPIC", "-o", str(built), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    return built


@pytest.fixture
def fake(library_file):
    library = ctypes.CDLL(str(library_file))
    library.fake_log.restype = ctypes.c_char_p
    library.fake_clear()
    library.fake_fail(b"", 0, 0)
    library.fake_status(10000)
    return library


def calls(fake) -> list[str]:
    return fake.fake_log().decode().split()


@pytest.fixture
def bench(write, library_file):
    """The B1500A and matrix are emulated; what the WGFMU plays goes to the stand-in."""
    path = write(("spgu: 501}", "spgu: 501, wgfmu: {channel: 201}}"))
    emulated = EmulatedBench(load_bench(path), any_port=True)
    resources = {name: server.resource for name, server in emulated.servers.items()}
    text = emulated.bench.path.read_text()
    text = text.replace("{channel: 201}", f"{{channel: 201, library: '{library_file}'}}")
    text = text.replace("pulses: spgu", "pulses: wgfmu")
    emulated.bench.path.write_text(text)
    with emulated:
        yield load_bench(emulated.bench.path).with_resources(resources)


@pytest.fixture
def chip(bench, fake):
    with open_on_bench(bench) as crossbar:
        assert isinstance(crossbar, FlexCrossbar)
        fake.fake_clear()
        yield crossbar


PROGRAM = CellPulses(np.array([[3, 0, 0, -2, 0, 0], *np.zeros((3, 6), int)]))


@needs_compiler
def test_functions_and_their_arguments(fake, library_file):
    library = Wgfmu.load("analyser", "GPIB0::17::INSTR", str(library_file))
    library.open_session("GPIB0::17::INSTR")
    library.create_pattern("p", 0.1 + 0.2)
    library.set_measure_event("p", "e", 1e-6, 5, 1e-7, 1e-8)
    library.add_sequence(201, "p", 1000)
    times, values = library.measured(201)
    assert calls(fake) == [
        "openSession(GPIB0::17::INSTR)",
        "createPattern(p,0.30000000000000004)",
        f"setMeasureEvent(p,e,{1e-6:.17g},5,{1e-7:.17g},{1e-8:.17g},{DATA_AVERAGED})",
        "addSequence(201,p,1000)",
        "getMeasureValueSize()",
        "getMeasureValues()",
    ]
    np.testing.assert_allclose(times, [0, 1e-6, 2e-6])
    np.testing.assert_allclose(values, 201e-9 * np.array([1, 2, 3]))


@needs_compiler
def test_codes_are_told_with_the_library_s_own_words(fake, library_file):
    library = Wgfmu.load("analyser", "GPIB0::17::INSTR", str(library_file))
    fake.fake_fail(b"connect", -9, 1)
    with pytest.raises(ReportedError, match=r"WGFMU_connect: channel not found \(-9\): what") as e:
        library.connect(999)
    assert e.value.code == -9
    fake.fake_fail(b"execute", -5, 1)
    with pytest.raises(LinkError, match=r"communication error \(-5\)"):
        library.execute()


def test_a_library_that_is_not_there_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(NotConnectedError, match=r"install Keysight's B1530A.*options.wgfmu"):
        Wgfmu.load("analyser", "GPIB0::17::INSTR")
    wrong = tmp_path / "wgfmu.so"
    wrong.write_text("not a library")
    with pytest.raises(NotConnectedError, match="cannot be used as the WGFMU library"):
        Wgfmu.load("analyser", "GPIB0::17::INSTR", str(wrong))


@needs_compiler
def test_a_library_that_is_another_one_is_refused(tmp_path):
    other = tmp_path / "other.so"
    source = tmp_path / "other.c"
    source.write_text("int other(void) { return 0; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(other), str(source)], check=True)
    with pytest.raises(NotConnectedError, match="WGFMU_openSession"):
        Wgfmu.load("analyser", "GPIB0::17::INSTR", str(other))


def test_every_function_of_the_stand_in_is_one_that_is_used():
    text = SOURCE.read_text()
    assert all(f"int {name}(" in text for name in SIGNATURES)


@needs_compiler
def test_a_program_is_played_train_by_train(chip, fake):
    assert chip.pulse(PROGRAM).pulses_applied == 5
    log = calls(fake)
    assert log.count("execute()") == log.count("waitUntilCompleted()") == 2
    assert [c for c in log if c.startswith("addSequence")] == [
        "addSequence(201,up,3)",
        "addSequence(201,down,2)",
    ]
    vectors = [c for c in log if c.startswith("addVector(up")][:4]
    numbers = [tuple(map(float, v[:-1].split(",")[1:])) for v in vectors]
    assert numbers == [(2e-8, 1.5), (9.998e-5, 1.5), (2e-8, 0.0), (9.998e-5, 0.0)]
    assert sum(seconds for seconds, _ in numbers) == pytest.approx(200e-6, abs=1e-12)
    assert log[-1] == "disconnect(201)"
    assert log.index("setOperationMode(201,2001)") < log.index("connect(201)")


@needs_compiler
def test_runs_of_one_cell_are_one_train(chip, fake):
    from ohmloop.drivers import CoincidencePulses

    signs = np.array([[1], [-1], [1]])
    rows = np.zeros((3, 4), int)
    columns = np.zeros((3, 6), int)
    rows[:, 0], columns[:, 0] = 3, 3
    ups = np.hstack([signs, np.ones((3, 3), int)])
    program = CoincidencePulses(rows, columns, ups, np.ones((3, 6), int), 2)
    assert chip.pulse(program).pulses_applied == 6
    log = calls(fake)
    assert log.count("execute()") == 1
    assert [c for c in log if c.startswith("addS")] == [
        "addSequence(201,up,2)",
        "addSequence(201,down,2)",
        "addSequence(201,up,2)",
    ]


@needs_compiler
@pytest.mark.parametrize(
    ("function", "code", "executed", "applied"),
    [
        (b"addSequence", -5, 2, 5),  # nothing was started: played again
        (b"waitUntilCompleted", -5, 2, 5),  # started, and its status asked
        (b"addSequence", -3, 0, 0),  # refused: nothing of it was started
        (b"execute", -5, 1, None),
        (b"execute", -3, 1, None),
        (b"waitUntilCompleted", -8, 1, None),
    ],
)
def test_exactly_once_or_in_doubt(chip, fake, function, code, executed, applied):
    fake.fake_fail(function, code, 1)
    if applied == 5:
        assert chip.pulse(PROGRAM).pulses_applied == 5
    else:
        with pytest.raises(InDoubtError, match=function.decode()) as caught:
            chip.pulse(PROGRAM)
        assert caught.value.applied == applied
    assert calls(fake).count("execute()") == executed
    fake.fake_clear()
    assert chip.pulse(PROGRAM).pulses_applied == 5
    assert calls(fake).count("execute()") == 2


@needs_compiler
def test_a_train_that_was_aborted_is_in_doubt(chip, fake):
    fake.fake_status(10004)
    with pytest.raises(InDoubtError, match="status is 10004"):
        chip.pulse(PROGRAM)


@needs_compiler
def test_leaving_stops_opens_and_closes_whatever_fails(chip, fake, caplog):
    chip.pulse(PROGRAM)
    fake.fake_clear()
    fake.fake_fail(b"abort", -7, 1)
    chip.make_safe()
    assert calls(fake) == ["abort()", "disconnect(201)", "closeSession()"]
    assert "WGFMU_abort: library error" in caplog.text
    fake.fake_clear()
    assert chip.pulse(PROGRAM).pulses_applied == 5  # a new session
    assert calls(fake)[0].startswith("openSession(TCPIP0")


@needs_compiler
def test_an_error_in_the_queue_does_not_keep_the_session_out(bench, fake):
    with open_on_bench(bench) as crossbar:
        crossbar.make_safe()
        crossbar.meter.analyser.transport.write("NONSENSE")
        with pytest.raises(ReportedError, match="100"):
            crossbar.pulse(PROGRAM)
        assert crossbar.pulse(PROGRAM).pulses_applied == 5


@pytest.mark.parametrize(
    ("amplitude", "width", "rest", "says"),
    [
        (1.5, 1e-6, 1e-6, ""),
        (10.5, 1e-6, 1e-6, "10 V"),
        (1.5, 1.005e-6, 1e-6, "steps of 10 ns"),
        (1.5, 3e-8, 1e-6, "must hold edges"),
    ],
)
def test_what_a_wgfmu_can_pulse(amplitude, width, rest, says):
    problem = wgfmu_refusal(PulseShape(amplitude, width), rest, 20e-9)
    assert says in problem
    assert bool(says) == bool(problem)
