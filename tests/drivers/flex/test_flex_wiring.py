from __future__ import annotations

import pytest

from ohmloop.drivers import ConfigError, load_bench
from ohmloop.sim_backend.instruments import EmulatedBench

LIMIT = ("      current_limit: external\n", "")
WGFMU = (
    ("spgu: 501}", "wgfmu: {channel: 201}}"),
    ("pulses: spgu", "pulses: wgfmu"),
)


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ([("analyser: analyser", "analyser: nobody")], "wiring.analyser", "no instrument 'nobody'"),
        ([("      matrix: matrix", "      matrix: analyser")], "wiring.matrix", "cannot be it"),
        ([("10101..10104", "10101..10103")], "wiring.rows", "wires 3 rows"),
        ([("10205..10210", "10204..10209")], "wiring", "shorts the cell"),
        ([("10301..10304", "10302..10305")], "pulse_rows", "same cards and outputs"),
        ([("10301..10304", "10101..10104")], "pulse_rows", "input 01, which rows uses too"),
        ([("10101..10104", "10101, 10102, 10403, 10404")], "wiring.rows", "one source has one"),
        ([("10101..10104", "1A01")], "wiring.rows", "not a channel"),
        ([("pulses: spgu", "pulses: laser")], "wiring.pulses", "laser"),
        ([("pulses: spgu", "pulses: smu")], "pulse_rows", "leave pulse_rows out"),
        ([LIMIT], "current_limit", "has no current limit"),
        ([(", spgu: 501", "")], "options.spgu", "is missing"),
        ([("smu: 1,", "smu: 11,")], "options.smu", "less than or equal to 10"),
        ([("smu: 1,", "smu: 1, probe: 2,")], "options.probe", "unknown key"),
        ([("spgu: 501", "spgu: 501, load: 5 V")], "options.load", "not a resistance"),
        ([("spgu: 501", "spgu: 501, load: 50 ohm")], "pulses", "3 V where nothing draws"),
        ([("{voltage: 2 V", "{voltage: 50 V")], "limits.voltage", "up to 40 V"),
        ([("rest: 100 us", "rest: 0 us")], "pulses", "pulses.rest"),
        ([("current: 1 mA", "current: 1 A")], "limits.current", "100 mA"),
        ([*WGFMU, ("rest: 100 us", "rest: 1 ns")], "pulses", "steps of 10 ns"),
    ],
)
def test_wiring_that_cannot_be_is_refused_with_file_and_key(write, changes, key, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load_bench(write(*changes))
    assert key in caught.value.key
    assert caught.value.file.endswith("bench.yaml")


@pytest.mark.parametrize("pulses", ["smu"])
def test_pulses_that_an_smu_cannot_time_are_refused(write):
    with pytest.raises(ConfigError, match=r"every 0\.005 to 5 s"):
        load_bench(write(("rest: 4 ms", "rest: 3 ms")))


def test_a_wgfmu_has_no_emulator_and_says_so(write):
    with pytest.raises(ConfigError, match="no emulator of it"):
        EmulatedBench(load_bench(write(*WGFMU)), any_port=True)
