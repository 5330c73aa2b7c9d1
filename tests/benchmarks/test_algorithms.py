"""The papers' settings: any budget yields results, nothing kept is lost, the page says what is."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from benchmarks.algorithms import least_squares, mnist
from benchmarks.algorithms.__main__ import main
from benchmarks.algorithms.page import missed, page
from benchmarks.algorithms.published import MNIST
from benchmarks.algorithms.results import Results, Run

from ohmloop.drivers import BadInputError
from ohmloop.training import analog_layers


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with 40 images to learn from and 20 to judge by."""
    folder, rng = tmp_path_factory.mktemp("mnist"), np.random.default_rng(1)
    for name, count in (("train", 40), ("t10k", 20)):
        pixels = rng.integers(0, 256, (count, 784), np.uint8).tobytes()
        labels = (np.arange(count) % 10).astype(np.uint8).tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(
            struct.pack(">4I", 2051, count, 28, 28) + pixels
        )
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + labels)
    return folder


def run_of(algorithm, tau, seed, accuracy, epochs=80.0, images=60_000):
    case = Run("mnist", algorithm, tau, seed, {"images": images, "rate_factor": 1.0})
    figures = {"accuracy": accuracy, "epochs": epochs, "seconds": 100.0 * epochs, "curve": []}
    return case.got(epochs * images, True, **figures)


def loss_of(algorithm, c, seed, loss):
    return Run("least-squares", algorithm, c, seed, {"iterations": 9}).got(9, True, loss=loss)


def test_a_longer_run_replaces_a_shorter_one_and_never_the_other_way_round(tmp_path):
    file = tmp_path / "results.json"
    results = Results(file)
    case = Run("mnist", "digital", 0.0, 1, {"images": 10})
    results.put(case.got(10, False, accuracy=1.0))
    assert not Results(file).finished(case)
    results.put(case.got(20, True, accuracy=2.0))
    Results(file).put(case.got(15, False, accuracy=3.0))
    (kept,) = Results(file)
    assert kept.figures == {"accuracy": 2.0}
    assert Results(file).finished(case)


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": [{"part": "mnist", "what": 1}]}'])
def test_a_damaged_file_is_refused_and_left_alone(tmp_path, text, capsys):
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(BadInputError, match=r"results\.json: not a file of results"):
        Results(file)
    assert main(["--part", "none", "--results", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert file.read_text() == text


def test_every_setting_of_the_paper_is_a_case_and_the_first_seed_comes_first():
    for part, network in mnist.NETWORKS.items():
        cases = mnist.cases(part, network.taus, [1, 2], 60_000, 1.0)
        assert {(part, c.algorithm, c.at) for c in cases} == {k for k in MNIST if k[0] == part}
        seeds = [c.seed for c in cases]
        assert seeds == sorted(seeds)
        assert len({c.key for c in cases}) == len(cases)


def test_at_c_0_nothing_is_shifted():
    names = ["residual-learning", "zero-shifted residual-learning"]
    cases = least_squares.cases(names, [0.0, 0.1], [1], 9)
    assert [(c.algorithm, c.at) for c in cases] == [
        (names[0], 0.0),
        (names[0], 0.1),
        (names[1], 0.1),
    ]


def test_the_page_has_spread_the_paper_s_figure_and_the_reason():
    runs = [run_of("tiki-taka", 0.78, seed, 97.5 + seed / 10) for seed in (1, 2, 3)]
    runs += [run_of("analog-sgd", 0.78, 1, 90.0, epochs=8.0), run_of("analog-sgd", 0.7, 1, 60.0)]
    text = page(runs)
    assert "| tiki-taka | 0.78 | 97.70 ± 0.10 | 97.62 ± 0.05 | 3 | 80 | 100 |  |" in text
    assert "| 90.00 | 97.71 ± 0.63 | 1 | 8 | 100 | has seen 10 % of the samples" in text
    assert "| 60.00 | 11.35 ± 0.00 | 1 | 80 | 100 | no target: " in text
    assert "LeNet-style network (`lenet`), batch 8\n\nNot run." in text
    full = page([run_of("analog-sgd", 0.8, 1, 90.0)])
    assert "products are exact here" in full


def test_runs_of_other_settings_are_other_tables():
    text = page([run_of("digital", 0.0, 1, 98.0), run_of("digital", 0.0, 1, 95.0, images=10_000)])
    assert text.index(": 60,000 images") < text.index("| 98.00 |") < text.index(": 10,000 images")
    assert text.index(": 10,000 images") < text.index("| 95.00 |")


def test_least_squares_are_judged_seed_by_seed():
    shifted, plain = "zero-shifted residual-learning", "residual-learning"
    good = [loss_of(plain, 0.1, s, 0.1 * s) for s in (1, 2)]
    good += [loss_of(shifted, 0.1, s, 1e-5 * s) for s in (1, 2)]
    assert missed(good) == []
    assert "| 0.14 (0.1 to 0.2) |" in page(good)
    assert missed([*good, loss_of(plain, 0.0, 1, 1e-6)]) == []
    assert "ends at 0.002" in missed([*good, loss_of(plain, 0.0, 1, 2e-3)])[0]
    assert "c = 0.1" in missed([*good, loss_of(shifted, 0.1, 3, 3e-3)])[0]
    near = [loss_of(plain, 0.2, 1, 5e-5), loss_of(shifted, 0.2, 1, 1e-5)]
    assert "but 5.0 times worse" in missed(near)[0]


def test_any_budget_yields_results_and_what_is_finished_can_be_left_out(tmp_path, images, capsys):
    file, out = tmp_path / "results.json", tmp_path / "page.md"
    line = ["--results", str(file), "--page", str(out), "--seeds", "1", "--minutes", "0"]
    line += ["--part", "mnist", "--data", str(images), "--taus", "0.7", "--images", "40"]
    assert main(line) == 0
    runs = json.loads(file.read_text())["runs"]
    assert [run["algorithm"] for run in runs] == ["digital", "analog-sgd", "tiki-taka"]
    # Four mini-batches an epoch; one was made, and the model was judged after it.
    assert all(run["finished"] and run["figures"]["epochs"] == 0.25 for run in runs)
    assert "tau 0.7" in capsys.readouterr().out
    assert main([*line, "--missing", "--epochs", "1"]) == 0
    assert json.loads(file.read_text())["runs"] == runs
    assert "seed 1: epoch" not in capsys.readouterr().out
    assert "| tiki-taka | 0.7 |" in out.read_text()


def test_time_that_is_there_is_used_to_the_last_epoch(tmp_path, images):
    file = tmp_path / "results.json"
    line = ["--results", str(file), "--seeds", "1", "--minutes", "60", "--epochs", "2"]
    line += ["--part", "least-squares", "mnist", "--data", str(images), "--images", "40"]
    line += ["--taus", "0.7", "--iterations", "2", "--c", "0.1", "--algorithms", "analog-sgd"]
    assert main(line) == 0
    squares, *others = Results(file)
    assert squares.figures["loss"] > 0
    assert [run.progress for run in others] == [80, 80, 80]
    assert [[e for e, _ in run.figures["curve"]] for run in others] == [[1, 2]] * 3


@pytest.mark.campaign
def test_the_lenet_is_on_tiles_and_learns_its_first_batch(tmp_path, images):
    file = tmp_path / "results.json"
    line = ["--results", str(file), "--seeds", "1", "--minutes", "0", "--part", "cnn"]
    assert main([*line, "--data", str(images), "--taus", "0.7", "--images", "40"]) == 0
    assert [run.figures["epochs"] for run in Results(file)] == [0.2] * 3


@pytest.mark.parametrize("part", mnist.NETWORKS)
def test_weights_are_those_of_the_digital_network(part, images):
    case = next(c for c in mnist.cases(part, [0.7], [3], 40, 1.0) if c.algorithm == "tiki-taka")
    model = mnist.trainer(case, mnist.load(images, 40, 3)).model
    digital = dict(mnist.NETWORKS[part].make(3).named_children())
    for name, layer in analog_layers(model).items():
        wanted = digital[name].weight.detach().flatten(1).numpy()
        off = np.abs(layer.weight.main.weights() - wanted)
        assert np.median(off) < 1e-6  # but where a cell's own bounds are narrower
        assert np.abs(layer.tiles[0].weights()).max() < 1e-6
        assert layer.output_scale.item() == 1.0
