"""Studies from file to report, small; what the examples show is tested in tests/training/theory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from ohmloop.app.examples_folder import example
from ohmloop.app.theory.study_file import RESULTS, is_study, load_study
from ohmloop.app.theory.table import Table
from ohmloop.drivers import ConfigError

EXAMPLES = ("error-floor", "implicit-penalty", "exact-convergence", "symmetric-point")
SMALL = {
    "error-floor": {
        "type": "error-floor",
        "problem": {"samples": 12, "dimensions": 3},
        "sweep": {"sigma": [0.1, 0.2], "states": [100, 1000]},
        "repeats": 4,
        "time": 2,
    },
    "implicit-penalty": {
        "type": "implicit-penalty",
        "response": {"type": "power", "gamma": 2},
        "sigma": [0.0, 1.0],
        "repeats": 4,
        "time": 1,
    },
    "exact-convergence": {
        "type": "exact-convergence",
        "response": {"type": "exponential", "tau": 1, "gamma": 1},
        "scales": [1, 0.5],
        "repeats": 4,
        "time": 100,
    },
    "symmetric-point": {
        "type": "symmetric-point",
        "problem": {"samples": 6, "dimensions": 3},
        "c": [0, 0.3],
        "iterations": 5,
    },
}


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "study.yaml"


def write(file: Path, study: dict[str, object], **others: object) -> None:
    file.write_text(yaml.safe_dump({"name": "a study", "study": study, "seed": 3, **others}))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_valid(name):
    path = example(f"theory/{name}.yaml")
    assert is_study(path)
    assert load_study(path).study.type == name


@pytest.mark.painted
@pytest.mark.parametrize(
    "kind",
    [
        EXAMPLES[2],
        *(pytest.param(k, marks=pytest.mark.campaign) for k in (*EXAMPLES[:2], EXAMPLES[3])),
    ],
)
def test_a_study_leaves_table_and_report(kind, file, ohmloop, tmp_path):
    write(file, SMALL[kind])
    done = ohmloop("train", file, "--runs", tmp_path / "runs", "--json")
    assert done.status == 0, done.err
    result = json.loads(done.out)
    folder = Path(result["run"])
    assert load_study(folder / "experiment.yaml") == load_study(file)
    table = Table.read(folder / RESULTS)
    assert table.rows
    assert result["summary"]
    page = (folder / "report.html").read_text()
    assert "data:image/png" in page
    again = ohmloop("report", folder, "-o", tmp_path / "again.html")
    assert again.status == 0, again.err
    assert (tmp_path / "again.html").read_text() == page
    twice = ohmloop("train", file, "--runs", tmp_path / "runs", "--json")
    other = Table.read(Path(json.loads(twice.out)["run"]) / RESULTS)
    assert other == table  # the same seed, the same figures


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "floor"}, "study: input tag 'floor'.*'error-floor'"),
        ({"sigmas": 1}, r"study\.error-floor\.sigmas: unknown key"),
        ({"tau": 0}, r"study\.error-floor\.tau"),
        ({"sweep": {"sigma": [0.1]}}, r"study\.error-floor\.sweep\.sigma"),
        ({"problem": {"samples": 2, "dimensions": 3}}, "dimensions need as many samples"),
        ({"sweep": {}}, "sweep: is empty"),
    ],
)
def test_mistakes_are_named_in_one_line(file, ohmloop, tmp_path, change, message):
    write(file, SMALL["error-floor"] | change)
    done = ohmloop("train", file, "--runs", tmp_path / "runs")
    assert done.status == 2
    assert len(done.err.strip().splitlines()) == 1
    assert re.search(message, done.err)
    assert not (tmp_path / "runs").exists()


def test_a_minimiser_beyond_the_bounds_is_refused(file, ohmloop, tmp_path):
    for kind in ("implicit-penalty", "exact-convergence"):
        write(file, SMALL[kind] | {"minimiser": [1.5, 0.0]})
        done = ohmloop("train", file, "--runs", tmp_path / "runs")
        assert done.status == 2
        assert "study.minimiser" in done.err


def test_a_study_is_not_resumed_and_takes_no_crossbar(file, ohmloop, tmp_path):
    write(file, SMALL["exact-convergence"])
    done = ohmloop("train", file, "--crossbar", "sim:soft-bounds?shape=4x4")
    assert done.status == 2
    assert "a study takes no --resume, --crossbar" in done.err
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(file.read_text())
    done = ohmloop("train", "--resume", folder)
    assert done.status == 2
    assert "run anew" in done.err
    done = ohmloop("report", folder)
    assert done.status == 2
    assert "not finished" in done.err


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        is_study(tmp_path / "nothing.yaml")


def test_tables(tmp_path):
    table = Table(("name", "x"))
    table.add("a", 1 / 3)
    table.add("b", np.float64(2))
    table.write(tmp_path / "t.csv")
    assert Table.read(tmp_path / "t.csv") == table
    assert table.of(name="b").numbers("x").tolist() == [2.0]
    assert table.names("name") == ["a", "b"]
