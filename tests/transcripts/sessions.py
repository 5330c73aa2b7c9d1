"""Short sessions on small emulated benches, kept as transcripts beside this file.

``tests/sim_backend/instruments/replay/test_wire.py`` plays them against today's drivers: whoever
changes what goes over the wire, notices. Where the change was meant, record them anew with

    python tests/transcripts/sessions.py

and look at the difference before committing it: what happens by chance is taken out (ports, times,
date, markers, the first number of a frame, flags), so a difference is one of the conversation.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from ohmloop.drivers import Bench, CellPulses, CoincidencePulses, Crossbar, load_bench, recorded
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.registry import instrument_driver

FOLDER = Path(__file__).parent


def tsp_session(bench: Bench) -> dict[str, Any]:
    """Who answers; reads, whole and in part, and at another voltage; programs of both kinds."""
    _identify(bench)
    with open_on_bench(bench) as chip:
        return _use(chip)


def board_session(bench: Bench) -> dict[str, Any]:
    """The same on a board of either kind, and products, which it makes by itself."""
    _identify(bench)
    with open_on_bench(bench) as chip:
        found = _use(chip)
        found["forward"] = chip.forward(0.1 * np.eye(chip.shape[1])[:2])
        found["backward"] = chip.backward(0.1 * np.eye(chip.shape[0])[1:])
        return found


SESSIONS: Mapping[str, Callable[[Bench], dict[str, Any]]] = {
    "tsp": tsp_session,
    "board": board_session,
    "arc-two": board_session,
}
"""By the name of bench file and transcript."""


_DRAWN = ("tsp_instrument.token_hex", "tsp_crossbar.token_hex")
"""Where the drivers draw names by chance."""


def transcript(name: str) -> Path:
    """Where the transcript of a session is kept."""
    return FOLDER / f"{name}.jsonl"


def _identify(bench: Bench) -> None:
    for name, config in bench.config.instruments.items():
        driver = instrument_driver(config.driver, bench.path, name)
        driver.connect(bench, name).close()


def _use(chip: Crossbar) -> dict[str, Any]:
    counts = np.zeros(chip.shape, np.int32)
    counts[0, 1], counts[2, 3], counts[1, 0] = 3, -2, 1
    trains = CoincidencePulses(
        row_trains=np.array([[0b01101, 0b11111, 0], [0b00001, 0b10000, 0b11011]], np.uint64),
        column_trains=np.array([[0b01001, 0, 0b11111, 0b1], [0b1, 0b10001, 0, 0b1]], np.uint64),
        row_signs=np.array([[1, -1, 1], [1, 1, -1]], np.int8),
        column_signs=np.array([[1, 1, -1, 1], [-1, 1, 1, 1]], np.int8),
        length=5,
    )
    weaker = replace(chip.conditions, up=replace(chip.conditions.up, amplitude=1.2))
    programs = (CellPulses(counts), trains, CellPulses(counts, conditions=weaker))
    found = {
        "before": chip.read(),
        "part": chip.read([0, 2], [3]),
        "currents": chip.currents(0.2, 1),
    }
    found["applied"] = [chip.pulse(program).pulses_applied for program in programs]
    found["sent"] = [program.total_pulses for program in programs]
    found["after"] = chip.read()
    chip.make_safe()
    return found


def main() -> None:
    """Record all sessions anew."""
    from ohmloop.sim_backend.instruments import EmulatedBench

    for name, session in SESSIONS.items():
        transcript(name).unlink(missing_ok=True)
        bench = load_bench(FOLDER / f"{name}.yaml")
        with (
            mock.patch("time.monotonic_ns", return_value=0),
            mock.patch("ohmloop.drivers.arc_two.frame_port.randbits", return_value=0),
            _counted_names(),
            EmulatedBench(bench, any_port=True) as emulated,
            recorded(emulated.bench, transcript(name)),
        ):
            session(emulated.bench)
        _without_chance(transcript(name), bench)


@contextmanager
def _counted_names() -> Iterator[None]:
    """Names that are drawn by chance are counted instead."""
    numbers = itertools.count(1)
    with ExitStack() as patches:
        for place in _DRAWN:
            patched = mock.patch(
                f"ohmloop.drivers.tsp.{place}",
                side_effect=lambda size: f"{next(numbers):0{2 * size}x}",
            )
            patches.enter_context(patched)
        yield


def _without_chance(path: Path, bench: Bench) -> None:
    """Every line a millisecond after the one before, at the bench file's addresses."""
    header, *lines = map(json.loads, path.read_text().splitlines())
    header["date"] = "2026-01-01T00:00:00+00:00"
    for name, instrument in header["instruments"].items():
        instrument["resource"] = bench.config.instruments[name].resource
    for number, line in enumerate(lines, 1):
        line["time"] = number / 1000
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))


if __name__ == "__main__":
    main()
