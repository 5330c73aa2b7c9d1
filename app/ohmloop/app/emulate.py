"""``ohmloop emulate``: the instruments of a bench file, served on loopback until interrupted."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ohmloop.drivers import load_bench

from .console import Screen
from .signals import orderly_interrupts

if TYPE_CHECKING:
    from ohmloop.sim_backend.instruments import EmulatedBench


_EVERY = 0.5  # between looks whether the chips have changed, s


def emulate(
    path: Path,
    screen: Screen,
    any_port: bool = False,
    chips: Path | None = None,
    link: str | None = None,
) -> None:
    """Serve until Ctrl-C; says who connects, what state a client leaves behind, and totals.

    Args:
        path: the bench file.
        screen: who is told.
        any_port: take free ports.
        chips: file that keeps the chips' conductances while the emulator is off.
        link: how long links take, instead of the file's ``emulation.link``.

    Raises:
        ConfigError: a file is wrong, cannot be emulated, or a port is taken.
    """
    from ohmloop.sim_backend.instruments import EmulatedBench
    from ohmloop.sim_backend.instruments.chip_state import load_chips

    _log_to_stdout(screen)
    bench = load_bench(path)
    with orderly_interrupts(), EmulatedBench(bench, any_port, link) as emulated:
        if chips and chips.exists():
            load_chips(chips, emulated.chips)
            screen.say(f"chips as {chips} says")
        for name, server in emulated.servers.items():
            identity = emulated.devices[name].identity
            screen.say(f"{name}: {server.resource}  {identity}")
        screen.result({"resources": {n: s.resource for n, s in emulated.servers.items()}})
        screen.say("ready; Ctrl-C ends it")
        sys.stdout.flush()
        try:
            _watch(emulated, chips)
        except KeyboardInterrupt:
            state = "ON" if emulated.outputs_on else "off"
            screen.say(
                f"ended: outputs {state}, {emulated.pulses_applied} pulses reached the chip,"
                f" {emulated.hot_switches} hot switches"
            )


def _watch(emulated: EmulatedBench, chips: Path | None) -> NoReturn:
    """For ever; keeps the chips' state a fraction of a second behind them, and to the last."""
    from ohmloop.sim_backend.instruments.chip_state import save_chips

    seen = -1
    try:
        while True:
            threading.Event().wait(_EVERY)
            if chips and emulated.pulses_applied != seen:
                seen = emulated.pulses_applied
                save_chips(chips, emulated.chips)
    finally:
        if chips:
            save_chips(chips, emulated.chips)


def _log_to_stdout(screen: Screen) -> None:
    if screen.as_json:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("ohmloop.emulator")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
