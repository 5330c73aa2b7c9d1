"""Small benches, one for each family of instruments: what campaigns run on.

Each has a crossbar of a few cells, short time-outs, and limits that programs keep to.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ohmloop.drivers import Bench
from ohmloop.drivers.bench import BenchConfig
from ohmloop.drivers.validation import validate

_SLOW = {
    "pulses": {
        "up": {"amplitude": "1.5 V", "width": "1 ms"},
        "down": {"amplitude": "-1.5 V", "width": "1 ms"},
        "rest": "1 ms",
    },
    "read": {"voltage": "100 mV", "settle": "1 ms", "nplc": 0.1},
    "limits": {
        "voltage": "2 V",
        "width": "10 ms",
        "read_voltage": "300 mV",
        "current": "1 mA",
    },
    "visa": {"timeout": "200 ms"},
    "emulation": {"seed": 5},
}
_FAST = _SLOW | {
    "pulses": {
        "up": {"amplitude": "1.5 V", "width": "1 us"},
        "down": {"amplitude": "-1.5 V", "width": "1 us"},
        "rest": "1 us",
    },
    "read": {"voltage": "100 mV", "settle": "10 us", "nplc": 0.001},
    "limits": {
        "voltage": "2 V",
        "width": "10 us",
        "read_voltage": "300 mV",
        "current": "1 mA",
    },
}

_FAMILIES: Mapping[str, Mapping[str, object]] = {
    "tsp": _SLOW
    | {
        "instruments": {
            "smu": {
                "driver": "keithley-2600b",
                "resource": "TCPIP0::127.0.0.1::5025::SOCKET",
                "options": {"channel": "a"},
            },
            "matrix": {
                "driver": "keithley-707b",
                "resource": "TCPIP0::127.0.0.1::5026::SOCKET",
                "options": {"tsp_link_node": 2},
            },
        },
        "crossbars": {
            "array": {
                "kind": "tsp",
                "shape": [4, 6],
                "wiring": {
                    "source": "smu",
                    "matrix": "matrix",
                    "rows": "1A01..1A04",
                    "columns": "1H01..1H06",
                },
            }
        },
    },
    "pulse-board": _FAST
    | {
        "instruments": {
            "board": {
                "driver": "pulse-board",
                "resource": "socket://127.0.0.1:5030",
                "options": {"timeout": "150 ms", "watchdog": "60 s"},
            }
        },
        "crossbars": {
            "array": {"kind": "pulse-board", "shape": [4, 6], "wiring": {"board": "board"}}
        },
    },
}


def families() -> list[str]:
    """Names of all families."""
    return list(_FAMILIES)


def small_bench(family: str) -> Bench:
    """The small bench of a family."""
    path = Path(f"{family}.yaml")
    return Bench(path, validate(BenchConfig, {"name": family, **_FAMILIES[family]}, path))
