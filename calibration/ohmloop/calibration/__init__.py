"""Calibration: measure a chip's cells, fit their models, check the twin, keep the record.

::

    chip = calibrate(crossbar, "standard", MeasurementStore(Path("chip.sqlite")))
    save_chip(chip, Path("chip.nc"))             # of ohmloop.sim_backend; open_crossbar("chip.nc")
    Path("chip.html").write_text(chip_report(chip), encoding="utf-8")
"""

from .fitting import CellFit, Choice, Trajectories, choose_family, fit_trajectories
from .health import Health
from .measuring import Cost, MeasurementStore, Recipe, Routine, load_recipe, measure, run
from .prediction import Prediction, predict
from .record import chip_record, load_raw, raw_of, save_raw
from .reporting import chip_report, figure, file_report, page, paragraph, table, verdict
from .routine import acquire, calibrate, fit_raw, raw_of_store, validate
from .symmetric_point import SymmetricPoint, symmetric_point

__all__ = [
    "CellFit",
    "Choice",
    "Cost",
    "Health",
    "MeasurementStore",
    "Prediction",
    "Recipe",
    "Routine",
    "SymmetricPoint",
    "Trajectories",
    "acquire",
    "calibrate",
    "chip_record",
    "chip_report",
    "choose_family",
    "figure",
    "file_report",
    "fit_raw",
    "fit_trajectories",
    "load_raw",
    "load_recipe",
    "measure",
    "page",
    "paragraph",
    "predict",
    "raw_of",
    "raw_of_store",
    "run",
    "save_raw",
    "symmetric_point",
    "table",
    "validate",
    "verdict",
]
