"""Write-verify: bringing cells to given conductances by a closed loop of pulses and reads."""

from .budget import Budget
from .loop import write_verify
from .outcome import Outcome
from .result import Written

__all__ = ["Budget", "Outcome", "Written", "write_verify"]
