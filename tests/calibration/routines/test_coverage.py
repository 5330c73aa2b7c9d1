"""Whether standard errors are what they say: how often 95 % intervals hold the planted truth."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration import run
from ohmloop.calibration.routines.converters import Converters
from ohmloop.calibration.routines.line_resistance import LineResistance
from ohmloop.calibration.routines.read_noise import ReadNoise
from ohmloop.calibration.routines.retention import Retention
from ohmloop.drivers import Capabilities
from ohmloop.sim_backend.periphery import Periphery

pytestmark = pytest.mark.campaign

PARALLEL = Capabilities(parallel_forward=True)
WIRES = {"row_segment": 12.0, "column_segment": 5.0, "source": 60.0, "sense": 30.0}
TRAP = {"telegraph_amplitude": 0.05, "telegraph_filled": "20 ms", "telegraph_empty": "50 ms"}


def _z(found, name, truth):
    z = ((found[name] - truth) / found[f"{name}_stderr"]).to_numpy().ravel()
    return z[np.isfinite(z)]


def _covers(z):
    """H0: 95 % of independent intervals hold the truth; at 120 or more of them a share below 0.88
    has a chance below 1e-3. Errors may be stated too large, but not so that all hold it twice."""
    assert z.size >= 120
    assert np.mean(np.abs(z) < 1.96) > 0.88
    assert z.std() > 0.6


def test_noise(planted):
    found = run(ReadNoise(), planted((24, 24), read_std=0.004))
    for name in ("noise_std", "sample_std", "white_std"):
        _covers(_z(found, name, 0.004))


def test_traps(planted):
    found = run(ReadNoise(reads=768), planted((24, 24), read_std=0.004, **TRAP))
    assert found["telegraph"].to_numpy().mean() > 0.99
    for name, truth in (("amplitude", 0.05), ("filled", 0.02), ("empty", 0.05)):
        _covers(_z(found, f"telegraph_{name}", truth))


def test_drift(planted):
    twin = planted((24, 24), read_std=0.003, drift_nu=0.03, drift_nu_dtod=0.3)
    _covers(_z(run(Retention(), twin), "drift_nu", twin.cells.population.effects[0].nu))


def test_decay(planted):
    keys = {"retention_lifetime": "200 s", "retention_rest": "5 uS"}
    found = run(Retention(), planted((24, 24), read_std=0.003, **keys))
    _covers(_z(found, "lifetime", 200.0))
    _covers(_z(found, "rest", 5e-6))


def test_wires(planted):
    wires = {name: f"{value} ohm" for name, value in WIRES.items()}
    around = Periphery.model_validate({"wires": wires, "wire_method": "exact"})
    found = [
        run(
            LineResistance(),
            planted((12, 10), seed, read_std=0.002, capabilities=PARALLEL, periphery=around),
        )
        for seed in range(30)
    ]
    _covers(np.concatenate([_z(f, name, truth) for f in found for name, truth in WIRES.items()]))


def test_offsets(planted):
    output = {"gain_std": 0.03, "offset": "20 nA", "offset_std": "30 nA", "noise": "5 nA"}
    around = Periphery.model_validate({"to_rows": {"output": output}})
    z = []
    for seed in range(12):
        twin = planted((12, 10), seed, read_std=0.002, capabilities=PARALLEL, periphery=around)
        found = run(Converters(points=33), twin)
        for way in ("forward", "backward"):
            truth = twin._around._errors[way]
            z.append(_z(found, f"{way}_output_offset", truth.output_offset.numpy()))
            z.append(_z(found, f"{way}_output_gain", 1 + truth.output_gain.numpy()))
    _covers(np.concatenate(z))
