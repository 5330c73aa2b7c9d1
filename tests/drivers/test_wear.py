"""Counts of pulses for life: over processes, crashes and rivals. The count is never too low."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from ohmloop.drivers import (
    BadInputError,
    CellPulses,
    CoincidencePulses,
    LimitError,
    Limits,
    WearLedger,
    load_bench,
    pulses,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.wear import Claim
from ohmloop.sim_backend.instruments import EmulatedBench

ONES = np.ones((8, 8), np.int64)
BOOKING = """
import sys
from pathlib import Path
import numpy as np
from ohmloop.drivers.wear import WearLedger
ledger = WearLedger((8, 8), Path(sys.argv[1]))
while True:
    ledger.book(np.ones((8, 8), np.int64))
    print(int(ledger.pulses[0, 0]), flush=True)
"""
HOLDING = """
import sys
from pathlib import Path
from ohmloop.drivers.wear import Claim
claim = Claim(Path(sys.argv[1]), "bench.yaml#array")
print("held", flush=True)
sys.stdin.read()
"""


def child(code: str, path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_process_killed_at_any_moment_leaves_a_count_that_is_not_too_low(tmp_path):
    """Killed at five moments, some amid a booking: whole, and at most one booking ahead."""
    path, rng = tmp_path / "bench.array.wear.npy", np.random.default_rng(1)
    told = 0
    for _ in range(5):
        with child(BOOKING, path) as process:
            for _ in range(int(rng.integers(1, 60))):
                told = int(process.stdout.readline())
            for _ in range(int(rng.integers(0, 20_000))):
                pass
            process.send_signal(signal.SIGKILL)
            for line in process.stdout:  # what it had said before it was killed
                told = int(line)
        kept = WearLedger((8, 8), path).pulses
        assert (kept == kept[0, 0]).all()
        assert told <= kept[0, 0] <= told + 1
        told = int(kept[0, 0])
    assert told > 5


@pytest.mark.parametrize("loaded", [True, False])
def test_what_is_counted_at_once_and_what_is_kept_come_to_the_same(monkeypatch, loaded):
    monkeypatch.setattr(pulses, "worth_compiling", lambda _: loaded)
    rng, ledger, expected = np.random.default_rng(2), WearLedger((5, 7)), np.zeros((5, 7), np.int64)
    for _ in range(3):
        trains = [rng.integers(0, 256, (4, lines), np.uint64) for lines in (5, 7)]
        signs = [np.ones((4, lines), np.int8) for lines in (5, 7)]
        for program in (CoincidencePulses(*trains, *signs, 8), CellPulses(np.full((5, 7), -2))):
            ledger.note(program)
            expected += np.abs(program.counts()).sum(axis=0)
    assert len(ledger._noted) == (3 if loaded else 6)
    np.testing.assert_array_equal(ledger.pulses, expected)
    assert not ledger._noted


def test_a_half_written_draft_is_no_ledger(tmp_path):
    path = tmp_path / "bench.array.wear.npy"
    WearLedger((8, 8), path).book(ONES)
    path.with_suffix(".tmp").write_bytes(b"half")
    again = WearLedger((8, 8), path)
    assert (again.pulses == 1).all()
    again.book(ONES)
    assert (WearLedger((8, 8), path).pulses == 2).all()


def test_two_that_keep_one_file_cannot_lose_pulses(tmp_path):
    path = tmp_path / "bench.array.wear.npy"
    one, two = WearLedger((8, 8), path), WearLedger((8, 8), path)
    one.book(ONES)
    with pytest.raises(LimitError, match="somebody else changed the wear ledger"):
        two.book(ONES)
    path.unlink()
    with pytest.raises(LimitError, match="somebody else changed"):
        one.book(ONES)


def test_a_booking_that_cannot_be_written_is_refused_and_not_counted(tmp_path):
    ledger = WearLedger((8, 8), tmp_path / "gone" / "bench.wear.npy")
    with pytest.raises(LimitError, match=r"cannot be written .*; nothing was sent"):
        ledger.book(ONES)
    assert not ledger.pulses.any()


def test_a_chip_is_one_process_s_at_a_time_and_free_when_that_is_killed(tmp_path):
    path = tmp_path / "bench.array.wear.npy"
    with child(HOLDING, path) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BadInputError, match=rf"#array is in use by process {holder.pid} on "):
            Claim(path, "bench.yaml#array")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    claim = Claim(path, "bench.yaml#array")
    with pytest.raises(BadInputError, match="in use by process"):
        Claim(path, "bench.yaml#array")
    claim.release()
    claim.release()
    Claim(path, "bench.yaml#array").release()


@pytest.fixture
def limited(bench_file):
    text = bench_file.read_text().replace("current: 1 mA", "current: 1 mA, pulses_per_cell: 5")
    bench_file.write_text(text)
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        yield emulated


def test_a_bench_in_use_is_refused_before_an_instrument_hears_of_it(limited):
    with open_on_bench(limited.bench):
        heard = {name: server.bytes_received for name, server in limited.servers.items()}
        with pytest.raises(BadInputError, match="#array is in use by process"):
            open_on_bench(limited.bench)
        assert heard == {n: server.bytes_received for n, server in limited.servers.items()}
    open_on_bench(limited.bench).close()


def test_a_bench_that_could_not_be_opened_is_free_again(limited):
    away = limited.bench.with_resources({"smu": "TCPIP0::127.0.0.1::9::SOCKET"})
    for _ in range(2):
        with pytest.raises(Exception, match="nobody answers"):
            open_on_bench(away)
    open_on_bench(limited.bench).close()


def test_a_budget_holds_over_runs(limited):
    for _ in range(2):
        with open_on_bench(limited.bench) as chip:
            chip.pulse(CellPulses(np.full(chip.shape, 2, np.int32)))
    with open_on_bench(limited.bench) as chip, pytest.raises(LimitError, match="would reach 6"):
        chip.pulse(CellPulses(np.full(chip.shape, 2, np.int32)))
    assert limited.pulses_applied == 2 * 2 * 24


def test_a_program_is_on_the_disk_before_it_is_sent(recording, tmp_path):
    path = tmp_path / "bench.array.wear.npy"
    chip = recording(limits=Limits(pulses_per_cell=10), ledger=WearLedger((2, 3), path))
    kept = []
    chip._pulse = lambda program, sequence: (
        kept.append(WearLedger((2, 3), path).pulses.sum()) or (0, 0)
    )
    chip.pulse(CellPulses(np.full((2, 3), -3, np.int32)))
    assert kept == [18]
