"""``ohmloop calibrate``: measure a chip, fit it, write calibration file and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ohmloop.drivers import BadInputError, Crossbar, load_bench, open_crossbar
from ohmloop.drivers.registry import BENCHES

from .console import Report, Screen
from .fitted import analysed, write_chip, write_routines
from .measurement_file import beside, open_measurement, recipe_of
from .signals import orderly_interrupts

if TYPE_CHECKING:
    from ohmloop.calibration import MeasurementStore, Recipe


def calibrate(
    name: str,
    output: Path,
    screen: Screen,
    seed: int,
    record: Path | None = None,
    recipe: Recipe | None = None,
    resume: bool = False,
    fresh: bool = False,
    family: str = "auto",
) -> dict[str, Any]:
    """Calibrate the crossbar called ``name`` and write ``output`` and its report.

    Raw data goes to ``OUTPUT.measurement.sqlite`` step by step, and stays there.

    Raises:
        BadInputError: the output cannot be written, the bench file or the recipe is wrong, or
            there is a measurement already and neither ``resume`` nor ``fresh`` was asked for.
        InstrumentError: the bench failed; what was measured so far is kept.
    """
    check_writable(output)
    check_family(family)
    if paper := on_paper(name):
        _check(recipe, paper, resume)
    store = open_measurement(output, resume, fresh)
    try:
        recipe = _agreed(recipe, store)
        with orderly_interrupts():
            try:
                messages = _measure(name, recipe, store, screen, seed, record, resume)
            except BaseException:
                if store.steps():
                    kept = f"what was measured is kept in {beside(output)}; --resume goes on"
                    screen.trouble(kept)
                else:
                    store.close()
                    beside(output).unlink(missing_ok=True)
                raise
            return finish(store, recipe, output, screen, family) | {"messages": messages}
    finally:
        store.close()


def check_family(name: str) -> None:
    """Refuse a response function that nobody offers, before a chip is touched.

    Raises:
        BadInputError: says which there are.
    """
    from ohmloop.calibration.fitting.families import family_of

    if name != "auto":
        family_of(name)


def calibrate_chip(
    chip: Crossbar, recipe: Recipe, store: MeasurementStore, seed: int, progress: Report | None
) -> None:
    """Measure an open crossbar, every step into ``store``."""
    from ohmloop.calibration import measure

    known = provenance(chip)
    measure(recipe, chip, store, seed=seed, progress=progress, provenance=known)


def on_paper(name: str) -> Crossbar | None:
    """What a bench file says, without connecting to anything; None of what is no bench file."""
    from ohmloop.calibration.measuring.paper import PaperCrossbar

    file, _, crossbar = name.partition("#")
    return PaperCrossbar(load_bench(file), crossbar) if file.endswith(BENCHES) else None


def _check(recipe: Recipe | None, paper: Crossbar, resume: bool) -> None:
    from ohmloop.calibration import load_recipe
    from ohmloop.calibration.measuring import check_budget

    if not resume:  # one that goes on has used some of the cells' life itself
        check_budget(recipe or load_recipe("standard"), paper)


def _agreed(recipe: Recipe | None, store: MeasurementStore) -> Recipe:
    """The recipe that the measurement was begun with, or the one to begin with.

    Raises:
        BadInputError: they differ.
    """
    from ohmloop.calibration import load_recipe

    begun = recipe_of(store)
    if begun is None:
        return recipe or load_recipe("standard")
    if recipe is not None and recipe.text() != begun.text():
        raise BadInputError(
            f"{store.name}: was begun with another recipe; leave --recipe and --routine out to go"
            " on with that one"
        )
    return begun


def _measure(
    name: str,
    recipe: Recipe,
    store: MeasurementStore,
    screen: Screen,
    seed: int,
    record: Path | None,
    resume: bool,
) -> int:
    """Open, measure; messages that it took."""
    if all(store.is_done(routine) for routine in recipe.names):
        return 0  # only the analysis is left
    with open_crossbar(name, record=record) as chip:
        if resume and chip.capabilities.tensors:
            raise BadInputError(
                f"{name}: a twin opened anew does not remember its pulses; use --fresh"
            )
        _announce(recipe, chip, screen)
        with screen.progress("calibrating", time_left=False) as progress:
            calibrate_chip(chip, recipe, store, seed, progress)
        return int(getattr(chip, "messages", 0))


def _announce(recipe: Recipe, chip: Crossbar, screen: Screen) -> None:
    from ohmloop.calibration.measuring import Pace, costs, words

    pace = Pace.expected(chip)
    seconds = sum(cost.seconds(pace) for cost in costs(recipe, chip).values())
    screen.say(f"{len(recipe.names)} routines, about {words(seconds)} by the bench file's timing")


def provenance(chip: Crossbar) -> dict[str, str]:
    """Who is who: the crossbar's name and its instruments' identities."""
    known = {"crossbar": chip.name}
    for role in ("smu", "matrix", "board"):
        instrument = getattr(chip, role, None)
        if instrument is not None:
            known[f"instrument_{role}"] = instrument.identity
    return known


def finish(
    store: MeasurementStore, recipe: Recipe, output: Path, screen: Screen, family: str = "auto"
) -> dict[str, Any]:
    """Fit, write the calibration file and its report; say what came out.

    Args:
        store: what was measured.
        recipe: by which recipe.
        output: the calibration file.
        screen: who is told.
        family: response function by name; ``auto`` chooses it.
    """
    from ohmloop.calibration import fit_raw, raw_of_store
    from ohmloop.calibration.routine import TRAJECTORY

    groups, verdicts = analysed(store, recipe, screen)
    missing = [name for name in TRAJECTORY if name not in recipe.names]
    if missing:
        return {"routines": verdicts} | write_routines(groups, output, screen, missing)
    found = write_chip(fit_raw(raw_of_store(store), family), groups, output, screen)
    return {"calibration": found.figures, "routines": verdicts} | found.files


def check_writable(output: Path) -> None:
    """Refuse an output whose folder is not there, before a chip is touched.

    Raises:
        BadInputError: names the folder.
    """
    if not output.parent.is_dir():
        raise BadInputError(f"{output}: there is no folder {output.parent}")
    if output.is_dir() or output.suffix != ".nc":
        raise BadInputError(f"{output}: a calibration file is called something.nc")
