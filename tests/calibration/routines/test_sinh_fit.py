from __future__ import annotations

import numpy as np

from ohmloop.calibration.routines.sinh_fit import fit_v0

VOLTS = np.linspace(0.05, 0.3, 6)


def _conductances(v0: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    x = VOLTS[:, None, None] / v0
    return 2e-5 * np.sinh(x) / x * (1 + noise * rng.standard_normal(x.shape))


def test_planted_voltages_are_found_within_their_errors():
    # H0: errors are normal with the stated standard error; then z over 400 cells has a spread of
    # 1 +- 0.035 by counting, and about 1.2 with the scatter's own 4 degrees of freedom. A spread
    # outside 0.8 to 2 has a false-alarm rate below 1e-6.
    rng = np.random.default_rng(1)
    v0 = rng.uniform(0.15, 0.4, (20, 20))
    found, error = fit_v0(VOLTS, _conductances(v0, 0.003, rng), 0.1)
    z = (found - v0) / error
    assert 0.8 < np.median(np.abs(z)) / 0.6745 < 2
    assert np.median(np.abs(found / v0 - 1)) < 0.05


def test_a_resistor_has_no_such_voltage_and_an_unread_cell_is_not_known():
    g = np.full((6, 1, 2), 1e-5)
    g[:, 0, 1] = np.nan
    found, error = fit_v0(VOLTS, g, 0.1)
    assert found[0, 0] == np.inf
    assert np.isnan([found[0, 1], *error[0]]).all()
