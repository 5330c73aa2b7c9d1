from __future__ import annotations

from pathlib import Path

import pytest

from ohmloop.app.examples_folder import example
from ohmloop.app.experiments import Experiment, load_experiment
from ohmloop.drivers import ConfigError

TEXT = """
name: test
crossbar: chip.nc
model: {layers: [64, 10]}
algorithm: {name: analog-sgd, learning_rate: 0.05}
training: {epochs: 2}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(TEXT)
    return path


def test_paths_are_relative_to_the_file(file):
    assert load_experiment(file).crossbar == str(file.parent / "chip.nc")
    file.write_text(TEXT.replace("chip.nc", "sim:soft-bounds?shape=8x8"))
    assert load_experiment(file).crossbar == "sim:soft-bounds?shape=8x8"
    file.write_text(TEXT.replace("chip.nc", "/else/bench.yaml#left"))
    assert load_experiment(file).crossbar == "/else/bench.yaml#left"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("analog-sgd", "analog-sdg", r"algorithm: input tag 'analog-sdg'.*'tiki-taka'"),
        ("learning_rate: 0.05", "learning_rate: 0", r"algorithm\.analog-sgd\.learning_rate"),
        ("epochs: 2", "epoch: 2", r"training\.epoch: unknown key"),
        ("layers: [64, 10]", "layers: [64]", r"model\.layers"),
        ("name: test", "title: test", r"title: unknown key"),
    ],
)
def test_mistakes_are_named_by_key(file, old, new, message):
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        load_experiment(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["digits.yaml", "digits-tiki-taka.yaml", "mnist.yaml"])
def test_the_examples_are_valid(name):
    assert isinstance(load_experiment(example(name)), Experiment)


def test_a_periphery_is_checked_and_kept_as_it_is_written(file):
    file.write_text(TEXT + "periphery: {to_rows: {input: {bits: 7, range: 200 mV}}}\n")
    written = {"to_rows": {"input": {"bits": 7, "range": "200 mV"}}}
    assert load_experiment(file).periphery == written
    file.write_text(TEXT + "periphery: {to_rows: {input: {bits: 77}}}\n")
    with pytest.raises(ConfigError, match=r"experiment\.yaml: periphery\.to_rows\.input\.bits"):
        load_experiment(file)


def test_generators_depend_on_the_seed_alone_and_differ():
    experiment = Experiment.model_validate(
        {
            "name": "x",
            "model": {"layers": [64, 10]},
            "algorithm": {"name": "digital-sgd", "learning_rate": 1},
            "training": {"epochs": 1},
            "seed": 3,
        }
    )
    one, two = (experiment.generators() for _ in range(2))
    assert one[0].random() == two[0].random()
    assert one[1].random() == two[1].random()
    assert experiment.generators()[0].random() != experiment.generators()[1].random()
