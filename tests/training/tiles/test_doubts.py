"""What a tile does when nobody can tell how much of a program was applied."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from ohmloop.drivers import CellPulses, InDoubtError, LinkError
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample
from ohmloop.training import AnalogSGD, AnalogTile, Trainer, convert_to_analog, digits, mlp


class Doubtful(TwinCrossbar):
    """Applies half of some programs and then cannot say how much; may then be deaf."""

    def __init__(self, shape: tuple[int, int], doubtful: set[int], deaf: bool = False) -> None:
        super().__init__(sample(PopulationSpec(), shape, np.random.default_rng(1)), seed=1)
        self.doubtful, self.deaf = doubtful, deaf
        self.reads = 0
        self.lost = False

    def _pulse(self, program, sequence):
        if sequence in self.doubtful:
            half = CellPulses(program.counts().sum(axis=0) // 2)
            super()._pulse(half, sequence)
            self.lost = self.deaf
            raise InDoubtError("board", "socket://x", "the power failed", None)
        return super()._pulse(program, sequence)

    def _read(self, rows, columns):
        self.reads += 1
        if self.lost:
            raise LinkError("board", "socket://x", "nobody answers")
        return super()._read(rows, columns)


def ones(shape: tuple[int, int] = (3, 4)) -> CellPulses:
    return CellPulses(np.ones(shape, np.int32))


def test_a_program_in_doubt_is_not_repeated_and_its_cells_are_read_again(caplog):
    crossbar = Doubtful((3, 4), {2})
    tile = AnalogTile(crossbar)
    counts = np.zeros((3, 4), np.int32)
    counts[1, 2] = counts[2, 0] = 4
    tile.apply(ones())
    with caplog.at_level(logging.WARNING, logger="ohmloop"):
        assert tile.apply(CellPulses(counts)) == 0
    assert (tile.doubts, tile.programs, tile.pulses) == (1, 2, 12)
    assert crossbar.cells.pulses_applied == 12 + 4
    assert crossbar.reads == 1
    assert "2 cells were read again; going on" in caplog.text


def test_cells_in_doubt_are_named():
    crossbar = Doubtful((3, 4), {1})
    counts = np.zeros((3, 4), np.int32)
    counts[1, 2] = counts[2, 0] = 4
    with pytest.raises(InDoubtError) as caught:
        crossbar.pulse(CellPulses(counts))
    assert list(caught.value.cells) == [6, 8]


def test_a_chip_that_cannot_be_read_again_ends_the_run():
    tile = AnalogTile(Doubtful((3, 4), {1}, deaf=True))
    with pytest.raises(InDoubtError, match="the power failed"):
        tile.apply(ones())


def test_a_third_doubt_in_a_row_ends_the_run():
    tile = AnalogTile(Doubtful((3, 4), {1, 2, 4, 5, 6}))
    for _ in range(5):
        tile.apply(ones())
    with pytest.raises(InDoubtError):
        tile.apply(ones())
    assert tile.doubts == 5


def test_training_goes_on_from_what_the_chip_says():
    crossbar = Doubtful((10, 64), {30, 60, 90})
    model = convert_to_analog(mlp([64, 10], seed=1), crossbar)
    optimizer = AnalogSGD(model.parameters(), lr=0.3, rng=np.random.default_rng(2))
    torch.manual_seed(0)
    trainer = Trainer(model, optimizer, digits(0), rng=np.random.default_rng(3), batch_size=20)
    records = trainer.run(3)
    assert sum(record.doubts for record in records) == 3
    assert records[-1].accuracy > 0.7
