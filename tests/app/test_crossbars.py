"""Several crossbars in an experiment file: layers are split over them, over the wire too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from ohmloop.drivers import Capabilities, load_bench
from ohmloop.sim_backend.chip_file import chip_dataset, save_chip
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.benches import small_bench

BENCH = """
name: two boards
instruments:
  one: {driver: pulse-board, resource: "socket://127.0.0.1:ONE"}
  two: {driver: pulse-board, resource: "socket://127.0.0.1:TWO"}
crossbars:
  left: {kind: pulse-board, shape: [10, 40], wiring: {board: one}}
  right: {kind: pulse-board, shape: [10, 24], wiring: {board: two}}
"""
EXPERIMENT = """
name: split
crossbar: CROSSBAR
model: {layers: [64, 10]}
data: {held_out: 0.9}
algorithm: {name: analog-sgd, learning_rate: 0.05}
training: {epochs: 1, batch: 20}
"""
TWINS = "['sim:soft-bounds?shape=10x40&seed=1', 'sim:soft-bounds?shape=10x24&seed=2']"


@pytest.fixture(scope="module")
def boards(tmp_path_factory) -> Iterator[tuple[Path, EmulatedBench]]:
    """A bench file of two boards that are served, and what is known of their cells."""
    folder = tmp_path_factory.mktemp("boards")
    file, rest = folder / "bench.yaml", small_bench("pulse-board").path.read_text()
    text = BENCH + rest[rest.index("pulses:") :]
    file.write_text(text.replace("ONE", "5130").replace("TWO", "5131"))
    with EmulatedBench(load_bench(file), any_port=True) as emulated:
        for name in ("one", "two"):
            text = text.replace(name.upper(), str(emulated.servers[name].port))
        file.write_text(text)
        bench = emulated.bench
        for name, chip in emulated.chips.items():
            known = chip.cells.population
            usable = np.ones(chip.cells.shape, bool)
            of = (bench.conditions, bench.reading, bench.limits, Capabilities())
            save_chip(chip_dataset(known, usable, *of), folder / f"{name}.nc")
        yield folder, emulated


def written(folder: Path, crossbar: str, more: str = "") -> Path:
    file = folder / "experiment.yaml"
    file.write_text(EXPERIMENT.replace("CROSSBAR", crossbar) + more)
    return file


@pytest.mark.parametrize("names", ["'{0}#*'", "['{0}#left', '{0}#right']"])
def test_a_layer_is_split_over_two_chips_over_the_wire(ohmloop, boards, tmp_path, names):
    folder, emulated = boards
    calibration = f"calibration: [{folder / 'left.nc'}, {folder / 'right.nc'}]\n"
    file = written(tmp_path, names.format(folder / "bench.yaml"), calibration)
    before = {name: chip.cells.pulses_applied for name, chip in emulated.chips.items()}
    transcript = tmp_path / "session.jsonl"
    arguments = ["--runs", tmp_path / "runs", "--record", transcript, "--json"]
    result = ohmloop("train", file, *arguments)
    assert result.status == 0, result.err
    figures = json.loads(result.out)
    moved = {n: chip.cells.pulses_applied - before[n] for n, chip in emulated.chips.items()}
    assert min(moved.values()) > 100
    assert sum(moved.values()) == figures["journal"]["pulses_applied"]
    assert not emulated.outputs_on
    said = transcript.read_text()
    assert '"one"' in said
    assert '"two"' in said
    page = Path(figures["report"]).read_text()
    assert "bench.yaml" in page
    assert "linear1/0.1" in page  # the second block


def test_a_run_on_two_twins_goes_on_bit_for_bit(ohmloop, tmp_path):
    states = []
    for epochs in ((2,), (1, 2)):
        file = written(tmp_path, TWINS)
        file.write_text(file.read_text().replace("epochs: 1", f"epochs: {epochs[0]}"))
        result = ohmloop("train", file, "--runs", tmp_path / "runs", "--json")
        assert result.status == 0, result.err
        run = Path(json.loads(result.out)["run"])
        if len(epochs) > 1:
            kept = run / "experiment.yaml"
            kept.write_text(kept.read_text().replace("epochs: 1", "epochs: 2"))
            assert ohmloop("train", "--resume", run).status == 0
        states.append(load_file(run / "checkpoint" / "tensors.safetensors"))
    assert states[0].keys() == states[1].keys()
    assert {name.partition("/")[0] for name in states[0]} >= {"twin1", "twin2"}
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_the_command_line_names_several_too(ohmloop, tmp_path):
    one, two = TWINS.strip("[]").replace("'", "").split(", ")
    file = written(tmp_path, "missing.nc")
    arguments = ["--crossbar", one, "--crossbar", two, "--runs", tmp_path / "runs", "--json"]
    result = ohmloop("train", file, *arguments)
    assert result.status == 0, result.err
    kept = (Path(json.loads(result.out)["run"]) / "experiment.yaml").read_text()
    assert one in kept
    assert two in kept


PIPELINE = "pipeline: {stages: 1}\n"
SMALL = "['sim:soft-bounds?shape=10x40', 'sim:soft-bounds?shape=9x24']"


@pytest.mark.parametrize(
    ("crossbar", "more", "message"),
    [
        ("[]", "", "crossbar: a name, or a list of names, not []"),
        ("[1, 2]", "", "crossbar: a name, or a list of names"),
        ("[BENCH#left, BENCH#right, BENCH#left]", "", "bench.yaml#left is named twice"),
        ("['BENCH#*', BENCH#left]", "", "bench.yaml#left is named twice"),
        ("[chip.nc, chip.nc]", "", "chip.nc is named twice"),
        ("BENCH#middle", "", "no crossbar 'middle'"),
        ("'BENCH#*'", "calibration: left.nc\n", "calibration: 1 for 2 crossbars: give a list"),
        (TWINS, PIPELINE, "a pipeline has several crossbars in pipeline.benches"),
        (
            SMALL,
            "",
            (
                "layer linear1, array 0, outputs 0 to 9, inputs 40 to 63: no room for its"
                " 10 outputs x 24 inputs; left on"
            ),
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_leaves_nothing(
    ohmloop, boards, tmp_path, crossbar, more, message
):
    folder, emulated = boards
    file = written(tmp_path, crossbar.replace("BENCH", str(folder / "bench.yaml")), more)
    before = emulated.pulses_applied
    result = ohmloop("train", file, "--runs", tmp_path / "runs")
    assert result.status == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert not (tmp_path / "runs").exists()
    assert emulated.pulses_applied == before


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_data_are_looked_for_before_a_chip_is_and_before_a_run_folder_is_made(
    ohmloop, tmp_path, path
):
    nobody = small_bench("pulse-board").path  # not served: asking it would be the first failure
    file = written(tmp_path, str(nobody))
    data = f"data: {{name: mnist, path: {path}}}"
    file.write_text(file.read_text().replace("data: {held_out: 0.9}", data))
    result = ohmloop("train", file, "--runs", tmp_path / "runs")
    assert result.status == 2
    assert str(tmp_path / path) in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_transcript_is_of_one_bench(ohmloop, tmp_path):
    file = written(tmp_path, TWINS)
    record = tmp_path / "session.jsonl"
    result = ohmloop("train", file, "--runs", tmp_path / "runs", "--record", record)
    assert result.status == 2
    assert "--record keeps the session of one bench" in result.err
    assert not record.exists()
    assert not (tmp_path / "runs").exists()
