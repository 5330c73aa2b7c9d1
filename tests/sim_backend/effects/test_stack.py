from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ohmloop.drivers import BadInputError, CellPulses, ConfigError, load_bench, open_crossbar
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.sim_backend.effects import EFFECTS, Drift, Retention, WriteNoise
from ohmloop.sim_backend.instruments import EmulatedBench
from ohmloop.sim_backend.instruments.chip_state import load_chips, save_chips
from ohmloop.sim_backend.instruments.wiring_faults import WiredCells, WiringFaults

from .conftest import twin_with

ALL = {
    "write_std": "1 uS",
    "telegraph_amplitude": 0.1,
    "telegraph_filled": "10 ms",
    "telegraph_empty": "20 ms",
    "flicker_std": 0.01,
    "drift_nu": 0.05,
    "drift_nu_dtod": 0.2,
    "retention_lifetime": "1000 s",
    "retention_rest": "30 uS",
    "iv_v0": "0.3 V",
    "switching_steepness_up": 10,
    "forming_voltage": "1.9 V",
    "forming_share": 0.0,
}
KEYS = ", ".join(f"{key}: {value}" for key, value in ALL.items())
CHIP = f"emulation: {{seed: 5, chip: {{{KEYS}}}}}"


def _effects():
    return sample(PopulationSpec(**ALL), (3, 4), np.random.default_rng(1)).effects


def _life(twin, k: int) -> None:
    twin.pulse(CellPulses((np.arange(12).reshape(3, 4) + k) % 5 - 2))
    twin.wait(0.5 * k)
    twin.read()


def test_every_effect_is_here_in_the_order_in_which_it_acts():
    assert [e.name for e in _effects()] == list(EFFECTS)


def test_a_population_without_effects_has_no_stack():
    cells = twin_with().cells
    assert cells.effects is None
    assert set(cells.state()) == {"g", "pulses", "reads"}
    assert set(twin_with(WriteNoise(np.float32(1e-6))).cells.state()) == {"g", "pulses", "reads"}


def test_a_restored_twin_goes_on_with_the_same_readings():
    whole, first, second = (twin_with(*_effects()) for _ in range(3))
    for k in range(3):
        _life(whole, k)
        _life(first, k)
    second.cells.restore(first.cells.state())
    for twin in (whole, second):
        _life(twin, 3)
    assert second.clock.ns == whole.clock.ns
    np.testing.assert_array_equal(second.read(), whole.read())
    np.testing.assert_array_equal(second.conductance, whole.conductance)


def test_a_state_of_cells_without_effects_is_refused():
    with pytest.raises(BadInputError, match="it has no time_ns, last_pulse_ns; restore it to the"):
        twin_with(*_effects()).cells.restore(twin_with().cells.state())


def test_programs_and_single_pulses_age_cells_alike():
    one, other = twin_with(*_effects()), twin_with(*_effects())
    for twin in (one, other):
        twin.wait(50.0)
    counts = np.arange(12) % 3
    one.cells.play(CellPulses(counts.reshape(3, 4)))
    for cell, count in enumerate(counts.tolist()):
        for _ in range(count):
            other.cells.pulse_cell(cell, True)
    for twin in (one, other):
        twin.wait(5.0)
    np.testing.assert_allclose(one.read(), other.read(), rtol=1e-6)


def test_products_see_what_readings_see():
    torch = pytest.importorskip("torch")
    volts = np.eye(4) * 0.1
    found = [
        twin_with(*_effects()).forward(volts),
        twin_with(*_effects()).forward_tensor(torch.from_numpy(volts)).numpy(),
        twin_with(*_effects()).read().T * 0.1,
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-12)


def test_an_emulated_chip_has_effects_and_keeps_them_over_a_restart(bench_file, tmp_path):
    bench_file.write_text(bench_file.read_text().replace("emulation: {seed: 5}", CHIP))
    kept, counts = tmp_path / "chips.npz", np.arange(24).reshape(4, 6) % 3
    with EmulatedBench(load_bench(bench_file), any_port=True) as first:
        assert [e.name for e in first.cells.population.effects] == list(EFFECTS)
        with open_on_bench(first.bench) as chip:
            chip.pulse(CellPulses(counts))
            read = chip.read()
        assert np.abs(read / first.cells.conductance - 1).max() > 0.02
        save_chips(kept, first.chips)
        visible = first.cells.visible
    with EmulatedBench(load_bench(bench_file), any_port=True) as second:
        load_chips(kept, second.chips)
        assert second.clock.ns == first.clock.ns
        np.testing.assert_array_equal(second.cells.visible, visible)


def test_wiring_does_not_age():
    cells = sample(PopulationSpec(**ALL), (3, 4), np.random.default_rng(1))
    wired = WiredCells(cells, 1, WiringFaults(shorted_cells=[[0, 0]], open_cells=[[0, 1]]))
    wired.clock.sleep(100.0)
    assert wired.seen(0) == np.float32(0.1)
    assert wired.seen(1) == 0
    assert wired.seen(2) != wired.g[2]


def test_each_effect_once_and_its_parameters_possible():
    cells = sample(PopulationSpec(), (3, 4), np.random.default_rng(1))
    drift = Drift(np.float32(0.1), np.float32(1))
    with pytest.raises(BadInputError, match="each effect once, not drift, drift"):
        replace(cells, effects=(drift, drift))
    with pytest.raises(BadInputError, match=r"drift: nu is 2 in cell \(0, 0\); it must be -1 to 1"):
        replace(cells, effects=(Drift(np.float32(2), np.float32(1)),))
    with pytest.raises(BadInputError, match=r"rest is \(4, 3\), not \(3, 4\)"):
        replace(cells, effects=(Retention(np.float32(1), np.zeros((4, 3), np.float32)),))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("telegraph_amplitude=0.1", "telegraph_filled: is missing; telegraph"),
        ("drift_nu_dtod=0.1", "drift_nu: is missing"),
        ("write_std=1", "write_std: '1' has no unit"),
        ("retention_lifetime=0 s&retention_rest=1 uS", "retention_lifetime: must be at least 1 ns"),
        ("flicker_std=0.1&flicker_longest=1 uS", "flicker_longest: '1 uS' is not a time"),
        ("flicker_std=0.1&flicker_longest=1 us", "flicker_longest: must be longer than .*1 ms"),
        ("drift_nu=2", "drift_nu: must be from -1 to 1"),
    ],
)
def test_a_wrong_key_is_named(query, problem):
    with pytest.raises(ConfigError, match=problem):
        open_crossbar(f"sim:soft-bounds?shape=3x4&{query}")


def test_products_through_a_periphery_see_effects_too():
    pytest.importorskip("torch")
    from ohmloop.sim_backend.periphery import Periphery

    plain = twin_with(Drift(np.float32(0.1), np.float32(1)), dg_std=0.0)
    around = TwinCrossbar(plain.cells.population, seed=1, periphery=Periphery())
    volts = np.eye(4) * 0.1
    for twin in (plain, around):
        twin.pulse(CellPulses(np.ones((3, 4), int)))
        first = twin.forward(volts)
        twin.wait(1e6)
        late = twin.forward(volts)
        np.testing.assert_allclose(late / first, 1e6**-0.1, rtol=1e-4)
