"""Measured pulse responses from tables with named columns and units, as raw datasets."""

from .options import ImportOptions
from .table_import import import_table

__all__ = ["ImportOptions", "import_table"]
