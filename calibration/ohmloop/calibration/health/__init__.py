"""Which cells of a chip can be used, why the others cannot, and the mask that training honours."""

from .assessment import HealthReport, assess
from .codes import GRADUAL, STILL, Health
from .criteria import HealthCriteria
from .file import keep_health
from .screening import judge

__all__ = [
    "GRADUAL",
    "STILL",
    "Health",
    "HealthCriteria",
    "HealthReport",
    "assess",
    "judge",
    "keep_health",
]
