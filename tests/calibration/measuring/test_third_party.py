"""A third party's routine, as the docs show it, installed beside ohmloop."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from ohmloop.calibration import Recipe, load_recipe, run
from ohmloop.calibration.measuring import routine_class, routine_names
from ohmloop.drivers import BadInputError, ConfigError, open_crossbar

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-routine.md"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    blocks = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE.read_text(), re.DOTALL))
    (tmp_path / "acme_routines.py").write_text(blocks["acme_routines.py"])
    info = tmp_path / "acme_routines-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-routines\nVersion: 1.0\n")
    points = re.sub(
        r'\[project\.entry-points\."([^"]+)"\]', r"[\1]", blocks["pyproject.toml"]
    ).replace('"', "")
    (info / "entry_points.txt").write_text(points + "acme_broken = acme_routines:Absent\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("acme_routines", None)


def test_the_documented_routine_runs(installed, tmp_path):
    assert "acme_relaxation" in routine_names()
    path = tmp_path / "mine.yaml"
    path.write_text("routines: [{acme_relaxation: {pause: 1 h}}]")
    (entry,) = load_recipe(str(path)).entries
    with open_crossbar("sim:soft-bounds?shape=2x3") as twin:
        found = run(entry.routine, twin)
        assert twin.clock.now == 3600.0
    assert found["fall"].shape == (2, 3)


def test_a_wrong_unit_is_said_with_file_and_key(installed):
    data = {"routines": [{"acme_relaxation": {"pause": "1 V"}}]}
    with pytest.raises(
        ConfigError, match=r"mine: routines\.0\.acme_relaxation\.pause: '1 V' is no"
    ):
        Recipe.read(data, "mine")


def test_a_broken_package_is_said_so(installed):
    with pytest.raises(BadInputError, match="'acme_broken' cannot be loaded"):
        routine_class("acme_broken")
