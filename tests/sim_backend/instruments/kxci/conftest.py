from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import PulseConditions, PulseShape
from ohmloop.sim_backend.cell_array import CellArray
from ohmloop.sim_backend.clock import VirtualClock
from ohmloop.sim_backend.instruments.kxci.channel_chip import ChannelChip
from ohmloop.sim_backend.instruments.kxci.keithley4200a import EmulatedKeithley4200A
from ohmloop.sim_backend.instruments.witness import Witness
from ohmloop.sim_backend.population_spec import PopulationSpec, sample
from ohmloop.sim_backend.pulse_strength import PulseStrength

NOMINAL = PulseConditions(PulseShape(1.5, 1e-6), PulseShape(-1.5, 1e-6), rest=1e-6)


@pytest.fixture
def chip() -> ChannelChip:
    """Two rows on channels 1 and 2, two columns on 3 and 4."""
    population = sample(PopulationSpec(), (2, 2), np.random.default_rng(0))
    cells = CellArray(population, seed=1)
    return ChannelChip(cells, PulseStrength(NOMINAL), Witness(0.3), [1, 2], [3, 4])


@pytest.fixture
def scs(chip) -> EmulatedKeithley4200A:
    return EmulatedKeithley4200A([chip], VirtualClock(), cards=[1, 2])
