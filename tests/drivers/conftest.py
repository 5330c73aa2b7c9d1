from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohmloop.drivers import Crossbar, PulseConditions, PulseShape, ReadCondition

BENCH = """\
name: test bench
instruments:
  smu: {driver: keithley-2600b, resource: "TCPIP0::127.0.0.1::5025::SOCKET", options: {channel: a}}
  matrix:
    driver: keithley-707b
    resource: "TCPIP0::127.0.0.1::5026::SOCKET"
    options: {tsp_link_node: 2}
crossbars:
  array:
    kind: tsp
    shape: [2, 3]
    wiring: {source: smu, matrix: matrix, rows: "1A01..1A02", columns: "1F01..1F03"}
pulses:
  up: {amplitude: 1.5 V, width: 1 ms}
  down: {amplitude: -1.5 V, width: 1 ms}
  rest: 1 ms
read: {voltage: 100 mV, settle: 1 ms, nplc: 0.1}
limits: {voltage: 2 V, width: 10 ms, read_voltage: 300 mV, current: 1 mA}
"""


class RecordingCrossbar(Crossbar):
    """A crossbar of numbers: every verb that would reach hardware is recorded."""

    def __init__(self, shape: tuple[int, int] = (2, 3), **options: Any) -> None:
        pulse = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)
        options = {"conditions": pulse, "reading": ReadCondition(0.1), **options}
        super().__init__(shape, **options)
        self.g = 1e-5 * np.arange(1.0, shape[0] * shape[1] + 1).reshape(shape)
        self.sent: list[Any] = []
        self.reads = self.made_safe = self.closed = 0
        self.error: BaseException | None = None
        self.unsafe: BaseException | None = None

    def _read(self, rows, columns):
        self.reads += 1
        return self.g[np.ix_(rows, columns)].copy()

    def _pulse(self, program, sequence):
        self.sent.append(program)
        if self.error is not None:
            raise self.error
        self.g += 1e-7 * program.counts().sum(axis=0)
        return program.total_pulses, 0

    def _make_safe(self):
        self.made_safe += 1
        if self.unsafe is not None:
            raise self.unsafe

    def _close(self):
        self.closed += 1
        if self.unsafe is not None:
            raise self.unsafe


@pytest.fixture
def recording() -> Callable[..., RecordingCrossbar]:
    return RecordingCrossbar


@pytest.fixture
def bench_text() -> str:
    return BENCH


@pytest.fixture
def write_bench(tmp_path: Path) -> Callable[..., Path]:
    """Write the bench file with pieces of its text replaced; each piece must be there once."""

    def write(*changes: tuple[str, str]) -> Path:
        text = BENCH
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "bench.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
