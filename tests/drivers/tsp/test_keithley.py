"""Both Keithley drivers against their emulators, over a socket."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloop.drivers import NotConnectedError, ReportedError, WrongInstrumentError, load_bench
from ohmloop.drivers.tsp.keithley707b import Keithley707B
from ohmloop.drivers.tsp.keithley2600b import Keithley2600B
from ohmloop.drivers.tsp.tsp_instrument import number


@pytest.fixture
def smu(emulated):
    device = Keithley2600B.connect(emulated.bench, "smu")
    yield device
    device.close()


@pytest.fixture
def matrix(emulated):
    device = Keithley707B.connect(emulated.bench, "matrix")
    yield device
    device.close()


@pytest.mark.parametrize("value", [*(10.0**e for e in range(-12, 4)), 1.23456789e-7, 0.1 + 0.2])
def test_numbers_are_sent_with_all_their_digits(value):
    assert float(number(value)) == value


def test_identity(smu, matrix):
    assert "2636B" in smu.identity
    assert matrix.serial_number == "1270002"


def test_settings_arrive_exactly_and_read_back(smu):
    smu.compliance = 1.23456789e-7
    smu.transport.write("format.asciiprecision = 16")
    assert smu.compliance == 1.23456789e-7
    smu.nplc = 0.01
    assert smu.nplc == 0.01


def test_settings_out_of_range_send_nothing(smu):
    sent = smu.transport.traffic.bytes_sent
    with pytest.raises(ValueError, match="nplc = 100"):
        smu.nplc = 100
    with pytest.raises(ValueError, match="voltage"):
        smu.voltage = float("nan")
    assert smu.transport.traffic.bytes_sent == sent


def test_the_error_queue_is_read_by_code_and_emptied(smu):
    smu.check_errors()
    smu.transport.write("smua.source.levelv = 1000\nno_such_function()\nx = = 1")
    with pytest.raises(ReportedError, match=r"1101.*-286.*-285") as caught:
        smu.check_errors()
    assert caught.value.code == 1101
    smu.check_errors()


def test_configure_fixes_ranges_and_leaves_the_output_off(smu, emulated):
    smu.configure(voltage=1.5, compliance=1e-3, nplc=0.1)
    assert not emulated.outputs_on
    assert smu.voltage_range == 1.5
    assert smu.line_frequency == 50


def test_ohms_law_through_both_instruments(smu, matrix, emulated):
    smu.configure(voltage=1.5, compliance=1e-3, nplc=1)
    matrix.close_only(["1A02", "1H03"])
    smu.transport.write("format.asciiprecision = 16")
    smu.voltage = 0.1
    smu.output = 1
    truth = emulated.cells.conductance
    assert smu.measure_current() / 0.1 == pytest.approx(truth[1, 2], rel=0.05)
    smu.output = 0
    assert smu.measure_current() == 0
    matrix.close_crosspoints(["1A01", "1H04"])
    smu.output = 1
    several = truth[np.ix_([0, 1], [2, 3])].sum()
    assert smu.measure_current() / 0.1 == pytest.approx(several, rel=0.05)
    smu.voltage = 0
    matrix.open_all()
    smu.voltage = 0.1
    assert smu.measure_current() == 0
    smu.make_safe()
    assert not emulated.outputs_on


def test_crosspoints_close_open_and_read_back(matrix):
    matrix.close_only(["1A01", "1H01"])
    matrix.close_crosspoints(["2B03"])
    assert matrix.closed() == ["1A01", "1H01", "2B03"]
    matrix.close_only([])
    assert matrix.closed() == []


def test_a_wrong_crosspoint_moves_nothing(matrix):
    matrix.close_only(["1A01"])
    with pytest.raises(ReportedError, match="9Z99"):
        matrix.close_crosspoints(["1A02", "9Z99"])
    assert matrix.closed() == ["1A01"]


def test_another_model_is_refused_by_name(bench_file, emulated):
    swapped = {"smu": emulated.servers["matrix"].resource}
    bench = load_bench(bench_file).with_resources(swapped)
    with pytest.raises(WrongInstrumentError, match=r"smu .*answers as 'KEITHLEY.*707B"):
        Keithley2600B.connect(bench, "smu")


def test_a_resource_nobody_answers_at(bench_file):
    bench = load_bench(bench_file).with_resources({"smu": "TCPIP0::127.0.0.1::9::SOCKET"})
    with pytest.raises(NotConnectedError, match=r"smu .*nobody answers"):
        Keithley2600B.connect(bench, "smu")
