"""How every response function is fitted, one kind a file."""

from .family import Family
from .registry import FAMILIES, family_of

__all__ = ["FAMILIES", "Family", "family_of"]
