"""What operations cost at the wire, and what the driver adds to it.

    python -m benchmarks.wire [--repeats 15]

Every operation is run by the driver and, in turn, by a hand-written script that sends the very same
bytes over a raw socket and waits for as many bytes of reply. The emulated instruments take the same
time for both, so the ratio of the medians, raw over driver, is the share of the possible
throughput that the driver reaches.
"""

from __future__ import annotations

import argparse
import re
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseProgram, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.tsp.tsp_crossbar import TspCrossbar
from ohmloop.sim_backend.instruments import EmulatedBench

BENCH = Path(__file__).parents[1] / "examples" / "bench-tsp.yaml"
SHAPE = (64, 64)


@dataclass
class Cost:
    """Of one operation: what went over the wire, and seconds by the driver and by hand."""

    messages: int
    sent: int
    received: int
    driver: float
    raw: float

    @property
    def share(self) -> float:
        """Of the throughput that is possible with these bytes."""
        return self.raw / self.driver


def scattered(rng: np.random.Generator) -> PulseProgram:
    """10,000 pulses over 1,000 cells."""
    counts = np.zeros(SHAPE[0] * SHAPE[1], int)
    counts[rng.choice(counts.size, 1000, replace=False)] = 10
    return CellPulses(counts.reshape(SHAPE))


def training_update(rng: np.random.Generator) -> PulseProgram:
    """A batch of ten samples on a tile of 10 x 64, as trains with about 10 % of slots firing."""

    def trains(lines: int, used: int) -> np.ndarray:
        fire = rng.random((10, lines, 31)) < 0.1
        fire[:, used:] = False
        return (fire * (1 << np.arange(31))).sum(axis=2)

    signs = [rng.choice([-1, 1], (10, 64)) for _ in range(2)]
    return CoincidencePulses(trains(64, 10), trains(64, 64), *signs, length=31)


def measure(crossbar: TspCrossbar, operation: Callable[[], object], repeats: int) -> Cost:
    """Run ``operation`` by the driver and by hand, in turn."""
    link = crossbar.smu.transport
    match = re.fullmatch(r"TCPIP0::(.+)::(\d+)::SOCKET", link.resource)
    assert match
    written: list[bytes] = []
    write = link.write

    def noting(text: str) -> None:
        written.append(text.encode() + b"\n")
        write(text)

    times: dict[str, list[float]] = {"driver": [], "raw": []}
    before = (link.traffic.messages, link.traffic.bytes_received)
    link.write = noting  # type: ignore[method-assign]
    operation()
    link.write = write  # type: ignore[method-assign]
    messages = link.traffic.messages - before[0]
    received = link.traffic.bytes_received - before[1]
    for _ in range(repeats):
        start = time.perf_counter()
        operation()
        times["driver"].append(time.perf_counter() - start)
        link.close()  # the instrument serves one client at a time
        with socket.create_connection((match[1], int(match[2]))) as raw:
            raw.settimeout(30)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.sendall(b"\n")
            start = time.perf_counter()
            by_hand(raw, written, received)
            times["raw"].append(time.perf_counter() - start)
        link.reopen()
        crossbar.smu.identify()
    driver, raw_time = (statistics.median(times[key]) for key in ("driver", "raw"))
    return Cost(messages, sum(map(len, written)), received, driver, raw_time)


def by_hand(raw: socket.socket, messages: list[bytes], expected: int) -> None:
    """The script somebody writes for this one purpose."""
    for message in messages:
        raw.sendall(message)
    left = expected
    while left:
        left -= len(raw.recv(min(left, 1 << 16)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    rng = np.random.default_rng(0)
    pulses, update = scattered(rng), training_update(rng)
    with EmulatedBench(load_bench(BENCH), any_port=True) as emulated:
        crossbar = open_on_bench(emulated.bench)
        assert isinstance(crossbar, TspCrossbar)
        with crossbar:
            operations: dict[str, Callable[[], object]] = {
                "read 32 x 32": lambda: crossbar.read(slice(32), slice(32)),
                "10,000 pulses, 1,000 cells": lambda: crossbar.pulse(pulses),
                "training step, 10 x 64 tile": lambda: (
                    crossbar.read(slice(10)), crossbar.pulse(update)
                ),
                "a property": lambda: crossbar.smu.nplc,
            }  # fmt: skip
            print(f"{'TSP bench':30} messages   sent, B  received, B  driver, ms  raw, ms  share")
            for name, operation in operations.items():
                cost = measure(crossbar, operation, repeats)
                print(
                    f"{name:30} {cost.messages:8} {cost.sent:9} {cost.received:12}"
                    f" {1e3 * cost.driver:11.2f} {1e3 * cost.raw:8.2f} {cost.share:6.2f}"
                )


if __name__ == "__main__":
    main()
