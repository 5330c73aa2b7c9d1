"""Measured pulse responses from tables with named columns and units, as raw datasets."""

from .fitted_table import AUTO, FittedTable, fit_table
from .options import ImportOptions
from .table_import import import_table
from .table_report import table_report

__all__ = ["AUTO", "FittedTable", "ImportOptions", "fit_table", "import_table", "table_report"]
