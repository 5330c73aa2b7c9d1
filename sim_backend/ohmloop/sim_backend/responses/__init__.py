"""How cells answer a pulse: response functions, one family a file."""

from .constant_step import ConstantStep
from .exponential_step import ExponentialStep
from .linear_step import LinearStep
from .neurosim_step import NeuroSimStep
from .one_minus_exp_step import OneMinusExpStep
from .piecewise import Piecewise
from .power_step import PowerStep
from .registry import RESPONSES, response_class, response_names
from .response_function import ResponseFunction, parameter
from .soft_bounds import SoftBounds
from .user_response import UserResponse, user_response

__all__ = [
    "RESPONSES",
    "ConstantStep",
    "ExponentialStep",
    "LinearStep",
    "NeuroSimStep",
    "OneMinusExpStep",
    "Piecewise",
    "PowerStep",
    "ResponseFunction",
    "SoftBounds",
    "UserResponse",
    "parameter",
    "response_class",
    "response_names",
    "user_response",
]
