import numpy as np
import pytest
import torch

from ohmloop.sim_backend.arrays import NumpyArrays, TorchArrays

VALUES = np.array([-2.5, -1.0, -0.0, 0.0, 2.0**-54, 0.3, 0.5, 1.0, 7.75, 1e300])


@pytest.fixture(params=[NumpyArrays, TorchArrays])
def arrays(request):
    return request.param()


def _same(arrays, result, expected):
    got = arrays.numpy(result)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.bool_])
def test_round_trip_keeps_type_and_values(arrays, dtype):
    values = np.array([0, 1, 1], dtype)
    _same(arrays, arrays.asarray(values), values)


def test_asarray_copies(arrays):
    values = np.zeros(3)
    values.setflags(write=False)
    on_device = arrays.asarray(values)
    on_device[1] = 5.0
    assert values.tolist() == [0, 0, 0]


def test_where(arrays):
    put = arrays.asarray
    condition = put(np.array([True, False]))
    result = arrays.where(condition, put(np.array([1.0, 2.0])), put(np.array([3.0, 4.0])))
    _same(arrays, result, np.array([1.0, 4.0]))


def test_patterns_are_the_bits_of_floats(arrays):
    values = VALUES[:-1].astype(np.float32)
    patterns = arrays.pattern(arrays.asarray(values))
    _same(arrays, patterns, values.view(np.int32).astype(np.int64))
    _same(arrays, arrays.of_pattern(patterns), values)


@pytest.mark.parametrize("name", ["float32", "float64", "int32", "int64"])
def test_conversions(arrays, name):
    values = np.array([-1, 0, 2**24 + 1, 2**31 - 1])
    _same(arrays, getattr(arrays, name)(arrays.asarray(values)), values.astype(name))


def test_popcount(arrays):
    values = np.array([0, 1, -1, 2**62, 0x0F0F, -(2**63), 0x5555555555555555])
    _same(arrays, arrays.popcount(arrays.asarray(values)), np.array([0, 1, 64, 1, 8, 1, 32]))


def test_between(arrays):
    put = arrays.asarray
    low, high = put(np.zeros(3)), put(np.ones(3))
    _same(arrays, arrays.between(put(np.array([-1.0, 0.5, 2.0])), low, high), np.array([0, 0.5, 1]))


def test_integers_wrap_alike():
    values = np.array([2**63 - 1, -(2**63), 0x1234567890ABCDEF])
    factor = -7046029254386353131
    wrapped = TorchArrays().asarray(values) * factor
    np.testing.assert_array_equal(wrapped.numpy(), values * factor)
    assert torch.equal(TorchArrays().asarray(values) >> 30, torch.from_numpy(values >> 30))
