"""What surrounds the cells: converters, noise, scaling, wires, sneak paths, disturb by reads."""

from .converter import InputConverter, OutputConverter
from .lines import LineErrors
from .management import BoundManagement, NoiseManagement
from .path import Product, SignalPath
from .periphery import Periphery, read_variance

__all__ = [
    "BoundManagement",
    "InputConverter",
    "LineErrors",
    "NoiseManagement",
    "OutputConverter",
    "Periphery",
    "Product",
    "SignalPath",
    "read_variance",
]
