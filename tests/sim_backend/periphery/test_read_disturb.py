from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from ohmloop.drivers import BadInputError, PulseConditions, PulseShape
from ohmloop.sim_backend.periphery.read_disturb import DisturbLedger, ReadDisturb

NOMINAL = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.2, 1e-3), rest=0.0)
SHAPE = (2, 3)


def _ledger(time="1 ms", **options) -> DisturbLedger:
    return DisturbLedger(ReadDisturb.model_validate({"time": time, **options}), NOMINAL, SHAPE)


def _all(n):
    return np.arange(n)


@pytest.mark.parametrize(("voltage", "amplitude"), [(0.3, 1.5), (-0.3, -1.2)])
def test_a_read_is_a_pulse_as_weak_as_the_law_says(voltage, amplitude):
    wanted = math.sinh(10 * voltage / amplitude) / math.sinh(10) * 2  # twice the width
    assert _ledger("2 ms").expected(voltage) == pytest.approx(math.copysign(wanted, voltage))


def test_shares_add_up_to_whole_pulses_in_time():
    ledger = _ledger("1 ms")
    share = ledger.expected(0.9)
    reads = int(3.5 / share)
    given = sum(ledger.read(0.9, _all(2), _all(3)) for _ in range(reads))
    np.testing.assert_array_equal(given, math.floor(reads * share))
    np.testing.assert_allclose(ledger.up, reads * share - 3, rtol=1e-9)
    assert (ledger.down == 0).all()


def test_only_cells_that_are_read_are_disturbed():
    ledger = _ledger("10 s")
    ledger.read(0.3, np.array([1]), np.array([0, 2]))
    np.testing.assert_array_equal(ledger.up > 0, [[False, False, False], [True, False, True]])


def test_products_count_every_sample_by_the_voltage_of_its_line():
    ledger, one_by_one = _ledger(), _ledger()
    volts = np.array([[0.5, 0.0, -0.5], [0.5, 0.7, 0.1]])
    ledger.forward(volts)
    for sample in volts:
        one_by_one.forward(sample[None])
    # A positive column is a negative row: down.
    down = [-ledger.expected(-v) if v > 0 else 0.0 for v in (0.5, 0.7, 0.1)]
    np.testing.assert_allclose(ledger.down[0], [2 * down[0], down[1], down[2]], rtol=1e-12)
    np.testing.assert_allclose(ledger.up[1], [0, 0, ledger.expected(0.5)], rtol=1e-12)
    np.testing.assert_allclose(ledger.down, one_by_one.down, rtol=1e-12)
    turned = _ledger()
    turned.backward(np.array([[0.5, 0.0]]))
    np.testing.assert_allclose(turned.up[:, 1], [turned.expected(0.5), 0.0], rtol=1e-12)


def test_up_and_down_are_kept_apart():
    ledger = _ledger("1 s")
    ledger.backward(np.array([[0.4, -0.4]]))
    assert (ledger.up[0] > 0).all()
    assert (ledger.down[0] == 0).all()
    assert (ledger.down[1] > 0).all()


def test_below_the_threshold_nothing_happens():
    ledger = _ledger(threshold=0.6)
    assert ledger.expected(0.89) == 0.0
    assert ledger.expected(0.91) > 0.0
    assert not ledger.forward(np.full((1000, 3), 0.3)).any()
    assert not ledger.up.any()
    assert not ledger.down.any()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({}, "time"), ({"time": "0 s"}, "time"), ({"time": "1 s", "threshold": 1.1}, "threshold")],
)
def test_bad_records_are_refused_by_name(wrong, named):
    with pytest.raises(ValidationError, match=named):
        ReadDisturb.model_validate(wrong)


def test_voltages_of_another_shape_are_refused():
    with pytest.raises(BadInputError, match=r"column_voltages must be \(batch, 3\)"):
        _ledger().forward(np.zeros((1, 2)))
    with pytest.raises(BadInputError, match=r"row_voltages must be \(batch, 2\)"):
        _ledger().backward(np.zeros(2))
