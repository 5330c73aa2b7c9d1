"""What the register says of a train, in every order of failures."""

from __future__ import annotations

import pytest

from ohmloop.drivers.scpi.marks import PREPARED, Marks, Standing


def prepared() -> Marks:
    marks = Marks()
    marks.now = PREPARED
    return marks


def test_marks_of_a_train_are_unlike_all_that_the_register_may_hold():
    marks = prepared()
    seen = set()
    for train in range(400):
        held = marks.now
        before, after = marks.next()
        assert len({0, held, before, after, PREPARED}) == 5 - (held == PREPARED)
        assert 0 < before < after < PREPARED
        seen |= {before, after}
        marks.now = (held, before, after)[train % 3]  # however far the message got
    assert len(seen) == 254


@pytest.mark.parametrize("previous", [PREPARED, 17])
def test_standing_says_how_far_the_message_got(previous):
    marks = prepared()
    marks.now = previous
    before, after = marks.next()
    for _ in range(2):  # asking again changes nothing, whatever was learnt in between
        assert marks.standing(previous) is Standing.NOT_REACHED
        assert marks.standing(before) is Standing.ARMED
        assert marks.standing(after) is Standing.FIRED
        assert marks.standing(0) is marks.standing(99) is Standing.LOST
        marks.now = after


def test_a_train_sent_again_has_marks_of_its_own():
    marks = prepared()
    first = marks.next()
    marks.now = first[0]
    second = marks.next()
    assert not set(first) & set(second)
    assert marks.standing(first[0]) is Standing.NOT_REACHED
    assert marks.standing(first[1]) is Standing.LOST  # the first message came after all
