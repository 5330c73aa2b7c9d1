"""The page on cells: its examples run, and it has every key and default."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ohmloop.drivers.units import with_unit
from ohmloop.drivers.validation import load_yaml, validate
from ohmloop.sim_backend import PopulationSpec
from ohmloop.sim_backend.effects import EFFECTS
from ohmloop.sim_backend.instruments.bench import EmulationConfig
from ohmloop.sim_backend.population_keys import quantities

PAGE = (Path(__file__).parents[2] / "docs/reference/cells.md").read_text()


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_bench_part_is_one(tmp_path):
    (tmp_path / "part.yaml").write_text(_block("yaml"))
    emulation = load_yaml(tmp_path / "part.yaml")["emulation"]
    spec = validate(EmulationConfig, emulation, "page", "emulation").chip
    assert spec.model == "linear-step"
    assert spec.sluggish == ((0, 3), (5, 1))


def test_the_program_loses_what_drift_takes():
    scope: dict[str, Any] = {}
    exec(_block("python"), scope)
    assert scope["lost"] == pytest.approx(1 - 1e4**-0.05, abs=0.03)


def test_every_key_is_on_the_page():
    of_effects = {q.name for q in quantities("soft-bounds")} | set(PopulationSpec.model_fields)
    for key in of_effects:
        assert f"`{key}`" in PAGE, key


def test_defaults_of_effects_are_on_the_page():
    for kind in EFFECTS.values():
        for name, value in kind.defaults.items():
            unit = {f.name: f.metadata["unit"] for f in fields(kind)}[name]
            plain = unit == "1" or not value
            said = f"{value:g}" if plain else with_unit(value, unit)
            said = "1000 s" if said == "1 ks" else said
            assert f"`{kind.name}_{name}` ({said})" in PAGE
