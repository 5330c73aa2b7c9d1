"""The crossbar of a bench file: what all kinds make of it in the same way."""

from __future__ import annotations

from .bench import Bench
from .characteristics import Characteristics
from .crossbar import Capabilities, Crossbar
from .limits import WearLedger


class BenchCrossbar(Crossbar):
    """Shape, pulses, read, limits, wear ledger and name as the bench file has them.

    Args:
        bench: the bench file.
        crossbar: which crossbar of it.
        characteristics: what a calibration says of the cells.
        capabilities: what the hardware does by itself.

    Raises:
        LimitError: the conditions are beyond the limits.
        ChipFileError: the characteristics are for another shape.
        ConfigError: the wear ledger is none, or for another shape.
    """

    def __init__(
        self,
        bench: Bench,
        crossbar: str,
        characteristics: Characteristics | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        shape = bench.config.crossbars[crossbar].shape
        super().__init__(
            shape,
            conditions=bench.conditions_of(crossbar),
            reading=bench.reading_of(crossbar),
            limits=bench.limits_of(crossbar),
            capabilities=capabilities,
            characteristics=characteristics,
            ledger=WearLedger(shape, bench.ledger_path(crossbar)),
            name=f"{bench.config.name}#{crossbar}",
        )
