"""All instruments of a bench file, emulated: one chip behind them, a server for each."""

from __future__ import annotations

import ipaddress
import re
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from ohmloop.drivers import Bench, ConfigError
from ohmloop.drivers.registry import lookup
from ohmloop.drivers.validation import Record, validate
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.population import PopulationSpec, sample

from .latency import LINKS
from .rig import EMULATIONS, Chip, Server

_RESOURCE = re.compile(
    r"(?:TCPIP\d*::(?P<host>.+)::(?P<port>\d+)::SOCKET|socket://(?P<host2>[^:]+):(?P<port2>\d+))",
    re.IGNORECASE,
)


class EmulationConfig(Record):
    """The ``emulation`` part of a bench file: what stands behind the emulated instruments.

    Attributes:
        seed: of the chip: its cells and their noise.
        chip: what its cells are like.
        models: model that an instrument identifies as, by instrument name.
        link: how long the links take; a name in ``latency.LINKS``.
        real_time: wait for what instruments take themselves, too.
    """

    seed: int = 0
    link: Literal["none", "lan", "usb", "gpib", "serial-115200", "serial-921600"] = "none"
    real_time: bool = False
    chip: PopulationSpec = PopulationSpec()
    models: dict[str, str] = Field(default_factory=dict)


class EmulatedBench:
    """Runs until closed; a context manager.

    Attributes:
        bench: the bench file, with the resources that are served.
        rig: the instruments and their wiring.
        cells: the chip.
        clock: the bench's time.
        servers: by instrument name.

    Args:
        bench: the bench file; its resources must be loopback sockets.
        any_port: take free ports instead of those in the file; ``bench`` then says which.

    Raises:
        ConfigError: something in the file cannot be emulated, or a port is taken.
    """

    def __init__(self, bench: Bench, any_port: bool = False) -> None:
        self.servers: dict[str, Server] = {}
        config = bench.config.emulation or {}
        self.config = validate(EmulationConfig, config, bench.path, "emulation")
        self._file, self.clock = bench, VirtualClock()
        name = bench.crossbar_name()
        shape = bench.config.crossbars[name].shape
        population = sample(self.config.chip, shape, np.random.default_rng(self.config.seed))
        self.cells = CellArray(population, self.config.seed)
        chip = Chip(self.cells, self.clock, bench, name, self.config.models)
        self.rig = self._make_rig(chip)
        try:
            self._start(any_port)
        except BaseException:
            self.close()
            raise
        self.bench = bench.with_resources({n: s.resource for n, s in self.servers.items()})

    @property
    def pulses_applied(self) -> int:
        """Pulses that reached the chip, counted by the chip."""
        return self.cells.pulses_applied

    @property
    def outputs_on(self) -> bool:
        """Whether any source is on."""
        return bool(self.rig.outputs_on)

    def close(self) -> None:
        """Stop all servers."""
        for server in self.servers.values():
            server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _make_rig(self, chip: Chip) -> Any:
        kind = chip.bench.config.crossbars[chip.crossbar].kind
        try:
            make = lookup(EMULATIONS, "emulations", kind)
        except KeyError:
            key = f"crossbars.{chip.crossbar}.kind"
            raise ConfigError(chip.bench.path, key, f"no emulator for {kind!r}") from None
        return make(chip)

    def _start(self, any_port: bool) -> None:
        for name, device in self.rig.devices.items():
            host, port = self._address(name)
            try:
                server = device.serve(name, host, 0 if any_port else port)
            except OSError as error:
                raise ConfigError(
                    self._file.path,
                    f"instruments.{name}.resource",
                    f"port {port} cannot be served ({error.strerror}); is an emulator running?",
                ) from error
            server.link = LINKS[self.config.link]
            server.clock = self.clock if self.config.real_time else None
            self.servers[name] = server

    def _address(self, name: str) -> tuple[str, int]:
        resource = self._file.config.instruments[name].resource
        match = _RESOURCE.fullmatch(resource)
        key = f"instruments.{name}.resource"
        if not match:
            problem = (
                f"{resource!r} cannot be emulated; write TCPIP0::127.0.0.1::PORT::SOCKET,"
                " or socket://127.0.0.1:PORT for a serial line"
            )
            raise ConfigError(self._file.path, key, problem)
        given = match["host"] or match["host2"]
        host = "127.0.0.1" if given.lower() == "localhost" else given
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            problem = f"emulated instruments serve loopback addresses only, not {given}"
            raise ConfigError(self._file.path, key, problem)
        return host, int(match["port"] or match["port2"])
