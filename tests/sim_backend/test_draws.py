"""Large maps are drawn by place: the same cells on any machine, and the same distribution."""

from __future__ import annotations

import os

import numpy as np
import pytest

from ohmloop.sim_backend import PopulationSpec, draws, sample

SHAPE = (100, 300)


def maps(seed: int = 0, **keys: object) -> list[np.ndarray]:
    cells = sample(PopulationSpec(**keys), SHAPE, np.random.default_rng(seed))
    return [cells.conductance, *(getattr(cells.response, n) for n in ("g_min", "g_max"))]


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "_LARGE", 0)


def test_cells_do_not_depend_on_the_number_of_cores(
    in_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for cores in (1, 7):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        found.append(maps())
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    assert not np.array_equal(maps(1)[0], found[0][0])


def test_blocks_are_drawn_like_a_whole_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """H0: the same mean and spread. 6 tests at 5.5 sigma: a false alarm in 4 million runs."""
    whole = maps()
    monkeypatch.setattr(draws, "_LARGE", 0)
    for a, b in zip(maps(), whole, strict=True):
        error = b.std() * np.sqrt(2 / b.size)
        assert abs(a.mean() - b.mean()) <= 5.5 * error
        kurtosis = ((b - b.mean()) ** 4).mean() / b.var() ** 2
        assert abs(a.std() - b.std()) <= 5.5 * error * np.sqrt((kurtosis - 1) / 4)
        assert not np.array_equal(a, b)


def test_no_two_blocks_are_alike(in_blocks: None) -> None:
    for found in maps():
        assert len(np.unique(found, axis=0)) == len(found)
