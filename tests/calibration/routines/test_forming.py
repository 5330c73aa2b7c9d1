from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.measuring import load_recipe
from ohmloop.calibration.measuring.measured import Measured
from ohmloop.calibration.measuring.run import run
from ohmloop.calibration.measuring.store import MeasurementStore
from ohmloop.calibration.routines.forming import (
    FORMED,
    OVER_FORMED,
    UNFORMED,
    WAS_FORMED,
    Forming,
    figure,
)
from ohmloop.drivers import ConfigError, LimitError
from ohmloop.drivers.validation import validate

CHIP = {"forming_voltage": "1.8 V", "forming_voltage_dtod": 0.1, "forming_margin": "0.3 V"}
ASKED = {"largest": "2.4 V", "threshold": "1 uS", "over": "200 uS"}


def _forming(**keys) -> Forming:
    return Forming(**ASKED | keys)


def test_every_cell_is_formed_at_the_first_step_that_reaches_its_voltage(unknown):
    chip, store = unknown(**CHIP), MeasurementStore()
    found = run(_forming(), chip, store)
    true = chip.cells.population.effects[0].voltage
    within = true <= 2.4
    np.testing.assert_array_equal(found["state"] == FORMED, within)
    np.testing.assert_array_equal(found["state"] == UNFORMED, ~within)
    np.testing.assert_array_equal(found["usable"], within)
    over = found["forming_voltage"].to_numpy()[within] - true[within]
    assert (over > -1e-6).all()
    assert (over[true[within] > 1.0] < 0.1 + 1e-6).all()
    np.testing.assert_array_equal(found["pulses"], chip.cells.pulses.reshape(chip.shape))
    assert found["forming_voltage"].attrs["units"] == "V"
    figure(found)
    _no_formed_cell_is_pulsed(Measured(store, "forming"))


def _no_formed_cell_is_pulsed(measured: Measured) -> None:
    formed = np.zeros(measured.shape, bool)
    for step in measured.steps("read", "pulse"):
        if step.kind == "read":
            formed |= step.result >= 1e-6
        else:
            assert not step.program.per_cell[formed].any()


def test_steps_that_are_too_wide_over_form_cells_and_that_is_said(unknown):
    chip = unknown(**CHIP | {"forming_margin": "0.2 V"})
    found = run(_forming(smallest="1.4 V", step="500 mV"), chip)
    broken = chip.cells.stressed.stage.reshape(chip.shape) == 2
    assert broken.any()
    np.testing.assert_array_equal(found["state"] == OVER_FORMED, broken)
    assert not found["usable"].to_numpy()[broken].any()
    assert f"{broken.sum()} over formed" in found.attrs["verdict"]


def test_a_chip_that_needs_no_forming_gets_no_pulse(unknown):
    chip = unknown()
    found = run(_forming(), chip)
    assert (found["state"] == WAS_FORMED).all()
    assert chip.pulses_sent == 0


def test_budgets_hold(unknown):
    chip = unknown(forming_voltage="3 V")
    found = run(_forming(pulses_per_cell=3), chip)
    assert (found["pulses"] == 3).all()
    chip = unknown(forming_voltage="3 V")
    found = run(_forming(pulses_in_all=50), chip)
    assert int(found["pulses"].sum()) == 50 == chip.pulses_sent


def test_nothing_that_pulses_has_a_default():
    with pytest.raises(ConfigError, match="largest: is missing"):
        validate(Forming, {"threshold": "1 uS", "over": "200 uS"}, "recipe")
    with pytest.raises(ConfigError, match="threshold: is missing"):
        validate(Forming, {"largest": "2 V", "over": "200 uS"}, "recipe")


def test_by_its_name_alone_it_is_not_run():
    with pytest.raises(ConfigError, match="--routine forming: largest: is missing"):
        load_recipe("quick").only(["forming"])


def test_beyond_the_limits_it_is_refused_before_a_pulse(unknown):
    chip = unknown(**CHIP)
    with pytest.raises(LimitError, match=r"up pulse of 2.6 V is beyond limits.voltage, 2.5 V"):
        run(_forming(largest="2.6 V"), chip)
    with pytest.raises(LimitError, match=r"up pulse of 20 ms is beyond limits.width"):
        run(_forming(width="20 ms"), chip)
    assert chip.pulses_sent == 0


def test_wider_pulses_rest_longer(unknown):
    chip, store = unknown(**CHIP), MeasurementStore()
    run(_forming(width="5 ms"), chip, store)
    for step in Measured(store, "forming").steps("pulse"):
        assert step.program.conditions.rest == pytest.approx(5e-3)  # a duty cycle of 0.5


class _KilledError(Exception):
    """Stands for the end of a process."""


def test_killed_at_any_pulse_it_goes_on_to_the_same_end(unknown, tmp_path):
    whole = run(_forming(), unknown(**CHIP))
    for killed_at in (0, 4, 9):
        chip, path = unknown(**CHIP), tmp_path / f"{killed_at}.sqlite"
        done = iter(range(1000))

        def told(*_: object, done=done, killed_at=killed_at) -> None:
            if next(done) == killed_at:
                raise _KilledError

        killed = MeasurementStore(path)
        with pytest.raises(_KilledError):
            run(_forming(), chip, killed, progress=told)
        killed.close()
        found = run(_forming(), chip, MeasurementStore(path))
        np.testing.assert_array_equal(found["state"], whole["state"])
        np.testing.assert_array_equal(found["pulses"], whole["pulses"])
