"""Measured pulse responses from tables with named columns and units, as raw datasets.

::

    raw = import_table(Path("published.csv"), ImportOptions(width_up="100 ns"))
    save_chip(fit_raw(raw), Path("published.nc"))
"""

from .options import ImportOptions
from .table_import import import_table

__all__ = ["ImportOptions", "import_table"]
