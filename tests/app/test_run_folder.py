from __future__ import annotations

import pytest
import torch

from ohmloop.app.run_folder import RunFolder
from ohmloop.drivers import BadInputError


@pytest.fixture
def run(tmp_path):
    folder = RunFolder.create(tmp_path, "My run!", "name: x\n")
    yield folder
    folder.close()


def test_folders_are_named_by_run_and_time_and_never_shared(run, tmp_path):
    assert run.path.name.startswith("my-run-")
    other = RunFolder.create(tmp_path, "My run!", "name: x\n")
    assert other.path != run.path
    other.close()


def test_metrics_read_back(run):
    run.metrics(1, {"loss": 2.5, "accuracy": 0.5})
    run.metrics(2, {"loss": 1.5, "accuracy": 0.75})
    assert run.history() == [
        {"epoch": 1.0, "loss": 2.5, "accuracy": 0.5},
        {"epoch": 2.0, "loss": 1.5, "accuracy": 0.75},
    ]
    assert list(run.path.glob("events.out*"))


def test_checkpoints_replace_each_other_whole(run):
    assert run.load() is None
    for value in (1.0, 2.0):
        run.save({"w": torch.tensor([value])}, {"epoch": int(value)})
    tensors, state = run.load()
    assert (float(tensors["w"]), state) == (2.0, {"epoch": 2})
    assert sorted(p.name for p in run.path.glob("checkpoint*")) == ["checkpoint"]


def test_a_crash_between_two_checkpoints_keeps_the_old_one(run):
    run.save({"w": torch.tensor([1.0])}, {"epoch": 1})
    (run.path / "checkpoint").rename(run.path / "checkpoint.old")
    (run.path / "checkpoint.part").mkdir()
    assert run.load()[1] == {"epoch": 1}
    run.save({"w": torch.tensor([3.0])}, {"epoch": 3})
    assert run.load()[1] == {"epoch": 3}


def test_a_damaged_checkpoint_is_a_clear_error(run):
    run.save({"w": torch.tensor([1.0])}, {"epoch": 1})
    (run.path / "checkpoint" / "state.json").write_text("{")
    with pytest.raises(BadInputError, match="damaged checkpoint"):
        run.load()


def test_other_folders_are_no_run_folders(tmp_path):
    with pytest.raises(BadInputError, match="not a run folder"):
        RunFolder(tmp_path)
