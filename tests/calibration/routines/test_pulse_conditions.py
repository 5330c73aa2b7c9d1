from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ohmloop.calibration import calibrate
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.recipe import Recipe
from ohmloop.calibration.measuring.routine import Plan
from ohmloop.calibration.measuring.run import measure, run
from ohmloop.calibration.measuring.store import MeasurementStore
from ohmloop.calibration.routines.condition_table import figure, recommended_in
from ohmloop.calibration.routines.current_voltage import CurrentVoltage
from ohmloop.calibration.routines.forming import Forming
from ohmloop.calibration.routines.held_out import HeldOut
from ohmloop.calibration.routines.pulse_conditions import PulseConditionSearch
from ohmloop.calibration.routines.pulse_response import PulseResponse
from ohmloop.calibration.routines.symmetric_point import SymmetricPointRoutine
from ohmloop.drivers import BadInputError, LimitError, Limits, load_bench
from ohmloop.drivers.opening import open_on_bench
from ohmloop.sim_backend.chip_file import bench_of
from ohmloop.sim_backend.instruments import EmulatedBench

ASYMMETRIC = {"switching_voltage_up": "1.5 V", "switching_voltage_down": "1.9 V"}


def _check_limits(store: MeasurementStore, limits: Limits) -> None:
    for step in Measured(store, "pulse_conditions").steps("pulse"):
        limits.check_conditions(step.program.conditions)


def test_planted_optimum_is_found(unknown):
    # The response function has 100 states at 1.5 V up and -1.9 V down (slope 0.02 of half a range).
    chip, store = unknown(**ASYMMETRIC), MeasurementStore()
    found = run(PulseConditionSearch(), chip, store, seed=3)
    best = recommended_in(found)
    assert best is not None
    # H0: step sizes known to 30 % by 9 cells of a spread of 15 %: by the law, 3 % of the amplitude.
    assert best.up.amplitude == pytest.approx(1.5, rel=0.05)
    assert best.down.amplitude == pytest.approx(-1.9, rel=0.05)
    at = int(found.attrs["recommended_trial"])
    assert 50 < found["states"][at] < 200
    assert abs(found["asymmetry"][at]) <= 0.15
    assert found["gradual"][at] == 1
    assert found["step_up"].attrs["units"] == "S"
    _check_limits(store, chip.limits)
    figure(found)
    plan = PulseConditionSearch().apply(found, Plan(chip.conditions))
    assert plan.conditions == best


def test_width_makes_up_for_amplitude(unknown):
    found = run(PulseConditionSearch(widths=("1 ms", "5 ms"), refinements=3), unknown(**ASYMMETRIC))
    gradual = found.where(found["gradual"] == 1, drop=True)
    # Five times the width is ln(5)/10 of the amplitude less.
    by_width = [gradual["up_amplitude"][gradual["up_width"] == w].mean() for w in (1e-3, 5e-3)]
    assert float(by_width[0] / by_width[1]) == pytest.approx(1 / (1 - math.log(5) / 10), rel=0.05)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"switching_voltage_up": "4 V", "switching_voltage_down": "4 V"}
            | {"switching_threshold_up": 0.9, "switching_threshold_down": 0.9},
            "nothing within limits moves any cell: the pulses are too weak",
        ),
        (
            {"switching_voltage_up": "3.2 V", "switching_voltage_down": "3.2 V"},
            "nothing within limits is strong enough",
        ),
        (
            # Threshold at the modelled amplitude, and a pulse a thousand times as wide.
            {"switching_voltage_up": "1.5 V", "switching_voltage_down": "1.5 V"}
            | {"switching_threshold_up": 1.0, "switching_threshold_down": 1.0}
            | {"switching_width_up": "1 us", "switching_width_down": "1 us"},
            "nothing within limits is gradual; the nearest is too abrupt",
        ),
        ({"forming_voltage": "3 V"}, "or the cells have to be formed"),
    ],
)
def test_where_nothing_is_gradual_that_is_said_and_nothing_is_changed(unknown, keys, words):
    chip = unknown(**keys)
    found = run(PulseConditionSearch(refinements=2), chip)
    assert words in found.attrs["verdict"]
    assert recommended_in(found) is None
    plan = Plan(chip.conditions)
    assert PulseConditionSearch().apply(found, plan) == plan


def test_the_budget_of_pulses_holds(unknown):
    chip = unknown(**ASYMMETRIC)
    run(PulseConditionSearch(pulses_per_cell=100), chip)
    assert 0 < int(chip.cells.pulses.max()) <= 100
    with pytest.raises(BadInputError, match="no trial was finished: allow more pulses_per_cell"):
        run(PulseConditionSearch(pulses_per_cell=10), unknown(**ASYMMETRIC))


def test_only_the_sample_is_pulsed(unknown):
    chip = unknown(**ASYMMETRIC)
    run(PulseConditionSearch(rows=2, columns=3, refinements=1), chip)
    assert np.count_nonzero(chip.cells.pulses) <= 6


@pytest.mark.parametrize(
    ("keys", "error", "problem"),
    [
        ({"largest": "3 V"}, LimitError, "pulse of 3 V is beyond limits.voltage, 2.5 V"),
        ({"widths": ("20 ms",)}, LimitError, "pulse of 20 ms is beyond limits.width"),
        ({"smallest": "2.5 V"}, BadInputError, "smallest: 2.5 V must be below largest, 2.5 V"),
    ],
)
def test_beyond_the_limits_it_is_refused_before_a_pulse(unknown, keys, error, problem):
    chip = unknown(**ASYMMETRIC)
    with pytest.raises(error, match=problem):
        run(PulseConditionSearch(**keys), chip)
    assert chip.pulses_sent == 0


def test_a_limit_of_many_digits_holds_to_the_last(unknown):
    both = {"switching_voltage_up": "1.9 V", "switching_voltage_down": "1.9 V"}
    chip = unknown(limits=Limits(voltage=1.66666666666), **both)
    found = run(PulseConditionSearch(refinements=1), chip)
    assert float(found["up_amplitude"].max()) == 1.66666666666


def test_without_a_limit_the_largest_has_to_be_said(unknown):
    with pytest.raises(BadInputError, match="largest: say how strong a pulse may be"):
        run(PulseConditionSearch(), unknown(limits=Limits()))


def test_the_chip_file_is_of_the_pulses_that_were_found(unknown):
    chip, store = unknown((8, 8), **ASYMMETRIC), MeasurementStore()
    search = PulseConditionSearch(refinements=3)
    recipe = Recipe.of(search, PulseResponse(), SymmetricPointRoutine(), HeldOut())
    record = calibrate(chip, recipe, store, seed=3, family="soft-bounds")
    best = recommended_in(search.analyse(Measured(store, search.name)))
    assert best is not None
    assert bench_of(record)["conditions"] == best != chip.conditions
    usable = record["usable"].to_numpy().astype(bool)
    assert usable.mean() > 0.9
    # What the chip was given in calibration: steps of about a hundredth of the range.
    share = record["dg_min"] / (record["g_max"] - record["g_min"])
    assert float(np.median(share.to_numpy()[usable])) == pytest.approx(0.01, rel=0.3)


class _KilledError(Exception):
    """Stands for the end of a process."""


def test_killed_in_the_middle_it_goes_on_to_the_same_recommendation(unknown, tmp_path):
    routine = PulseConditionSearch(refinements=2)
    whole = run(routine, unknown(**ASYMMETRIC), seed=3)
    chip, path, steps = unknown(**ASYMMETRIC), tmp_path / "kept.sqlite", iter(range(10**6))

    def told(*_: object) -> None:
        if next(steps) == 150:
            raise _KilledError

    killed = MeasurementStore(path)
    with pytest.raises(_KilledError):
        run(routine, chip, killed, seed=3, progress=told)
    killed.close()
    found = run(routine, chip, MeasurementStore(path), seed=3)
    for name in ("up_amplitude", "down_amplitude", "step_up", "score"):
        np.testing.assert_array_equal(found[name], whole[name])


BENCH = """
name: unknown chip
instruments:
  board: {driver: pulse-board, resource: "socket://127.0.0.1:5130"}
crossbars:
  array: {kind: pulse-board, shape: [4, 5], wiring: {board: board}}
pulses:
  up: {amplitude: 0.9 V, width: 1 us}
  down: {amplitude: -0.9 V, width: 1 us}
  rest: 1 us
read: {voltage: 100 mV, settle: 10 us, nplc: 0.001}
limits:
  {voltage: 2.2 V, width: 2 us, read_voltage: 300 mV, current: 1 mA, duty_cycle: 0.7}
emulation:
  seed: 5
  chip:
    iv_v0: 0.3 V
    forming_voltage: 1.9 V
    forming_voltage_dtod: 0.03
    switching_voltage_up: 1.2 V
    switching_voltage_down: 1.4 V
"""


def test_an_unknown_chip_over_the_wire_is_never_given_more_than_its_limits(tmp_path: Path):
    path = tmp_path / "bench.yaml"
    path.write_text(BENCH)
    routines = (
        CurrentVoltage(points=2),
        Forming(largest="2.2 V", threshold="1 uS", over="200 uS", smallest="1.6 V"),
        PulseConditionSearch(largest="2 V", rows=2, columns=2, refinements=3),
    )
    store = MeasurementStore()
    with EmulatedBench(load_bench(path), any_port=True) as emulated:
        with open_on_bench(emulated.bench) as chip:
            limits = chip.limits
            measure(Recipe.of(*routines), chip, store, seed=1)
        (one,) = emulated.chips.values()
        assert 0 < one.witness.voltage <= limits.voltage
        assert one.witness.width <= limits.width
        assert not emulated.outputs_on
    sweep, forming, search = (r.analyse(Measured(store, r.name)) for r in routines)
    assert float(sweep["v0"].median()) == pytest.approx(0.3, rel=0.2)
    assert forming["usable"].all()
    best = recommended_in(search)
    assert best is not None, search.attrs["verdict"]
    assert best.up.amplitude == pytest.approx(1.2, rel=0.07)
    assert best.down.amplitude == pytest.approx(-1.4, rel=0.07)
