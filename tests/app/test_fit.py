"""``ohmloop fit`` as a user runs it: a table, then the same from the file that came out."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def table(tmp_path):
    rng, g, lines = np.random.default_rng(4), 10.0, ["n;G_meas"]
    for n in ([1] * 40 + [-1] * 40) * 2:
        g += 0.03 * (60 - g) if n > 0 else -0.04 * (g - 5)
        lines.append(f"{n};{g * (1 + 0.005 * rng.normal()):.4f}")
    path = tmp_path / "published.csv"
    path.write_text("\n".join(lines))
    return path


def test_fit_and_fit_again_and_report(ohmloop, table, tmp_path):
    first, again = tmp_path / "first.nc", tmp_path / "again.nc"
    names = ("--column", "pulse=n", "--column", "conductance=G_meas [uS]")
    family = ("--family", "soft-bounds", "--json")
    done = ohmloop("fit", table, "-o", first, *names, *family, "--width-up", "100 ns")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["fit"]["usable"] == found["fit"]["cells"] == 1
    assert "pulse_up_width_s" not in found["fit"]["conditions_unknown"]
    assert ohmloop("fit", first, "-o", again, *family).status == 0
    assert ohmloop("report", again, "-o", tmp_path / "page.html").status == 0
    assert "published.csv" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "no column of readings"),
        (("--column", "conductance"), "our name first"),
        (("--column", "conductance=G_meas"), "has no unit"),
        (("--width-up", "100 mV"), "width_up: '100 mV' is not a time"),
        (("--full-scale", "10"), "full_scale: '10' is not a range of conductances"),
        (("--polarity", "up"), "polarity"),
    ],
)
def test_refused_in_one_line(ohmloop, table, tmp_path, arguments, says):
    done = ohmloop("fit", table, "-o", tmp_path / "chip.nc", *arguments)
    assert done.status == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "chip.nc").exists()
