"""The chip map, and what a bench file may say."""

from __future__ import annotations

import pytest

from ohmloop.drivers import ConfigError, load_bench
from ohmloop.drivers.arc_two.channels import (
    GROUPS,
    channels_of,
    clusters_of,
    expand,
    group_of,
    mask_of,
)


def test_ranges_run_up_and_down_and_keep_their_order():
    assert expand("0..3, 47, 34..32") == [0, 1, 2, 3, 47, 34, 33, 32]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("64", "not a channel 0 to 63"),
        ("0..64", "not a channel"),
        ("a", "not a channel"),
        ("", "not a channel"),
        ("1..", "not a channel"),
        ("0..3, 2", "channel 2 is listed twice"),
    ],
)
def test_what_lists_no_channels(text, problem):
    with pytest.raises(ValueError, match=problem):
        expand(text)


def test_no_cluster_has_channels_of_both_groups():
    assert clusters_of(GROUPS[0]) & clusters_of(GROUPS[1]) == 0
    assert clusters_of(GROUPS[0]) | clusters_of(GROUPS[1]) == 0xFF
    assert group_of([0, 47]) == 0
    assert group_of([31, 63]) == 1
    with pytest.raises(ValueError, match="both groups"):
        group_of([0, 16])


def test_masks():
    assert list(channels_of(mask_of([5, 63, 0]))) == [0, 5, 63]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("board: board, rows", "board: smu, rows", "crossbars.array.wiring.board: no instrument"),
        ('rows: "7..8, 32, 47"', 'rows: "7..8, 32"', "crossbars.array.wiring.rows: lists 3"),
        ('rows: "7..8, 32, 47"', 'rows: "7..8, 32, 99"', "crossbars.array.wiring.rows: '99'"),
        ('rows: "7..8, 32, 47"', 'rows: "7..8, 32, 16"', "crossbars.array.wiring.rows: lies in"),
        (
            'columns: "63, 16..18, 31, 48"',
            'columns: "0..5"',
            "crossbars.array.wiring.columns: hang on the same group",
        ),
        ("rows:", "lines:", "crossbars.array.wiring.lines: unknown key"),
        ("width: 500 ns", "width: 30 ns", "pulses: a pulse of 30 ns: this board makes 40 ns"),
        ("width: 500 ns", "width: 45.5 ns", "pulses: a pulse of 45.5 ns"),
        ("amplitude: 1.25 V", "amplitude: 0.1 mV", "pulses: a pulse of 100 uV"),
        ("read: {voltage: 100 mV}", "read: {voltage: 0.1 mV}", "read.voltage: this board"),
        ("socket://127.0.0.1:5060", "TCPIP0::1::2::SOCKET", "instruments.board.resource: "),
        ("timeout: 300 ms", "baud: 9600", "instruments.board.options.baud: unknown key"),
        ("driver: arc-two", "driver: pulse-board", "crossbars.array.wiring.board: 'board' is a"),
    ],
)
def test_a_bench_file_that_cannot_be_says_where(old, new, key, bench_file):
    text = bench_file.read_text()
    assert old in text
    bench_file.write_text(
        text.replace(old, new).replace("options: {timeout: 300 ms}", "")
        if "pulse-board" in new
        else text.replace(old, new)
    )
    with pytest.raises(ConfigError) as caught:
        load_bench(bench_file)
    assert f"bench.yaml: {key}" in str(caught.value)


def test_a_board_drives_one_crossbar(bench_file):
    text = bench_file.read_text()
    start, stop = text.index("  array:"), text.index("pulses:")
    block = text[start:stop]
    bench_file.write_text(text[:stop] + block.replace("array:", "other:") + text[stop:])
    with pytest.raises(ConfigError, match=r"already drives crossbar"):
        load_bench(bench_file)
