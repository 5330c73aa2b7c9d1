"""An emulated bench in a process of its own, as instruments are: what it computes slows nobody.

In the process that measures, an emulator would take turns with the driver at the interpreter's
lock, and the figure would say how the two share it rather than what the driver costs.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ohmloop.drivers import load_bench
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.latency import LINKS

_PATIENCE = 120.0  # for the other process, s: it may have to compile


class Address(NamedTuple):
    """Where an instrument is served."""

    resource: str
    host: str
    port: int


class BenchApart:
    """Serves a bench file on free ports until closed; a context manager.

    Args:
        path: the bench file.

    Attributes:
        bench: the bench file, with the resources that are served.
        addresses: where, by instrument.

    Raises:
        RuntimeError: the other process ended, or does not answer.
    """

    def __init__(self, path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(path, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.addresses: dict[str, Address] = self._answer()
        resources = {name: address.resource for name, address in self.addresses.items()}
        self.bench = load_bench(path).with_resources(resources)

    def link(self, name: str) -> None:
        """Have links take their time from now on; a name in ``latency.LINKS``."""
        self._ours.send(("link", name))
        self._answer()

    def unplug(self) -> None:
        """Hang up on all clients: instruments serve one at a time."""
        self._ours.send(("unplug", ""))
        self._answer()

    def close(self) -> None:
        """Stop serving."""
        self._ours.close()
        self._process.join(_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self) -> dict[str, Address]:
        try:
            if self._ours.poll(_PATIENCE):
                found: dict[str, Address] = self._ours.recv()
                return found
        except EOFError:
            pass
        raise RuntimeError("the process of the emulated bench does not answer")


def _serve(path: Path, host: Connection) -> None:
    """What the other process does, until its host hangs up."""
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        servers = emulated.servers
        host.send({n: Address(s.resource, s.host, s.port) for n, s in servers.items()})  # type: ignore[attr-defined]
        while True:
            try:
                verb, argument = host.recv()
            except (EOFError, KeyboardInterrupt):
                return
            for server in servers.values():
                if verb == "link":
                    server.link = LINKS[argument]
                else:
                    server.unplug()
            host.send({})
