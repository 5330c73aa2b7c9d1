"""The rig of a crossbar of kind ``tsp``: a 2600B and a 707B on one TSP-Link, and their wiring."""

from __future__ import annotations

from ohmloop.drivers.tsp.tsp_wiring import wiring_of
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.rig import Chip, Device
from ohmloop.sim_backend.pulse_strength import PulseStrength

from .keithley707b import EmulatedKeithley707B
from .keithley2600b import EmulatedKeithley2600B


class TspRig:
    """Both instruments and what lies between them.

    Args:
        chip: the chip and its bench file.
    """

    def __init__(self, chip: Chip) -> None:
        wiring = wiring_of(chip.bench, chip.crossbar)
        self.fixture = Fixture(
            chip.cells,
            PulseStrength(chip.bench.conditions_of(chip.crossbar)),
            {point: row for row, point in enumerate(wiring.rows)},
            {point: column for column, point in enumerate(wiring.columns)},
            chip.clock,
            chip.witness,
            chip.meter,
        )
        self.smu = EmulatedKeithley2600B(
            self.fixture,
            channel=chip.options(wiring.source).get("channel", "a"),
            model=chip.models.get(wiring.source, "2636B"),
        )
        node = int(chip.options(wiring.matrix)["tsp_link_node"])
        self.matrix = EmulatedKeithley707B(
            self.fixture, node, model=chip.models.get(wiring.matrix, "707B")
        )
        self.matrix.link_to(self.smu.processor, node)
        self.devices: dict[str, Device] = {wiring.source: self.smu, wiring.matrix: self.matrix}

    @property
    def outputs_on(self) -> bool:
        """Whether a channel is on."""
        return any(channel.on for channel in self.smu.channels.values())

    @property
    def hot_switches(self) -> int:
        """Recorded by the fixture."""
        return self.fixture.hot_switches
