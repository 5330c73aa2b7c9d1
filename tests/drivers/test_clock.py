from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import HostClock, ProgramError
from ohmloop.sim_backend import PopulationSpec, TwinCrossbar, sample


def test_the_host_sleeps_in_slices_that_an_interrupt_ends(monkeypatch):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("ohmloop.drivers.clock.time.sleep", nap)
    with pytest.raises(KeyboardInterrupt):
        HostClock().sleep(3600.0)
    assert max(naps) <= 0.2


def test_host_time_passes():
    clock = HostClock()
    before = clock.now
    clock.sleep(0.002)
    assert clock.now > before


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_a_wait_that_cannot_be(seconds):
    twin = TwinCrossbar(sample(PopulationSpec(), (2, 2), np.random.default_rng(0)), seed=0)
    with pytest.raises(ProgramError, match="cannot be"):
        twin.wait(seconds)
