from __future__ import annotations

import pytest

from ohmloop.training import Clipping, UpdateReport


def test_shares_are_weighed_by_what_was_wanted():
    clipping = Clipping()
    assert clipping.share == 0
    assert clipping.describe() == ""
    clipping.add(UpdateReport(10, 0.0, wanted=300.0, strongest=5.0))
    assert clipping.describe() == ""
    clipping.add(UpdateReport(10, 0.5, wanted=100.0, strongest=62.0))
    assert clipping.share == pytest.approx(0.125)
    assert "12 % of the wanted update" in clipping.describe()
    assert "62 pulses" in clipping.describe()
