"""A crossbar whose cells a switch matrix selects one at a time, for sources without scripts."""

from .parts import Evidence, Matrix, Meter, Outcome, Pulser, Route
from .routed_crossbar import RoutedCrossbar

__all__ = ["Evidence", "Matrix", "Meter", "Outcome", "Pulser", "Route", "RoutedCrossbar"]
