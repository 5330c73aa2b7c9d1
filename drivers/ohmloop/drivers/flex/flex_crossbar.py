"""A crossbar on a Keysight B1500A and a switch matrix: kind ``flex`` of the bench file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.crossbar import log
from ohmloop.drivers.errors import InstrumentError, OhmloopError
from ohmloop.drivers.instrument import Instrument
from ohmloop.drivers.routed import Pulser, RoutedCrossbar
from ohmloop.drivers.scpi.keysight_b2200 import KeysightB2200

from .b1500a import B1500A
from .flex_wiring import FlexWiring, check_wiring, wiring_of
from .smu_meter import SmuMeter
from .smu_trains import SmuTrains
from .spgu_trains import SpguTrains


class FlexKind:
    """Kind ``flex`` of the bench file."""

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Refuse wiring that cannot be; sends nothing."""
        check_wiring(bench, name)

    @staticmethod
    def open(
        bench: Bench, name: str, characteristics: Characteristics | None = None
    ) -> FlexCrossbar:
        """Connect both instruments, and check who they are.

        Raises:
            NotConnectedError: one does not answer, or the WGFMU's library is not there.
            WrongInstrumentError: one is not what the bench file says, or lacks a module.
            ReportedError: one refuses its settings.
        """
        wiring = wiring_of(bench, name)
        analyser = B1500A.connect(bench, wiring.analyser)
        try:
            matrix = KeysightB2200.connect(bench, wiring.matrix)
        except BaseException:
            analyser.close()
            raise
        try:
            matrix.use(wiring.points)
            meter, pulser = _parts(bench, wiring, analyser)
            return FlexCrossbar(
                bench,
                name,
                matrix,
                meter,
                wiring.read_route,
                pulser,
                wiring.pulse_route,
                characteristics,
            )
        except BaseException:
            _quietly_off(analyser, matrix)
            raise


class FlexCrossbar(RoutedCrossbar):
    """See the module. Opened by ``open_crossbar``."""

    meter: SmuMeter

    def _currents(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], voltage: float
    ) -> NDArray[np.float64]:
        """Name the cell where the SMU gave no number."""
        current = super()._currents(rows, columns, voltage)
        wrong = np.argwhere(~np.isfinite(current))
        if wrong.size:
            row, column = rows[wrong[0, 0]], columns[wrong[0, 1]]
            raise InstrumentError(
                self.meter.name,
                self.meter.resource,
                f"no reading at cell (row {row}, column {column}), {len(wrong)} cells in all:"
                f" {self.meter.trouble}; look at limits.current and options.current_range",
            )
        return current


def _parts(bench: Bench, wiring: FlexWiring, analyser: B1500A) -> tuple[SmuMeter, Pulser]:
    conditions, nplc, current = bench.conditions, bench.reading.nplc, bench.limits.current
    if wiring.pulses == "smu":
        largest = max(bench.limits.voltage, bench.limits.read_voltage)
        both = SmuTrains(analyser, nplc, current, min(largest, 40.0), conditions)
        return both, both
    meter = SmuMeter(analyser, nplc, current, bench.limits.read_voltage)
    if wiring.pulses == "spgu":
        return meter, SpguTrains(analyser, nplc, current, conditions, bench.limits.voltage)
    from .wgfmu import Wgfmu
    from .wgfmu_trains import WgfmuTrains

    library = Wgfmu.load(analyser.name, analyser.transport.resource, analyser.options.wgfmu.library)
    return meter, WgfmuTrains(analyser, library, conditions)


def _quietly_off(*instruments: Instrument) -> None:
    for instrument in instruments:
        try:
            instrument.make_safe()
        except OhmloopError as error:
            log.error("%s", error)
        instrument.close()
