"""Two chips on one bench rarely take the same pulse: a crossbar may have conditions of its own."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import (
    CellPulses,
    ConfigError,
    LimitError,
    Limits,
    PulseConditions,
    PulseShape,
    ReadCondition,
    load_bench,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.tsp.tsp_crossbar import TspKind
from ohmloop.sim_backend.instruments import EmulatedBench

KIND = "    kind: tsp\n"
OTHER = """\
  other:
    kind: tsp
    shape: [2, 3]
    wiring: {source: smu, matrix: matrix, rows: "2A01..2A02", columns: "2F01..2F03"}
"""
TWO_BOARDS = """
name: two boards
instruments:
  one: {driver: pulse-board, resource: "socket://127.0.0.1:5030"}
  two: {driver: pulse-board, resource: "socket://127.0.0.1:5031"}
crossbars:
  left: {kind: pulse-board, shape: [3, 4], wiring: {board: one}}
  right:
    kind: pulse-board
    shape: [2, 5]
    wiring: {board: two}
    pulses: {up: {amplitude: 1.1 V}, down: {amplitude: -1.1 V}}
    limits: {voltage: 1.2 V}
pulses: {up: {amplitude: 1.5 V, width: 1 ms}, down: {amplitude: -1.5 V, width: 1 ms}, rest: 1 ms}
read: {voltage: 100 mV}
limits: {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA}
"""


def own(text: str) -> tuple[str, str]:
    return KIND, f"{KIND}    {text}\n"


def test_a_crossbar_has_what_it_says_and_the_rest_of_the_bench(write_bench):
    pulses = "pulses: {up: {amplitude: 1.2 V}, rest: 3 ms}"
    lines = f"{pulses}\n    read: {{settle: 5 ms}}\n    limits: {{voltage: 1.3 V, current: 10 uA}}"
    down = ("down: {amplitude: -1.5 V", "down: {amplitude: -1.1 V")
    bench = load_bench(write_bench(own(lines), down))
    mine = bench.conditions_of("array")
    assert (mine.up, mine.down) == (PulseShape(1.2, 1e-3), PulseShape(-1.1, 1e-3))
    assert mine.rest == 3e-3
    assert bench.reading_of("array") == ReadCondition(0.1, 5e-3, 0.1)
    limits = bench.limits_of("array")
    assert (limits.voltage, limits.current, limits.width) == (1.3, 1e-5, 1e-2)


def test_without_a_word_all_is_as_on_the_bench(write_bench):
    bench = load_bench(write_bench())
    assert bench.conditions_of("array") == bench.conditions
    assert bench.reading_of("array") == bench.reading
    assert bench.limits_of("array") == bench.limits


def test_a_life_time_budget_of_one_chip_only(write_bench, tmp_path):
    text = own("limits: {pulses_per_cell: 100}")
    bench = load_bench(write_bench(text, ("pulses:\n  up:", OTHER + "pulses:\n  up:")))
    assert bench.ledger_path("array") == tmp_path / "bench.array.wear.npy"
    assert bench.ledger_path("other") is None
    lifted = own("limits: {pulses_per_cell: null}")
    changes = (lifted, ("current: 1 mA", "current: 1 mA, pulses_per_cell: 7"))
    bench = load_bench(write_bench(*changes))
    assert bench.config.limits.pulses_per_cell == 7
    assert bench.ledger_path("array") is None


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("pulses: {up: {amplitude: 2.5 V}}", "pulses", "limits.voltage, 2 V"),
        ("pulses: {up: {amplitude: 0 V}}", "pulses.up.amplitude", "does nothing"),
        ("pulses: {up: {amplitude: null}}", "pulses.up.amplitude", "None is not a voltage"),
        ("pulses: {up: {width: 50 us}}", "pulses", "no pulse shorter than 100 us"),
        ("limits: {voltage: 1.4 V}", "pulses", "limits.voltage, 1.4 V"),
        ("limits: {width: 1 A}", "limits.width", "'1 A' is not a time"),
        ("limits: {volts: 1 V}", "limits.volts", "unknown key"),
        ("read: {voltage: 400 mV}", "read.voltage", "limits.read_voltage, 300 mV"),
        ("read: {voltage: 0 V}", "read.voltage", "nothing can be read"),
    ],
)
def test_a_mistake_names_the_crossbar(write_bench, text, key, problem):
    with pytest.raises(ConfigError) as caught:
        load_bench(write_bench(own(text)))
    assert caught.value.key == f"crossbars.array.{key}"
    assert problem in caught.value.problem


@pytest.mark.parametrize("name", ["../x", "a#b", "a/b", '" "', '""', '"a\\nb"', "a.", ".hidden"])
def test_a_crossbar_whose_name_is_none_is_refused(write_bench, name):
    with pytest.raises(ConfigError, match="is no name"):
        load_bench(write_bench(("  array:", f"  {name}:")))


def test_the_guard_the_instruments_and_the_emulated_chip_go_by_them(bench_file):
    lines = "    pulses: {up: {amplitude: 1.2 V}}\n    limits: {voltage: 1.5 V, current: 500 uA}\n"
    bench_file.write_text(bench_file.read_text().replace(KIND, KIND + lines))
    with (
        EmulatedBench(load_bench(bench_file), any_port=True) as emulated,
        open_on_bench(emulated.bench) as chip,
    ):
        assert chip.conditions.up.amplitude == 1.2
        assert float(emulated.rig.smu.channels["a"].source.value("limiti")) == 500e-6
        chip.pulse(CellPulses(np.ones(chip.shape, np.int32)))
        # 1.2 V is this chip's nominal up pulse, so it moves every cell.
        assert emulated.pulses_applied == 24
        beyond = PulseConditions(PulseShape(1.8, 1e-3), PulseShape(-1.2, 1e-3), 1e-3)
        with pytest.raises(LimitError, match=r"limits\.voltage, 1\.5 V"):
            chip.pulse(CellPulses(np.ones(chip.shape, np.int32), conditions=beyond))
    assert emulated.chips["array"].witness.voltage == 1.2


def test_two_boards_on_one_bench_each_go_by_their_own(tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text(TWO_BOARDS)
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        for name, amplitude, limit in (("left", 1.5, 2.0), ("right", 1.1, 1.2)):
            with open_on_bench(emulated.bench, name) as chip:
                chip.pulse(CellPulses(np.ones(chip.shape, np.int32)))
            witness = emulated.chips[name].witness
            assert (witness.voltage, chip.limits.voltage) == (amplitude, limit)
            # Its own pulse is what its cells are modelled at: each moves them all.
            assert (emulated.chips[name].cells.pulses == 1).all()
            assert emulated.rigs[name == "right"].board.limits.voltage == limit


def test_what_does_not_know_of_own_conditions_refuses_instead_of_pulsing_too_hard(bench_file):
    bench_file.write_text(
        bench_file.read_text().replace(KIND, f"{KIND}    limits: {{voltage: 1.6 V}}\n")
    )
    bench = load_bench(bench_file)
    for name in ("conditions", "reading", "limits"):
        with pytest.raises(
            ConfigError, match=r"crossbars\.array: has pulses, read or limits of its"
        ):
            getattr(bench, name)


def test_a_kind_that_opens_with_the_bench_s_limits_is_closed_again(
    write_bench, recording, monkeypatch
):
    bench = load_bench(write_bench(own("limits: {voltage: 1.6 V, pulses_per_cell: 5}")))
    opened = recording(conditions=bench.conditions_of("array"), limits=Limits(voltage=2.0))
    monkeypatch.setattr(TspKind, "open", lambda *_, **__: opened)
    for _ in range(2):  # the claim is let go of, too
        with pytest.raises(ConfigError, match="does not go by"):
            open_on_bench(bench)
    assert opened.closed == 2


def test_a_kind_that_keeps_no_ledger_is_refused_where_there_is_a_budget(
    write_bench, recording, monkeypatch
):
    bench = load_bench(write_bench(("current: 1 mA", "current: 1 mA, pulses_per_cell: 100")))
    opened = recording(conditions=bench.conditions, reading=bench.reading, limits=bench.limits)
    monkeypatch.setattr(TspKind, "open", lambda *_, **__: opened)
    with pytest.raises(ConfigError, match=r"crossbars\.array\.kind: .* keeps no ledger"):
        open_on_bench(bench)
    assert opened.closed == 1
