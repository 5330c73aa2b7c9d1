"""All instruments of a bench file, emulated: one chip behind them, a server for each."""

from __future__ import annotations

import ipaddress
import re
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field

from ohmloop.drivers import BadInputError, Bench, ConfigError, LimitError
from ohmloop.drivers.registry import lookup
from ohmloop.drivers.units import Ohms
from ohmloop.drivers.validation import Record, validate
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.periphery import Periphery
from ohmloop.sim_backend.population_spec import PopulationSpec, sample

from .latency import LINKS
from .meter import Meter, MeterConfig
from .rig import EMULATIONS, SURROUNDED, Chip, Device, Rig, Server
from .wiring_faults import WiredCells, WiringFaults
from .witness import Witness

if TYPE_CHECKING:
    from ohmloop.sim_backend.periphery.surroundings import Surroundings

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
        meter: what current meters add.
        faults: what is wrong with one chip or its wiring.
        lead_resistance: of each lead between an instrument and a chip, ohm; 4-wire sensing does
            away with it. Instruments that do not know of it have ideal leads.
        periphery: converters, noise and wires that the products of a pulse board go through.
    """

    seed: int = 0
    link: Literal["none", "lan", "usb", "gpib", "serial-115200", "serial-921600"] = "none"
    real_time: bool = False
    chip: PopulationSpec = PopulationSpec()
    models: dict[str, str] = Field(default_factory=dict)
    meter: MeterConfig = MeterConfig()
    faults: WiringFaults | None = None
    lead_resistance: Annotated[Ohms, Field(ge=0)] = 0.0
    periphery: Periphery | None = None


class EmulatedBench:
    """Runs until closed; a context manager. Every crossbar of the bench has a chip of its own.

    Crossbars that share an instrument share a rig.

    Attributes:
        bench: the bench file, with the resources that are served.
        chips: the chips, by crossbar.
        rigs: instruments and their wiring.
        clock: the bench's time.
        servers: by instrument name.

    Args:
        bench: the bench file; its resources must be loopback sockets.
        any_port: take free ports instead of those in the file; ``bench`` then says which.
        link: how long links take, instead of the file's ``emulation.link``.

    Raises:
        ConfigError: something in the file cannot be emulated, or a port is taken.
    """

    def __init__(self, bench: Bench, any_port: bool = False, link: str | None = None) -> None:
        self.servers: dict[str, Server] = {}
        config = (bench.config.emulation or {}) | ({"link": link} if link else {})
        self.config = validate(EmulationConfig, config, bench.path, "emulation")
        self._file, self.clock = bench, VirtualClock()
        self.chips = {
            name: self._make_chip(name, number)
            for number, name in enumerate(bench.config.crossbars)
        }
        self.rigs = [self._make_rig(chips) for chips in self._groups()]
        try:
            self._start(any_port)
        except BaseException:
            self.close()
            raise
        self.bench = bench.with_resources({n: s.resource for n, s in self.servers.items()})

    @property
    def rig(self) -> Any:
        """The only rig, or the first."""
        return self.rigs[0]

    @property
    def cells(self) -> CellArray:
        """The only chip, or the first."""
        return next(iter(self.chips.values())).cells

    @property
    def devices(self) -> dict[str, Device]:
        """All instruments, by name."""
        return {name: device for rig in self.rigs for name, device in rig.devices.items()}

    @property
    def pulses_applied(self) -> int:
        """Pulses that reached the chips, counted by the chips."""
        return sum(chip.cells.pulses_applied for chip in self.chips.values())

    @property
    def outputs_on(self) -> bool:
        """Whether any source is on."""
        return any(rig.outputs_on for rig in self.rigs)

    @property
    def hot_switches(self) -> int:
        """How often relays moved under voltage."""
        return sum(rig.hot_switches for rig in self.rigs)

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

    def _make_chip(self, crossbar: str, number: int) -> Chip:
        """Chips of one bench differ, and the first is the one that a bench of one would have."""
        seed = self.config.seed + number
        shape = self._file.config.crossbars[crossbar].shape
        population = sample(self.config.chip, shape, np.random.default_rng(seed))
        faults = self._faults_of(crossbar, shape)
        volts = self._file.of(crossbar).reading.voltage
        cells = (
            WiredCells(population, seed, faults, clock=self.clock, read_voltage=volts)
            if faults
            else CellArray(population, seed, clock=self.clock, read_voltage=volts)
        )
        cells.ready()
        witness = Witness(self._file.limits_of(crossbar).read_voltage)
        meter = Meter(self.config.meter, seed)
        bench = self._file.of(crossbar)
        around = self._surround(crossbar, cells, seed) if self.config.periphery else None
        return Chip(cells, self.clock, bench, crossbar, self.config.models, witness, meter, around)

    def _surround(self, crossbar: str, cells: CellArray, seed: int) -> Surroundings:
        """As a twin of the same seed has it."""
        from ohmloop.sim_backend.periphery.surroundings import Surroundings, check_inputs

        assert self.config.periphery is not None
        kind, key = self._file.config.crossbars[crossbar].kind, "emulation.periphery"
        if kind not in SURROUNDED:
            problem = f"a {kind} bench makes no products that could go through one; leave it out"
            raise ConfigError(self._file.path, key, problem)
        try:
            check_inputs(self.config.periphery, self._file.limits_of(crossbar), cells)
        except (BadInputError, LimitError) as error:
            raise ConfigError(self._file.path, key, str(error)) from error
        conditions = self._file.conditions_of(crossbar)
        return Surroundings(self.config.periphery, cells, conditions, seed, "cpu")

    def _faults_of(self, crossbar: str, shape: tuple[int, int]) -> WiringFaults | None:
        faults = self.config.faults
        if faults is None:
            return None
        if (faults.crossbar or self._file.crossbar_names[0]) != crossbar:
            if faults.crossbar in ("", *self._file.crossbar_names):
                return None
            problem = f"no crossbar {faults.crossbar!r}"
            raise ConfigError(self._file.path, "emulation.faults.crossbar", problem)
        if wrong := faults.beyond(shape):
            raise ConfigError(self._file.path, f"emulation.faults.{wrong[0]}", wrong[1])
        return faults

    def _groups(self) -> list[list[Chip]]:
        """Chips whose crossbars share an instrument, together."""
        groups: list[tuple[set[str], list[Chip]]] = []
        for name, chip in self.chips.items():
            mine, together = self._file.instruments_of(name), [chip]
            for group in [g for g in groups if g[0] & mine]:
                groups.remove(group)
                mine, together = mine | group[0], group[1] + together
            groups.append((mine, together))
        return [chips for _, chips in groups]

    def _make_rig(self, chips: list[Chip]) -> Rig:
        first = chips[0]
        kind = self._file.config.crossbars[first.crossbar].kind
        key = f"crossbars.{first.crossbar}.kind"
        try:
            make = lookup(EMULATIONS, "emulations", kind)
        except KeyError:
            raise ConfigError(self._file.path, key, f"no emulator for {kind!r}") from None
        for chip in chips[1:]:
            if self._file.config.crossbars[chip.crossbar].kind != kind:
                problem = f"shares an instrument with {first.crossbar!r}, which is of another kind"
                raise ConfigError(self._file.path, f"crossbars.{chip.crossbar}.kind", problem)
        rig: Rig = make(*chips)
        return rig

    def _start(self, any_port: bool) -> None:
        for name, device in self.devices.items():
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
