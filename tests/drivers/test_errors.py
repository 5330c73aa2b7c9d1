import pickle

import pytest

from ohmloop.drivers import errors
from ohmloop.drivers.errors import ConfigError, InDoubtError, LinkError, ProgramError, ReportedError


def test_config_error_names_file_key_and_problem():
    error = ConfigError("bench.yaml", "limits.voltage", "is missing")
    assert str(error) == "bench.yaml: limits.voltage: is missing"
    assert (error.file, error.key, error.problem) == ("bench.yaml", "limits.voltage", "is missing")


def test_config_error_of_a_whole_file_has_no_empty_key():
    assert str(ConfigError("bench.yaml", "", "no such file")) == "bench.yaml: no such file"


def test_instrument_error_names_instrument_and_resource():
    error = LinkError("smu", "TCPIP0::host::5025::SOCKET", "timed out")
    assert str(error) == "smu (TCPIP0::host::5025::SOCKET): timed out"


def test_error_codes_and_applied_pulses_are_kept():
    assert ReportedError("smu", "r", "p", -113).code == -113
    assert InDoubtError("smu", "r", "p", 7).applied == 7
    assert InDoubtError("smu", "r", "p", None).applied is None


def test_program_error_is_also_a_value_error():
    assert issubclass(ProgramError, ValueError)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("OhmloopError", 1),
        ("BadInputError", 2),
        ("ConfigError", 2),
        ("LimitError", 2),
        ("InstrumentError", 1),
        ("NotConnectedError", 2),
        ("WrongInstrumentError", 2),
        ("LinkError", 1),
        ("InDoubtError", 1),
    ],
)
def test_exit_status(name, status):
    assert getattr(errors, name).exit_status == status


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("bench.yaml", "limits.voltage", "too high"),
        ReportedError("smu", "GPIB0::26::INSTR", "error -285", -285),
        InDoubtError("smu", "GPIB0::26::INSTR", "lost", 12),
    ],
)
def test_errors_survive_a_process_border(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
