"""Training on crossbars: tiles, layers, pulsed updates, optimizers, and the loop.

::

    from ohmloop.drivers import open_crossbar
    from ohmloop.training import AnalogSGD, Trainer, convert_to_analog, digits, mlp

    with open_crossbar("bench.yaml") as crossbar:   # or "chip.nc": nothing else changes
        model = convert_to_analog(mlp([64, 16, 10], seed=0), crossbar, omega=0.1)
        optimizer = AnalogSGD(model.parameters(), lr=0.05, rng=np.random.default_rng(1))
        Trainer(model, optimizer, digits(0), rng=np.random.default_rng(2)).run(epochs=20)
"""

from .analog_optimizer import AnalogOptimizer
from .analog_parameter import AnalogParameter
from .analog_sgd import AnalogSGD
from .convert import convert_to_analog
from .data import DataSet, Split, digits
from .layers import AnalogLinear, analog_layers, analog_tiles
from .mapping import Mapping, w_max_for
from .models import mlp
from .placement import CrossbarPool
from .run_state import RunState
from .tiki_taka import TikiTaka
from .tile import AnalogTile
from .trainer import Callback, EpochRecord, Trainer, count_doubts, count_pulses, evaluate, refresh
from .update import PulsedUpdate, PulseSettings, pulsed_update
from .writing import WriteReport

__all__ = [
    "AnalogLinear",
    "AnalogOptimizer",
    "AnalogParameter",
    "AnalogSGD",
    "AnalogTile",
    "Callback",
    "CrossbarPool",
    "DataSet",
    "EpochRecord",
    "Mapping",
    "PulseSettings",
    "PulsedUpdate",
    "RunState",
    "Split",
    "TikiTaka",
    "Trainer",
    "WriteReport",
    "analog_layers",
    "analog_tiles",
    "convert_to_analog",
    "count_doubts",
    "count_pulses",
    "digits",
    "evaluate",
    "mlp",
    "pulsed_update",
    "refresh",
    "w_max_for",
]
