"""Kernels, the reference and tensors on the same cells: the same bits, family by family.

The reference is the definition, in whole arrays. Families whose law is sums, products and quotients
agree to the bit on every engine. Powers and exponentials are a library's own, so they agree to its
rounding. Compiling is what takes time here, so only soft bounds go through every kernel, the others
in a campaign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloop.drivers import CellPulses, CoincidencePulses, PulseProgram, PulseRuns
from ohmloop.sim_backend import Population, TwinCrossbar
from ohmloop.sim_backend.arrays import Arrays, NumpyArrays, TorchArrays
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.responses import (
    ConstantStep,
    ExponentialStep,
    LinearStep,
    NeuroSimStep,
    OneMinusExpStep,
    Piecewise,
    PowerStep,
    ResponseFunction,
    SoftBounds,
    user_response,
)

Shape = tuple[int, int]


def _response(name: str, shape: Shape, rng: np.random.Generator) -> ResponseFunction:
    """Cells of a family, no two alike, in weight units."""

    def spread(low: float, high: float, *more: int) -> Any:
        return rng.uniform(low, high, (*shape, *more))

    bounds = spread(-1, -0.5), spread(0.5, 1)
    steps = spread(0.01, 0.2), spread(0.01, 0.2)
    makers = {
        "constant": lambda: ConstantStep(*bounds, *steps),
        "linear": lambda: LinearStep(*bounds, *steps, spread(-0.05, 0.2), spread(-0.05, 0.2)),
        "soft bounds": lambda: SoftBounds(*bounds, *steps),
        "neurosim": lambda: NeuroSimStep(
            *bounds, spread(20, 60), spread(20, 60), spread(-2, 4), spread(-2, 4)
        ),
        "piecewise": lambda: Piecewise(*bounds, spread(0, 0.1, 5), spread(0, 0.1, 5)),
        "power": lambda: PowerStep(*bounds, *steps, spread(0, 4), spread(0, 4)),
        "exponential": lambda: ExponentialStep(*bounds, *steps, spread(-4, 4), spread(-4, 4)),
        "one minus exp": lambda: OneMinusExpStep(
            *bounds, *steps, spread(-1, 1), spread(-1, 1), 3.0, 2.0, 0.5, -0.2, spread(-0.1, 0.1)
        ),
    }
    return makers[name]()


def _population(name: str, shape: Shape, seed: int, **noise: Any) -> Population:
    rng = np.random.default_rng(seed)
    response = _response(name, shape, rng)
    start = rng.uniform(-0.5, 0.5, shape)
    return Population(response, **{"dg_std": 0.3, "read_std": 0.01, "conductance": start} | noise)


def _counts(shape: Shape, seed: int, most: int = 12) -> CellPulses:
    return CellPulses(np.random.default_rng(seed).integers(-most, most + 1, shape))


def _trains(shape: Shape, seed: int, batch: int, odds: float) -> CoincidencePulses:
    """Bits set with probability ``odds``, in up to 64 slots."""
    rng = np.random.default_rng(seed)
    length = int(rng.integers(1, 65))

    def trains(lines: int) -> Any:
        bits = rng.random((batch, lines, length)) < odds
        return (bits << np.arange(length, dtype=np.uint64)).sum(-1, dtype=np.uint64)

    def signs(lines: int) -> Any:
        return rng.choice(np.array([-1, 1], np.int8), (batch, lines))

    rows, columns = shape
    return CoincidencePulses(trains(rows), trains(columns), signs(rows), signs(columns), length)


def _rare(shape: Shape, seed: int) -> CoincidencePulses:
    """A single sample in 8 slots; a third of the lines fire at all."""
    rng, trains, signs = np.random.default_rng(seed), [], []
    for lines in shape:
        fires = rng.random((1, lines)) < 1 / 3
        trains.append(np.where(fires, rng.integers(1, 256, (1, lines), np.uint64), 0))
        signs.append(rng.choice(np.array([-1, 1], np.int8), (1, lines)))
    return CoincidencePulses(*trains, *signs, 8)


def _assert_same_bits(a: CellArray, b: CellArray) -> None:
    for name, values in a.state().items():
        np.testing.assert_array_equal(
            values.view(np.int32), b.state()[name].view(np.int32), err_msg=name
        )


EXACT = ["constant", "linear", "soft bounds", "piecewise"]
ROUNDED = ["power", "exponential", "one minus exp", "neurosim"]


_COMPILED_ANYHOW = "soft bounds"
_LONG = [pytest.param(n, marks=pytest.mark.campaign) for n in EXACT if n != _COMPILED_ANYHOW]


@pytest.mark.parametrize("name", [_COMPILED_ANYHOW, *_LONG])
def test_a_twin_on_tensors_has_the_bits_of_the_kernels(name):
    """As it is used: trains and readings."""
    cells = _population(name, (5, 7), 1, dg_add=0.01, dg_slope=0.05)
    host, device = TwinCrossbar(cells, seed=4), TwinCrossbar(cells, seed=4, arrays=TorchArrays())
    for seed in range(3):
        for twin in (host, device):
            twin.pulse(_trains((5, 7), seed, 6, 0.3))
        _assert_same_bits(host.cells, device.cells)
        np.testing.assert_array_equal(host.read(), device.read())
    assert (host.conductance != cells.conductance).all()


@pytest.mark.campaign
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("arrays", [NumpyArrays, TorchArrays])
def test_every_way_in_has_the_same_bits(name, arrays):
    cells = _population(name, (5, 7), 1, dg_add=0.01, dg_slope=0.05)
    for play in (_play_counts, _play_runs):
        kernels, other = CellArray(cells, 4), CellArray(cells, 4, arrays())
        play(kernels), play(other)
        _assert_same_bits(kernels, other)


def _play_runs(array: CellArray) -> None:
    for seed in range(3):
        array.apply(_counts((5, 7), seed).runs)


def _play_counts(array: CellArray) -> None:
    for seed in range(3):
        array.play(_counts((5, 7), seed))


def _play_trains(array: CellArray) -> None:
    for seed in range(3):
        array.play(_trains((5, 7), seed, 6, 0.3))


@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("arrays", [NumpyArrays, TorchArrays])
@pytest.mark.parametrize(
    "play",
    [
        _play_runs,
        pytest.param(_play_counts, marks=pytest.mark.campaign),
        pytest.param(_play_trains, marks=pytest.mark.campaign),
    ],
)
def test_powers_and_exponentials_agree_to_their_rounding(name, arrays, play):
    # A pulse adds an error of a few units of the last place, 6e-8, on either side; a run of trains
    # has some 100 of them.
    cells = _population(name, (5, 7), 2, dg_std=0.1)
    kernels, other = CellArray(cells, 4), CellArray(cells, 4, arrays())
    play(kernels), play(other)
    np.testing.assert_array_equal(kernels.pulses, other.arrays.numpy(other.pulses))
    np.testing.assert_allclose(kernels.conductance, other.conductance, atol=3e-6)
    assert (np.abs(kernels.conductance - cells.conductance) > 1e-4).mean() > 0.9


def _strengths() -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, 1.0, 1.0, 1 / 3]) | st.floats(0, 3, width=32)


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, Any]:
    """A population, and programs with the strengths at which they play."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 24) | st.integers(500, 700))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = {
        "dg_std": draw(st.sampled_from([0.0, 0.4])) + draw(st.booleans()) * rng.random(shape),
        "dg_add": draw(st.sampled_from([0.0, 0.02]))
        + draw(st.booleans()) * rng.uniform(0, 0.05, shape),
    }
    if draw(st.booleans()):
        maps["endurance"] = rng.integers(0, 40, shape)
    if draw(st.booleans()):
        maps |= {"dg_slope": rng.uniform(0, 0.2, shape), "dg_rest": rng.uniform(-0.3, 0.3, shape)}
    programs: list[tuple[PulseProgram, float, float]] = []
    for _ in range(draw(st.integers(1, 3))):
        seed = int(rng.integers(2**32))
        if draw(st.booleans()):
            program: PulseProgram = _counts(shape, seed, draw(st.sampled_from([1, 3, 30])))
        else:
            batch = draw(st.integers(1, 4))
            program = _trains(shape, seed, batch, draw(st.sampled_from([0.01, 0.2, 0.5])))
        programs.append((program, draw(_strengths()), draw(_strengths())))
    return {"shape": shape, "seed": int(rng.integers(2**32)), "maps": maps, "programs": programs}


@pytest.mark.parametrize("name", [_COMPILED_ANYHOW, *_LONG[:2]])
@given(case=_cases())
@settings(max_examples=40, deadline=None)
def test_kernels_have_the_bits_of_the_reference(name, case):
    cells = _population(name, case["shape"], case["seed"], **case["maps"])
    kernels, lowered = CellArray(cells, case["seed"]), CellArray(cells, case["seed"])
    reference = CellArray(cells, case["seed"], NumpyArrays())
    for program, up, down in case["programs"]:
        given_ = reference.play(program, up, down)
        assert kernels.play(program, up, down) == given_
        assert lowered.apply(program.runs, up, down) == given_
    _assert_same_bits(kernels, reference)
    _assert_same_bits(lowered, reference)


@pytest.mark.parametrize(
    ("batch", "length", "fire"),
    [(30, 64, 20), (1, 3, 700), (1, 1, 1300), (60, 1, 60), (6, 20, 8)],
)
@pytest.mark.parametrize("strengths", [(1.0, 1.0), (0.0, 0.7)])
def test_few_lines_that_fire_have_the_bits_of_the_reference(batch, length, fire, strengths):
    """One row in nine a sample, the same columns again and again: long queues, full lists."""
    shape, rng = (9, 1400), np.random.default_rng(batch)
    rows, columns = (np.zeros((batch, lines), np.uint64) for lines in shape)
    rows[np.arange(batch), rng.integers(0, 3, batch)] = (1 << length) - 1
    some = rng.choice(shape[1], fire, replace=False)
    columns[:, some] = rng.integers(0, 1 << length, (batch, fire), np.uint64)
    signs = (rng.choice(np.array([-1, 1], np.int8), (batch, lines)) for lines in shape)
    program = CoincidencePulses(rows, columns, *signs, length)
    cells = _population("soft bounds", shape, 5, dg_add=0.01, endurance=np.full(shape, 60))
    kernels, reference = CellArray(cells, 1), CellArray(cells, 1, NumpyArrays())
    assert kernels.play(program, *strengths) == reference.play(program, *strengths) > 0
    _assert_same_bits(kernels, reference)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing(threads):
    """150 x 700 cells are enough for the work to be shared."""
    shape = (150, 700)
    cells = _population("soft bounds", shape, 3, dg_add=0.01)
    shared, reference = CellArray(cells, 1, threads=threads), CellArray(cells, 1, NumpyArrays())
    for program in (_trains(shape, 1, 2, 0.1), _rare(shape, 1), _counts(shape, 1, 2)):
        assert shared.play(program) == reference.play(program)
    _assert_same_bits(shared, reference)


@pytest.mark.parametrize("arrays", [None, NumpyArrays(), TorchArrays()])
def test_a_tired_cell_counts_its_pulses_and_stays(arrays: Arrays | None):
    cells = _population("soft bounds", (2, 3), 1, endurance=np.full((2, 3), 5))
    array, fresh = CellArray(cells, 1, arrays), CellArray(cells, 1, arrays)
    array.play(CellPulses(np.full((2, 3), 9)))
    fresh.play(CellPulses(np.full((2, 3), 5)))
    np.testing.assert_array_equal(array.conductance, fresh.conductance)
    assert array.pulses_applied == 54


def _tabulated_up(g: Any, _g_min: Any, _g_max: Any, share: Any) -> Any:
    return share * np.interp(g, np.array([-1.0, 0.0, 1.0]), np.array([1.0, 0.5, 0.0]))


def _tabulated_down(g: Any, _g_min: Any, _g_max: Any, share: Any) -> Any:
    return share * np.interp(g, np.array([-1.0, 0.0, 1.0]), np.array([0.0, 0.5, 1.0]))


def test_a_law_of_ones_own_may_make_arrays() -> None:
    """Kernels count no references to arrays; what users write does, or leaks or fails."""
    kind = user_response("my-table", _tabulated_up, _tabulated_down, {"share": "1"})
    assert kind.compiled
    bounds, share = np.ones((4, 5)), np.random.default_rng(0).uniform(0.01, 0.1, (4, 5))
    population = Population(kind(-bounds, bounds, share), 0.3, 0.0, np.zeros((4, 5)))
    runs = PulseRuns(np.arange(20).repeat(2), np.tile([9, -4], 20).astype(np.int32))
    found = []
    for arrays in (None, NumpyArrays()):
        cells = CellArray(population, seed=1, **({"arrays": arrays} if arrays else {}))
        assert cells.engine.runs(cells._state, runs, (1.0, 1.0)) == 20 * 13
        found.append(cells.g)
    np.testing.assert_array_equal(*found)
    assert np.ptp(found[0]) > 0.1
