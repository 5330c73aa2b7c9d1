import numpy as np
import pytest

from ohmloop.drivers import BadInputError
from ohmloop.sim_backend.responses import SoftBounds, UserResponse, user_response


def _up(g, _g_min, g_max, share, _offset):
    return share * (g_max - g)


def _down(g, g_min, _g_max, share, offset):
    return share * (g - g_min) + offset


def _table(g, _g_min, _g_max, _share, _offset):
    return np.array([{0: 0.1}.get(0, x) for x in np.ravel(g)]).reshape(np.shape(g))


PARAMETERS = {"share": "1", "offset": "S"}


def test_functions_of_ones_own_have_all_that_a_family_has():
    cls = user_response("my-device", _up, _down, PARAMETERS, steps=["share", "offset"])
    cell, soft = cls(-1.0, 1.0, 0.02, 0.0).checked(), SoftBounds(-1.0, 1.0, 0.02, 0.02)
    assert issubclass(cls, UserResponse)
    assert (cls.name, cls.__name__) == ("my-device", "MyDevice")
    assert list(cls.units.items()) == [("g_min", "S"), ("g_max", "S"), *PARAMETERS.items()]
    assert cell.parameters() == (-1.0, 1.0, 0.02, 0.0)
    assert cell.symmetric_point == pytest.approx(0, abs=1e-15)
    assert cell.dg_min == pytest.approx(soft.dg_min)
    assert cell.after(0.3, 5, 2) == pytest.approx(soft.after(0.3, 5, 2))
    assert cell.scaled(0.5).q_up(0.0) == pytest.approx(0.01)


def test_whether_numba_compiles_it_is_tried_or_told():
    assert user_response("plain", _up, _down, PARAMETERS).compiled
    assert not user_response("odd", _table, _down, PARAMETERS).compiled
    assert user_response("told", _table, _down, PARAMETERS, compiled=True).compiled
    odd = user_response("odd", _table, _down, PARAMETERS)(0.0, 1.0, 0.2, 0.0)
    assert odd.symmetric_point == pytest.approx(0.5)


def test_what_makes_it_sluggish_must_be_said():
    cell = user_response("my-device", _up, _down, PARAMETERS)(0.0, 1.0, 0.02, 0.0)
    with pytest.raises(BadInputError, match="my-device: cannot be made sluggish; name the param"):
        cell.scaled(0.5)


def test_limits_and_meanings_are_kept():
    cls = user_response(
        "my-device", _up, _down, PARAMETERS, limits={"share": (0, 1)}, meanings={"share": "rate"}
    )
    assert cls.meanings["share"] == "rate"
    with pytest.raises(BadInputError, match="my-device: share is 2; it must be 0 to 1"):
        cls(0.0, 1.0, 2.0, 0.0).checked()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"share": "uS"}}, "parameter 'share' in 'uS': give a name in S or 1"),
        ({"parameters": {"my share": "1"}}, "'my share'"),
        ({"parameters": {"g_min": "S"}}, "'g_min'"),
        ({"steps": ["slope"]}, "no parameter 'slope'; it has share, offset"),
        ({"limits": {"slope": (0, 1)}}, "no parameter 'slope'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(change, message):
    with pytest.raises(BadInputError, match=message):
        user_response(
            **{"name": "my-device", "q_up": _up, "q_down": _down}
            | {"parameters": PARAMETERS}
            | change
        )
