"""``ohmloop emulate --replay``: recorded instruments, served on loopback until interrupted."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from ohmloop.drivers import OhmloopError

from .console import Screen
from .emulate import log_to_stdout
from .signals import orderly_interrupts


def replay(path: Path, screen: Screen, real_time: bool = False) -> None:
    """Play a transcript until Ctrl-C; write the bench file that opens it beside it.

    Raises:
        ConfigError: the transcript is damaged, or a file is in the way of the bench file.
        OhmloopError: when it ends, where the host did otherwise than recorded; says what.
    """
    from ohmloop.sim_backend.instruments import ReplayedBench

    with orderly_interrupts(), ReplayedBench(path, real_time) as replayed:
        log_to_stdout(screen)
        for remark in replayed.transcript.remarks:
            screen.trouble(remark)
        for name, server in replayed.servers.items():
            screen.say(f"{name}: {server.resource}")
        bench_file = replayed.write_bench_file()
        resources = {name: server.resource for name, server in replayed.servers.items()}
        screen.result({"bench": str(bench_file), "resources": resources})
        screen.say(f"bench file: {bench_file}\nready; Ctrl-C ends it")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            _conclude(replayed.deviations, replayed.rest, screen)


def _conclude(deviations: list[str], rest: list[str], screen: Screen) -> None:
    if deviations:
        raise OhmloopError("; ".join(deviations))
    screen.say("\n".join(rest) or "ended: all was played as recorded")
