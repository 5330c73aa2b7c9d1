"""``ohmloop check``: who answers on a bench, and does its crossbar read like one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ohmloop.drivers import Bench, OhmloopError, load_bench, recorded
from ohmloop.drivers.opening import open_on_bench
from ohmloop.drivers.registry import instrument_driver
from ohmloop.drivers.units import with_unit

from .console import Screen
from .signals import orderly_interrupts


def check(
    path: Path, screen: Screen, crossbar: str = "", record: Path | None = None
) -> dict[str, Any]:
    """Identify every instrument, then read every cell of the crossbar twice; pulses nothing.

    Returns:
        ``bench``, ``instruments`` (identity by name), ``crossbar`` (conductances, noise, messages).

    Raises:
        ConfigError: the bench file is wrong.
        BadInputError: the file to record to exists already.
        InstrumentError: an instrument does not answer, or is another; the table is printed first.
    """
    bench = load_bench(path)
    name = bench.crossbar_name(crossbar)
    with orderly_interrupts(), recorded(bench, record):
        identities = _identify(bench, screen)
        figures = _read_twice(bench, name)
    screen.table(
        f"crossbar {name}",
        ("cells", "conductance, median", "5 % to 95 %", "read noise", "messages"),
        [
            (
                f"{figures['rows']} x {figures['columns']}",
                with_unit(figures["median_S"], "S"),
                f"{with_unit(figures['low_S'], 'S')} to {with_unit(figures['high_S'], 'S')}",
                f"{100 * figures['read_noise']:.2g} %",
                str(figures["messages"]),
            )
        ],
    )
    screen.say("all instruments answer, every cell was read, outputs are off")
    return {"bench": bench.config.name, "instruments": identities, "crossbar": figures}


def _identify(bench: Bench, screen: Screen) -> dict[str, str]:
    rows, found, trouble = [], {}, None
    for name, config in bench.config.instruments.items():
        driver = instrument_driver(config.driver, bench.path, f"instruments.{name}.driver")
        try:
            instrument = driver.connect(bench, name)
        except OhmloopError as error:
            trouble = trouble or error
            rows.append((name, config.driver, config.resource, "no"))
            continue
        instrument.close()
        found[name] = instrument.identity
        rows.append((name, config.driver, config.resource, instrument.identity))
    screen.table("instruments", ("name", "driver", "resource", "answers as"), rows)
    if trouble:
        raise trouble
    return found


def _read_twice(bench: Bench, name: str) -> dict[str, Any]:
    with open_on_bench(bench, name) as chip:
        first, second = chip.read(), chip.read()
        low, median, high = np.quantile(first, [0.05, 0.5, 0.95])
        mean = np.maximum(np.abs(first + second) / 2, 1e-12)
        noise = float(np.median(np.abs(first - second) / mean)) / (0.6745 * np.sqrt(2))
        return {
            "name": name,
            "rows": chip.shape[0],
            "columns": chip.shape[1],
            "median_S": float(median),
            "low_S": float(low),
            "high_S": float(high),
            "read_noise": noise,
            "messages": int(getattr(chip, "messages", 0)),
        }
