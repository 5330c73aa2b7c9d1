"""Sweeps: event by event and at once give the same; what is wrong is reported or hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ohmloop.drivers import load_bench
from ohmloop.sim_backend.instruments import EmulatedBench

Say = Callable[..., str]


@pytest.fixture
def say(emulated) -> Say:
    """Lines to the SMU, its replies back; one cell is selected, the output on."""
    emulated.rig.matrix.processor.line('channel.exclusiveclose("1A02,1H05")')

    def lines(*texts: str) -> str:
        return b"".join(emulated.rig.smu.processor.line(t) for t in texts).decode()

    lines("smua.source.output = 1 smua.source.rangev = 2 smua.measure.nplc = 0.001")
    return lines


TRAIN = (
    "timer = trigger.timer t = smua.trigger",
    "timer[1].delay = 0.0005 timer[1].passthrough = true timer[1].stimulus = t.ARMED_EVENT_ID",
    "timer[2].delay = 0.00012 timer[2].stimulus = timer[1].EVENT_ID",
    "timer[3].delay = 0.0002 timer[3].stimulus = timer[1].EVENT_ID",
    "t.source.action = 1 t.source.stimulus = timer[1].EVENT_ID",
    "t.measure.i(smua.nvbuffer1) t.measure.action = 1 t.measure.stimulus = timer[2].EVENT_ID",
    "t.endpulse.action = 0 t.endpulse.stimulus = timer[3].EVENT_ID t.endsweep.action = 0",
)


def sweep(say: Say, levels: str, count: int) -> None:
    say(*TRAIN, f"t.source.listv({levels}) t.count = {count} timer[1].count = {count - 1}")


def state(emulated: EmulatedBench) -> tuple[Any, ...]:
    buffer = emulated.rig.smu.channels["a"].tree["nvbuffer1"]
    columns = (buffer.readings, buffer.statuses, buffer.timestamps, buffer.sourcevalues)
    return (
        emulated.cells.conductance.tolist(),
        [list(column) for column in columns],
        emulated.clock.ns,
        emulated.pulses_applied,
        emulated.rig.fixture.compliance_pulses,
        emulated.chips["array"].witness.voltage,
        emulated.chips["array"].witness.width,
    )


@pytest.mark.parametrize("series", [0.0, 300.0])
@pytest.mark.parametrize("limit", [1e-3, 4e-5, 2e-6])
@pytest.mark.parametrize(
    ("levels", "count"),
    [("{1.5}", 40), ("{-1.5}", 2), ("{1.5, 0, -1.5, 0.75, 1.5}", 23), ("{1.2, 1.5}", 100)],
)
def test_at_once_is_event_by_event(bench_file, levels, count, limit, series):
    seen = []
    for fast in (True, False):
        with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
            smu, model = emulated.rig.smu.processor, emulated.rig.smu.triggers
            emulated.rig.fixture.series = series
            played, at_once = [], model.fast
            model.fast = lambda m, f=fast, p=at_once, s=played: f and (s.append(p(m)) or s[-1])
            emulated.rig.matrix.processor.line('channel.exclusiveclose("1A02,1H05")')
            for line in (
                "smua.source.output = 1 smua.source.rangev = 2 smua.measure.nplc = 0.001",
                f"smua.source.limiti = {limit} smua.nvbuffer1.collecttimestamps = 1",
                "smua.nvbuffer1.collectsourcevalues = 1 smua.nvbuffer1.appendmode = 1",
                *TRAIN,
                f"t.source.listv({levels}) t.count = {count} timer[1].count = {count - 1}",
                "t.initiate() waitcomplete() delay(0.001) t.initiate() waitcomplete()",
            ):
                assert smu.line(line) == b""
            assert not smu.errors.entries
            assert played == ([True, True] if fast else [])
            seen.append(state(emulated))
    assert seen[0] == seen[1]
    assert len(seen[0][1][0]) == 2 * count


def test_two_channels_share_timers_and_the_cell_sees_the_difference(bench_file):
    text = bench_file.read_text().replace("1H01..1H06}", "1H01..1H06, column_channel: b}")
    bench_file.write_text(text)
    seen = []
    for fast in (True, False):
        with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
            smu, model = emulated.rig.smu.processor, emulated.rig.smu.triggers
            if not fast:
                model.fast = lambda _: False
            emulated.rig.matrix.processor.line('channel.exclusiveclose("1A02,1H05")')
            lines = [*TRAIN, "t.count = 4 timer[1].count = 3", "t.source.listv({0.75, 0, 0.75})"]
            lines += ["t = smub.trigger t.count = 4 t.source.listv({-0.75, -0.75, 0})"]
            lines += [line.replace("smua", "smub") for line in TRAIN[4:]]
            for line in (
                "smua.source.rangev = 2 smua.measure.nplc = 0.001 smua.source.output = 1",
                "smub.source.rangev = 2 smub.measure.nplc = 0.001 smub.source.output = 1",
                *lines,
                "smub.trigger.initiate() smua.trigger.initiate() waitcomplete()",
            ):
                assert smu.line(line) == b""
            assert not smu.errors.entries
            assert emulated.pulses_applied == 2  # slots 0 and 3; halves do nothing
            a, b = (c.tree["nvbuffer1"].readings for c in emulated.rig.smu.channels.values())
            assert list(a) == [-current for current in b]
            seen.append((emulated.cells.conductance.tolist(), list(a), emulated.clock.ns))
    assert seen[0] == seen[1]


def test_a_channel_initiated_after_the_start_misses_it(say, emulated):
    sweep(say, "{1.5}", 3)
    say(*(line.replace("smua", "smub") for line in TRAIN[:1] + TRAIN[4:]))
    say("smub.source.output = 1 smub.source.rangev = 2 t.source.listv({0}) t.count = 3")
    say("smua.trigger.initiate() smub.trigger.initiate() delay(0.1)")
    assert emulated.pulses_applied == 3
    assert say("print(smub.nvbuffer1.n)") == "2.00000e+00\n"


def test_a_pulse_lasts_as_long_as_its_measurement(say, emulated):
    sweep(say, "{1.5}", 2)
    say("timer[1].delay = 0.01 smua.measure.nplc = 0.1", "t.initiate() waitcomplete()")
    width = emulated.chips["array"].witness.width
    assert width == pytest.approx(0.12e-3 + 2e-3 + 40e-6)


def test_a_timer_that_still_counts_ignores_its_start(say, emulated):
    sweep(say, "{1.5}", 2)
    say("timer[1].count = 9", "t.initiate() waitcomplete()", "t.initiate() delay(0.1)")
    assert emulated.rig.smu.triggers.timers[0].overrun.value
    assert emulated.pulses_applied >= 2


def test_complete_is_told_by_opc_too(say, emulated):
    sweep(say, "{1.5}", 5)
    say("t.initiate()")
    assert emulated.pulses_applied == 0
    assert say("*OPC?") == "1\n"
    assert emulated.pulses_applied == 5
    assert say("printbuffer(1, 2, smua.nvbuffer1.statuses)") == "0.00000e+00, 0.00000e+00\n"


def test_linear_sweeps_and_held_levels(say, emulated):
    say(*TRAIN, "t.source.linearv(0.5, 1.5, 3) t.count = 3 timer[1].count = 2")
    say("t.endpulse.action = smua.SOURCE_HOLD smua.nvbuffer1.collectsourcevalues = 1")
    say("t.initiate() waitcomplete()")
    assert list(emulated.rig.smu.channels["a"].tree["nvbuffer1"].sourcevalues) == [0.5, 1, 1.5]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("smua.source.output = 0", 1410),
        ("t.source.listv({})", -222),
        ("t.source.listv({1.5, 5})", 1101),
        ("t.measure.i(1)", -222),
        ("t.count = 0", 1102),
        ("t.source.action = 7", -222),
        ("timer[1].passthrough = 5", -222),
        ("timer[1].delay = -1", 1102),
        ("t.initiate()", 1411),
    ],
)
def test_what_is_wrong_is_reported_and_gives_no_pulse(say, emulated, wrong, code):
    sweep(say, "{1.5}", 2)
    say(wrong, "t.initiate()")
    assert emulated.rig.smu.processor.errors.next()[0] == code
    assert emulated.pulses_applied == 0


def test_a_sweep_without_a_list_or_a_buffer_does_not_start(say, emulated):
    say(*TRAIN[:-2], "t.initiate() t.source.listv({1.5}) t.measure.action = 1 t.initiate()")
    codes = [entry[0] for entry in emulated.rig.smu.processor.errors.entries]
    assert codes == [1409, 1409]


def test_a_sweep_whose_event_never_comes_hangs_until_abort(say, emulated):
    sweep(say, "{1.5}", 2)
    smu = emulated.rig.smu.processor
    done = threading.Event()

    def run() -> None:
        smu.line("timer[1].stimulus = 0 t.initiate() waitcomplete()")
        done.set()

    threading.Thread(target=run, daemon=True).start()
    time.sleep(0.1)
    assert not done.is_set()
    smu.urgent(b"abort")
    assert done.wait(5)
    say("abort")
    assert not emulated.rig.smu.triggers.active
    assert emulated.pulses_applied == 0


def test_abort_ends_a_pulse_in_the_middle(say, emulated):
    sweep(say, "{1.5}", 9)
    say("t.initiate() delay(0.00115)", "abort")
    assert emulated.pulses_applied == 3  # two whole ones, and what was given of the third
    assert say("print(smua.nvbuffer1.n)") == "3.00000e+00\n"


def test_buffers_append_overflow_and_start_anew(say, emulated):
    say("for k = 1, 3 do smua.measure.i(smua.nvbuffer1) end")
    assert say("print(smua.nvbuffer1.n)") == "1.00000e+00\n"
    say("smua.nvbuffer1.appendmode = 1 smua.measure.i(smua.nvbuffer1)")
    assert say("print(smua.nvbuffer1.n)") == "2.00000e+00\n"
    assert say("print(smua.nvbuffer1.readings[3], smua.nvbuffer1.readings[0])") == "nil\tnil\n"
    say("smua.nvbuffer1.collecttimestamps = 1")
    assert emulated.rig.smu.processor.errors.next()[0] == -221
    say("smua.nvbuffer1.clear() smua.nvbuffer1.collecttimestamps = 1")
    assert say("print(smua.nvbuffer1.capacity)") == "6.00000e+04\n"
    say("smua.measure.count = 50000 smua.measure.i(smua.nvbuffer1) smua.measure.i(smua.nvbuffer1)")
    assert say("print(smua.nvbuffer1.n)") == "6.00000e+04\n"
    assert emulated.rig.smu.processor.errors.next()[0] == 5003


def test_statuses_say_four_wire_and_compliance(say):
    say("smua.sense = 1 smua.source.limiti = 1e-7 smua.source.levelv = 0.2")
    say("smua.measure.i(smua.nvbuffer1)")
    assert say("print(smua.nvbuffer1.statuses[1])") == f"{0x50:.5e}\n"


def test_slots_are_numbered_from_one(emulated):
    line = emulated.rig.matrix.processor.line
    assert line("print(slot[1].idn)").startswith(b"7071-4")
    assert line("print(slot[7])") == b"nil\n"


def test_equal_pulses_of_one_cell_are_single_pulses(emulated):
    cells = emulated.cells
    before = cells.state()
    for count in (1, 5, 16, 17, 31, 100):
        single = []
        for _ in range(count):
            single.append(float(cells.g[3]))
            cells.pulse_cell(3, True, 0.7)
        after = cells.state()
        cells.restore(before)
        assert cells.pulse_train(3, True, 0.7, count, 1.0, 1.0) == single
        assert all(np.array_equal(after[name], cells.state()[name]) for name in after)
        before = after
