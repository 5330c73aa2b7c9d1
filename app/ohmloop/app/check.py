"""``ohmloop check``: who answers on a bench, and is its chip wired as the bench file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError, Bench, OhmloopError, load_bench, recorded
from ohmloop.drivers.opening import claim, open_on_bench
from ohmloop.drivers.registry import instrument_driver

from .check_report import figures, show
from .console import Screen
from .signals import orderly_interrupts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def check(
    path: Path,
    screen: Screen,
    crossbar: str = "",
    calibration: Path | None = None,
    record: Path | None = None,
) -> dict[str, Any]:
    """Identify every instrument, then look for faults of the wiring; pulses nothing.

    Args:
        path: the bench file.
        screen: who is told.
        crossbar: which one; all of them where nothing is said.
        calibration: chip file to compare the order of lines with, instead of the bench's.
        record: file for a transcript.

    Returns:
        ``bench``, ``instruments`` (identity by name), ``crossbars`` (figures and findings by name),
        ``crossbar`` (the first of them), ``fine``.

    Raises:
        BadInputError: the bench file is wrong, the calibration is not of the crossbar, or the file
            to record to exists already.
        InstrumentError: an instrument does not answer, or is another; the table is printed first.
    """
    bench = load_bench(path)
    names = [bench.crossbar_name(crossbar)] if crossbar else bench.crossbar_names
    if calibration and len(names) > 1:
        raise BadInputError("--calibration is of one crossbar: name it with --crossbar")
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        if claimed := claim(bench, name):
            claimed.release()  # nobody else uses the instruments
    with orderly_interrupts(), recorded(bench, record):
        identities = _identify(bench, screen)
        for name in names:
            found[name] = _check_one(bench, name, screen, calibration)
    fine = all(one["fine"] for one in found.values())
    screen.say(
        "all instruments answer, every cell was read, outputs are off"
        if fine
        else "all instruments answer, outputs are off; training on what was found would go wrong"
    )
    return {
        "bench": bench.config.name,
        "instruments": identities,
        "crossbar": found[names[0]],
        "crossbars": found,
        "fine": fine,
    }


def _identify(bench: Bench, screen: Screen) -> dict[str, str]:
    rows, found, trouble = [], {}, None
    for name, config in bench.config.instruments.items():
        driver = instrument_driver(config.driver, bench.path, f"instruments.{name}.driver")
        try:
            instrument = driver.connect(bench, name)
        except OhmloopError as error:
            trouble = trouble or error
            rows.append((name, config.driver, config.resource, "no"))
            continue
        instrument.close()
        found[name] = instrument.identity
        rows.append((name, config.driver, config.resource, instrument.identity))
    screen.table("instruments", ("name", "driver", "resource", "answers as"), rows)
    if trouble:
        raise trouble
    return found


def _check_one(bench: Bench, name: str, screen: Screen, calibration: Path | None) -> dict[str, Any]:
    from ohmloop.calibration.survey import take_survey
    from ohmloop.calibration.wiring_check import check_wiring

    given = str(calibration) if calibration else None
    with (
        open_on_bench(bench, name, calibration=given) as chip,
        screen.progress(f"reading {name}") as progress,
    ):
        survey = take_survey(chip, progress)
        messages = int(getattr(chip, "messages", 0))
    report = check_wiring(survey, _known(bench, name, calibration))
    found = figures(bench, name, report, messages)
    show(screen, found)
    return found


def _known(bench: Bench, name: str, calibration: Path | None) -> NDArray[np.float64] | None:
    """Conductances of the calibration, if there is one."""
    configured = bench.config.crossbars[name].calibration
    path = calibration or (configured and bench.path.parent / configured)
    if not path:
        return None
    from ohmloop.sim_backend.chip_file import load_chip

    conductance: NDArray[np.float64] = load_chip(path)["conductance"].to_numpy()
    return conductance
