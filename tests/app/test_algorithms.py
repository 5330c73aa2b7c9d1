"""Section ``algorithm``: records agree with optimizers, and every example is a whole run."""

from __future__ import annotations

import inspect
import json
import warnings
from typing import Any, get_args

import numpy as np
import pytest
import yaml

from ohmloop import training
from ohmloop.app.examples_folder import example
from ohmloop.app.experiments import load_experiment
from ohmloop.app.experiments.algorithm import _SPELT_OUT, Algorithm, AnalogAlgorithm
from ohmloop.training import AnalogParameter, ExactTile

RECORDS = {
    get_args(record.model_fields["name"].annotation)[0]: record
    for record in get_args(get_args(Algorithm)[0])
}
ANALOG = {name: record for name, record in RECORDS.items() if issubclass(record, AnalogAlgorithm)}
EXAMPLES = sorted(example("algorithms/agad.yaml").parent.glob("*.yaml"))


def arguments(made: type) -> dict[str, Any]:
    """Names and defaults of an optimizer's arguments, those of its base included."""
    found: dict[str, Any] = {}
    for base in made.__mro__:
        if base is training.AnalogOptimizer:
            break
        for name, parameter in inspect.signature(base.__init__).parameters.items():
            found.setdefault(name, parameter.default)
        if "options" not in inspect.signature(base.__init__).parameters:
            break
    return found


@pytest.mark.parametrize("name", ANALOG)
def test_keys_and_defaults_are_the_optimizers(name: str) -> None:
    record = ANALOG[name]
    keys = record.model_fields
    taken = arguments(getattr(training, record.made))
    for key, field in keys.items():
        if key in ("name", "arrays", "pulses"):
            continue
        argument = _SPELT_OUT.get(key, key)
        assert argument in taken, key
        if not field.is_required():
            same = (name, key) == ("tiki-taka", "gamma") or field.default == taken[argument]
            assert same, (key, field.default, taken[argument])
    kept_from_files = {"self", "params", "rng", "options", "update_management", "bl_management"}
    assert set(taken) - kept_from_files == {
        _SPELT_OUT.get(key, key) for key in keys if key not in ("name", "arrays", "pulses")
    }


@pytest.mark.parametrize(
    ("pulses", "rule"),
    [
        ({"desired_bl": 5}, training.PulseSettings(5)),
        ({"type": "deterministic", "desired_bl": 7}, training.DeterministicPulses(7)),
        ({"type": "implicit"}, training.ImplicitPulses()),
    ],
)
def test_updates_become_pulses_as_the_file_says(pulses: dict[str, Any], rule: Any) -> None:
    config = ANALOG["analog-sgd"].model_validate(
        {"name": "analog-sgd", "learning_rate": 0.1, "pulses": pulses}
    )
    parameter = AnalogParameter([ExactTile(np.zeros((2, 3)), np.ones_like, np.ones_like)])
    assert config.optimizer([parameter], np.random.default_rng(0)).rule == rule


def test_mixed_precision_counts_its_pulses() -> None:
    record = ANALOG["mixed-precision"]
    with pytest.raises(ValueError, match="pulses"):
        record.model_validate(
            {"name": "mixed-precision", "learning_rate": 0.1, "pulses": {"type": "implicit"}}
        )


@pytest.mark.parametrize("name", ANALOG)
def test_arrays_are_what_the_optimizer_takes(name: str) -> None:
    record = ANALOG[name]
    rates = dict.fromkeys(("learning_rate", "fast_learning_rate"), 0.1)
    config = record.model_validate(
        {"name": name} | {k: v for k, v in rates.items() if k in record.model_fields}
    )
    tiles = [ExactTile(np.zeros((2, 3)), np.ones_like, np.ones_like) for _ in range(config.arrays)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental")
        made = config.optimizer([AnalogParameter(tiles)], np.random.default_rng(0))
    assert type(made).__name__ == record.made


def test_all_columns_are_none() -> None:
    text = {"name": "rider", "learning_rate": 1, "fast_learning_rate": 1, "transfer_columns": "all"}
    assert ANALOG["rider"].model_validate(text).options()["transfer_columns"] is None


def test_there_is_an_example_of_every_algorithm_and_nothing_else_differs() -> None:
    texts = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in EXAMPLES}
    assert texts.keys() == RECORDS.keys()
    for name, text in texts.items():
        assert text.pop("algorithm")["name"] == name
        assert text.pop("name") == f"digits by {name}"
    assert all(text == texts["analog-sgd"] for text in texts.values())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_are_valid(file: Any) -> None:
    assert load_experiment(file).algorithm.name == file.stem


@pytest.mark.campaign
@pytest.mark.filterwarnings("ignore:.*experimental")
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_runs_and_learns(file: Any, ohmloop: Any, tmp_path: Any) -> None:
    """Far from chance, 0.1, after three epochs."""
    short = tmp_path / file.name
    short.write_text(file.read_text(encoding="utf-8").replace("epochs: 8", "epochs: 3"))
    result = ohmloop("train", short, "--runs", tmp_path / "runs", "--json")
    assert result.status == 0, result.err
    assert json.loads(result.out)["accuracy"] > 0.5
