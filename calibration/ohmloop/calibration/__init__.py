"""Calibration: measure a chip's cells, fit their models, check the twin, keep the record.

::

    chip = calibrate(crossbar, CalibrationPlan(), rng=np.random.default_rng(7))
    save_chip(chip, Path("chip.nc"))             # of ohmloop.sim_backend; open_crossbar("chip.nc")
    Path("chip.html").write_text(chip_report(chip), encoding="utf-8")
"""

from .fitting import CellFit, Choice, Trajectories, choose_family, fit_trajectories
from .health import Health
from .html import figure, page, paragraph, table
from .plan import CalibrationPlan, Cost
from .prediction import Prediction, predict
from .pulse_response import acquire, acquire_held_out
from .record import chip_record, keep_in, load_raw, raw_of, save_raw
from .report import chip_report, verdict
from .routine import calibrate, fit_raw, validate
from .symmetric_point import SymmetricPoint, symmetric_point

__all__ = [
    "CalibrationPlan",
    "CellFit",
    "Choice",
    "Cost",
    "Health",
    "Prediction",
    "SymmetricPoint",
    "Trajectories",
    "acquire",
    "acquire_held_out",
    "calibrate",
    "chip_record",
    "chip_report",
    "choose_family",
    "figure",
    "fit_raw",
    "fit_trajectories",
    "keep_in",
    "load_raw",
    "page",
    "paragraph",
    "predict",
    "raw_of",
    "save_raw",
    "symmetric_point",
    "table",
    "validate",
    "verdict",
]
