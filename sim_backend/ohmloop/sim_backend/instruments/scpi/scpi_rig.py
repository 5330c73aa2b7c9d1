"""The rig of a crossbar of kind ``scpi``: SMU, matrix and generator around one chip."""

from __future__ import annotations

from ohmloop.drivers.routed import Route
from ohmloop.drivers.scpi.scpi_wiring import wiring_of
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.rig import Chip, Device

from .keysight_33600a import EmulatedKeysight33600A
from .keysight_b2200 import EmulatedKeysightB2200
from .keysight_b2900 import EmulatedKeysightB2900


class ScpiRig:
    """All instruments and what lies between them: a fixture for each source, over the same cells.

    Args:
        chip: the chip and its bench file.
    """

    def __init__(self, chip: Chip) -> None:
        wiring = wiring_of(chip.bench, chip.crossbar)
        self._chip = chip
        self.fixture = self._fixture(wiring.meter_route)
        self.fixtures = [self.fixture]
        self.smu = EmulatedKeysightB2900(
            self.fixture,
            channel=int(chip.options(wiring.source).get("channel", 1)),
            model=chip.models.get(wiring.source, "B2902A"),
        )
        self.devices: dict[str, Device] = {wiring.source: self.smu}
        self.generator: EmulatedKeysight33600A | None = None
        if wiring.generator is not None:
            self.fixtures.append(self._fixture(wiring.pulser_route))
            self.generator = EmulatedKeysight33600A(
                self.fixtures[1],
                channel=int(chip.options(wiring.generator).get("channel", 1)),
                model=chip.models.get(wiring.generator, "33622A"),
            )
            self.devices[wiring.generator] = self.generator
        self.matrix = EmulatedKeysightB2200(
            self.fixtures, model=chip.models.get(wiring.matrix, "B2200A")
        )
        self.devices[wiring.matrix] = self.matrix

    def _fixture(self, route: Route) -> Fixture:
        return Fixture(
            self._chip.cells,
            self._chip.strength,
            {point: row for row, point in enumerate(route.rows)},
            {point: column for column, point in enumerate(route.columns)},
            self._chip.clock,
            self._chip.witness,
            self._chip.meter,
        )

    @property
    def outputs_on(self) -> bool:
        """Whether a source is on."""
        generator_on = self.generator is not None and self.generator.on
        return generator_on or any(channel.on for channel in self.smu.channels.values())

    @property
    def hot_switches(self) -> int:
        """Recorded by the fixtures."""
        return sum(fixture.hot_switches for fixture in self.fixtures)
