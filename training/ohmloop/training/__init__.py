"""Training on crossbars: tiles, layers, pulsed updates, optimizers, and the loop.

::

    from ohmloop.drivers import open_crossbar
    from ohmloop.training import AnalogSGD, Trainer, convert_to_analog, digits, mlp

    with open_crossbar("bench.yaml") as crossbar:   # or "chip.nc": nothing else changes
        model = convert_to_analog(mlp([64, 16, 10], seed=0), crossbar, omega=0.1)
        optimizer = AnalogSGD(model.parameters(), lr=0.05, rng=np.random.default_rng(1))
        Trainer(model, optimizer, digits(0), rng=np.random.default_rng(2)).run(epochs=20)
"""

from .algorithms.agad import AGAD
from .algorithms.analog_optimizer import AnalogOptimizer
from .algorithms.analog_sgd import AnalogSGD
from .algorithms.chopped_tiki_taka import ChoppedTikiTaka
from .algorithms.mixed_precision import MixedPrecision
from .algorithms.multi_tile_residual_learning import MultiTileResidualLearning
from .algorithms.residual_learning import ResidualLearning
from .algorithms.residual_learning_v2 import ResidualLearningV2
from .algorithms.rider import ERIDER, RIDER
from .algorithms.tiki_taka import TikiTaka
from .algorithms.tiki_taka_v2 import TikiTakaV2
from .data.data_set import DataSet, Split
from .data.digits import digits
from .layers.analog_parameter import AnalogParameter
from .layers.convert import convert_to_analog
from .layers.linear import AnalogLinear, analog_layers, analog_tiles
from .models import mlp
from .tiles.exact_tile import ExactTile
from .tiles.mapping import Mapping, w_max_for
from .tiles.placement import CrossbarPool
from .tiles.protocol import Tile
from .tiles.tile import AnalogTile
from .tiles.writing import WriteReport
from .trainer.run_state import RunState
from .trainer.trainer import (
    Callback,
    EpochRecord,
    Trainer,
    count_doubts,
    count_pulses,
    evaluate,
    refresh,
)
from .update.rule import PulsedUpdate, UpdateRule
from .update.stochastic import PulseSettings, pulsed_update

__all__ = [
    "AGAD",
    "ERIDER",
    "RIDER",
    "AnalogLinear",
    "AnalogOptimizer",
    "AnalogParameter",
    "AnalogSGD",
    "AnalogTile",
    "Callback",
    "ChoppedTikiTaka",
    "CrossbarPool",
    "DataSet",
    "EpochRecord",
    "ExactTile",
    "Mapping",
    "MixedPrecision",
    "MultiTileResidualLearning",
    "PulseSettings",
    "PulsedUpdate",
    "ResidualLearning",
    "ResidualLearningV2",
    "RunState",
    "Split",
    "TikiTaka",
    "TikiTakaV2",
    "Tile",
    "Trainer",
    "UpdateRule",
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
