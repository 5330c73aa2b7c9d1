"""Trains that do not fit are refused, the same compiled and in numpy."""

import numpy as np
import pytest

from ohmloop.drivers import CoincidencePulses, ProgramError, compiled, trains

SHAPE = (3, 200)


def given() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "row_trains": rng.integers(0, 32, SHAPE, np.uint64),
        "column_trains": rng.integers(0, 32, SHAPE, np.uint64),
        "row_signs": rng.choice(np.array([-1, 1], np.int8), SHAPE),
        "column_signs": rng.choice(np.array([-1, 1], np.int8), SHAPE),
    }


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(compiled, "_MUCH", 1 << 60)
        monkeypatch.setattr(compiled, "sys", type("none", (), {"modules": {}}))
    else:
        trains._kernels()
        monkeypatch.setattr(compiled, "_MUCH", 0)
    return request.param


@pytest.mark.usefixtures("way")
def test_sound_trains_are_taken() -> None:
    assert CoincidencePulses(**given(), length=5).at_most == 15


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("line", ["row", "column"])
def test_a_bit_beyond_the_last_slot_is_refused(line: str) -> None:
    wrong = given()
    wrong[f"{line}_trains"][2, 199] = 32
    with pytest.raises(ProgramError, match=f"{line}_trains fire beyond slot 4"):
        CoincidencePulses(**wrong, length=5)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("line", ["row", "column"])
@pytest.mark.parametrize("sign", [0, 2, -128])
def test_no_other_signs(line: str, sign: int) -> None:
    wrong = given()
    wrong[f"{line}_signs"][0, 0] = sign
    with pytest.raises(ProgramError, match=f"{line}_signs may only hold -1 and 1"):
        CoincidencePulses(**wrong, length=5)


@pytest.mark.usefixtures("way")
def test_all_64_slots_may_fire() -> None:
    full = given()
    full["row_trains"][:] = np.iinfo(np.uint64).max
    assert CoincidencePulses(**full, length=64).length == 64
    with pytest.raises(ProgramError, match="beyond slot 62"):
        CoincidencePulses(**full, length=63)
