"""How every response function is fitted, one kind a file."""

from .family import Family
from .registry import FAMILIES, Candidate, family_of

__all__ = ["FAMILIES", "Candidate", "Family", "family_of"]
