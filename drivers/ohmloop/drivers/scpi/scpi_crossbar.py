"""Kind ``scpi``: a B2900A SMU, a B2200A matrix, and a 33600A generator where pulses are short."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TypeVar

from ohmloop.drivers.bench import Bench
from ohmloop.drivers.characteristics import Characteristics
from ohmloop.drivers.crossbar import log
from ohmloop.drivers.errors import OhmloopError
from ohmloop.drivers.instrument import Instrument
from ohmloop.drivers.routed import RoutedCrossbar

from .keysight_33600a import Keysight33600A
from .keysight_b2200 import KeysightB2200
from .keysight_b2900 import KeysightB2900
from .scpi_wiring import check_wiring, wiring_of

Kind = TypeVar("Kind", bound=Instrument)


class ScpiKind:
    """Kind ``scpi`` of the bench file."""

    @staticmethod
    def check(bench: Bench, name: str) -> None:
        """Refuse wiring that cannot be; sends nothing."""
        check_wiring(bench, name)

    @staticmethod
    def open(
        bench: Bench, name: str, characteristics: Characteristics | None = None
    ) -> RoutedCrossbar:
        """Connect all instruments, check who they are, make their settings.

        Raises:
            NotConnectedError: one does not answer.
            WrongInstrumentError: one is not what the bench file says.
            ReportedError: one refuses its settings.
        """
        wiring = wiring_of(bench, name)
        with ExitStack() as undo:
            smu = _connect(KeysightB2900, bench, wiring.source, undo)
            smu.limits = bench.limits
            matrix = _connect(KeysightB2200, bench, wiring.matrix, undo)
            matrix.use(wiring.channels)
            pulser: KeysightB2900 | Keysight33600A = smu
            if wiring.generator is not None:
                pulser = _connect(Keysight33600A, bench, wiring.generator, undo)
                pulser.limits = bench.limits
            crossbar = RoutedCrossbar(
                *(bench, name, matrix, smu, wiring.meter_route, pulser, wiring.pulser_route),
                characteristics,
            )
            undo.pop_all()
        return crossbar


def _connect(kind: type[Kind], bench: Bench, name: str, undo: ExitStack) -> Kind:
    """Connect, and switch off again if what follows fails."""
    instrument = kind.connect(bench, name)
    undo.callback(_quietly_off, instrument)
    return instrument


def _quietly_off(instrument: Instrument) -> None:
    try:
        instrument.make_safe()
    except OhmloopError as error:
        log.error("%s", error)
    instrument.close()
