"""``ohmloop fit``: a chip file from a table of readings, or anew from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError, ChipFileError
from ohmloop.drivers.validation import validate

from .calibrate import check_family, check_writable
from .console import Screen
from .fitted import analysed, write_chip
from .measurement_file import SUFFIX, recipe_of

if TYPE_CHECKING:
    import xarray as xr

Groups = dict[str, "xr.Dataset"]


def fit(
    source: Path, output: Path, screen: Screen, family: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Fit a table, raw data or a measurement; write chip file and report.

    Args:
        source: a table (CSV, TSV, gzipped), raw data or a chip file (``.nc``), or what
            ``calibrate`` measured (``.measurement.sqlite``), through or not.
        output: chip file to write.
        screen: for people and machines.
        family: response function, or ``auto``.
        options: of ``ImportOptions``, as text; those of None were not given.

    Raises:
        BadInputError: one line that says what is wrong with the file or the options.
    """
    from ohmloop.calibration import fit_raw

    check_writable(output)
    check_family(family)
    given = {k: v for k, v in options.items() if v}
    raw, groups, found = _read(source, given, screen)
    try:
        chip = fit_raw(raw, family)
    except BadInputError as error:
        raise BadInputError(f"{source}: {error}") from error
    written = write_chip(chip, groups, output, screen)
    return {"fit": written.figures} | found | written.files


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=THEIRS [UNIT]``, one column each.

    Raises:
        BadInputError: says which is not of that form.
    """
    columns = {}
    for text in given:
        name, equals, theirs = text.partition("=")
        if not (equals and name.strip() and theirs.strip()):
            raise BadInputError(
                f"--column {text!r}: write --column 'conductance=G_meas [uS]', our name first"
            )
        columns[name.strip()] = theirs.strip()
    return columns


def _read(
    source: Path, options: Mapping[str, Any], screen: Screen
) -> tuple[xr.Dataset, Groups, dict[str, Any]]:
    """Raw data, groups that go into the chip file, and what to tell of them."""
    from ohmloop.calibration.importing import ImportOptions, import_table

    measured = source.suffix in (".nc", Path(SUFFIX).suffix)
    if not measured:
        return import_table(source, validate(ImportOptions, options, "options of fit")), {}, {}
    if options:
        name = next(iter(options)).replace("_", "-")
        raise BadInputError(f"{source}: a measurement says all of itself; --{name} is for tables")
    return _of_chip_file(source) if source.suffix == ".nc" else _of_store(source, screen)


def _of_chip_file(source: Path) -> tuple[xr.Dataset, Groups, dict[str, Any]]:
    """Raw data, or those in a chip file, whose analyses stay."""
    from ohmloop.calibration import load_raw, raw_of
    from ohmloop.sim_backend import load_chip
    from ohmloop.sim_backend.chip_file import load_groups

    try:
        return load_raw(source), {}, {}
    except ChipFileError as raw_problem:
        if not source.is_file():
            raise
        try:
            chip = load_chip(source)
        except ChipFileError:
            raise raw_problem from None
    try:
        raw = raw_of(chip)
    except ChipFileError as error:
        raise BadInputError(f"{source}: {error}") from None
    groups = load_groups(source).items()
    return raw, {path: data for path, data in groups if path.startswith("routines/")}, {}


def _of_store(source: Path, screen: Screen) -> tuple[xr.Dataset, Groups, dict[str, Any]]:
    """What was measured, as far as it went, and the analyses of the routines that are through."""
    from ohmloop.calibration import MeasurementStore, raw_of_store

    with closing(MeasurementStore(source, make=False)) as store:
        recipe = recipe_of(store)
        if recipe is None or not store.steps():
            raise BadInputError(f"{source}: nothing was measured into it yet")
        raw = raw_of_store(store)
        groups, verdicts = analysed(store, recipe, screen)
        left = [name for name in recipe.names if not store.is_done(name)]
    if left:
        told = f"the measurement was interrupted: {', '.join(left)} not through"
        raw.attrs["notes"] = f"{told}; what there is was fitted"
    return raw, groups, {"routines": verdicts, "not_measured": left}
