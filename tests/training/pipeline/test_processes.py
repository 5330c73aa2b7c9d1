"""Two processes on one machine: the same numbers as one, and orderly ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

RANK = """
import sys, time
from pathlib import Path
import numpy as np, torch
from ohmloop.drivers import LinkError, OhmloopError
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import METHOD, DataSet, Split, convert_to_analog, mlp
from ohmloop.training.pipeline.exact import ExactExecutor
from ohmloop.training.pipeline.group import Group, launched
from ohmloop.training.pipeline.partition import balanced
from ohmloop.training.pipeline.processes import ProcessExecutor
from ohmloop.training.pipeline.stage import Stage
from ohmloop.training.pipeline.trainer import PipelineTrainer

torch.set_num_threads(1)
OUT = Path(sys.argv[1])

def stage(m, part, rng):
    cells = sample(PopulationSpec(), (40, 20), np.random.default_rng(10 + m))
    chip = TwinCrossbar(cells, seed=10 + m, name=f"chip {m}")
    chip._make_safe = lambda: (OUT / f"safe-{m}").touch()
    part = convert_to_analog(part, chip, arrays=ARRAYS)
    optimizer = METHOD(part.parameters(), 0.05, rng=rng)
    return Stage(part, optimizer, m, 2, name=chip.name), chip

rng = np.random.default_rng(11)
y = rng.integers(0, 4, 64)
x = rng.normal(0, 0.3, (64, 12))
x[np.arange(64), y] += 1.0
split = Split(torch.from_numpy(x).float(), torch.from_numpy(y))
data = DataSet("few", split, split, 4)
parts, rngs = balanced(mlp([12, 8, 4], seed=0), 2), np.random.default_rng(3).spawn(2)

def train(executor, chips):
    trainer = PipelineTrainer(
        executor, data, rng=np.random.default_rng(7), schedule=SCHEDULE, batch_size=8,
        micro_batches=4,
    )
    BREAK
    (OUT / f"begun-{chips[0].name[-1]}").touch()
    trainer.run(EPOCHS)
    return trainer

def save(name, trainer, chips):
    log = [[a.clocks, *[s.staleness for s in a.stages], *[s.pulses for s in a.stages]]
           for a in trainer.accounts]
    losses = [[r.loss, r.accuracy, r.pulses] for r in trainer.history]
    g = {c.name: c.conductance for c in chips}
    np.savez(OUT / name, log=log, losses=losses, **g)

if launched():
    with Group(patience=PATIENCE) as group:
        group.agree({"the model": WHAT})
        own, chip = stage(group.rank, parts[group.rank], rngs[group.rank])
        try:
            save(f"rank-{group.rank}", train(ProcessExecutor(own, group), [chip]), [chip])
        except OhmloopError as error:
            (OUT / f"said-{group.rank}").write_text(str(error))
            raise SystemExit(1)
else:
    made = [stage(m, parts[m], rngs[m]) for m in range(2)]
    chips = [chip for _, chip in made]
    save("one", train(ExactExecutor([s for s, _ in made]), chips), chips)
"""

DEFAULTS = {
    "METHOD": "AnalogSGD",
    "ARRAYS": "1",
    "SCHEDULE": "'asynchronous'",
    "EPOCHS": "2",
    "PATIENCE": "10.0",
    "WHAT": "b'same'",
    "BREAK": "pass",
}


def script(folder: Path, **changes: str) -> Path:
    text = RANK
    for name, value in (DEFAULTS | changes).items():
        text = text.replace(name, value)
    file = folder / "rank.py"
    file.write_text(text)
    return file


def alone(file: Path) -> None:
    subprocess.run([sys.executable, file, file.parent], check=True, timeout=300)


def ranks(file: Path) -> list[subprocess.Popen[str]]:
    """Two processes as torchrun starts them, so that each can be ended by itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            [sys.executable, file, file.parent],
            env=os.environ | here | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def await_all(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    try:
        ends = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, end[1]) for p, end in zip(processes, ends, strict=True)]


def same_as_one(folder: Path) -> None:
    import numpy as np

    one, *both = (dict(np.load(folder / f"{n}.npz")) for n in ("one", "rank-0", "rank-1"))
    for m, rank in enumerate(both):
        assert np.array_equal(rank[f"chip {m}"], one[f"chip {m}"])
        assert np.array_equal(rank["losses"], one["losses"])
        assert np.array_equal(rank["log"], one["log"])


@pytest.mark.campaign
def test_two_processes_train_the_same_model_as_one(tmp_path: Path) -> None:
    """Conductances, losses, clocks, staleness and pulses: bit for bit."""
    file = script(tmp_path)
    alone(file)
    for status, text in await_all(ranks(file)):
        assert status == 0, text
    same_as_one(tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("schedule", ["sequential", "synchronous", "1f1b", "asynchronous"])
def test_torchrun_and_every_schedule(tmp_path: Path, schedule: str) -> None:
    file = script(tmp_path, SCHEDULE=repr(schedule), METHOD="TikiTaka", ARRAYS="2")
    alone(file)
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*line, "--nproc-per-node", "2", file, tmp_path],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    same_as_one(tmp_path)


def begun(folder: Path) -> None:
    for _ in range(4800):
        if all((folder / f"begun-{m}").exists() for m in range(2)):
            time.sleep(1.0)
            return
        time.sleep(0.05)
    raise AssertionError("they did not begin")


@pytest.mark.campaign
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_ending_one_ends_the_other(tmp_path: Path, victim: int, how: signal.Signals) -> None:
    """Killed: noticed by its connection. Frozen: by missing signs of life."""
    both = ranks(script(tmp_path, EPOCHS="100000"))
    try:
        begun(tmp_path)
        assert not list(tmp_path.glob("said-*"))  # nobody has been missed so far
        (tmp_path / f"safe-{1 - victim}").unlink(missing_ok=True)
        both[victim].send_signal(how)
        said = both[1 - victim].communicate(timeout=120)
    finally:
        for process in both:
            process.kill()
            process.communicate()
    assert both[1 - victim].returncode == 1, said
    assert (tmp_path / f"safe-{1 - victim}").exists()
    reason = (tmp_path / f"said-{1 - victim}").read_text()
    assert "gone" in reason or "sign of life" in reason or "hung up" in reason
    assert "Traceback" not in said[1]


@pytest.mark.campaign
def test_a_bench_that_fails_ends_both_in_order(tmp_path: Path) -> None:
    breaking = """
    if chips[0].name == "chip 1":
        count, real = [0], chips[0]._pulse
        def pulse(*a):
            count[0] += 1
            if count[0] == 20:
                raise LinkError("board", "socket://nowhere", "the link broke")
            return real(*a)
        chips[0]._pulse = pulse
    """
    both = ranks(script(tmp_path, BREAK=breaking, EPOCHS="100000"))
    ends: list[Any] = await_all(both)
    assert [status for status, _ in ends] == [1, 1], ends
    for m in range(2):
        assert (tmp_path / f"safe-{m}").exists()
        assert (
            "stage 2 of 2 (chip 1): board (socket://nowhere): the link broke"
            in (tmp_path / f"said-{m}").read_text()
        )


@pytest.mark.campaign
def test_ranks_that_disagree(tmp_path: Path) -> None:
    both = ranks(script(tmp_path, WHAT="str(group.rank).encode()"))
    for status, text in await_all(both):
        assert status == 2
        assert "the processes disagree on the model: rank 1 has another than rank 0" in text
    assert not list(tmp_path.glob("rank-*"))
