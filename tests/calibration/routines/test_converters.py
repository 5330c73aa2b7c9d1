from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.measuring.run import run
from ohmloop.calibration.routines.converters import Converters, figure
from ohmloop.drivers import Capabilities, Limits
from ohmloop.sim_backend.periphery import Periphery

PARALLEL = Capabilities(parallel_forward=True)
SHAPE = (12, 10)


def _twin(planted, **keys):
    paths = {name: keys.pop(name) for name in ("to_rows", "to_columns") if name in keys}
    around = Periphery.model_validate(paths)
    return planted(SHAPE, read_std=0.002, capabilities=PARALLEL, periphery=around, **keys)


@pytest.mark.parametrize(
    ("bits", "out_bits"),
    [
        (8, 10),
        pytest.param(4, 6, marks=pytest.mark.campaign),
        pytest.param(6, 8, marks=pytest.mark.campaign),
        pytest.param(10, 12, marks=pytest.mark.campaign),
    ],
)
def test_planted_resolution_and_range_are_found(planted, bits, out_bits):
    path = {
        "input": {"bits": bits, "range": "200 mV"},
        "output": {"bits": out_bits, "range": "40 uA", "noise": "10 nA"},
    }
    found = run(Converters(repeats=4, points=257), _twin(planted, to_rows=path))
    for way in ("forward", "backward"):
        assert float(found[f"{way}_input_bits"]) == bits
        assert float(found[f"{way}_output_bits"]) == out_bits
        assert float(found[f"{way}_input_range"]) == pytest.approx(0.2, rel=0.02)
        assert float(found[f"{way}_output_range"]) == pytest.approx(40e-6, rel=1e-5)
        step = 0.2 / (2 ** (bits - 1) - 1)
        assert float(found[f"{way}_input_step"]) == pytest.approx(step, rel=0.02)
    assert f"{out_bits} bits" in found.attrs["verdict"]


def test_planted_gains_and_offsets_lie_within_their_errors(planted):
    # H0: 22 lines of gain, 12 of offset, each way: 4.5 standard errors, false alarm below 1e-3.
    path = {
        "input": {"gain_std": 0.02},
        "output": {"gain_std": 0.03, "offset": "20 nA", "offset_std": "30 nA", "noise": "5 nA"},
    }
    twin = _twin(planted, to_rows=path)
    found = run(Converters(points=65), twin)
    errors = twin._around._errors
    for way in ("forward", "backward"):
        truth = errors[way]
        driven = 1 + truth.input_gain.numpy()
        common = np.exp(np.log(driven).mean())
        wanted = {
            "output_offset": truth.output_offset.numpy(),
            "output_gain": (1 + truth.output_gain.numpy()) * common,
            "input_gain": driven / common,
        }
        for name, value in wanted.items():
            key = f"{way}_{name}"
            z = (found[key].to_numpy() - value) / found[f"{key}_stderr"].to_numpy()
            assert np.abs(z).max() < 4.5, key
            assert np.std(value) > 5 * found[f"{key}_stderr"].to_numpy().mean()
    assert figure(found).axes


def test_without_converters_no_steps_and_no_limit_are_seen(planted):
    found = run(Converters(repeats=4, points=129), _twin(planted))
    for way in ("forward", "backward"):
        for name in ("input_step", "input_range", "output_step", "output_range"):
            assert np.isnan(found[f"{way}_{name}"]), name
    assert "no steps seen, no limit up to" in found.attrs["verdict"]


def test_products_made_on_the_host_have_no_converters(planted):
    routine = Converters()
    twin = planted((4, 4))
    assert routine.cost(twin).maps == 0
    assert "products are made on the host" in run(routine, twin).attrs["verdict"]


def test_ramps_stay_within_the_limits(planted):
    found = run(Converters(repeats=2, points=33), _twin(planted, limits=Limits(read_voltage=0.3)))
    assert float(found["forward_input_tried"]) == pytest.approx(0.3)
