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
from .data.cifar import cifar
from .data.data_set import DataSet, Split
from .data.digits import digits
from .data.idx import idx_images
from .data.images import Choice
from .layers.analog_layer import AnalogLayer, analog_layers, analog_tiles
from .layers.analog_parameter import AnalogParameter
from .layers.conv import AnalogConv1d, AnalogConv2d
from .layers.convert import check_room, convert_to_analog, convert_with, to_digital
from .layers.linear import AnalogLinear
from .layers.recurrent import (
    AnalogGRU,
    AnalogGRUCell,
    AnalogLSTM,
    AnalogLSTMCell,
    AnalogRNN,
    AnalogRNNCell,
)
from .models import conv_net, lenet, mlp
from .symmetric_point.fast_arrays import zero_shift_fast
from .symmetric_point.residual import Residual, recommended
from .symmetric_point.zero_shift import ZeroShift, zero_shift
from .tiles.differential_tile import DifferentialTile
from .tiles.exact_tile import ExactTile
from .tiles.mapping import Mapping, w_max_for
from .tiles.placement import CrossbarPool
from .tiles.plan import TilePlan
from .tiles.protocol import Tile, WritableTile
from .tiles.reference_tile import ReferenceTile
from .tiles.report import WriteReport
from .tiles.split_tile import SplitTile
from .tiles.tile import AnalogTile
from .tiles.usage import Usage
from .trainer.accounting import Account, Costs
from .trainer.evaluation import Evaluation, evaluate, judge
from .trainer.records import EpochRecord
from .trainer.run_state import RunState
from .trainer.schedules import CosineSchedule, ListSchedule, Schedule, StepSchedule, WarmUp
from .trainer.stopping import EarlyStopping
from .trainer.trainer import Callback, Trainer, count_doubts, count_pulses, refresh
from .update.deterministic import DeterministicPulses
from .update.implicit import ImplicitPulses
from .update.rule import PulsedUpdate, UpdateReport, UpdateRule
from .update.stochastic import PulseSettings, pulsed_update

__all__ = [
    "AGAD",
    "ERIDER",
    "RIDER",
    "Account",
    "AnalogConv1d",
    "AnalogConv2d",
    "AnalogGRU",
    "AnalogGRUCell",
    "AnalogLSTM",
    "AnalogLSTMCell",
    "AnalogLayer",
    "AnalogLinear",
    "AnalogOptimizer",
    "AnalogParameter",
    "AnalogRNN",
    "AnalogRNNCell",
    "AnalogSGD",
    "AnalogTile",
    "Callback",
    "Choice",
    "ChoppedTikiTaka",
    "CosineSchedule",
    "Costs",
    "CrossbarPool",
    "DataSet",
    "DeterministicPulses",
    "DifferentialTile",
    "EarlyStopping",
    "EpochRecord",
    "Evaluation",
    "ExactTile",
    "ImplicitPulses",
    "ListSchedule",
    "Mapping",
    "MixedPrecision",
    "MultiTileResidualLearning",
    "PulseSettings",
    "PulsedUpdate",
    "ReferenceTile",
    "Residual",
    "ResidualLearning",
    "ResidualLearningV2",
    "RunState",
    "Schedule",
    "Split",
    "SplitTile",
    "StepSchedule",
    "TikiTaka",
    "TikiTakaV2",
    "Tile",
    "TilePlan",
    "Trainer",
    "UpdateReport",
    "UpdateRule",
    "Usage",
    "WarmUp",
    "WritableTile",
    "WriteReport",
    "ZeroShift",
    "analog_layers",
    "analog_tiles",
    "check_room",
    "cifar",
    "conv_net",
    "convert_to_analog",
    "convert_with",
    "count_doubts",
    "count_pulses",
    "digits",
    "evaluate",
    "idx_images",
    "judge",
    "lenet",
    "mlp",
    "pulsed_update",
    "recommended",
    "refresh",
    "to_digital",
    "w_max_for",
    "zero_shift",
    "zero_shift_fast",
]
