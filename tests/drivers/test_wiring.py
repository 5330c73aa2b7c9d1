import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloop.drivers.wiring import expand, expand_channels

slots, rows, columns = st.integers(1, 6), st.sampled_from("ABCDEFGH"), st.integers(1, 99)


def test_points_and_ranges_come_in_order():
    assert expand("1A01..1A03, 2B07 3H12") == ["1A01", "1A02", "1A03", "2B07", "3H12"]


@given(slots, rows, st.tuples(columns, columns).map(sorted))
def test_range_holds_every_column_between_its_ends(slot, row, ends):
    first, last = ends
    points = expand(f"{slot}{row}{first:02d}..{slot}{row}{last:02d}")
    assert points == [f"{slot}{row}{column:02d}" for column in range(first, last + 1)]


@given(st.lists(st.tuples(slots, rows, columns), min_size=1, max_size=20, unique=True))
def test_distinct_points_are_kept_as_they_stand(points):
    names = [f"{s}{r}{c:02d}" for s, r, c in points]
    assert expand(", ".join(names)) == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1A",
        "1A1",
        "0A01",
        "7A01",
        "1I01",
        "1a01",
        "1A001",
        "1A00",
        "A01",
        "1A01,",
        "1A01;1A02",
        "1A0１",
    ],
)
def test_what_is_no_crosspoint_is_refused(text):
    with pytest.raises(ValueError, match="is not a crosspoint"):
        expand(text)


@pytest.mark.parametrize("text", ["1A05..1A01", "1A01..1B05", "1A01..2A05"])
def test_range_must_run_up_one_row(text):
    with pytest.raises(ValueError, match="must run up the columns"):
        expand(text)


@pytest.mark.parametrize("text", ["1A01..", "..1A01", "1A01..1A02..1A03"])
def test_broken_range_is_refused(text):
    with pytest.raises(ValueError, match="is not a crosspoint"):
        expand(text)


def test_point_listed_twice_is_refused_and_named():
    with pytest.raises(ValueError, match="1A02 is listed twice"):
        expand("1A01..1A03, 1A02")


def test_channels_and_ranges_come_in_order():
    assert expand_channels("10101..10103, 20812 31401") == [
        *("10101", "10102", "10103"),
        *("20812", "31401"),
    ]


@pytest.mark.parametrize("text", ["", "1010", "00101", "50101", "11501", "10113", "10100", "1A01"])
def test_what_is_no_channel_is_refused(text):
    with pytest.raises(ValueError, match="is not a channel"):
        expand_channels(text)


@pytest.mark.parametrize("text", ["10105..10101", "10101..10205", "10101..20105"])
def test_range_of_channels_must_run_up_one_input(text):
    with pytest.raises(ValueError, match="must run up the outputs"):
        expand_channels(text)
