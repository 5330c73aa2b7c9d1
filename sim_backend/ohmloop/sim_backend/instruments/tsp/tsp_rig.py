"""The rig of crossbars of kind ``tsp``: 2600Bs and 707Bs on one TSP-Link, and their wiring."""

from __future__ import annotations

from ohmloop.drivers.tsp.tsp_wiring import TspWiring, wiring_of
from ohmloop.drivers.units import to_si
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.rig import Chip, Device

from .keithley707b import EmulatedKeithley707B
from .keithley2600b import EmulatedKeithley2600B
from .terminals import End, Port


class TspRig:
    """All instruments of some crossbars that share instruments, and what lies between them.

    Args:
        chips: the chips and their bench file.

    Attributes:
        fixtures: by crossbar.
        fixture: of the first.
        smu: the first source.
        matrix: the first matrix.
    """

    def __init__(self, *chips: Chip) -> None:
        wirings = {chip.crossbar: wiring_of(chip.bench, chip.crossbar) for chip in chips}
        self.fixtures = {chip.crossbar: _fixture(chip, wirings[chip.crossbar]) for chip in chips}
        self.smus = _sources(chips, wirings, self.fixtures)
        self.matrices = _matrices(chips, wirings, self.fixtures)
        for wiring in wirings.values():
            matrix = self.matrices[wiring.matrix]
            matrix.link_to(self.smus[wiring.source].processor, matrix.node)
        first = next(iter(wirings.values()))
        self.fixture = next(iter(self.fixtures.values()))
        self.smu, self.matrix = self.smus[first.source], self.matrices[first.matrix]
        self.devices: dict[str, Device] = {**self.smus, **self.matrices}

    @property
    def outputs_on(self) -> bool:
        """Whether a channel is on."""
        return any(c.on for smu in self.smus.values() for c in smu.channels.values())

    @property
    def hot_switches(self) -> int:
        """Recorded by the fixtures."""
        return sum(fixture.hot_switches for fixture in self.fixtures.values())


def _fixture(chip: Chip, wiring: TspWiring) -> Fixture:
    return Fixture(
        chip.cells,
        chip.strength,
        {point: row for row, point in enumerate(wiring.rows)},
        {point: column for column, point in enumerate(wiring.columns)},
        chip.clock,
        chip.witness,
        chip.meter,
    )


def _sources(
    chips: tuple[Chip, ...], wirings: dict[str, TspWiring], fixtures: dict[str, Fixture]
) -> dict[str, EmulatedKeithley2600B]:
    ends: dict[str, dict[str, list[End]]] = {}
    for chip in chips:
        wiring = wirings[chip.crossbar]
        emulation = chip.bench.config.emulation or {}
        port = Port(
            fixtures[chip.crossbar], to_si(emulation.get("lead_resistance", "0 ohm"), unit="ohm")
        )
        channels = ends.setdefault(wiring.source, {})
        row = wiring.channel or chip.options(wiring.source).get("channel", "a")
        channels.setdefault(row, []).append(port.join(1))
        if wiring.column_channel:
            channels.setdefault(wiring.column_channel, []).append(port.join(-1))
    first = chips[0]
    return {
        name: EmulatedKeithley2600B(
            first.clock,
            channels,
            model=first.models.get(name, "2636B"),
            serial=str(4010001 + number),
        )
        for number, (name, channels) in enumerate(ends.items())
    }


def _matrices(
    chips: tuple[Chip, ...], wirings: dict[str, TspWiring], fixtures: dict[str, Fixture]
) -> dict[str, EmulatedKeithley707B]:
    wired: dict[str, list[Fixture]] = {}
    for chip in chips:
        wired.setdefault(wirings[chip.crossbar].matrix, []).append(fixtures[chip.crossbar])
    first = chips[0]
    return {
        name: EmulatedKeithley707B(
            on_it,
            int(first.options(name)["tsp_link_node"]),
            model=first.models.get(name, "707B"),
            serial=str(1270002 + number),
        )
        for number, (name, on_it) in enumerate(wired.items())
    }
