"""A study file: what ``ohmloop train`` runs where the top-level key ``study`` is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import Field

from ohmloop.app.console import Screen
from ohmloop.app.run_folder import RunFolder
from ohmloop.drivers import BadInputError
from ohmloop.drivers.validation import Record, load_yaml, validate

from .error_floor import ErrorFloor
from .exact_convergence import ExactConvergence
from .implicit_penalty import ImplicitPenalty
from .symmetric_point import SymmetricPoint
from .table import Table

if TYPE_CHECKING:
    from .study import Study

RESULTS = "results.csv"


class StudyFile(Record):
    """A whole study file.

    Attributes:
        name: names the run folder.
        study: what is swept; ``type`` says which study.
        seed: of everything random.
    """

    name: str
    study: Annotated[
        ErrorFloor | ImplicitPenalty | ExactConvergence | SymmetricPoint,
        Field(discriminator="type"),
    ]
    seed: Annotated[int, Field(ge=0)] = 0


def is_study(file: Path) -> bool:
    """Whether a file is about a study, well written or not.

    Raises:
        ConfigError: it is no YAML mapping.
    """
    return "study" in load_yaml(file)


def load_study(file: Path) -> StudyFile:
    """Read and check a study file.

    Raises:
        ConfigError: names file and key.
    """
    return validate(StudyFile, load_yaml(file), file)


def run_study(file: Path, screen: Screen, runs: Path) -> dict[str, Any]:
    """Run a study file into a folder of its own: configuration, ``results.csv``, ``report.html``.

    Raises:
        BadInputError: the file is wrong.
    """
    found = load_study(file)
    study: Study = found.study
    with screen.progress(found.name) as progress:
        table = study.run(found.seed, progress)
    frozen = yaml.safe_dump(found.model_dump(), sort_keys=False)
    run = RunFolder.create(runs, found.name, frozen)
    run.close()
    table.write(run.path / RESULTS)
    page = write_study_report(run.path)
    screen.say(f"run folder: {run.path}")
    head, rows = study.summary(table)
    screen.table(found.name, head, rows)
    screen.say(f"report: {page}")
    summary = [dict(zip(head, row, strict=True)) for row in rows]
    return {"run": str(run.path), "report": str(page), "summary": summary}


def write_study_report(folder: Path, output: Path | None = None) -> Path:
    """Draw ``report.html`` from what a study left in its folder; returns where.

    Raises:
        BadInputError: the folder holds no results.
    """
    from ohmloop.calibration.reporting import page, table

    found = load_study(folder / "experiment.yaml")
    if not (folder / RESULTS).is_file():
        raise BadInputError(f"{folder}: the study was not finished, there is nothing to report")
    results = Table.read(folder / RESULTS)
    head, rows = found.study.summary(results)
    settings = [(k, str(v)) for k, v in found.study.model_dump().items()] + [("seed", found.seed)]
    sections = [
        ("", table(rows, head)),
        *found.study.figures(results),
        ("Configuration", table(settings)),
    ]
    where = output or folder / "report.html"
    where.write_text(page(f"Study: {found.name}", sections), encoding="utf-8")
    return where
