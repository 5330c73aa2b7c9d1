from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from ohmloop.drivers import (
    BadInputError,
    CellPulses,
    ConfigError,
    PulseConditions,
    PulseShape,
    load_bench,
    open_crossbar,
)
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import (
    PopulationSpec,
    TwinCrossbar,
    instruments,
    load_chip,
    sample,
    save_chip,
)
from ohmloop.sim_backend.chip_file import chip_dataset, population_of
from ohmloop.sim_backend.engine.stressed import BROKEN, FORMED, PRISTINE
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.chip_state import load_chips, save_chips
from ohmloop.sim_backend.twin import NOMINAL

KEYS = {
    "forming_voltage": "2 V",
    "forming_voltage_dtod": 0.1,
    "forming_margin": "0.3 V",
    "dg_std": 0.0,
    "read_std": 0.0,
}


def _twin(**keys) -> TwinCrossbar:
    spec = PopulationSpec(**KEYS | keys)
    return TwinCrossbar(sample(spec, (3, 4), np.random.default_rng(1)), seed=1)


def _program(volts: float, count: int = 1, shape=(3, 4)) -> CellPulses:
    up = replace(NOMINAL, up=PulseShape(volts, 1e-3))
    return CellPulses(np.full(shape, count, np.int32), conditions=up)


def _voltages(twin: TwinCrossbar) -> np.ndarray:
    return twin.cells.population.effects[0].voltage


def test_pristine_cells_hardly_conduct_and_do_not_respond():
    twin = _twin()
    before = twin.read()
    np.testing.assert_allclose(before, 1e-7, rtol=1e-6)
    receipt = twin.pulse(CellPulses(np.full((3, 4), 20, np.int32)))
    twin.pulse(CellPulses(np.full((3, 4), -20, np.int32)))
    twin.pulse(_program(-5.0))  # of the other polarity
    assert receipt.pulses_applied == 240
    np.testing.assert_array_equal(twin.read(), before)


def test_a_cell_is_formed_by_the_first_pulse_that_reaches_its_voltage():
    twin = _twin(forming_margin="1 V")
    cells = twin.cells.population
    at = _voltages(twin)
    start = cells.g_min + 0.8 * (cells.g_max - cells.g_min)
    twin.pulse(_program(2.0))
    formed = at <= 2.0
    assert 0 < formed.sum() < 12
    np.testing.assert_allclose(twin.read(), np.where(formed, start, 1e-7), rtol=1e-5)
    before = twin.read()
    twin.pulse(CellPulses(np.full((3, 4), -1, np.int32)))
    np.testing.assert_array_equal(twin.read() < before, formed)


def test_too_strong_a_pulse_breaks_cells_for_good():
    twin = _twin()
    broken = _voltages(twin) + 0.3 <= 2.3
    twin.pulse(_program(2.3))
    twin.pulse(CellPulses(np.full((3, 4), -50, np.int32)))
    np.testing.assert_array_equal(np.isclose(twin.read(), 5e-4), broken)
    stages = twin.cells.stressed.stage.reshape(3, 4)
    np.testing.assert_array_equal(stages == BROKEN, broken)
    assert set(stages.ravel()) <= {FORMED, PRISTINE, BROKEN}


def test_one_by_one_is_the_same_as_a_program():
    one, other = _twin(dg_std=0.3), _twin(dg_std=0.3)
    one.pulse(_program(2.1, 3))
    _, strength = other._strength.of(2.1, 1e-3)
    for cell in range(12):
        other.cells.pulse_train(cell, True, strength, 3, 2.1, np.inf)
    np.testing.assert_array_equal(one.conductance, other.conductance)
    np.testing.assert_array_equal(one.cells.pulses, other.cells.pulses)


def test_a_restored_state_knows_the_stage_of_every_cell():
    one, other = _twin(), _twin()
    one.pulse(_program(2.1))
    other.restore(one.state())
    for twin in (one, other):
        twin.pulse(_program(2.2, 2))
    np.testing.assert_array_equal(one.conductance, other.conductance)
    with pytest.raises(BadInputError, match="cells that need no forming"):
        other.restore(TwinCrossbar(replace(one.cells.population, effects=()), seed=1).state())


def test_only_a_share_and_no_stuck_cell_has_to_be_formed():
    cells = sample(
        PopulationSpec(**KEYS | {"forming_share": 0.5, "stuck_low": [[0, 0]]}),
        (20, 20),
        np.random.default_rng(1),
    )
    pristine = cells.effects[0].voltage > 0
    # H0: binomial of 400 at 0.5, standard deviation 10; 5 of them: false alarm below 1e-6.
    assert abs(pristine.sum() - 200) < 50
    assert not pristine[0, 0]
    np.testing.assert_array_equal(cells.conductance < 1e-6, pristine)


def test_cells_that_know_nothing_of_it_have_no_engine_around_theirs():
    twin = TwinCrossbar(sample(PopulationSpec(), (3, 4), np.random.default_rng(1)), seed=1)
    assert twin.cells.stressed is None


def test_a_chip_file_keeps_it(tmp_path):
    twin = _twin(switching_threshold_up=0.5, iv_v0="0.3 V")
    bench = (twin.conditions, twin.reading, twin.limits, twin.capabilities)
    save_chip(chip_dataset(twin.cells.population, None, *bench), tmp_path / "chip.nc")
    again = population_of(load_chip(tmp_path / "chip.nc"))
    assert [e.name for e in again.effects] == ["iv", "switching", "forming"]
    for name, values in twin.cells.population.maps().items():
        np.testing.assert_array_equal(again.maps()[name], values)


def test_an_emulated_chip_is_formed_over_the_wire_and_remembers_it(bench_file, tmp_path):
    chip = "emulation: {seed: 5, chip: {forming_voltage: 1.8 V, forming_voltage_dtod: 0.05}}"
    bench_file.write_text(bench_file.read_text().replace("emulation: {seed: 5}", chip))
    kept = tmp_path / "chips.npz"
    with EmulatedBench(load_bench(bench_file), any_port=True) as emulated:
        twin = TwinCrossbar(emulated.cells.population, seed=5, conditions=emulated.bench.conditions)
        with open_on_bench(emulated.bench) as crossbar:
            nominal: PulseConditions = crossbar.conditions
            up = replace(nominal, up=PulseShape(1.8, nominal.up.width))
            for conditions in (up, None):
                program = CellPulses(np.full((4, 6), 2, np.int32), conditions=conditions)
                crossbar.pulse(program)
                twin.pulse(program)
        np.testing.assert_array_equal(emulated.cells.conductance, twin.conductance)
        stage = emulated.cells.stressed.stage
        assert 0 < (stage == PRISTINE).sum() < 24
        save_chips(kept, emulated.chips)
    with EmulatedBench(load_bench(bench_file), any_port=True) as again:
        load_chips(kept, again.chips)
        np.testing.assert_array_equal(again.cells.stressed.stage, stage)


@pytest.mark.campaign
@pytest.mark.parametrize("family", ["scpi", "flex-smu", "kxci", "pulse-board", "arc-two"])
def test_every_family_forms_and_switches_cells_as_the_twin_does(family):
    bench = load_bench(str(files(instruments) / "benches" / f"{family}.yaml"))
    chip = {
        "forming_voltage": "1.8 V",
        "forming_voltage_dtod": 0.05,
        "switching_voltage_up": "1.2 V",
    }
    # Half-selected cells are left alone: with a lower threshold they would not be.
    chip |= {"switching_threshold_up": 0.9, "switching_voltage_dtod": 0.02, "forming_share": 0.5}
    bench.config = bench.config.model_copy(update={"emulation": {"seed": 5, "chip": chip}})
    with EmulatedBench(bench, any_port=True) as emulated, open_on_bench(emulated.bench) as crossbar:
        cells, nominal = emulated.cells, crossbar.conditions
        twin = TwinCrossbar(cells.population, seed=5, conditions=nominal)
        up = replace(nominal, up=PulseShape(1.65, nominal.up.width))
        counts = np.arange(cells.g.size, dtype=np.int32).reshape(cells.shape) % 4 - 1
        for conditions in (None, up, None):
            for xbar in (crossbar, twin):
                xbar.pulse(CellPulses(counts, conditions=conditions))
            # A DAC has a last bit.
            np.testing.assert_allclose(cells.conductance, twin.conductance, rtol=1e-3)
    assert set(cells.stressed.stage) == {FORMED, PRISTINE}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("forming_margin=1 V", "forming_voltage: is missing"),
        ("forming_voltage=2", "forming_voltage: '2' has no unit"),
        ("forming_voltage=2 V&forming_pristine=6 uS", "forming_pristine: must be below g_min"),
        ("forming_voltage=2 V&forming_short=50 uS", "forming_short: must be above g_max"),
        ("forming_voltage=2 V&forming_margin=0 V", "forming_margin: must be at least 1 mV"),
        ("switching_threshold_up=1.1", "switching_threshold_up: must be from 0 to 1"),
        ("switching_voltage_dtod=0.1", "is relative to switching_voltage_up and switching_volt"),
        ("iv_asymmetry=0.1", "iv_v0: is missing"),
    ],
)
def test_keys_at_odds_are_refused(query, problem):
    with pytest.raises(ConfigError, match=problem):
        open_crossbar(f"sim:soft-bounds?shape=3x4&{query}")
