"""Options of ``training`` and ``data`` in an experiment file, as a user meets them."""

from __future__ import annotations

import builtins
import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from ohmloop.app.bookkeeper import cost_rows, percent
from ohmloop.app.console import duration
from ohmloop.app.experiments import load_experiment
from ohmloop.app.run_folder import RunFolder
from ohmloop.app.symmetric_point import share_of
from ohmloop.drivers import BadInputError, ConfigError

TEXT = """
name: few digits
crossbar: sim:soft-bounds?shape=20x20
model: {layers: [20, 10]}
data: {name: mnist, path: files}
algorithm: {name: analog-sgd, learning_rate: 0.1}
training: {epochs: 2, batch: 5}
seed: 2
"""


def idx_file(path: Path, values: np.ndarray) -> None:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An experiment on images that tell their class, in files of their own."""
    folder = tmp_path / "files"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 20)):
        labels = np.arange(count) % 10
        pixels = rng.integers(0, 60, (count, 4, 5))
        pixels.reshape(count, 20)[np.arange(count), 2 * labels] = 255
        idx_file(folder / f"{part}-images-idx3-ubyte.gz", pixels)
        idx_file(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    path = tmp_path / "experiment.yaml"
    path.write_text(TEXT)
    return path


def changed(file: Path, **sections: object) -> Path:
    values = yaml.safe_load(TEXT)
    for name, value in sections.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    file.write_text(yaml.safe_dump(values))
    return file


def run(ohmloop, file: Path, *arguments: object) -> tuple[dict, Path]:
    result = ohmloop("train", file, "--runs", file.parent / "runs", "--json", *arguments)
    assert result.status == 0, result.err
    found = json.loads(result.out)
    return found, Path(found["run"])


def test_everything_that_can_be_asked_for(ohmloop, file):
    options = {
        "schedule": {"type": "cosine", "least": 0.1},
        "warm_up": 0.5,
        "evaluate_every": 2,
        "checkpoint_every": 4,
        "confusion": True,
    }
    changed(file, training={"epochs": 3, **options}, data={"samples": 40, "held_out_samples": 10})
    found, folder = run(ohmloop, file)
    rows = RunFolder(folder).history()
    assert [np.isnan(row["accuracy"]) for row in rows] == [True, False, False]
    assert rows[-1]["learning_rate"] < 0.1 * 0.5
    assert found["products"] == 3 * 40 + 2 * 10
    assert found["chip_seconds"] > 0 < found["bench_joules"]
    confusion = np.array(json.loads((folder / "confusion.json").read_text()))
    assert confusion.shape == (10, 10)
    assert confusion.sum() == 10
    page = (folder / "report.html").read_text()
    for heading in ("Estimated cost", "taken for (column)", "linear1/0", "bytes on the wire"):
        assert heading in page


def test_a_run_killed_within_an_epoch_goes_on_as_if_it_had_not(ohmloop, file, monkeypatch):
    """The checkpoint within the second epoch is the last that was written."""
    changed(file, training={"epochs": 2, "checkpoint_every": 5})
    _, whole = run(ohmloop, file)
    saves = []
    save = RunFolder.save

    def dying(self, tensors, state, name="checkpoint"):
        if name == "checkpoint":
            saves.append(state["running"])
            if len(saves) == 6:  # start, 5, 10, epoch, 5, and here it dies at 10
                raise KeyboardInterrupt
        save(self, tensors, state, name)

    monkeypatch.setattr(RunFolder, "save", dying)
    result = ohmloop("train", file, "--runs", file.parent / "other")
    assert result.status == 130
    (folder,) = (file.parent / "other").iterdir()
    assert f"--resume {folder}" in result.err
    monkeypatch.undo()
    state = json.loads((folder / "checkpoint" / "state.json").read_text())
    assert (state["epoch"], state["running"]["batches"]) == (1, 5)
    assert saves[-1]["batches"] == 10
    # Somebody may have been killed between the metrics and the checkpoint of an epoch.
    with (folder / "metrics.csv").open("a") as out:
        out.write(",".join(["2", *["0"] * 15]) + "\n")
    result = ohmloop("train", "--resume", folder, "--json")
    assert result.status == 0, result.err
    ends = [load_file(f / "checkpoint" / "tensors.safetensors") for f in (whole, folder)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    histories = [RunFolder(f).history() for f in (whole, folder)]
    for rows in histories:
        for row in rows:
            del row["seconds"]
    assert len(histories[1]) == 2
    for a, b in zip(*histories, strict=True):
        assert a == pytest.approx(b)


@pytest.mark.parametrize("algorithm", ["digital-sgd", "analog-sgd"])
def test_early_stopping_takes_back_what_can_be_taken_back(ohmloop, file, algorithm):
    changed(
        file,
        algorithm={"name": algorithm, "learning_rate": 1e-9},
        training={"epochs": 9, "early_stopping": {"patience": 2, "min_delta": 1.0}},
    )
    result = ohmloop("train", file, "--runs", file.parent / "runs")
    assert result.status == 0, result.err
    assert "stopped early after epoch 3: nothing better since epoch 1" in result.out
    (folder,) = (file.parent / "runs").iterdir()
    assert json.loads((folder / "best" / "state.json").read_text()) == {"epoch": 1}
    if algorithm == "digital-sgd":
        assert "the model is that of epoch 1 again" in result.out
    else:
        assert "the weights on the chip stay those of epoch 3" in result.out


def test_a_rate_that_is_too_high_is_told_with_the_largest_that_fits(ohmloop, file):
    changed(file, algorithm={"name": "analog-sgd", "learning_rate": 500.0})
    result = ohmloop("train", file, "--runs", file.parent / "runs")
    assert result.status == 0
    lines = [line for line in result.err.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 1
    assert "layer linear1: " in lines[0]
    assert "the largest rate that fits is " in lines[0]
    (folder,) = (file.parent / "runs").iterdir()
    assert "Clipped updates" in (folder / "report.html").read_text()


def test_data_paths_are_relative_to_the_file_and_stay_right(ohmloop, file, monkeypatch):
    _, folder = run(ohmloop, file)
    frozen = yaml.safe_load((folder / "experiment.yaml").read_text())
    assert frozen["data"]["path"] == str(file.parent / "files")
    assert load_experiment(file).dataset().image == (1, 4, 5)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"path": None}}, "data: path is missing: mnist is read from its standard files"),
        ({"data": {"name": "digits"}}, "data: digits are always the same: they have no path"),
        ({"data": {"name": "emnist"}}, r"data\.name"),
        ({"data": {"samples": "40"}}, r"data\.samples"),
        ({"training": {"schedule": {"type": "luck"}}}, r"training\.schedule.*'cosine'"),
        ({"training": {"schedule": {"every": 4}}}, r"training\.schedule\.step\.factor: is missing"),
        ({"training": {"early_stopping": {"patience": 0}}}, r"early_stopping\.patience"),
        ({"training": {"checkpoint_every": 0}}, r"training\.checkpoint_every"),
        ({"zero_shift": {"budget": 3}}, r"zero_shift\.budget"),
    ],
)
def test_mistakes_are_named_by_key(file, sections, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(changed(file, **sections))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"path": "nowhere"}}, "nowhere: mnist needs train-images-idx3-ubyte"),
        ({"data": {"samples": 61}}, "mnist: samples: 61 samples cannot be taken: there are 60"),
        ({"zero_shift": {}}, "zero_shift: is for algorithms with fast arrays; analog-sgd has none"),
    ],
)
def test_what_cannot_be_done_is_one_line(ohmloop, file, sections, message):
    result = ohmloop("train", changed(file, **sections), "--runs", file.parent / "runs")
    assert result.status == 2
    assert message in result.err


def test_lists_of_rates(file):
    schedule = {"type": "list", "learning_rates": [0.2, 0.1, 0.01], "every": 2}
    training = load_experiment(changed(file, training={"schedule": schedule})).training
    rates = training.rates(0.2)
    assert rates is not None
    found = [0.2 * rates.factor(epoch) for epoch in (0, 1, 2, 4, 9)]
    assert found == pytest.approx([0.2, 0.2, 0.1, 0.01, 0.01])


def test_a_step_schedule_needs_no_type(file):
    training = load_experiment(changed(file, training={"schedule": {"every": 2, "factor": 0.5}}))
    rates = training.training.rates(1.0)
    assert rates is not None
    assert [rates.factor(epoch) for epoch in (0, 2, 4)] == [1, 0.5, 0.25]


def test_zero_shift_before_training(ohmloop, file):
    algorithm = {"name": "tiki-taka", "learning_rate": 0.1, "fast_learning_rate": 0.1}
    changed(
        file,
        crossbar="sim:soft-bounds?shape=40x40",
        algorithm=algorithm,
        zero_shift={"error": 0.05, "budget": 100},
    )
    _, folder = run(ohmloop, file)
    shifts = json.loads((folder / "zero_shift.json").read_text())
    assert list(shifts) == ["linear1/0"]
    assert shifts["linear1/0"]["pulses"] <= 100
    assert "Symmetric points before training" in (folder / "report.html").read_text()
    start = load_file(folder / "checkpoint" / "tensors.safetensors")
    frozen = folder / "experiment.yaml"
    frozen.write_text(frozen.read_text().replace("epochs: 2", "epochs: 3"))
    assert ohmloop("train", "--resume", folder).status == 0
    end = load_file(folder / "checkpoint" / "tensors.safetensors")
    references = [name for name in start if "reference" in name and name.startswith("model/")]
    assert references
    assert all(torch.equal(start[name], end[name]) for name in references)


def test_symmetric_point_command(ohmloop, tmp_path):
    output = tmp_path / "points.nc"
    name = "sim:soft-bounds?shape=8x8&seed=3"
    result = ohmloop("symmetric-point", name, "--error", "5%", "-o", output, "--json")
    assert result.status == 0, result.err
    found = json.loads(result.out)
    assert found["pulses"] >= found["pulses_by_theory"]
    assert found["before"]["recommended"]["algorithms"]
    import xarray as xr

    with xr.open_dataset(output, engine="h5netcdf") as data:
        assert data["symmetric_point"].shape == (8, 8)
        assert data["symmetric_point"].attrs["units"] == "S"
    result = ohmloop("symmetric-point", name, "--budget", "40")
    assert result.status == 0
    assert "32 pulses, all that the budget has room for, leave" in result.out
    assert "as measured now: the offset is at most" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--error", "often"], "'often' is not a share"),
        (["--error", "0"], "'0' is not a share"),
        (["--budget", "3"], "a budget of 3 pulses is too small"),
        (["-o", "points.txt"], "kept in something.nc"),
    ],
)
def test_symmetric_points_that_cannot_be(ohmloop, arguments, message):
    result = ohmloop("symmetric-point", "sim:soft-bounds?shape=4x4", *arguments)
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_shares_as_text():
    assert share_of("1%") == share_of(" 0.01 ") == 0.01
    with pytest.raises(BadInputError):
        share_of("100%")


def test_without_tensorboard_metrics_go_to_the_table_alone(tmp_path, monkeypatch, caplog):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    folder = RunFolder.create(tmp_path, "x", "name: x\n")
    caplog.set_level("WARNING", logger="ohmloop")
    folder.metrics(1, {"loss": 1.0})
    folder.metrics(2, {"loss": 0.5})
    folder.close()
    assert [row["loss"] for row in folder.history()] == [1.0, 0.5]
    assert not list(folder.path.glob("events*"))


def test_metrics_of_later_epochs_are_forgotten(tmp_path):
    folder = RunFolder.create(tmp_path, "x", "name: x\n")
    for epoch in (1, 2, 3):
        folder.metrics(epoch, {"loss": 1.0 / epoch})
    folder.keep_until(2)
    assert [row["epoch"] for row in folder.history()] == [1, 2]
    folder.metrics(3, {"loss": 0.25, "new": 1.0})
    assert folder.history()[-1] == {"epoch": 3, "loss": 0.25}
    folder.close()


def test_words_for_people():
    assert [duration(s) for s in (1, 99, 100, 5940, 6060)] == [
        "1 s",
        "99 s",
        "2 min",
        "99 min",
        "1 h 41 min",
    ]
    assert percent(0.5) == "50.0 %"
    assert percent(float("nan")) == percent(None) == "not evaluated"
    zeros = dict.fromkeys(("pulses", "forward", "backward", "cells_read", "updates"), 2)
    zeros |= dict.fromkeys(("chip_seconds", "chip_joules", "bench_seconds", "bench_joules"), 1e-6)
    rows = cost_rows({"a/0": zeros | {"clipped": 1.0}, "b/0": zeros | {"clipped": 0.0}})
    assert [row[0] for row in rows] == ["a/0", "b/0", "all"]
    assert rows[0][4] == "50 %"
    assert rows[-1][1:3] == ("4", "8")
    assert rows[-1][5] == "2 us, 2 uJ"
