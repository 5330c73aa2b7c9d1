"""``ohmloop train`` and ``ohmloop pipeline`` with several stages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from ohmloop.app.examples_folder import example
from ohmloop.app.experiments import load_experiment
from ohmloop.app.pipeline_report import totals
from ohmloop.app.run_folder import RunFolder
from ohmloop.drivers import ConfigError

TEXT = """
name: two stages
model: {layers: [64, 8, 10]}
data: {held_out: 0.9}
algorithm: {name: analog-sgd, learning_rate: 0.05}
training: {epochs: 2, batch: 20}
pipeline:
  stages: 2
  schedule: SCHEDULE
  micro_batches: 2
  benches: ["sim:soft-bounds?shape=8x64&seed=1", "sim:soft-bounds?shape=10x8&seed=2"]
"""


def written(folder: Path, *changes: tuple[str, str], schedule: str = "asynchronous") -> Path:
    text = TEXT.replace("SCHEDULE", schedule)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = folder / "experiment.yaml"
    file.write_text(text)
    return file


@pytest.mark.painted
def test_a_run_its_folder_and_its_report(ohmloop, tmp_path):
    done = ohmloop("train", written(tmp_path), "--runs", tmp_path / "runs", "--json")
    assert done.status == 0, done.err
    figures = json.loads(done.out)
    assert figures["clocks"] == figures["predicted_clocks"] > 0
    assert figures["staleness"] == [1, 0]
    folder = Path(figures["run"])
    page = (folder / "report.html").read_text()
    for text in ("<h2>Pipeline</h2>", "<svg", "linear1, tanh1", "1; schedule: 1", "asynchronous"):
        assert text in page
    run = RunFolder(folder)
    counted = totals(folder, run)
    run.close()
    assert counted["pulses_applied"] >= figures["pulses"] > 0
    assert counted["in_doubt"] == 0
    again = ohmloop("report", folder)
    assert again.status == 0


def test_going_on_with_a_run(ohmloop, tmp_path):
    """Two epochs at once, and one and one more: the same twins."""
    whole = ohmloop("train", written(tmp_path), "--runs", tmp_path / "a", "--json")
    part = ohmloop(
        "train", written(tmp_path, ("epochs: 2", "epochs: 1")), "--runs", tmp_path / "b", "--json"
    )
    folder = Path(json.loads(part.out)["run"])
    kept = folder / "experiment.yaml"
    kept.write_text(kept.read_text().replace("epochs: 1", "epochs: 2"))
    rest = ohmloop("train", "--resume", folder, "--json")
    assert rest.status == 0, rest.err
    states = [
        load_file(Path(json.loads(done.out)["run"]) / "checkpoint" / "tensors.safetensors")
        for done in (whole, rest)
    ]
    assert states[0].keys() == states[1].keys()
    assert any(name.startswith("twin2/") for name in states[0])
    for name, value in states[0].items():
        assert np.array_equal(value, states[1][name]), name


def test_stages_on_one_crossbar_and_digital_ones(ohmloop, tmp_path):
    shared = ("  benches: ", "crossbar: sim:soft-bounds?shape=64x64\nx: ")
    file = written(tmp_path, shared, schedule="1f1b")
    file.write_text("\n".join(x for x in file.read_text().splitlines() if not x.startswith("x:")))
    assert ohmloop("train", file, "--runs", tmp_path / "runs").status == 0
    measured = written(tmp_path, ("  schedule", "  costs: measured\n  schedule"), shared)
    file.write_text("\n".join(x for x in file.read_text().splitlines() if not x.startswith("x:")))
    assert ohmloop("train", measured, "--runs", tmp_path / "runs").status == 0
    digital = written(tmp_path, ("name: analog-sgd", "name: digital-sgd"), schedule="synchronous")
    assert ohmloop("train", digital, "--runs", tmp_path / "runs").status == 0


def test_the_preview(ohmloop):
    done = ohmloop("pipeline", example("digits-pipeline.yaml"))
    assert done.status == 0, done.err
    assert "stage 1 |F1" in done.out
    assert "1 updates old" in done.out
    figures = json.loads(ohmloop("pipeline", example("digits-pipeline.yaml"), "--json").out)
    assert figures["staleness"] == [1, 0]
    assert figures["clocks"] == 2 * (20 + 1)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("stages: 2", "stages: 3", "pipeline: .*3 stages need 3 benches, one each, not 2"),
        ("stages: 2", "stages: true", r"pipeline\.stages: "),
        ("stages: 2", "stages: [[linear1], [linear2]]", "layer 'tanh1' is in no stage"),
        ("micro_batches: 2", "micro_batches: 3", "20 cannot be cut into 3 equal micro-batches"),
        ("asynchronous", "eager", r"pipeline\.schedule"),
        ("shape=10x8&seed=2", "shape=8x64&seed=1", "two stages have the same bench"),
        ("shape=10x8", "shape=9x8", "no room for its 10 outputs x 8 inputs"),
        ("  benches: ", "  executor: processes\n  benches: ", "started together: torchrun"),
        ("  schedule", "  costs: {linear9: 1}\n  schedule", "no layer 'linear9'"),
        ("name: two", "zero_shift: {error: 0.1}\nname: two", "for algorithms with fast arrays"),
    ],
)
def test_bad_input_is_one_line_and_pulses_nothing(ohmloop, tmp_path, old, new, complaint):
    file = written(tmp_path, (old, new))
    done = ohmloop("train", file, "--runs", tmp_path / "runs")
    assert done.status == 2
    (line,) = [x for x in done.err.splitlines() if x.startswith("error: ")]
    assert re.search(complaint, line), line
    for run in tmp_path.glob("runs/*"):
        for journal in run.glob("stage-*/journal.sqlite"):
            one = RunFolder(journal.parent)
            assert one.journal.totals()["pulses_applied"] == 0
            one.close()


def test_more_stages_than_layers(ohmloop, tmp_path):
    three = ('seed=2"]', 'seed=2", "sim:soft-bounds?shape=8x8"]')
    done = ohmloop("train", written(tmp_path, ("stages: 2", "stages: 3"), three))
    assert done.status == 2
    assert "3 stages for 2 layers with weights (linear1, linear2)" in done.err


def test_paths_of_benches_are_relative_to_the_file(tmp_path):
    file = written(tmp_path, ("sim:soft-bounds?shape=8x64&seed=1", "left.yaml#array"))
    loaded = load_experiment(file)
    assert loaded.pipeline is not None
    assert loaded.pipeline.benches is not None
    assert loaded.pipeline.benches[0] == str(tmp_path / "left.yaml#array")
    with pytest.raises(ConfigError, match="calibrations"):
        load_experiment(written(tmp_path, ("  schedule", "  calibrations: [a.nc]\n  schedule")))


EVERYTHING = (
    ("{name: analog-sgd,", "{name: tiki-taka, fast_learning_rate: 0.05,"),
    ("shape=8x64", "shape=16x64"),
    ("shape=10x8", "shape=20x8"),
    ("batch: 20}", "batch: 20, warm_up: 1, checkpoint_every: 3, early_stopping: {patience: 1}}"),
    ("\nname:", "\nzero_shift: {budget: 64}\nmapping: {output_scale: output}\nname:"),
)


@pytest.mark.campaign
@pytest.mark.parametrize("changes", [(), EVERYTHING], ids=["plain", "with everything"])
def test_torchrun_trains_what_threads_train(tmp_path, changes):
    file = written(tmp_path, *changes)
    states = []
    for name, line in (
        ("one", [sys.executable, "-m", "ohmloop.app.cli"]),
        (
            "two",
            [
                *[sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"],
                *["--standalone", "-m", "ohmloop.app.cli"],
            ],
        ),
    ):
        done = subprocess.run(
            [*line, "train", file, "--runs", tmp_path / name, "--json"],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        folder = Path(json.loads(done.stdout)["run"])
        found: dict[str, np.ndarray] = {}
        for checkpoint in folder.glob("**/tensors.safetensors"):
            if checkpoint.parent.name == "checkpoint":
                found |= load_file(checkpoint)
        states.append(found)
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert np.array_equal(value, states[1][name]), name
