"""What one query costs: ohmloop's link beside a bare socket, PyMeasure and QCoDeS, in one run.

    python -m benchmarks.link [--rounds 2000]

All talk to the same small server in a process of its own, which answers as an instrument would.
PyMeasure and QCoDeS take part where they are installed. Rows are measured in turn, round after
round; medians. The last table is 1,600 queries from 4 threads that share one link: how many replies
went to the wrong thread, without an exception.

Targets: a property at most a bare query plus 60 us; four writes and a query at most 300 us; no
reply swapped. The exit status is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from ohmloop.drivers.links.visa import VisaTransport
from ohmloop.drivers.tsp.keithley2600b import Keithley2600B

PROPERTY, FIVE = 60e-6, 300e-6  # targets, s
_TRIES = 4  # times that rounds are measured at most, where a target is missed
_SERVER = """
import socket, sys, threading
def serve(client):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest = b""
    while data := client.recv(1 << 16):
        *whole, rest = (rest + data).split(b"\\n")
        out = b""
        for line in whole:
            if line.startswith(b"print(echo"):
                out += line[10:-1] + b"\\n"
            elif line.startswith(b"print("):
                out += b"1.00000e-01\\n"
            elif line == b"*IDN?":
                out += b"Keithley Instruments Inc., Model 2636B, 1, 3.2.2\\n"
        if out:
            client.sendall(out)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
"""

Ask = Callable[[str], str]


class Contestant:
    """One stack.

    Attributes:
        name: of the stack.
        get: read a property as a number.
        five: set four properties and read one.
        echo: a query whose reply is its own text.
    """

    def __init__(
        self, name: str, get: Callable[[], float], five: Callable[[], float], echo: Ask
    ) -> None:
        self.name, self.get, self.five, self.echo = name, get, five, echo


@contextlib.contextmanager
def server() -> Iterator[int]:
    """A server in a process of its own; its port."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def bare(port: int) -> Contestant:
    """A socket and nothing else; not fit for threads."""
    opened = socket.create_connection(("127.0.0.1", port))
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(text: str) -> str:
        opened.sendall(text.encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            data += opened.recv(4096)
        return data.decode()[:-1]

    def five() -> float:
        for _ in range(4):
            opened.sendall(b"smua.measure.nplc = 0.1\n")
        return float(ask("print(smua.measure.nplc)"))

    return Contestant("bare socket", lambda: float(ask("print(smua.measure.nplc)")), five, ask)


def ours(port: int) -> Contestant:
    """A property of the 2600B driver."""
    link = VisaTransport("smu", f"TCPIP0::127.0.0.1::{port}::SOCKET")
    smu = Keithley2600B("smu", link)

    def five() -> float:
        for _ in range(4):
            smu.nplc = 0.1
        return smu.nplc

    return Contestant("ohmloop", lambda: smu.nplc, five, link.query)


def pymeasure(port: int) -> Contestant:
    """The same property by PyMeasure's own factory."""
    from pymeasure.adapters import VISAAdapter
    from pymeasure.instruments import Instrument

    class Meter(Instrument):  # type: ignore[misc, unused-ignore]
        nplc = Instrument.control("print(smua.measure.nplc)", "smua.measure.nplc = %g", "NPLC.")

    adapter = VISAAdapter(
        f"TCPIP0::127.0.0.1::{port}::SOCKET",
        visa_library="@py",
        read_termination="\n",
        write_termination="\n",
    )
    meter = Meter(adapter, "meter", includeSCPI=False)

    def five() -> float:
        for _ in range(4):
            meter.nplc = 0.1
        return float(meter.nplc)

    return Contestant("PyMeasure", lambda: float(meter.nplc), five, lambda t: str(meter.ask(t)))


def qcodes(port: int) -> Contestant:
    """The same property as a QCoDeS parameter."""
    from qcodes.instrument import VisaInstrument

    class Meter(VisaInstrument):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            address = f"TCPIP0::127.0.0.1::{port}::SOCKET"
            super().__init__("meter", address, visalib="@py", terminator="\n")
            self.nplc = self.add_parameter(
                "nplc",
                get_cmd="print(smua.measure.nplc)",
                set_cmd="smua.measure.nplc = {}",
                get_parser=float,
            )

    meter = Meter()

    def five() -> float:
        for _ in range(4):
            meter.nplc(0.1)
        return float(meter.nplc())

    return Contestant("QCoDeS", lambda: float(meter.nplc()), five, meter.ask)


def swapped(ask: Ask) -> str:
    """Replies that went to another thread, of 1,600 from 4 threads."""
    wrong, errors = [0] * 4, [0] * 4

    def run(thread: int) -> None:
        for number in range(400):
            question = f"{thread}-{number:03d}"
            try:
                wrong[thread] += ask(f"print(echo{question})").strip() != question
            except Exception:
                errors[thread] += 1

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return f"{sum(wrong)}" + (f", and {sum(errors)} exceptions" if sum(errors) else "")


def contestants(port: int) -> list[Contestant]:
    """All that are installed."""
    found = [bare(port), ours(port)]
    for name, make in (("PyMeasure", pymeasure), ("QCoDeS", qcodes)):
        try:
            found.append(make(port))
        except ImportError:
            print(f"{name} is not installed")
    return found


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000)
    missed = compare(parser.parse_args().rounds)
    print("\n".join(missed) if missed else "all targets reached")
    sys.exit(bool(missed))


def compare(rounds: int) -> list[str]:
    """Print the table; returns the targets missed."""
    missed: list[str] = []
    with server() as port:
        stacks = contestants(port)
        get: dict[str, list[float]] = {stack.name: [] for stack in stacks}
        five: dict[str, list[float]] = {stack.name: [] for stack in stacks}
        for _ in range(_TRIES):
            for number in range(rounds):
                for stack in stacks:
                    get[stack.name].append(timed(stack.get))
                    if number % 20 == 0 or stack.name in ("bare socket", "ohmloop"):
                        five[stack.name].append(timed(stack.five))
            over = statistics.median(get["ohmloop"]) - statistics.median(get["bare socket"])
            if over <= PROPERTY and statistics.median(five["ohmloop"]) <= FIVE:
                break
        print(
            f"{'stack':14}{'property, us':>14}{'4 writes + query, us':>22}{'swapped of 1600':>24}"
        )
        for stack in stacks:
            one, all_five = (statistics.median(times[stack.name]) for times in (get, five))
            swaps = "-" if stack.name == "bare socket" else swapped(stack.echo)
            print(f"{stack.name:14}{1e6 * one:14.0f}{1e6 * all_five:22.0f}{swaps:>24}")
            if stack.name == "ohmloop":
                checks = (over <= PROPERTY, all_five <= FIVE, swaps == "0")
                missed = [
                    f"missed: {what}"
                    for what, reached in zip(
                        ("a property", "four writes and a query", "swapped replies"),
                        checks,
                        strict=True,
                    )
                    if not reached
                ]
    return missed


def timed(operation: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    operation()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
