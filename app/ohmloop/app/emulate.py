"""``ohmloop emulate``: the instruments of a bench file, served on loopback until interrupted."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

from ohmloop.drivers import load_bench

from .console import Screen
from .signals import orderly_interrupts


def emulate(path: Path, screen: Screen, any_port: bool = False) -> None:
    """Serve until Ctrl-C; says who connects, what state a client leaves behind, and totals.

    Raises:
        ConfigError: the bench file is wrong, cannot be emulated, or a port is taken.
    """
    from ohmloop.sim_backend.instruments import EmulatedBench

    log_to_stdout(screen)
    bench = load_bench(path)
    with orderly_interrupts(), EmulatedBench(bench, any_port) as emulated:
        for name, server in emulated.servers.items():
            identity = emulated.devices[name].identity
            screen.say(f"{name}: {server.resource}  {identity}")
        screen.result({"resources": {n: s.resource for n, s in emulated.servers.items()}})
        screen.say("ready; Ctrl-C ends it")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            state = "ON" if emulated.outputs_on else "off"
            screen.say(
                f"ended: outputs {state}, {emulated.pulses_applied} pulses reached the chip,"
                f" {emulated.hot_switches} hot switches"
            )


def log_to_stdout(screen: Screen) -> None:
    """What emulated instruments see, as lines for a person."""
    if screen.as_json:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("ohmloop.emulator")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
