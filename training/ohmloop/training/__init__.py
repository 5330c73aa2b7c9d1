"""Training on crossbars: tiles, layers, pulsed updates, optimizers, and the loop.

::

    from ohmloop.drivers import open_crossbar
    from ohmloop.training import AnalogSGD, Trainer, convert_to_analog, digits, mlp

    with open_crossbar("bench.yaml") as crossbar:   # or "chip.nc": nothing else changes
        model = convert_to_analog(mlp([64, 16, 10], seed=0), crossbar, omega=0.1)
        optimizer = AnalogSGD(model.parameters(), lr=0.05, rng=np.random.default_rng(1))
        Trainer(model, optimizer, digits(0), rng=np.random.default_rng(2)).run(epochs=20)
"""

from .algorithms.analog_optimizer import AnalogOptimizer
from .algorithms.analog_sgd import AnalogSGD
from .algorithms.tiki_taka import TikiTaka
from .data.cifar import cifar
from .data.data_set import DataSet, Split
from .data.digits import digits
from .data.idx import idx_images
from .data.images import Choice
from .layers.analog_parameter import AnalogParameter
from .layers.convert import convert_to_analog
from .layers.linear import AnalogLinear, analog_layers, analog_tiles
from .models import mlp
from .symmetric_point.fast_arrays import zero_shift_fast
from .symmetric_point.residual import Residual, recommended
from .symmetric_point.zero_shift import ZeroShift, zero_shift
from .tiles.exact_tile import ExactTile
from .tiles.mapping import Mapping, w_max_for
from .tiles.placement import CrossbarPool
from .tiles.protocol import Tile
from .tiles.tile import AnalogTile
from .tiles.usage import Usage
from .tiles.writing import WriteReport
from .trainer.accounting import Account, Costs
from .trainer.evaluation import Evaluation, evaluate, judge
from .trainer.records import EpochRecord
from .trainer.run_state import RunState
from .trainer.schedules import CosineSchedule, ListSchedule, Schedule, StepSchedule, WarmUp
from .trainer.stopping import EarlyStopping
from .trainer.trainer import Callback, Trainer, count_doubts, count_pulses, refresh
from .update.rule import PulsedUpdate, UpdateRule
from .update.stochastic import PulseSettings, pulsed_update

__all__ = [
    "Account",
    "AnalogLinear",
    "AnalogOptimizer",
    "AnalogParameter",
    "AnalogSGD",
    "AnalogTile",
    "Callback",
    "Choice",
    "CosineSchedule",
    "Costs",
    "CrossbarPool",
    "DataSet",
    "EarlyStopping",
    "EpochRecord",
    "Evaluation",
    "ExactTile",
    "ListSchedule",
    "Mapping",
    "PulseSettings",
    "PulsedUpdate",
    "Residual",
    "RunState",
    "Schedule",
    "Split",
    "StepSchedule",
    "TikiTaka",
    "Tile",
    "Trainer",
    "UpdateRule",
    "Usage",
    "WarmUp",
    "WriteReport",
    "ZeroShift",
    "analog_layers",
    "analog_tiles",
    "cifar",
    "convert_to_analog",
    "count_doubts",
    "count_pulses",
    "digits",
    "evaluate",
    "idx_images",
    "judge",
    "mlp",
    "pulsed_update",
    "recommended",
    "refresh",
    "w_max_for",
    "zero_shift",
    "zero_shift_fast",
]
