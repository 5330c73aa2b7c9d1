from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from ohmloop.drivers import BadInputError, ConfigError
from ohmloop.drivers.validation import validate
from ohmloop.sim_backend.periphery import (
    BoundManagement,
    InputConverter,
    LineErrors,
    NoiseManagement,
    OutputConverter,
    Periphery,
    SignalPath,
    kernels,
    read_variance,
)

P = 1e-6
ITERATIVE = BoundManagement(kind="iterative")
ABS_MAX = NoiseManagement(kind="abs-max")


def _periphery(source=None, sense=None, **management) -> Periphery:
    return Periphery(
        to_rows=SignalPath(
            input=InputConverter(**(source or {})),
            output=OutputConverter(**(sense or {})),
            **management,
        )
    )


def _map(rows=24, columns=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(5e-6, 60e-6, (rows, columns)), rng.uniform(-0.3, 0.3, (7, columns))


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


FULL = {
    "plain": _periphery(),
    "ranges": _periphery({"range": "100 mV"}, {"range": "10 uA"}),
    "converters": _periphery({"bits": 7, "range": "200 mV"}, {"bits": 9, "range": "40 uA"}),
    "constant": _periphery(
        {"bits": 8, "range": "100 mV"},
        noise_management=NoiseManagement(kind="constant", full_scale="250 mV"),
    ),
    "managed": _periphery(
        {"bits": 7, "range": "100 mV"},
        {"bits": 9, "range": "8 uA"},
        noise_management=ABS_MAX,
        bound_management=ITERATIVE,
    ),
    "average": _periphery(
        {"bits": 7, "range": "100 mV"},
        {"range": "8 uA"},
        noise_management=NoiseManagement(kind="average-abs-max", most="280 mV"),
        bound_management=BoundManagement(kind="iterative", max_rounds=1),
    ),
}


def test_without_anything_it_is_the_product():
    g, x = _map()
    out = Periphery().forward(g, x, np.random.default_rng(0))
    np.testing.assert_allclose(out.currents, x @ g.T, rtol=1e-13)
    back = Periphery().backward(g, x[:, :24], np.random.default_rng(0))
    np.testing.assert_allclose(back.currents, x[:, :24] @ g, rtol=1e-13)
    assert (out.clipped_inputs, out.saturated_outputs, out.repeats) == (0, 0, 0)


def test_a_product_by_hand():
    # 3 bits over 0.3 V are steps of 0.1 V. Noise management drives 0.6 V as 0.3 V, -0.25 V as
    # -0.1 V and 0.09 V as 0 V. The first row has 0.3 - 0.2 = 0.1 A, less than half a step of
    # 0.25 A; the second 0.9 - 0.1 = 0.8 A, beyond 0.75 A.
    periphery = _periphery(
        {"bits": 3, "range": "300 mV"}, {"bits": 3, "range": "750 mA"}, noise_management=ABS_MAX
    )
    g = np.array([[1.0, 2.0, 9.0], [3.0, 1.0, 9.0]])
    out = periphery.forward(g, np.array([[0.6, -0.25, 0.09]]), np.random.default_rng(0))
    np.testing.assert_allclose(out.currents, [[0.0, 2 * 0.75]], rtol=1e-12)
    assert (out.clipped_inputs, out.saturated_outputs) == (0, 1)


def test_bound_management_by_hand_halves_until_nothing_saturates():
    g, x = np.array([[1.0]]), np.array([[0.5], [0.125]])
    managed = _periphery({"range": "1 V"}, {"range": "150 mA"}, bound_management=ITERATIVE)
    out = managed.forward(g, x, np.random.default_rng(0))
    np.testing.assert_array_equal(out.currents, x)  # the first sample was driven with 0.125 V
    assert (out.repeats, out.saturated_outputs) == (2, 0)
    short = BoundManagement(kind="iterative", max_rounds=1)
    out = _periphery({"range": "1 V"}, {"range": "150 mA"}, bound_management=short).forward(
        g, x, np.random.default_rng(0)
    )
    np.testing.assert_allclose(out.currents, [[0.3], [0.125]], rtol=1e-15)
    assert (out.repeats, out.saturated_outputs) == (1, 1)


@pytest.fixture(params=["compiled", "tensor operations"])
def _both_ways(request, monkeypatch):
    if request.param == "tensor operations":  # as on another device than a CPU
        monkeypatch.setattr(kernels, "usable", lambda path, g: False)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_fast_is_the_reference_in_float64(name, way):
    g, x = _map()
    x = x if way == "forward" else x[:, :24]
    wanted = getattr(FULL[name], way)(g, x, np.random.default_rng(0))
    got = getattr(FULL[name], way)(torch.tensor(g), torch.tensor(x), _generator())
    np.testing.assert_allclose(got.currents.numpy(), wanted.currents, rtol=1e-12, atol=1e-18)
    for count in ("clipped_inputs", "saturated_outputs", "repeats"):
        assert getattr(got, count) == getattr(wanted, count)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("name", FULL)
def test_fast_is_the_reference_in_float32_but_for_ties(name):
    # A code may differ by one where float32 lands on the other side of a tie: inputs are the same
    # codes here, so only outputs can differ, by a step, and rarely.
    g, x = _map(64, 64)
    wanted = FULL[name].forward(g, x, np.random.default_rng(0)).currents
    got = FULL[name].forward(torch.tensor(g).float(), torch.tensor(x).float(), _generator())
    off = abs(got.currents.double().numpy() - wanted) > 2e-6 * abs(wanted).max()
    assert off.mean() < 0.01


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fast_is_the_reference_bit_for_bit_where_arithmetic_is_exact(dtype):
    # Conductances and voltages are small whole multiples of powers of two: no rounding anywhere.
    rng = np.random.default_rng(3)
    g, x = rng.integers(0, 64, (32, 48)) / 64.0, rng.integers(-127, 128, (9, 48)) / 256.0
    x[:, 0] = 127 / 256
    # A step of the inputs is 1/64 V, of the outputs 1/128 A and 1/8 A.
    for amps in ({"bits": 12, "range": "15.9921875 A"}, {"bits": 5, "range": "1.875 A"}):
        periphery = _periphery({"bits": 7, "range": "0.984375 V"}, amps, bound_management=ITERATIVE)
        wanted = periphery.forward(g, x, np.random.default_rng(0))
        got = periphery.forward(torch.tensor(g, dtype=dtype), torch.tensor(x, dtype=dtype), None)
        np.testing.assert_array_equal(got.currents.double().numpy(), wanted.currents)
        assert got.repeats == wanted.repeats
    assert wanted.repeats > 0


def test_line_errors_act_where_they_belong():
    g, x = _map()
    periphery = _periphery({"range": "1 V"}, {"range": "1 A"})
    rng = np.random.default_rng(4)
    errors = LineErrors(
        rng.normal(0, 0.1, 40),
        rng.normal(0, 1e-2, 40),
        rng.normal(0, 0.1, 24),
        rng.normal(0, 1e-6, 24),
    )
    wanted = ((x * (1 + errors.input_gain) + errors.input_offset) @ g.T) * (
        1 + errors.output_gain
    ) + errors.output_offset
    got = periphery.forward(g, x, rng, errors=errors).currents
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    tensor = torch.tensor(g)
    fast = periphery.forward(tensor, torch.tensor(x), None, errors=errors.tensors(tensor))
    np.testing.assert_allclose(fast.currents.numpy(), wanted, rtol=1e-12, atol=1e-18)


def test_drawn_errors_have_the_spreads_and_the_shape_of_the_lines():
    # H0: normal with the stated spread; Kolmogorov-Smirnov, 1e-6 each.
    periphery = _periphery(
        {"gain_std": 0.02, "offset_std": "1 mV"},
        {"gain_std": 0.05, "offset_std": "2 nA", "offset": "3 nA"},
    )
    there, back = periphery.errors((3000, 2000), np.random.default_rng(5))
    for values, size, mean, std in (
        (there.input_gain, 2000, 0, 0.02),
        (there.input_offset, 2000, 0, 1e-3),
        (there.output_gain, 3000, 0, 0.05),
        (there.output_offset, 3000, 3e-9, 2e-9),
        (back.input_gain, 3000, 0, 0.02),
        (back.output_offset, 2000, 3e-9, 2e-9),
    ):
        assert values.shape == (size,)
        assert stats.kstest((values - mean) / std, "norm").pvalue > P
    again, _ = periphery.errors((3000, 2000), np.random.default_rng(5))
    np.testing.assert_array_equal(there.input_gain, again.input_gain)
    with pytest.raises(BadInputError, match="errors: are needed"):
        periphery.forward(*_map(), np.random.default_rng(0))


def _currents(periphery, library, g, x, variance, samples, seed=6):
    """``samples`` draws of one product, ``(samples, rows)``."""
    many = np.repeat(x[None], samples, axis=0)
    if library == "numpy":
        return periphery.forward(g, many, np.random.default_rng(seed), variance=variance).currents
    g, many = torch.tensor(g).float(), torch.tensor(many).float()
    variance = None if variance is None else torch.tensor(variance).float()
    out = periphery.forward(g, many, _generator(seed), variance=variance)
    return out.currents.double().numpy()


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_read_noise_is_that_of_a_fresh_map_for_every_sample(library):
    # H0: the fast way and fresh noisy maps give currents of one distribution. Two-sample
    # Kolmogorov-Smirnov for each of 6 rows, and for their pairwise sums (rows are independent):
    # 12 tests at 1e-7, so 1.2e-6 in all.
    rng = np.random.default_rng(7)
    g, x = rng.uniform(5e-6, 60e-6, (6, 12)), rng.uniform(-0.2, 0.2, 12)
    read_std = rng.uniform(0.0, 0.3, (6, 12))
    n = 20_000
    fresh = np.einsum(
        "nij,j->ni", g * (1 + read_std * rng.standard_normal((n, 6, 12))), x, optimize=True
    )
    got = _currents(Periphery(), library, g, x, read_variance(g, read_std), n)
    for a, b in ((fresh, got), (fresh + np.roll(fresh, 1, 1), got + np.roll(got, 1, 1))):
        for row in range(6):
            assert stats.ks_2samp(a[:, row], b[:, row]).pvalue > 1e-7


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_noise_of_inputs_cells_and_outputs_adds_up_under_noise_management(library):
    # H0: normal with the variance computed by hand. Kolmogorov-Smirnov, 6 rows at 1e-7.
    rng = np.random.default_rng(8)
    g, x = rng.uniform(5e-6, 60e-6, (6, 12)), rng.uniform(-0.2, 0.2, 12)
    periphery = _periphery(
        {"range": "100 mV", "noise": "2 mV"}, {"noise": "100 nA"}, noise_management=ABS_MAX
    )
    variance = read_variance(g, 0.05)
    factor = abs(x).max() / 0.1
    driven = x / factor
    # Input noise passes the mean conductances, and adds to the mean square of what is driven.
    std = np.sqrt(
        (2e-3) ** 2 * (g**2 + variance).sum(1) + (driven**2 * variance).sum(1) + (100e-9) ** 2
    )
    got = _currents(periphery, library, g, x, variance, 20_000)
    standard = (got / factor - g @ driven) / std
    for row in range(6):
        assert stats.kstest(standard[:, row], "norm").pvalue > 1e-7


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_same_generator_same_currents(library):
    g, x = _map(6, 12)
    periphery = _periphery({}, {"noise": "10 nA"})
    a, b, c = (_currents(periphery, library, g, x[0], None, 3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()
    assert np.unique(a).size == a.size


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_sample_of_zeros_is_zero_under_noise_management(library):
    g, _ = _map(6, 12)
    periphery = _periphery(
        {"bits": 7, "range": "100 mV"},
        {"noise": "10 nA", "range": "1 uA"},
        noise_management=ABS_MAX,
        bound_management=ITERATIVE,
    )
    got = _currents(periphery, library, g, np.zeros(12), None, 4)
    np.testing.assert_array_equal(got, 0.0)


def test_noise_management_lowers_the_noise_of_small_inputs_in_proportion():
    # H0: the ratio of standard deviations is 1000; F test on 24 * 4000 values, two-sided, 1e-6.
    g, x = _map(24, 40)
    small = x[0] / abs(x[0]).max() * 1e-4
    source, sense = {"range": "100 mV"}, {"noise": "1 uA"}
    n = 4000
    loud = _currents(_periphery(source, sense), "numpy", g, small, None, n) - g @ small
    quiet = (
        _currents(_periphery(source, sense, noise_management=ABS_MAX), "numpy", g, small, None, n)
        - g @ small
    )
    ratio = loud.var() / (quiet.var() * 1e6)
    free = loud.size
    assert stats.f.ppf(P / 2, free, free) < ratio < stats.f.ppf(1 - P / 2, free, free)


def test_an_empty_batch_is_empty():
    g, x = _map()
    for out in (
        FULL["managed"].forward(g, x[:0], np.random.default_rng(0)),
        FULL["managed"].forward(torch.tensor(g), torch.tensor(x[:0]), _generator()),
    ):
        assert tuple(out.currents.shape) == (0, 24)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_bad_arguments_are_refused_by_name(library):
    put = torch.tensor if library == "torch" else np.array
    g, x = _map()
    rng = _generator() if library == "torch" else np.random.default_rng(0)
    p = FULL["managed"]
    with pytest.raises(BadInputError, match=r"voltages must be \(batch, 40\), not \(7, 39\)"):
        p.forward(put(g), put(x[:, :39]), rng)
    with pytest.raises(BadInputError, match=r"variance must be \(24, 40\)"):
        p.forward(put(g), put(x), rng, variance=put(g[:3]))
    with pytest.raises(BadInputError, match="output_gain must be"):
        p.forward(put(g), put(x), rng, errors=LineErrors(output_gain=put(np.zeros(3))))
    for bad in (np.nan, np.inf):
        for periphery in (p, FULL["plain"]):
            with pytest.raises(BadInputError, match="voltages must be finite"):
                periphery.forward(put(g), put(np.where(x == x[0, 0], bad, x)), rng)


@pytest.mark.usefixtures("_both_ways")
def test_any_layout_will_do_and_arguments_stay_as_they_are():
    g, x = _map(24, 40)
    wide = torch.tensor(np.repeat(x, 2, axis=1), requires_grad=True)
    tall = torch.tensor(g.T.copy()).T
    before = wide.detach().clone()
    got = FULL["managed"].forward(tall, wide[:, ::2], _generator())
    wanted = FULL["managed"].forward(g, x, np.random.default_rng(0))
    np.testing.assert_allclose(got.currents.numpy(), wanted.currents, rtol=1e-12, atol=1e-18)
    assert not got.currents.requires_grad
    assert torch.equal(before, wide)
    assert torch.equal(tall, torch.tensor(g))


def test_tensors_of_two_types_are_refused():
    g, x = _map()
    with pytest.raises(BadInputError, match="float64"):
        Periphery().forward(torch.tensor(g), torch.tensor(x).float(), _generator())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"noise_management": {"kind": "abs-max"}}, "input.range"),
        ({"bound_management": {"kind": "iterative"}}, "input.range"),
        ({"input": {"range": "1 V"}, "bound_management": {"kind": "iterative"}}, "output.range"),
        ({"noise_management": {"kind": "constant"}}, "full_scale"),
        ({"noise_management": {"most": "1 V"}}, "most"),
        ({"bound_management": {"max_rounds": 0}}, "max_rounds"),
        ({"noise_management": {"kind": "max"}}, "kind"),
        ({"output": {"bits": 9}}, "range"),
    ],
)
def test_bad_records_are_refused_by_name(wrong, named):
    with pytest.raises(ValidationError, match=named):
        Periphery.model_validate({"to_rows": wrong})
    with pytest.raises(ConfigError, match="to_rows"):
        validate(Periphery, {"to_rows": wrong}, "bench.yaml")


def test_backward_may_have_a_path_of_its_own():
    g, x = _map()
    p = Periphery(to_columns=SignalPath(input=InputConverter(range="10 mV")))
    np.testing.assert_allclose(p.forward(g, x, None or np.random.default_rng(0)).currents, x @ g.T)
    rows = x[:, :24]
    got = p.backward(g, rows, np.random.default_rng(0))
    np.testing.assert_allclose(got.currents, np.clip(rows, -0.01, 0.01) @ g)
    assert got.clipped_inputs == (abs(rows) > 0.01).sum() > 0
