"""What training without a pipeline can be asked for, asked of a pipeline."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from ohmloop.app.run_folder import RunFolder

BASE: dict[str, Any] = {
    "name": "two stages",
    "model": {"layers": [64, 8, 10]},
    "data": {"held_out": 0.9},
    "algorithm": {"name": "analog-sgd", "learning_rate": 0.05},
    "training": {"epochs": 2, "batch": 20},
    "pipeline": {
        "stages": 2,
        "schedule": "asynchronous",
        "micro_batches": 2,
        "benches": ["sim:soft-bounds?shape=20x80&seed=1", "sim:soft-bounds?shape=20x20&seed=2"],
    },
}
TWO = {"name": "tiki-taka", "learning_rate": 0.05, "fast_learning_rate": 0.05}


def written(folder: Path, **sections: Any) -> Path:
    values = json.loads(json.dumps(BASE))
    for name, value in sections.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def run(ohmloop, file: Path, *arguments: object) -> tuple[dict, Path]:
    done = ohmloop("train", file, "--runs", file.parent / "runs", "--json", *arguments)
    assert done.status == 0, done.err
    figures = json.loads(done.out)
    return figures, Path(figures["run"])


def state_of(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "checkpoint" / "tensors.safetensors")


def same(first: Path, second: Path) -> bool:
    a, b = state_of(first), state_of(second)
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_everything_of_training_that_can_be_asked_for(ohmloop, tmp_path):
    options = {
        "epochs": 3,
        "schedule": {"type": "cosine", "least": 0.1},
        "warm_up": 0.5,
        "evaluate_every": 2,
        "checkpoint_every": 4,
        "confusion": True,
    }
    figures, folder = run(ohmloop, written(tmp_path, training=options))
    rows = RunFolder(folder).history()
    assert [np.isnan(row["accuracy"]) for row in rows] == [True, False, False]
    assert rows[-1]["learning_rate"] < 0.05 * 0.4
    assert figures["clocks"] == figures["predicted_clocks"]
    confusion = np.array(json.loads((folder / "confusion.json").read_text()))
    assert confusion.shape == (10, 10)
    assert confusion.sum() == 1618
    page = (folder / "report.html").read_text()
    for text in ("Estimated cost", "stage2.linear2/0", "taken for (column)", "energy of cells"):
        assert text in page
    accounts = json.loads((folder / "pipeline.json").read_text())
    joules = sum(s["chip_joules"] for one in accounts for s in one["stages"])
    assert figures["chip_joules"] == pytest.approx(joules)
    assert min(s["bench_joules"] for one in accounts for s in one["stages"]) > 0


@pytest.mark.parametrize("executor", ["exact", "threads"])
@pytest.mark.parametrize("schedule", ["asynchronous", "synchronous"])
def test_a_run_killed_within_an_epoch_goes_on_bit_for_bit(
    ohmloop, tmp_path, monkeypatch, schedule, executor
):
    """The last checkpoint is one within the second epoch; metrics are the same too."""
    training = {"checkpoint_every": 3, "warm_up": 1.5, "early_stopping": {"patience": 9}}
    pipeline = {"schedule": schedule, "executor": executor}
    file = written(tmp_path, training=training, pipeline=pipeline)
    _, whole = run(ohmloop, file)
    saves = []
    save = RunFolder.save

    def dying(self, tensors, state, name="checkpoint"):
        if name == "checkpoint":
            saves.append((state["epoch"], state["position"]))
            if len(saves) >= 7:  # start, 60, 120, epoch, 60, 120, and here it dies at the end
                raise KeyboardInterrupt
        save(self, tensors, state, name)

    monkeypatch.setattr(RunFolder, "save", dying)
    done = ohmloop("train", file, "--runs", tmp_path / "other")
    assert done.status == 130
    monkeypatch.undo()
    (folder,) = (tmp_path / "other").iterdir()
    kept = json.loads((folder / "checkpoint" / "state.json").read_text())
    assert (kept["epoch"], kept["position"]) == (1, 120)
    assert len(RunFolder(folder).history()) == 2  # the second was written, its checkpoint not
    done = ohmloop("train", "--resume", folder, "--json")
    assert done.status == 0, done.err
    assert same(whole, folder)
    tables = [RunFolder(f).history() for f in (whole, folder)]
    for rows in tables:
        for row in rows:
            del row["seconds"], row["bubble"]
    assert len(tables[1]) == 2
    for a, b in zip(*tables, strict=True):
        assert a == pytest.approx(b, rel=1e-12)
    clocks = [json.loads((f / "pipeline.json").read_text())[1]["clocks"] for f in (whole, folder)]
    assert clocks[0] == clocks[1]


@pytest.mark.parametrize(
    ("mapping", "schedule"),
    [
        ({"bias": "analog", "output_scale": "output"}, "asynchronous"),
        ({"reference": "crossbar", "block": [4, 40]}, "asynchronous"),
        ({"reference": "differential"}, "synchronous"),
        ({"exclude": "linear2"}, "synchronous"),
        ({"include": "linear2", "reference": "fixed"}, "synchronous"),
    ],
)
def test_any_mapping_and_it_resumes(ohmloop, tmp_path, mapping, schedule):
    """Schedules take turns: what tiles a layer is made of is nothing to a schedule."""
    benches = ["sim:soft-bounds?shape=40x80&seed=1", "sim:soft-bounds?shape=40x20&seed=2"]
    pipeline = {"benches": benches, "schedule": schedule}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, whole = run(ohmloop, written(tmp_path / "a", mapping=mapping, pipeline=pipeline))
    short = written(tmp_path / "b", mapping=mapping, pipeline=pipeline, training={"epochs": 1})
    _, part = run(ohmloop, short)
    kept = part / "experiment.yaml"
    kept.write_text(kept.read_text().replace("epochs: 1", "epochs: 2"))
    assert ohmloop("train", "--resume", part).status == 0
    assert same(whole, part)
    tiles = json.loads((whole / "usage.json").read_text())["tiles"]
    names = {name.partition("/")[0] for name in tiles}
    wanted = {"stage1.linear1", "stage2.linear2"}
    wanted -= {"stage2.linear2"} if "exclude" in mapping else set()
    wanted -= {"stage1.linear1"} if "include" in mapping else set()
    assert names == wanted
    for layer in names:
        assert sum(t["pulses"] for name, t in tiles.items() if name.startswith(layer)) > 0


def test_every_stage_zero_shifts_its_own_fast_arrays(ohmloop, tmp_path):
    file = written(tmp_path, algorithm=TWO, zero_shift={"error": 0.05, "budget": 64})
    _, folder = run(ohmloop, file)
    shifts = json.loads((folder / "zero_shift.json").read_text())
    assert list(shifts) == ["stage1.linear1/0", "stage2.linear2/0"]
    assert all(0 < shift["pulses"] <= 64 for shift in shifts.values())
    assert "Symmetric points before training" in (folder / "report.html").read_text()
    before = state_of(folder)
    kept = folder / "experiment.yaml"
    kept.write_text(kept.read_text().replace("epochs: 2", "epochs: 3"))
    assert ohmloop("train", "--resume", folder).status == 0
    after = state_of(folder)
    references = [name for name in before if "/model/" in name and "reference" in name]
    assert len(references) == 4
    assert all(np.array_equal(before[name], after[name]) for name in references)


@pytest.mark.parametrize("algorithm", ["digital-sgd", "analog-sgd"])
def test_early_stopping_takes_back_what_can_be_taken_back(ohmloop, tmp_path, algorithm):
    file = written(
        tmp_path,
        algorithm={"name": algorithm, "learning_rate": 1e-9},
        training={"epochs": 9, "early_stopping": {"patience": 2, "min_delta": 1.0}},
    )
    done = ohmloop("train", file, "--runs", tmp_path / "runs")
    assert done.status == 0, done.err
    assert "stopped early after epoch 3: nothing better since epoch 1" in done.out
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "best" / "state.json").read_text()) == {"epoch": 1}
    if algorithm == "digital-sgd":
        assert "the model is that of epoch 1 again" in done.out
    else:
        assert "the weights on the chip stay those of epoch 3" in done.out


NARROW = {"benches": ["sim:soft-bounds?shape=8x64", "sim:soft-bounds?shape=10x8"]}


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        ({"mapping": {"include": "conv*"}}, r"include: 'conv\*' matches none of linear1, linear2"),
        ({"mapping": {"exclude": "linear*"}}, "no linear layer or other is left to convert"),
        (
            {"mapping": {"bias": "analog"}, "pipeline": NARROW},
            r"stage 1, layer linear1, array 0, .*; in one piece .* 8 outputs x 65 inputs either",
        ),
        (
            {"algorithm": TWO, "mapping": {"reference": "differential"}},
            r"stage 1, layer linear1, array \d.*: no room for its 8 outputs x 64 inputs",
        ),
    ],
)
def test_what_cannot_be_is_one_line_and_pulses_nothing(ohmloop, tmp_path, sections, complaint):
    file = written(tmp_path, **sections)
    done = ohmloop("train", file, "--runs", tmp_path / "runs")
    assert done.status == 2
    (line,) = [x for x in done.err.splitlines() if x.startswith("error: ")]
    assert re.search(complaint, line), line
    assert not list(tmp_path.glob("runs/*/stage-*"))


def test_zero_shift_where_no_array_has_a_reference_to_shift(ohmloop, tmp_path):
    benches = ["sim:soft-bounds?shape=40x80&seed=1", "sim:soft-bounds?shape=40x20&seed=2"]
    sections = {"mapping": {"reference": "differential"}, "pipeline": {"benches": benches}}
    file = written(tmp_path, algorithm=TWO, zero_shift={"budget": 64}, **sections)
    done = ohmloop("train", file, "--runs", tmp_path / "runs")
    assert done.status == 2
    assert "there is nothing to zero-shift" in done.err
