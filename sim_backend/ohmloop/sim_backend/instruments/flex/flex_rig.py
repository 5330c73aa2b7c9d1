"""The rig of a crossbar of kind ``flex``: a B1500A, a B2200A, and their wiring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ohmloop.drivers.errors import ConfigError
from ohmloop.drivers.flex.flex_wiring import options_of, wiring_of
from ohmloop.sim_backend.instruments.fixture import Fixture
from ohmloop.sim_backend.instruments.rig import Chip, Device
from ohmloop.sim_backend.instruments.scpi.keysight_b2200 import EmulatedKeysightB2200

from .b1500a import EmulatedB1500A
from .spgu import Spgu


class FlexRig:
    """Both instruments and what lies between them: one way to the chip for each source.

    Args:
        chip: the chip and its bench file.
        others: none.

    Raises:
        ConfigError: the pulses are a WGFMU's, which speaks through a library, not over a wire; or
            several crossbars share an instrument.
    """

    def __init__(self, chip: Chip, *others: Chip) -> None:
        for other in others:
            key = f"crossbars.{other.crossbar}.wiring"
            problem = f"shares an instrument with {chip.crossbar!r}, which is not emulated"
            raise ConfigError(chip.bench.path, key, problem)
        wiring = wiring_of(chip.bench, chip.crossbar)
        if wiring.pulses == "wgfmu":
            key = f"crossbars.{chip.crossbar}.wiring.pulses"
            problem = "a WGFMU is driven through its vendor's library: there is no emulator of it"
            raise ConfigError(chip.bench.path, key, problem)
        options = options_of(chip.bench, wiring.analyser)
        modules = {options.smu: "B1511B"}
        self.fixtures = {options.smu: self._fixture(chip, wiring.rows, wiring.columns)}
        if options.spgu is not None:
            modules[options.spgu // 100] = "B1525A"
            rows = wiring.pulse_rows
            self.fixtures[options.spgu] = self._fixture(chip, rows, wiring.columns)
        if options.wgfmu is not None:  # in its slot, and silent: it has no commands
            modules[options.wgfmu.channel // 100] = "B1530A"
        model = chip.models.get(wiring.analyser, "B1500A")
        self.analyser = EmulatedB1500A(chip.clock, modules, self.fixtures, model)
        self.matrix = _Matrix(
            self.fixtures.values(), chip.models.get(wiring.matrix, "B2200A"), self.analyser.spgu
        )
        self.devices: dict[str, Device] = {
            wiring.analyser: self.analyser,
            wiring.matrix: self.matrix,
        }

    @staticmethod
    def _fixture(chip: Chip, rows: Sequence[str], columns: Sequence[str]) -> Fixture:
        return Fixture(
            chip.cells,
            chip.strength,
            {point: row for row, point in enumerate(rows)},
            {point: column for column, point in enumerate(columns)},
            chip.clock,
            chip.witness,
            chip.meter,
        )

    @property
    def outputs_on(self) -> bool:
        """Whether a channel is on."""
        return bool(self.analyser.outputs)

    @property
    def hot_switches(self) -> int:
        """Recorded by the fixtures, and moves while the SPGU plays."""
        return sum(f.hot_switches for f in self.fixtures.values()) + self.matrix.during_trains


class _Matrix(EmulatedKeysightB2200):
    """Notices moves between the pulses of a train too."""

    def __init__(self, fixtures: Iterable[Fixture], model: str, spgu: Spgu | None) -> None:
        self.during_trains = 0
        self._spgu = spgu
        super().__init__(fixtures, model)

    def _move(self, wanted: dict[str, None]) -> None:
        if self._spgu is not None and self._spgu.active and wanted != self.closed:
            self.during_trains += 1
        super()._move(wanted)
