"""Sections appear exactly where the chip file has data for them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration import chip_report, file_report
from ohmloop.calibration.raw import HELD_OUT
from ohmloop.calibration.reporting import responses
from ohmloop.calibration.reporting.report import SECTIONS
from ohmloop.calibration.reporting.source import Source
from ohmloop.drivers import ChipFileError
from ohmloop.sim_backend import PopulationSpec, sample, save_chip
from ohmloop.sim_backend.chip_file import ROUTINES, load_groups

pytestmark = pytest.mark.usefixtures("unrendered")

ALL = [head for head in SECTIONS if head]
SCORE = {
    "family": "soft-bounds", "parameters": 6, "rmse": 0.0205, "rmse_up": 0.02, "rmse_down": 0.021,
    "over_noise": 1.2, "log_score": 3.25, "behind": 0.0, "behind_stderr": 0.0, "chosen": True,
}  # fmt: skip


def routine(shape=(4, 5), **attrs):
    dims, about = ("row", "column"), {"units": "S", "long_name": "read"}
    return xr.Dataset({"conductance": (dims, np.ones(shape) * 1e-5, about)}, attrs=attrs)


def test_a_calibrated_chip_has_all(record, validation, headings_of):
    groups = {"routines/continuity": routine(verdict="nothing open")}
    # the validation is of another shape than the chip: said, not raised
    text = chip_report(record, groups | {"validation/2026-01-02T03-04-05Z": validation})
    assert headings_of(text) == ALL
    assert "of different shapes" in text


@pytest.mark.parametrize(
    ("lost", "section"),
    [
        (["health"], "Health"),
        (["symmetric_point_measured"], "Symmetric point"),
        (["raw_pulses"], "Prediction of pulses that the fit never saw"),
    ],
)
def test_what_is_lost_has_no_section(record, lost, section):
    assert SECTIONS[section](Source(record))
    assert SECTIONS[section](Source(record.drop_vars(lost))) == ""


def test_without_held_out_sequences(record):
    kept = record.isel(step=record["phase"].to_numpy() != HELD_OUT)
    scores = ("rmse_S", "repeatability_S", "rmse_over_noise")
    kept.attrs = {name: value for name, value in record.attrs.items() if name not in scores}
    source = Source(kept)
    assert SECTIONS["Prediction of pulses that the fit never saw"](source) == ""
    assert SECTIONS["Response to pulses"](source).count("<img") == 2
    assert "not held against repeated pulses" in SECTIONS[""](source)


def test_cells_alone(few, make_bare, headings_of):
    text = chip_report(make_bare(few))
    assert headings_of(text) == ["Maps", "Response to pulses", "Fitted parameters", "Provenance"]
    assert text.count("<img") == 3  # no trains
    assert "limit: voltage" in text
    assert "2 V" in text


def test_no_usable_cell(few, make_bare, headings_of):
    chip = make_bare(few)
    chip["usable"][:] = 0
    assert headings_of(chip_report(chip)) == ["Provenance"]


STEPS = {"step_up": "1 uS", "step_down": "2 uS"}
KEYS = {
    "constant-step": STEPS,
    "soft-bounds": {},
    "power-step": STEPS | {"gamma_up": 1.0, "gamma_down": 2.0},
    "piecewise": {"table_up": ["3 uS", "2 uS", "0 S"], "table_down": ["0 S", "1 uS", "4 uS"]},
}


@pytest.mark.parametrize("name", KEYS)
def test_any_response_function(name, make_bare):
    spec = PopulationSpec.model_validate({"model": name, **KEYS[name]})
    chip = make_bare(sample(spec, (3, 4), np.random.default_rng(1)))
    source = Source(chip)
    assert source.example_cells()
    assert responses.section(source).count("<img") == 1
    assert SECTIONS["Fitted parameters"](source)


def test_a_response_without_symmetric_point(few, make_bare):
    values = few.response
    up = replace(values, slope_up=0 * values.slope_up, slope_down=values.slope_down)
    chip = make_bare(replace(few, response=up))
    chip["symmetric_point"][:] = np.nan
    assert "not known (median)" in chip_report(chip)


def test_steps_are_those_of_the_response_function(few):
    drawn = responses.steps(
        type(few.response)(*(v[:2] for v in few.flat_parameters())), ["a", "b"], None
    )
    for i, ax in enumerate(drawn.axes):
        g, size = ax.lines[1].get_data()
        one = type(few.response)(*(float(v[i]) for v in few.flat_parameters()))
        np.testing.assert_allclose(size, one.q_up(g / 1e6) * 1e6, rtol=1e-5, atol=1e-9)


def test_mean_begins_anew_where_a_trajectory_does(few):
    from ohmloop.calibration import Trajectories

    one = type(few.response)(*(v[:1] for v in few.flat_parameters()))
    readings = np.array([[2e-5], [np.nan], [4e-5], [4.1e-5]])
    traj = Trajectories(readings, np.array([[0], [3], [0], [-2]]), np.array([1, 0, 1, 0], bool))
    path = responses.mean_path(one, traj)
    np.testing.assert_allclose(path[[0, 2]], readings[[0, 2]])
    np.testing.assert_allclose(path[1], one.after(readings[0], np.array([3])))
    np.testing.assert_allclose(path[3], one.after(readings[2], np.array([0]), np.array([2])))


def test_choice_and_population_in_words(few, make_bare):
    summary = {
        "spreads": {"g_min": 1e-6}, "correlations": {"g_min, g_max": 0.5}, "outlier_count": 3,
        "outliers": [{"row": 1, "column": 2, "reason": "g_min is far off"}],
    }  # fmt: skip
    text = chip_report(
        make_bare(
            few,
            choice="it forecasts best",
            choice_scores=json.dumps([SCORE]),
            misfit_verdict="MISFIT: none describes these cells",
            population_summary=json.dumps(summary),
        )
    )
    for words in ("it forecasts best", "2.05", "chosen", "MISFIT", "row 1, column 2", "2 more",
                  "g_min with g_max +0.50"):  # fmt: skip
        assert words in text


def test_a_fitted_table_has_its_scores(few, make_bare):
    attrs = {"fit_verdict": "forecasts well", "fit_scores": json.dumps([SCORE])}
    text = SECTIONS["Choice of the response function"](Source(make_bare(few, **attrs)))
    assert "forecasts well." in text
    assert "2.05" in text


def test_health_in_words_lines_first(few, make_bare):
    chip = make_bare(few, health_summary="19 of 20", health_clusters='["row 1: bad"]')
    codes = np.zeros(few.shape, np.int8)
    codes[1, 2], codes[0, 0] = 2, 99  # the last one of a version to come
    chip["health"] = (("row", "column"), codes)
    found = [{"health": "lines_together", "where": f"row {i}", "evidence": "e"} for i in range(50)]
    chip.attrs["health_defects"] = json.dumps(found)
    text = SECTIONS["Health"](Source(chip))
    for words in ("19 of 20", "hardly conducts", "row 1: bad", "lines together", "10 more", "99"):
        assert words in text
    assert text.index("row 3<") < text.index("row 30<")


def test_routines_by_registry_and_others_as_maps(few, make_bare, headings_of, caplog):
    groups = {
        "routines/acme_unknown": routine(verdict="<measured>", parameters='{"a": 1, "b": null}'),
        "routines/read_noise": routine(),  # lacks what its figure shows
        "routines/continuity": routine(findings="row 1 is open\nrow 2 too", programs_in_doubt=2),
        "routines/retention": xr.Dataset(attrs={"problem": "too few readings"}),
    }
    text = chip_report(make_bare(few), groups)
    order = [h for h in headings_of(text, 3) if h not in ("Conditions and limits", "Recipe")]
    assert order == ["continuity", "read noise", "retention", "acme unknown"]
    for words in ("row 2 too", "too few readings", "could not be drawn", "&lt;measured&gt;",
                  "Parameters: a 1.", "no routine", "may not have been applied: 2"):  # fmt: skip
        assert words in text
    assert "read_noise" in caplog.text


def test_latest_validation_in_full_and_a_line_on_others(few, make_bare, validation):
    groups = {
        "validation/2026-01-02T03-04-05Z": validation,
        "validation/2025-01-02T03-04-05Z": xr.Dataset(attrs={"verdict_text": "Good: then."}),
    }
    text = SECTIONS["Validation"](Source(make_bare(few), groups))
    assert "2026-01-02 03:04:05 UTC. " + validation.attrs["verdict_text"] in text
    assert text.count("<img") == 1
    assert "Good: then." in text
    foreign = {"validation/2027-01-02T03-04-05Z": xr.Dataset()}
    text = SECTIONS["Validation"](Source(make_bare(few), groups | foreign))
    assert "not a validation of ohmloop" in text


def test_files_hold_their_groups(few, make_bare, tmp_path, headings_of):
    path, groups = tmp_path / "chip.nc", {"routines/continuity": routine(verdict="nothing open")}
    save_chip(make_bare(few), path, groups)
    assert list(load_groups(path)) == ["routines/continuity"]
    assert "Routines" in headings_of(file_report(path))


def test_a_file_of_routines_alone(tmp_path, headings_of):
    path = tmp_path / "only.nc"
    groups = {"routines/continuity": routine(verdict="nothing open")}
    save_chip(xr.Dataset(attrs={"format": ROUTINES}), path, groups)
    text = file_report(path)
    assert headings_of(text) == ["Routines"]
    assert "nothing open" in text


def test_no_such_file(tmp_path):
    with pytest.raises(ChipFileError, match="no such file"):
        file_report(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("no file of ours")
    with pytest.raises(ChipFileError, match="not a calibration file"):
        file_report(tmp_path / "text.nc")
