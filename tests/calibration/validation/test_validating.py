from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from ohmloop.calibration.validation import Kind, ValidationPlan, examine, validate_twin
from ohmloop.calibration.validation.figures import overview, paths
from ohmloop.calibration.validation.keeping import keep, kept, load_kept
from ohmloop.calibration.validation.measure import read_back
from ohmloop.calibration.validation.outcome import of_kind
from ohmloop.calibration.validation.validating import check_twin
from ohmloop.drivers import BadInputError, ChipFileError
from ohmloop.sim_backend import load_chip, save_chip

SHORT = ValidationPlan(repeats=2, positions=2, copies=39)


@pytest.fixture
def session(kit, truth):
    return kit.session(kit.twin_of(truth, 5))


@pytest.fixture(scope="module")
def found(kit, truth):
    return validate_twin(kit.session(kit.twin_of(truth, 5)), kit.file_of(truth), SHORT, seed=1)


def test_every_prediction_is_written_before_its_first_pulse(kit, truth, session):
    validate_twin(session, kit.file_of(truth), SHORT, seed=1)
    for kind in Kind:
        order = [what for what in session.log if what[1].split()[:1] == [str(kind)]]
        after = [what for what, label in order if label == str(kind)]
        assert after  # something was done in it
        written = False
        for what, label in order:
            if label.endswith("prediction"):
                written = True
            elif label.endswith("start"):
                written = False  # a new repeat
            else:
                assert written, (what, label)


def test_notes_hold_what_was_predicted(kit, truth, session):
    data = validate_twin(session, kit.file_of(truth), SHORT, seed=1).data
    mean, std = read_back(session.notes[0])
    np.testing.assert_array_equal(mean, of_kind(data, Kind.MIX, "predicted")[0, 1:])
    np.testing.assert_array_equal(std, of_kind(data, Kind.MIX, "spread")[0, 1:])
    json.dumps(session.notes)
    assert len({note["digest"] for note in session.notes}) == len(session.notes)


def test_repeat_in_doubt_is_left_out_and_made_again(kit, truth, session):
    validate_twin(session, kit.file_of(truth), SHORT, seed=1)
    first = session.log.index(("pulse", "mix"))
    again = kit.session(kit.twin_of(truth, 5))
    again.doubts = {first}
    data = validate_twin(again, kit.file_of(truth), SHORT, seed=1).data
    assert of_kind(data, Kind.MIX, "measured").shape[0] == SHORT.repeats
    assert len(again.notes) == len(session.notes) + 1


def test_too_much_doubt_ends_it(kit, truth, session):
    session.doubts = set(range(10_000))
    with pytest.raises(BadInputError, match="in doubt"):
        validate_twin(session, kit.file_of(truth), SHORT, seed=1)


def test_kept_in_the_chip_file_and_examined_again(kit, truth, found, tmp_path):
    path = tmp_path / "chip.nc"
    save_chip(kit.file_of(truth), path)
    before = load_chip(path)
    group = keep(found, path)
    assert kept(path) == [group]
    assert load_chip(path).identical(before)
    again = examine(load_kept(path, group), before)
    assert again.verdict.word is found.verdict.word
    for mine, theirs in zip(again.scores.kinds, found.scores.kinds, strict=True):
        assert mine.ratio.value == pytest.approx(theirs.ratio.value, rel=1e-3)
        assert mine.coverage == theirs.coverage
    with pytest.raises(ChipFileError, match="holds no"):
        load_kept(path, "validation/never")


def test_what_breaks_while_keeping_leaves_the_file_as_it_was(
    kit, truth, found, tmp_path, monkeypatch
):
    path = tmp_path / "chip.nc"
    save_chip(kit.file_of(truth), path)
    content = path.read_bytes()

    def broken(*args, **options):
        raise OSError("disk full")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", broken)
    with pytest.raises(OSError, match="disk full"):
        keep(found, path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_figures_are_plain(found):
    figures = json.loads(json.dumps(found.figures(), allow_nan=False))
    assert set(figures["kinds"]) == {str(kind) for kind in Kind}
    assert sum(figures["classes"]) == pytest.approx(1)


def test_drawn(found):
    assert len(overview(found.scores).axes) == 7
    assert len(paths(found.data, Kind.LONG, [(0, 0), (1, 2)]).axes) == 2


def test_chip_files_of_something_else(kit, truth):
    chip = kit.file_of(truth)
    with pytest.raises(ChipFileError, match="this is"):
        check_twin(chip.isel(row=slice(3)), kit.twin_of(truth, 0))
    none = chip.assign(usable=chip["usable"] * 0)
    with pytest.raises(ChipFileError, match="no usable cell"):
        check_twin(none, kit.twin_of(truth, 0))


def test_cells_that_cannot_be_read(found, kit, truth):
    broken = found.data.copy(deep=True)
    broken["measured"][3, 2, 1] = np.nan
    again = examine(broken, kit.file_of(truth))
    assert again.scores.usable.sum() == truth.conductance.size - 1
    broken["measured"][3] = np.nan
    with pytest.raises(ChipFileError, match="read throughout"):
        examine(broken, kit.file_of(truth))
