"""A table becomes a chip file that opens as a twin, with its uncertainties and its report."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ohmloop.calibration.importing import fit_table, import_table, table_report
from ohmloop.drivers import BadInputError, CellPulses, open_crossbar
from ohmloop.sim_backend import load_chip, save_chip

LOW, HIGH, UP, DOWN = 5.0, 60.0, 0.03, 0.04


def write_table(path: Path, seed: int = 3) -> Path:
    """Two soft-bounds cells through two cycles, and one that is stuck; uS."""
    rng = np.random.default_rng(seed)
    lines = ["cell,pulse,conductance [uS]"]
    for cell in ("A1", "B2", "stuck"):
        g = 10.0
        for n in ([1] * 60 + [-1] * 60) * 2:
            if cell != "stuck":
                step = UP * (HIGH - g) if n > 0 else DOWN * (g - LOW)
                g += n * step * (1 + 0.3 * rng.normal())
            lines.append(f"{cell},{n},{g * (1 + 0.005 * rng.normal()):.5f}")
    path.write_text("\n".join(lines))
    return path


PAGE = (Path(__file__).parents[3] / "docs/how-to/fit-published-data.md").read_text()


def test_the_example_of_the_page(tmp_path, monkeypatch):
    """Its table is made as it says there, read, and fitted; steps as they were made."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(blocks[0], {})
    found = fit_table(import_table(Path("published.csv")), "soft-bounds").chip
    assert found["slope_up"].to_numpy()[0] == pytest.approx([0.03, 0.04], rel=0.1)
    assert found["usable"].to_numpy().all()
    save_chip(found, Path("published.nc"))
    exec(blocks[1], {})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return fit_table(
        import_table(write_table(tmp_path_factory.mktemp("table") / "t.csv")), "soft-bounds"
    )


def test_parameters_within_their_errors(fitted):
    """False alarm: each of 8 numbers beyond 4 standard errors, 5e-4 in all."""
    truth = {"g_min": LOW * 1e-6, "g_max": HIGH * 1e-6, "slope_up": UP, "slope_down": DOWN}
    for name, value in truth.items():
        found = fitted.chip[name].to_numpy()[0, :2]
        error = fitted.chip[f"{name}_stderr"].to_numpy()[0, :2]
        assert (np.abs(found - value) < 4 * error).all(), name
    assert np.isnan(fitted.chip["g_min_stderr"].to_numpy()[0, 2])


def test_the_file_opens_as_a_twin(fitted, tmp_path):
    file = tmp_path / "chip.nc"
    save_chip(fitted.chip, file)
    with open_crossbar(str(file)) as twin:
        assert twin.characteristics.usable.tolist() == [[True, True, False]]
        before = twin.read()
        twin.pulse(CellPulses(np.full(twin.shape, 60, np.int32)))
        change = twin.read() - before
    assert (change[0, :2] > 20e-6).all()
    assert abs(change[0, 2]) < 1e-6


def test_the_report_says_what_is_not_known(fitted, tmp_path):
    file = tmp_path / "chip.nc"
    save_chip(fitted.chip, file)
    text = table_report(load_chip(file))
    assert "nominal figures stand in: pulse_up_amplitude_V" in text
    assert "soft-bounds forecasts held-out pulses" in text
    assert "data:image/png;base64" in text


def test_an_unknown_response_function(fitted, tmp_path):
    raw = import_table(write_table(tmp_path / "t.csv"))
    with pytest.raises(BadInputError, match="no response function 'hard-bounds'"):
        fit_table(raw, "hard-bounds")


def test_no_cell_moves(tmp_path):
    rng = np.random.default_rng(2)
    lines = [f"{n},{20 + 0.1 * rng.normal()}" for n in [1] * 30 + [-1] * 30]
    path = tmp_path / "still.csv"
    path.write_text("pulse,conductance [uS]\n" + "\n".join(lines))
    with pytest.raises(BadInputError, match="respond"):
        fit_table(import_table(path))
