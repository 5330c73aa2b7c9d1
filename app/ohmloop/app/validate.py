"""``ohmloop validate``: a twin against its chip, on sequences it predicted before."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError, Crossbar, open_crossbar

from .console import Report, Screen
from .measurement_file import beside, open_measurement
from .signals import orderly_interrupts

if TYPE_CHECKING:
    import xarray as xr

    from ohmloop.calibration import MeasurementStore
    from ohmloop.calibration.validation import Validation, ValidationPlan

_PICTURES = (".png", ".svg", ".pdf")


def validate(
    name: str,
    path: Path,
    screen: Screen,
    seed: int,
    repeats: int,
    figure: Path | None = None,
    record: Path | None = None,
    fresh: bool = False,
) -> dict[str, Any]:
    """Validate the twin in ``path`` against the crossbar called ``name``.

    Every step goes to ``CHIP.validation.measurement.sqlite`` as it is measured, predictions before
    the pulses that they are of; once the result is in the chip file, that file is removed. What is
    there already is gone on with, unless ``fresh``.

    Raises:
        BadInputError: the files are wrong, or not of one another.
        InstrumentError: the bench failed; what was measured is kept, and the same command goes on.
    """
    from ohmloop.calibration.validation.keeping import keep
    from ohmloop.calibration.validation.validating import check_twin
    from ohmloop.sim_backend import load_chip

    chip, plan = load_chip(path), _plan(repeats)
    _check_picture(figure)
    named = path.with_suffix(".validation.nc")
    kept = beside(named)
    with orderly_interrupts():
        try:
            with (
                open_crossbar(name, calibration=str(path), record=record) as crossbar,
                screen.progress("validating") as progress,
            ):
                check_twin(chip, crossbar)
                with closing(open_measurement(named, kept.exists() and not fresh, fresh)) as store:
                    found = _measured(crossbar, chip, path, plan, store, seed, progress)
        except BaseException as error:
            if kept.exists() and not isinstance(error, BadInputError):
                screen.trouble(f"what was measured is kept in {kept}; the same command goes on")
            raise
        group = keep(found, path)
        for file in kept.parent.glob(f"{kept.name}*"):
            file.unlink()
    if figure is not None:
        _draw(found, figure)
    _tell(found, screen)
    screen.say(f"kept in {path}, group {group}")
    return found.figures() | {"file": str(path), "group": group}


def _plan(repeats: int) -> ValidationPlan:
    from ohmloop.calibration.validation import ValidationPlan

    if repeats < 2:
        raise BadInputError("--repeats must be 2 or more: the chip is compared with itself")
    return ValidationPlan(repeats=repeats)


def _check_picture(figure: Path | None) -> None:
    if figure is not None and (figure.suffix not in _PICTURES or not figure.parent.is_dir()):
        raise BadInputError(f"{figure}: a figure is {', '.join(_PICTURES)} in a folder that is")


def _measured(
    crossbar: Crossbar,
    chip: xr.Dataset,
    path: Path,
    plan: ValidationPlan,
    store: MeasurementStore,
    seed: int,
    progress: Report,
) -> Validation:
    """Measured step by step, or gone on with; with the pulses that the file is of."""
    from ohmloop.calibration.measuring.session import Session
    from ohmloop.calibration.validation import validate_twin
    from ohmloop.sim_backend.chip_file import bench_of

    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    parameters = {"plan": plan.model_dump(mode="json"), "seed": seed, "chip": digest}
    store.begin("validation", json.dumps(parameters, sort_keys=True), crossbar.name)
    conditions = bench_of(chip)["conditions"]
    session = Session(crossbar, store, "validation", seed=seed, conditions=conditions)
    most = crossbar.limits.pulses_per_program
    found = validate_twin(session, chip, plan, most=most, seed=seed, progress=progress)
    store.finish("validation")
    return found


def _draw(found: Validation, figure: Path) -> None:
    from ohmloop.calibration.validation.figures import overview

    overview(found.scores).savefig(figure, dpi=200)


def _tell(found: Validation, screen: Screen) -> None:
    rows = []
    for k in found.scores.kinds:
        held = " / ".join(f"{100 * c.value:.0f}" for c in k.coverage.values())
        ratio = f"{k.ratio.value:.2f} +- {k.ratio.stderr:.2f}"
        rows.append((f"{k.kind}: {k.kind.meaning}", ratio, f"{k.spread.value:.2f}", f"{held} %"))
    levels = " / ".join(f"{100 * p:.0f}" for p in found.scores.coverage)
    header = ("sequences", "error / noise", "error / expected", f"within {levels} %")
    screen.table("validation", header, rows)
    failing = found.scores.failing
    if failing:
        shown = ", ".join(f"({row}, {column})" for row, column in failing[:10])
        more = f" and {len(failing) - 10} more" if len(failing) > 10 else ""
        screen.say(f"cells that fail (row, column): {shown}{more}")
    screen.say(found.verdict.text)
