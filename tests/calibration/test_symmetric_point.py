from __future__ import annotations

import numpy as np
import pytest


def test_model_and_measurement_agree(record):
    assert record.attrs["symmetric_point_agreement"] == pytest.approx(1, abs=0.25)
    off = record["symmetric_point_measured"] - record["symmetric_point"]
    error = np.hypot(record["symmetric_point_stderr"], record["symmetric_point_measured_stderr"])
    z = (off / error).to_numpy()
    assert abs(z.mean()) < 5 / z.size**0.5
    assert (np.abs(z) < 1.96).mean() > 0.88


def test_measured_holds_the_truth(record, cells):
    off = record["symmetric_point_measured"].to_numpy() - cells.response.symmetric_point
    z = off / record["symmetric_point_measured_stderr"].to_numpy()
    assert 0.88 < (np.abs(z) < 1.96).mean() < 0.99
