"""All instruments of a transcript, served on loopback, and the bench file to open them with."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from ohmloop.drivers import Bench, ConfigError
from ohmloop.drivers.bench_config import BenchConfig
from ohmloop.drivers.links.transcript import Transcript, read_transcript
from ohmloop.drivers.validation import validate

from .replay_server import ReplayServer
from .replayed_instrument import ReplayedInstrument

_MINE = "# Made by a replay of "


class ReplayedBench:
    """Runs until closed; a context manager. Each message must be the recorded one.

    Instruments do not wait for each other: the order of messages is checked for each of them.

    Args:
        path: the transcript.
        real_time: answer as late as the recorded instruments did.

    Attributes:
        transcript: what is played.
        bench: its bench, at the addresses that are served; opens as any bench does.
        instruments: by name.
        servers: by name.

    Raises:
        ConfigError: the transcript is damaged, or the bench file in it is none.
    """

    def __init__(self, path: str | Path, real_time: bool = False) -> None:
        self.transcript = read_transcript(path)
        self._data = _bench_data(self.transcript)
        where = self.bench_file
        recorded = validate(BenchConfig, self._data, f"{self.transcript.path}: line 1.file")
        bench = Bench(where, recorded)
        header = self.transcript.header.instruments
        if set(header) != set(recorded.instruments):
            problem = "does not have the instruments of the header"
            raise ConfigError(self.transcript.path, "line 1.file", problem)
        self.instruments = {name: ReplayedInstrument(self.transcript, name) for name in header}
        self.servers = {
            name: ReplayServer(name, instrument, real_time, 0, _form(header[name].resource))
            for name, instrument in self.instruments.items()
        }
        self.bench = bench.with_resources({n: s.resource for n, s in self.servers.items()})

    @property
    def bench_file(self) -> Path:
        """Where ``write_bench_file`` writes: ``session.bench.yaml`` beside ``session.jsonl``."""
        return self.transcript.path.with_suffix(".bench.yaml")

    @property
    def deviations(self) -> list[str]:
        """What the host did otherwise than recorded, a line for each instrument."""
        return [i.deviation for i in self.instruments.values() if i.deviation]

    @property
    def rest(self) -> list[str]:
        """What the host has not done yet, a line for each instrument."""
        return [i.rest for i in self.instruments.values() if i.rest and not i.deviation]

    def write_bench_file(self) -> Path:
        """Write the bench file that opens this replay; one that a replay wrote is replaced.

        Raises:
            ConfigError: a file of another origin is in the way, or it cannot be written.
        """
        path = self.bench_file
        try:
            if path.exists() and not path.read_text(encoding="utf-8").startswith(_MINE):
                raise ConfigError(path, "", "is in the way, and no replay made it; move it")
            path.write_text(self._text(), encoding="utf-8")
        except OSError as error:
            raise ConfigError(path, "", f"cannot be written: {error.strerror}") from error
        return path

    def close(self) -> None:
        """Stop all servers, once what was sent last has been looked at."""
        for server in self.servers.values():
            server.settle()
            server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _text(self) -> str:
        instruments = self._data["instruments"]
        served = {
            name: {**instrument, "resource": self.servers[name].resource}
            for name, instrument in instruments.items()
        }
        head = f"{_MINE}{self.transcript.path.name}; the next one makes it anew.\n"
        return head + yaml.safe_dump(self._data | {"instruments": served}, sort_keys=False)


def _bench_data(transcript: Transcript) -> dict[str, Any]:
    """The recorded bench file, without what is not at hand or would be in the way of a replay.

    A calibration file lies with whoever recorded; a vendor's VISA too; and no cell wears out here.
    """
    try:
        data = yaml.safe_load(transcript.header.file)
    except yaml.YAMLError:
        data = None
    if not isinstance(data, dict):
        raise ConfigError(transcript.path, "line 1.file", "is no bench file")
    for crossbar in _mappings(data.get("crossbars")):
        crossbar.pop("calibration", None)
    for part, key in (("limits", "pulses_per_cell"), ("visa", "backend")):
        if isinstance(data.get(part), dict):
            data[part].pop(key, None)
    return data


def _mappings(found: object) -> list[dict[str, Any]]:
    return [v for v in found.values() if isinstance(v, dict)] if isinstance(found, dict) else []


def _form(resource: str) -> str:
    """A VISA resource stays one, a serial line becomes pySerial's socket."""
    return "TCPIP0::{host}::{port}::SOCKET" if "::" in resource else "socket://{host}:{port}"
