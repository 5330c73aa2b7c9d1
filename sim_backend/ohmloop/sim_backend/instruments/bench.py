"""All instruments of a bench file, emulated: one chip behind them, a server for each."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from pydantic import Field

from ohmloop.drivers import Bench, ConfigError
from ohmloop.drivers.tsp_crossbar import TspWiring
from ohmloop.drivers.validation import Record, validate
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.population import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

from .fixture import Fixture
from .keithley707b import EmulatedKeithley707B
from .keithley2600b import EmulatedKeithley2600B
from .server import LineServer

_RESOURCE = re.compile(r"TCPIP\d*::(.+)::(\d+)::SOCKET", re.IGNORECASE)


class EmulationConfig(Record):
    """The ``emulation`` part of a bench file: what stands behind the emulated instruments.

    Attributes:
        seed: of the chip: its cells and their noise.
        chip: what its cells are like.
        models: model that an instrument identifies as, by instrument name.
    """

    seed: int = 0
    chip: PopulationSpec = PopulationSpec()
    models: dict[str, str] = Field(default_factory=dict)


class EmulatedBench:
    """Runs until closed; a context manager.

    Args:
        bench: the bench file; its resources must be loopback sockets.
        any_port: take free ports instead of those in the file; ``bench`` then says which.

    Raises:
        ConfigError: something in the file cannot be emulated, or a port is taken.
    """

    def __init__(self, bench: Bench, any_port: bool = False) -> None:
        self.servers: dict[str, LineServer] = {}
        config = bench.config.emulation or {}
        self.config = validate(EmulationConfig, config, bench.path, "emulation")
        self._file = bench
        crossbar = bench.crossbar_name()
        section = bench.config.crossbars[crossbar]
        key = f"crossbars.{crossbar}"
        if section.kind != "tsp":
            raise ConfigError(bench.path, f"{key}.kind", f"no emulator for {section.kind!r}")
        self._wiring = validate(TspWiring, section.wiring, bench.path, f"{key}.wiring")
        self.fixture = self._make_fixture(section.shape)
        self.smu, self.matrix = self._make_instruments()
        try:
            self._start(any_port)
        except BaseException:
            self.close()
            raise
        self.bench = bench.with_resources({n: s.resource for n, s in self.servers.items()})

    @property
    def pulses_applied(self) -> int:
        """Pulses that reached the chip, counted by the chip."""
        return self.fixture.pulses_applied

    @property
    def outputs_on(self) -> bool:
        """Whether any source is on."""
        return any(channel.on for channel in self.smu.channels.values())

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

    def _make_fixture(self, shape: tuple[int, int]) -> Fixture:
        population = sample(self.config.chip, shape, np.random.default_rng(self.config.seed))
        return Fixture(
            CellArray(population, self.config.seed),
            PulseStrength(self._file.conditions),
            {point: row for row, point in enumerate(self._wiring.rows)},
            {point: column for column, point in enumerate(self._wiring.columns)},
            VirtualClock(),
        )

    def _make_instruments(self) -> tuple[EmulatedKeithley2600B, EmulatedKeithley707B]:
        options = self._options(self._wiring.source)
        node = int(self._options(self._wiring.matrix)["tsp_link_node"])
        smu = EmulatedKeithley2600B(
            self.fixture,
            channel=options.get("channel", "a"),
            model=self.config.models.get(self._wiring.source, "2636B"),
        )
        matrix = EmulatedKeithley707B(
            self.fixture, node, model=self.config.models.get(self._wiring.matrix, "707B")
        )
        matrix.link_to(smu.processor, node)
        return smu, matrix

    def _options(self, name: str) -> Mapping[str, Any]:
        return self._file.config.instruments[name].options

    def _start(self, any_port: bool) -> None:
        for name, device in ((self._wiring.source, self.smu), (self._wiring.matrix, self.matrix)):
            host, port = self._address(name)
            try:
                self.servers[name] = LineServer(
                    name, device.processor, 0 if any_port else port, device.describe, host
                )
            except OSError as error:
                raise ConfigError(
                    self._file.path,
                    f"instruments.{name}.resource",
                    f"port {port} cannot be served ({error.strerror}); is an emulator running?",
                ) from error

    def _address(self, name: str) -> tuple[str, int]:
        resource = self._file.config.instruments[name].resource
        match = _RESOURCE.fullmatch(resource)
        key = f"instruments.{name}.resource"
        if not match:
            problem = f"{resource!r} cannot be emulated; write TCPIP0::127.0.0.1::PORT::SOCKET"
            raise ConfigError(self._file.path, key, problem)
        host = "127.0.0.1" if match[1].lower() == "localhost" else match[1]
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            problem = f"emulated instruments serve loopback addresses only, not {match[1]}"
            raise ConfigError(self._file.path, key, problem)
        return host, int(match[2])
