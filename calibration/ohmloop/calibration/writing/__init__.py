"""Write-verify: bringing cells to given conductances by a closed loop of pulses and reads."""

from .budget import Budget
from .figures import figure
from .loop import write_verify
from .outcome import Outcome
from .request import Request, request, tolerance_map
from .result import Written
from .target import UNITS, WEIGHT, load_target

__all__ = [
    "UNITS",
    "WEIGHT",
    "Budget",
    "Outcome",
    "Request",
    "Written",
    "figure",
    "load_target",
    "request",
    "tolerance_map",
    "write_verify",
]
