"""Numbers as volts on lines, and currents as numbers."""

from __future__ import annotations

from torch import Tensor

from ohmloop.drivers import ReadCondition


def driven(values: Tensor, reading: ReadCondition) -> tuple[Tensor, Tensor]:
    """Scaled for every sample so that its largest value is the read voltage.

    Args:
        values: ``(batch, lines)``, not part of a graph.
        reading: how the crossbar is read.

    Returns:
        Volts ``(batch, lines)``, nan where ``values`` are not finite, and units per volt
        ``(batch, 1)``, 0 where a sample is all zeros; both in double precision.
    """
    exact = values.double()
    units_per_volt = exact.abs().amax(dim=1, keepdim=True) / reading.voltage
    return exact / (units_per_volt + (units_per_volt == 0)), units_per_volt
