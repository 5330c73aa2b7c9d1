"""Reading around cells that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.calibration.survey import SAMPLE, take_survey
from ohmloop.drivers import (
    Crossbar,
    InstrumentError,
    LimitError,
    Limits,
    LinkError,
    PulseConditions,
    PulseShape,
    ReadCondition,
    ReportedError,
)

PULSE = PulseConditions(PulseShape(1.5, 1e-3), PulseShape(-1.5, 1e-3), 1e-3)


class Stubborn(Crossbar):
    """Refuses any rectangle with a bad cell in it, as a driver must."""

    def __init__(self, shape=(16, 16), bad=(), error=InstrumentError, any_voltage=True):
        limits = Limits(read_voltage=0.1, current=1e-3)
        super().__init__(shape, conditions=PULSE, reading=ReadCondition(0.1), limits=limits)
        self.g = 1e-6 * np.arange(1.0, shape[0] * shape[1] + 1).reshape(shape)
        self.bad, self.error, self.any_voltage = set(bad), error, any_voltage
        self.voltages, self.calls, self.pulsed = [], 0, 0

    def _read(self, rows, columns):
        return self._measure(rows, columns, self.reading.voltage) / self.reading.voltage

    def _currents(self, rows, columns, voltage):
        if not self.any_voltage:
            return super()._currents(rows, columns, voltage)
        return self._measure(rows, columns, voltage)

    def _measure(self, rows, columns, voltage):
        self.calls += 1
        self.voltages.append(voltage)
        if voltage and any((r, c) in self.bad for r in rows.tolist() for c in columns.tolist()):
            if self.error is ReportedError:
                raise ReportedError("smu", "X", "relay fails", 5)
            raise self.error("smu", "X", "beyond the range")
        return self.g[np.ix_(rows, columns)] * voltage

    def _pulse(self, program, sequence):
        self.pulsed += 1
        return 0, 0

    def _make_safe(self):
        pass


def test_a_sound_chip_costs_two_maps_and_a_sample():
    chip = Stubborn((16, 20))
    steps = []
    survey = take_survey(chip, lambda *told: steps.append(told))
    assert chip.calls == 2 + 4 + 2
    assert (survey.readings == chip.g * 0.1).all()
    assert survey.zero.shape == (4, SAMPLE, SAMPLE)
    assert (survey.minus == -survey.plus).all()
    assert (survey.plus == 2 * survey.half).all()
    assert max(map(abs, chip.voltages)) == 0.1
    assert chip.pulsed == 0
    assert [done for done, _, _ in steps] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "bad", [[(0, 0)], [(15, 15)], [(3, 9), (3, 10), (12, 1)], [(7, c) for c in range(16)]]
)
def test_all_cells_but_the_bad_ones_are_read(bad):
    chip = Stubborn(bad=bad)
    survey = take_survey(chip)
    missing = {tuple(cell) for cell in np.argwhere(np.isnan(survey.readings).any(axis=0)).tolist()}
    assert missing == set(bad) == set(survey.problems)
    good = np.isfinite(survey.readings[0])
    assert (survey.readings[0][good] == (chip.g * 0.1)[good]).all()
    assert survey.problems[bad[0]] == "beyond the range"
    assert survey.reported == frozenset()


def test_one_bad_cell_costs_a_few_reads_more():
    chip = Stubborn((64, 64), bad=[(40, 3)])
    take_survey(chip)
    # Halving twelve times, twice for its readings and twice for the sample if it is in it.
    assert chip.calls < 100


def test_an_error_that_the_instrument_reports_is_told_apart():
    survey = take_survey(Stubborn(bad=[(2, 2)], error=ReportedError))
    assert survey.reported == {(2, 2)}


def test_a_broken_link_is_no_bad_cell():
    chip = Stubborn(bad=[(2, 2)], error=LinkError)
    with pytest.raises(LinkError):
        take_survey(chip)
    assert chip.calls == 1


def test_a_chip_that_cannot_be_read_at_all_is_given_up():
    chip = Stubborn((40, 40), bad=[(r, c) for r in range(40) for c in range(40)])
    with pytest.raises(InstrumentError, match=r"321 cells cannot be read.*beyond the range"):
        take_survey(chip)


def test_a_bench_that_knows_its_read_voltage_only():
    survey = take_survey(Stubborn(any_voltage=False))
    assert survey.zero is survey.minus is survey.half is None
    assert np.isfinite(survey.readings).all()


def test_the_guard_holds_every_voltage():
    chip = Stubborn()
    with pytest.raises(LimitError):
        chip.currents(0.11)
    take_survey(chip)
    assert all(abs(volts) <= chip.limits.read_voltage for volts in chip.voltages)
