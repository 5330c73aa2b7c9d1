"""What a pipelined run keeps so that it goes on, and going on from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ohmloop.drivers import BadInputError
from ohmloop.training.trainer.progress import EpochProgress
from ohmloop.training.trainer.records import EpochRecord
from ohmloop.training.trainer.run_state import RunState, join_state, split_state

from .account import PipelineAccount
from .stage_use import stage_name

if TYPE_CHECKING:
    from .trainer import PipelineTrainer


def state_of(trainer: PipelineTrainer) -> RunState:
    """Tensors by path, and values fit for JSON; of the stages of this process."""
    tensors: dict[str, Tensor] = {}
    optimizers: dict[str, Any] = {}
    for stage in trainer.stages:
        root = stage_name(stage.number)
        own = stage.module.state_dict()
        tensors |= {f"{root}/model/{k}": v.detach().clone() for k, v in own.items()}
        if stage.optimizer is not None:
            parts, values = split_state(stage.optimizer.state_dict(), f"{root}/optimizer")
            tensors |= parts
            optimizers[root] = values
    running = trainer.running
    return tensors, {
        "epoch": trainer.epoch,
        "position": trainer.position,
        # Within an epoch, as it was before the samples were shuffled: they are shuffled again.
        "rng": running.rng_state if running else trainer.rng.bit_generator.state,
        "optimizers": optimizers,
        "history": [asdict(record) for record in trainer.history],
        "accounts": [one.to_json() for one in trainer.accounts],
        "usage": trainer.account.state(),
        "running": running.state() if running else None,
        "portions": [one.to_json() for one in trainer.portions],
    }


def restore(trainer: PipelineTrainer, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Take a ``state_of`` back.

    Raises:
        BadInputError: the state is of another model, optimizer or partition.
    """
    try:
        for stage in trainer.stages:
            root = stage_name(stage.number)
            model = f"{root}/model/"
            own = {k.removeprefix(model): v for k, v in tensors.items() if k.startswith(model)}
            stage.module.load_state_dict(own)
            if stage.optimizer is not None:
                state = join_state(tensors, values["optimizers"][root], f"{root}/optimizer")
                stage.optimizer.load_state_dict(state)
        trainer.rng.bit_generator.state = values["rng"]
        trainer.history = [EpochRecord(**record) for record in values["history"]]
        trainer.accounts = [PipelineAccount.from_json(one) for one in values["accounts"]]
        trainer.account.restore(values.get("usage", {}))
        running = values.get("running")
        trainer.running = EpochProgress.restored(running, values["rng"]) if running else None
        trainer.portions = [PipelineAccount.from_json(one) for one in values.get("portions", [])]
        _take_place(trainer, int(values["epoch"]), int(values["position"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        problem = " ".join(str(error).split())
        raise BadInputError(f"the saved state does not fit this run: {problem}") from error


def _take_place(trainer: PipelineTrainer, epoch: int, position: int) -> None:
    """Where to go on: where the process is that came furthest.

    A stage that failed, or one killed before it had written what the others had, may know less of
    how far they came.
    """
    furthest = max((int(e), int(p)) for e, p in trainer.executor.gather([epoch, position]))
    for _ in range(epoch, furthest[0]):
        trainer.rng.permutation(len(trainer.data.train))  # drawn by the others for that epoch
        trainer.running, trainer.portions = None, []
    trainer.epoch, trainer.position = furthest
