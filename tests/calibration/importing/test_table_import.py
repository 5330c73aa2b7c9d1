"""Tables of readings become raw data; what cannot be read is refused in one line that says why."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ohmloop.calibration.importing import ImportOptions, import_table
from ohmloop.calibration.raw import bench_of_raw, check_raw
from ohmloop.drivers import BadInputError

UP, DOWN = range(1, 11), range(9, -1, -1)


def _rows(values: list[float] | None = None, head: str = "pulse,conductance [uS]") -> str:
    """Ten up, ten down; a step is 1 uS."""
    values = values or [10.0 + k for k in (*UP, *DOWN)]
    counts = [1] * 10 + [-1] * 10
    return "\n".join([head, *(f"{n},{g!r}" for n, g in zip(counts, values, strict=True))]) + "\n"


@pytest.fixture
def table(tmp_path):
    def write(text: str, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def _staircase(raw) -> np.ndarray:
    return raw["conductance"].to_numpy().ravel() * 1e6


def test_counts_and_conductances(table):
    raw = import_table(table("# measured on Monday\n" + _rows()))
    check_raw(raw)
    assert raw["conductance"].shape == (20, 1, 1)
    assert _staircase(raw) == pytest.approx([10 + k for k in (*UP, *DOWN)])
    assert raw["pulses"].to_numpy().ravel().tolist() == [1] * 10 + [-1] * 10
    assert not raw["broken"].any()
    assert set(raw["phase"].to_numpy()) == {"train"}
    assert raw.attrs["notes"] == ""


def test_the_same_in_other_words(table):
    """Resistances, currents, directions, voltages, tabs, gzip, foreign names: one result."""
    wanted = _staircase(import_table(table(_rows())))
    amperes = [(10.0 + k) * 0.2 for k in (*UP, *DOWN)]
    ohms = [1e3 / (10.0 + k) for k in (*UP, *DOWN)]
    words = _rows(ohms, "direction,resistance (kohm)").replace("\n-1,", "\nReset,")
    voltages = (
        _rows(None, "pulse_voltage [V],G").replace("\n1,", "\n-1.4,").replace("\n-1,", "\n1,")
    )
    packed = table("", "packed.tsv.gz")
    packed.write_bytes(gzip.compress(_rows().replace(",", "\t").encode()))
    read_at = ImportOptions.model_validate({"read_voltage": "200 mV"})
    foreign = ImportOptions(columns={"conductance": "G [uS]"}, polarity="negative")
    found = [
        import_table(table(words, "words.csv")),
        import_table(
            table(_rows(amperes, "pulse;current [uA]").replace(",", ";"), "i.csv"), read_at
        ),
        import_table(packed),
        import_table(table(voltages, "volts.csv"), foreign),
    ]
    for raw in found:
        assert _staircase(raw) == pytest.approx(wanted)
        assert raw["pulses"].to_numpy().ravel().tolist() == [1] * 10 + [-1] * 10
    bench = bench_of_raw(found[-1])
    assert bench["conditions"].up.amplitude == pytest.approx(-1.4)
    assert "amplitude" not in found[-1].attrs["conditions_unknown"]


def test_what_is_not_known_is_named_and_what_is_said_is_kept(table):
    raw = import_table(table(_rows()))
    assert raw.attrs["conditions_unknown"].split() == [
        "pulse_up_amplitude_V",
        "pulse_up_width_s",
        "pulse_down_amplitude_V",
        "pulse_down_width_s",
        "read_voltage_V",
    ]
    said = ImportOptions.model_validate(
        {
            "amplitude_up": "1.5 V",
            "amplitude_down": "-1.2 V",
            "width_up": "100 ns",
            "width_down": "100 ns",
            "read_voltage": "0.2 V",
        }
    )
    raw = import_table(table(_rows()), said)
    assert raw.attrs["conditions_unknown"] == ""
    bench = bench_of_raw(raw)
    assert bench["conditions"].down.amplitude == -1.2
    assert bench["conditions"].up.width == 1e-7
    assert bench["reading"].voltage == 0.2


def test_a_scale_without_a_unit_needs_its_two_ends(table):
    path = table(_rows(None, "pulse,state [counts]"))
    with pytest.raises(BadInputError, match=r"not in siemens.*--full-scale"):
        import_table(path)
    raw = import_table(path, ImportOptions.model_validate({"full_scale": "20 uS to 70 uS"}))
    assert _staircase(raw).min() == pytest.approx(20)
    assert _staircase(raw).max() == pytest.approx(70)
    back = (raw["conductance"] - raw.attrs["scale_offset_S"]) / raw.attrs["scale_factor_S"]
    assert back.to_numpy().ravel() == pytest.approx([10 + k for k in (*UP, *DOWN)])
    assert "--full-scale" in raw.attrs["notes"]


@pytest.mark.parametrize("text", ["100 uS", "100 uS to 20 uS", "1 V to 2 V", "a to b"])
def test_a_scale_that_cannot_be(text):
    with pytest.raises(ValidationError, match="conductance"):
        ImportOptions.model_validate({"full_scale": text})


def test_bad_readings_are_dropped_and_counted_and_their_pulses_stay(table):
    ohms: list[float] = [1e5 + k for k in range(20)]
    for at, bad in ((3, float("nan")), (4, 9.91e37), (5, -2e5), (6, 5e13), (7, 0.0)):
        ohms[at] = bad
    raw = import_table(table(_rows(ohms, "pulse,resistance [ohm]").replace("nan", "")))
    assert np.flatnonzero(np.isnan(_staircase(raw))).tolist() == [3, 4, 5, 6, 7]
    assert raw["pulses"].to_numpy().ravel()[3:8].tolist() == [1] * 5
    assert raw.attrs["notes"] == ("readings dropped: 1 missing, 2 overflow, 2 zero or negative")


def test_cells_of_different_lengths_by_name(table):
    lines = _rows().splitlines()
    text = ["cell," + lines[0], *(f"A7,{line}" for line in lines[1:])]
    text += [f"B2,{line}" for line in lines[1:-3]]
    raw = import_table(table("\n".join(text)))
    assert raw["conductance"].shape == (20, 1, 2)
    assert np.isnan(raw["conductance"].to_numpy()[-3:, 0, 1]).all()
    assert raw["pulses"].to_numpy()[-3:, 0, 1].tolist() == [0, 0, 0]
    assert json.loads(raw.attrs["cell_labels"]) == ["A7", "B2"]
    assert raw.attrs["notes"] == "1 cells have fewer readings than 20"


def test_cells_by_place_with_rows_of_cells_mixed(table):
    lines = _rows().splitlines()
    text = ["row,column," + lines[0]]
    for line in lines[1:]:
        text += [f"1,2,{line}", f"0,1,{line}"]
    raw = import_table(table("\n".join(text)))
    assert raw["conductance"].shape == (20, 2, 3)
    seen = np.isfinite(raw["conductance"].to_numpy()).all(axis=0)
    assert np.argwhere(seen).tolist() == [[0, 1], [1, 2]]


def test_runs_begin_anew_and_together(table):
    lines = _rows().splitlines()
    text = ["cell,run,time [ms]," + lines[0]]
    for cell, first in (("a", 10), ("b", 8)):
        text += [f"{cell},up,{k},{line}" for k, line in enumerate(lines[1 : first + 1])]
        text += [f"{cell},down,{k},{line}" for k, line in enumerate(lines[11:])]
    raw = import_table(table("\n".join(text)))
    assert np.flatnonzero(raw["broken"].to_numpy()).tolist() == [10]
    assert np.isnan(raw["conductance"].to_numpy()[8:10, 0, 1]).all()
    assert raw["conductance"].to_numpy()[10, 0].tolist() == pytest.approx([19e-6, 19e-6])
    assert raw["time"].to_numpy()[:3] == pytest.approx([0, 1e-3, 2e-3])


REFUSED = {
    "no readings": ("pulse,x\n1,2\n", r"no column of readings.*there are 'pulse', 'x'"),
    "no pulses": ("conductance [uS]\n2\n", "no column says which pulses"),
    "no unit": ("pulse,conductance\n1,2\n", r"'conductance': has no unit.*conductance \[uS\]"),
    "unknown unit": ("pulse,conductance [uQ]\n1,2\n", "'uQ' is not a unit of conductance"),
    "wrong dimension": ("pulse,conductance [mV]\n1,2\n", "'mV' is not a unit of conductance"),
    "unit of a count": ("pulse [V],conductance [S]\n1,2\n", "is a count and has no unit"),
    "text": ("pulse,conductance [uS]\n1,2\n1,high\n", "line 3, column .*'high' is not a number"),
    "decimal comma": ("pulse;conductance [uS]\n1;2,5\n", "line 2.*decimal comma"),
    "part of a pulse": ("pulse,conductance [uS]\n0.5,2\n", "line 2.*'0.5' must be a whole number"),
    "pulse missing": ("pulse,conductance [uS]\n,2\n", "line 2.*'' is not a number"),
    "ragged": ("pulse,conductance [uS]\n1,2\n1,2,3\n", "line 3 has 3 cells, the header 2"),
    "no header": ("1,2\n1,3\n", "the first line holds numbers"),
    "header alone": ("pulse,conductance [uS]\n", "has a header, but no readings"),
    "nothing": ("\n# a remark\n", "is empty"),
    "twice": ("pulse,pulse,conductance [uS]\n1,1,2\n", "two columns 'pulse'"),
    "two units": ("pulse,conductance [uS],conductance [S]\n1,1,2\n", "two columns 'conductance'"),
    "direction": ("direction,conductance [uS]\nleft,2\n", "line 2.*'left' is no direction"),
    "no voltage": ("pulse,current [uA]\n1,2\n", "currents need the voltage"),
    "zero volts": ("pulse,current [uA],read_voltage [V]\n1,2,0\n", "0 V gives no conductance"),
    "none good": ("pulse,resistance [ohm]\n1,-2\n", "not one good reading: 1 zero or negative"),
    "row alone": ("row,pulse,conductance [uS]\n0,1,2\n", "no column 'column'"),
    "negative row": ("row,column,pulse,conductance [uS]\n-1,0,1,2\n", "from 0 to 65535"),
    "phase": ("phase,pulse,conductance [uS]\nrest,1,2\n", "there is no phase 'rest'"),
    "quotes": ('pulse,conductance [uS]\n1,"2\n3"\n', "quote"),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED)
def test_refused(table, text, says):
    if "phase" in says:
        text = "phase," + _rows().replace("\n", "\nrest,").removesuffix("rest,")
    path = table(text)
    with pytest.raises(BadInputError, match=says) as error:
        import_table(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


FOREIGN = {
    "xlsx": (b"PK\x03\x04rest", "spreadsheet"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "binary": (b"abc\0\1\2", "binary"),
    "latin": ("pulse,Spannung [µV]\n".encode("latin-1"), "not UTF-8"),
    "damaged gzip": (gzip.compress(b"pulse,conductance [uS]\n" * 99)[:-9], "damaged or cut off"),
}


@pytest.mark.parametrize(("data", "says"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_files(tmp_path, data, says):
    path = tmp_path / "data.csv"
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=says):
        import_table(path)
    with pytest.raises(BadInputError, match="no such file"):
        import_table(tmp_path / "none.csv")


def test_too_few_pulses(table):
    lines = _rows().splitlines()
    with pytest.raises(BadInputError, match=r"too few pulses to fit.*at most 10 and 4"):
        import_table(table("\n".join(lines[:15])))


def test_staircases_of_amplitude_are_not_identical_pulses(table):
    text = "pulse_voltage [V],conductance [uS]\n" + "\n".join(f"{1 + k / 10},{k}" for k in range(9))
    with pytest.raises(
        BadInputError, match=r"up pulses go from 1 V to 1\.8 V.*one amplitude$"
    ) as no:
        import_table(table(text))
    assert "a staircase of amplitudes" in str(no.value)


def test_two_amplitudes_are_two_tables(table):
    volts = [1.0] * 9 + [1.5] * 9
    text = "pulse_voltage [V],conductance [uS]\n" + "\n".join(
        f"{v},{k}" for k, v in enumerate(volts)
    )
    with pytest.raises(BadInputError, match=r"up pulses go from 1 V to 1\.5 V.*keep the rows of"):
        import_table(table(text))


def test_two_ways_to_say_a_direction_that_differ(table):
    text = "pulse,pulse_voltage [V],conductance [uS]\n1,1.5,2\n-1,1.5,2\n"
    with pytest.raises(BadInputError, match=r"line 3.*different directions"):
        import_table(table(text))


@pytest.mark.parametrize(
    ("times", "says"), [((0, 1, 1), "lines 3 and 4.*same time"), ((0, 2, 1), "time goes back")]
)
def test_rows_out_of_order_and_twice(table, times, says):
    text = "time [s],pulse,conductance [uS]\n" + "".join(f"{t},1,2\n" for t in times)
    with pytest.raises(BadInputError, match=says):
        import_table(table(text))


def test_a_cell_at_two_places(table):
    text = "cell,row,column,pulse,conductance [uS]\na,0,0,1,2\na,0,1,1,2\n"
    with pytest.raises(BadInputError, match="line 3: cell 'a' is at two places"):
        import_table(table(text))


def test_a_span_beyond_memory(table):
    lines = _rows().splitlines()
    text = ["row,column," + lines[0], *(f"65535,65535,{line}" for line in lines[1:])]
    with pytest.raises(BadInputError, match="20 steps of 65536 x 65536 cells are too many"):
        import_table(table("\n".join(text)))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"conductence": "x"}, "there is no column 'conductence'; known are"),
        ({"conductance": "Gmeas"}, "no column 'Gmeas' to take as conductance; is it 'G_meas'"),
        ({"conductance": "G_meas [V]"}, "'V' is not a unit of conductance"),
    ],
)
def test_foreign_names_that_are_not_there(table, given, says):
    path = table(_rows(None, "pulse,G_meas"))
    with pytest.raises(BadInputError, match=says):
        import_table(path, ImportOptions(columns=given))
