"""Validation: fresh sequences, predicted by the twin before they are measured, and a verdict.

::

    found = validate_twin(session, chip, ValidationPlan(), seed=7)
    print(found.verdict.text)
"""

from .change import Change, find_change
from .copies import TwinCopies
from .measure import measure
from .outcome import outcome
from .plan import Kind, ValidationPlan
from .predictive import Forecaster, Predictive
from .scores import Scores, score
from .sequences import PulseSequence, make_sequences
from .validating import Validation, examine, validate_twin
from .verdict import Verdict, Word, judge

__all__ = [
    "Change",
    "Forecaster",
    "Kind",
    "Predictive",
    "PulseSequence",
    "Scores",
    "TwinCopies",
    "Validation",
    "ValidationPlan",
    "Verdict",
    "Word",
    "examine",
    "find_change",
    "judge",
    "make_sequences",
    "measure",
    "outcome",
    "score",
    "validate_twin",
]
