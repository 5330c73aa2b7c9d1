from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ohmloop.sim_backend.periphery import InputConverter, OutputConverter
from ohmloop.sim_backend.periphery.fast import _convert
from ohmloop.sim_backend.periphery.reference import convert


@pytest.mark.parametrize(("bits", "codes"), [(2, 3), (7, 127), (8, 255), (9, 511)])
def test_steps_are_those_of_a_resolution_of_one_in_two_to_the_bits_less_two(bits, codes):
    converter = InputConverter(bits=bits, range="200 mV")
    assert converter.levels is not None
    assert 2 * converter.levels + 1 == codes
    assert converter.step == pytest.approx(2 * 0.2 / (2**bits - 2), rel=1e-15)


def test_codes_are_odd_in_number_symmetric_and_nothing_lies_between():
    converter = OutputConverter(bits=4, range="7 uA")
    sweep = np.linspace(-9, 9, 2001)
    codes = convert(converter, sweep, np.random.default_rng(0))
    assert sorted(set(codes.tolist())) == list(range(-7, 8))
    np.testing.assert_array_equal(codes, -codes[::-1])
    inside = abs(sweep) <= 7
    assert abs(codes - sweep)[inside].max() <= 0.5


def test_stochastic_rounding_has_the_right_mean_and_only_neighbouring_codes():
    # H0: the share of upper codes is the fraction; normal approximation, 6 standard errors: 2e-9.
    converter = InputConverter(bits=8, range="1 V", rounding="stochastic")
    n, fraction = 100_000, 0.3
    for codes in (
        convert(converter, np.full(n, -5 + fraction), np.random.default_rng(1)),
        _convert(
            converter, torch.full((n,), -5 + fraction), torch.Generator().manual_seed(1), False
        ).numpy(),
    ):
        assert set(codes.tolist()) == {-5.0, -4.0}
        error = np.sqrt(fraction * (1 - fraction) / n)
        assert abs((codes == -4).mean() - fraction) < 6 * error


def test_stochastic_rounding_never_passes_the_last_code():
    # In float32, 63 and a number just below 1 are 64: about one in 300 thousand.
    converter = InputConverter(bits=7, range="1 V", rounding="stochastic")
    codes = _convert(converter, torch.full((4_000_000,), 63.0), torch.Generator(), False)
    assert float(codes.max()) == 63.0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"bits": 1, "range": "1 V"}, "bits"),
        ({"bits": 25, "range": "1 V"}, "bits"),
        ({"bits": 8}, "range"),
        ({"range": "0 V"}, "range"),
        ({"range": "1 A"}, "range"),
        ({"range": 0.1}, "range"),
        ({"gain_std": -0.1}, "gain_std"),
        ({"noise": "-1 mV"}, "noise"),
        ({"offset_std": "nan V"}, "offset_std"),
        ({"rounding": "stochastic"}, "rounding"),
        ({"rounding": "down"}, "rounding"),
        ({"steps": 3}, "steps"),
    ],
)
def test_bad_parameters_are_refused_by_name(wrong, named):
    with pytest.raises(ValidationError, match=named):
        InputConverter.model_validate(wrong)


def test_units_are_those_of_the_side():
    assert OutputConverter(range="20 uA", noise="50 nA", offset="-1 nA").noise == 5e-8
    with pytest.raises(ValidationError, match="current"):
        OutputConverter.model_validate({"range": "1 V"})
