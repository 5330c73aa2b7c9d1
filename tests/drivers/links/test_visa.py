from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ohmloop.drivers import LinkError, NotConnectedError
from ohmloop.drivers.links.streams import SocketStream
from ohmloop.drivers.links.visa import VisaTransport

Server = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Server]:
    """Serves one client with a function; returns the VISA resource."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(converse: Callable[[socket.socket], None]) -> str:
        def run() -> None:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                converse(client)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[0].start()
        return f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET"

    yield start
    listener.close()
    for thread in threads:
        thread.join(timeout=5)


def test_a_block_may_hold_line_feeds(serve):
    values = struct.pack("<64B", *([10] * 32 + [13] * 32))

    def converse(client: socket.socket) -> None:
        client.recv(100)
        client.sendall(values[:20])
        time.sleep(0.05)
        client.sendall(values[20:] + b"after\n")

    link = VisaTransport("meter", serve(converse), timeout=2)
    assert link.query_block("data?", 64) == values
    assert link.read_line() == "after"
    assert (link.traffic.messages, link.traffic.bytes_sent) == (1, 6)
    link.close()


def test_a_reply_that_waits_behind_another_is_read_next(serve):
    def converse(client: socket.socket) -> None:
        client.recv(100)
        client.sendall(b"one\ntwo\n")
        client.recv(100)

    link = VisaTransport("meter", serve(converse), timeout=2)
    assert link.query("both?") == "one"
    assert link.read_line() == "two"
    link.close()


def test_silence_is_a_link_error_that_says_how_long_it_waited(serve):
    link = VisaTransport(
        "meter", serve(lambda client: client.recv(100) and time.sleep(0.2)), timeout=0.1
    )
    with pytest.raises(LinkError, match=r"meter .*no reply within 0\.1 s"):
        link.query("anybody?")
    link.close()


def test_a_peer_that_hangs_up_is_known_long_before_the_time_out(serve):
    link = VisaTransport("meter", serve(lambda client: client.recv(100)), timeout=20)
    start = time.monotonic()
    with pytest.raises(LinkError, match="closed the connection"):
        link.query("anybody?", wait=100)
    assert time.monotonic() - start < 5
    link.close()


def test_resync_throws_late_replies_away(serve):
    def converse(client: socket.socket) -> None:
        client.recv(100)
        time.sleep(0.3)
        client.sendall(b"late\n")
        client.recv(100)
        client.sendall(b"marker-1\n")
        client.recv(100)
        client.sendall(b"fresh\n")

    link = VisaTransport("meter", serve(converse), timeout=0.2)
    with pytest.raises(LinkError):
        link.query("slow?")
    time.sleep(0.2)
    with pytest.raises(LinkError, match="an earlier reply is still owed"):
        link.query("next?")
    assert link.resync("mark", "marker-1") == ["late", "marker-1"]
    assert link.query("next?") == "fresh"
    link.close()


def test_nonsense_resources_are_not_connected():
    with pytest.raises(NotConnectedError, match="nobody answers"):
        VisaTransport("meter", "TCPIP9::nowhere::nothing", timeout=0.2)


def nodelay(link: VisaTransport) -> bool:
    assert isinstance(link._stream, SocketStream)
    return bool(link._stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_nagle_is_off(serve):
    link = VisaTransport("meter", serve(lambda client: client.recv(1)), timeout=1)
    assert nodelay(link)
    link.write("x")
    link.close()


def echo(client: socket.socket) -> None:
    rest = b""
    while data := client.recv(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.endswith(b"?"):
                client.sendall(line + b"\n")


def test_four_threads_share_a_link_and_no_reply_is_swapped(serve):
    # The default stacks swap 26 to 70 % of the replies here without an exception.
    link = VisaTransport("meter", serve(echo), timeout=5)
    wrong: list[str] = []

    def ask(thread: int) -> None:
        for number in range(400):
            question = f"{thread}-{number}?"
            answer = link.query(question)
            if answer != question:
                wrong.append(f"{question} got {answer}")

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert link.traffic.messages == 1600
    link.close()


def test_a_reply_nobody_asked_for_is_not_taken_for_the_next_answer(serve):
    def twice(client: socket.socket) -> None:
        client.recv(100)
        client.sendall(b"first\nfirst\n")
        client.recv(100)
        client.sendall(b"second\n")

    link = VisaTransport("meter", serve(twice), timeout=2)
    assert link.query("one?") == "first"
    time.sleep(0.05)
    assert link.query("two?") == "second"
    link.close()


def test_a_link_is_opened_anew_after_it_broke():
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def serve_two() -> None:
        for answer in (b"", b"back\n"):
            client, _ = listener.accept()
            clients.append(client)
            client.recv(100)
            client.sendall(answer)
            if not answer:
                client.close()

    thread = threading.Thread(target=serve_two, daemon=True)
    thread.start()
    link = VisaTransport("meter", f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET")
    with pytest.raises(LinkError):
        link.query("there?")
    link.reopen()
    assert link.resync("there?", "back") == ["back"]
    thread.join(timeout=5)
    listener.close()
    for client in clients:
        client.close()
    link.close()


class Heard:
    """A tap that listens to events too."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def sent(self, data: bytes) -> None:
        self.told.append(data)

    def received(self, data: bytes) -> None:
        self.told.append(data)

    def happened(self, event: str, note: str = "") -> None:
        self.told.append((event, note) if note else event)


def test_a_tap_is_told_what_befalls_the_link():
    listener = socket.create_server(("127.0.0.1", 0))
    tap = Heard()
    link = VisaTransport(
        "meter", f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET", timeout=2, tap=tap
    )
    first, _ = listener.accept()
    first.close()
    with pytest.raises(LinkError):
        link.query("who?")
    link.reopen()
    link.close()
    listener.close()
    problem = tap.told[2]
    assert isinstance(problem, tuple)
    assert problem[0] == "failed"
    assert "connection" in problem[1]
    assert tap.told == ["opened", b"who?\n", problem, "closed", "opened", "closed"]


def test_a_tap_sees_what_nobody_asked_for(serve):
    sent = threading.Event()

    def converse(client: socket.socket) -> None:
        client.recv(100)
        client.sendall(b"1\n1\n")
        sent.set()
        client.recv(100)
        client.sendall(b"2\n")

    tap = Heard()
    link = VisaTransport("meter", serve(converse), timeout=2, tap=tap)
    assert link.query("one?") == "1"
    assert sent.wait(2)
    assert link.query("two?") == "2"
    link.close()
    assert tap.told == ["opened", b"one?\n", b"1\n", b"1\n", b"two?\n", b"2\n", "closed"]


def test_a_tap_sees_the_half_of_a_reply_that_came(serve):
    def converse(client: socket.socket) -> None:
        client.recv(100)
        client.sendall(b"1.23")

    tap = Heard()
    link = VisaTransport("meter", serve(converse), timeout=2, tap=tap)
    with pytest.raises(LinkError):
        link.query("one?")
    link.close()
    assert [told for told in tap.told if not isinstance(told, tuple)] == [
        "opened",
        b"one?\n",
        b"1.23",
        "closed",
    ]


def test_a_tap_need_not_listen_to_events(serve):
    class Bytes:
        def sent(self, data: bytes) -> None:
            seen.append(data)

        received = sent

    def converse(client: socket.socket) -> None:
        client.recv(100)
        client.sendall(b"1\n")

    seen: list[bytes] = []
    link = VisaTransport("meter", serve(converse), timeout=2, tap=Bytes())
    assert link.query("one?") == "1"
    link.close()
    assert seen == [b"one?\n", b"1\n"]


def test_a_refused_connection_is_known_when_it_is_opened():
    # PyVISA-py's open_resource succeeds here; the error appears at the first query.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        resource = f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET"
    with pytest.raises(NotConnectedError, match=r"nobody answers .*refused"):
        VisaTransport("meter", resource)


def test_a_link_waits_for_a_peer_that_comes_back():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        link = VisaTransport("meter", f"TCPIP0::127.0.0.1::{port}::SOCKET")
        listener.accept()[0].close()

    def come_back() -> None:
        time.sleep(0.4)
        with socket.create_server(("127.0.0.1", port)) as again:
            client, _ = again.accept()
            with client:
                echo(client)

    thread = threading.Thread(target=come_back, daemon=True)
    thread.start()
    link.restart()
    assert link.query("there?") == "there?"
    link.close()
    thread.join(timeout=5)


def test_giving_up_on_a_peer_says_so():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = VisaTransport("meter", f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET")
    with pytest.raises(LinkError, match="nobody answers any more"):
        link.reopen()
    with pytest.raises(LinkError, match="the link is closed"):
        link.query("there?")


def test_a_late_reply_is_not_the_next_answer_after_a_restart():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve_two() -> None:
            first, _ = listener.accept()
            first.recv(100)
            second, _ = listener.accept()
            with first, second:
                second.recv(100)
                first.sendall(b"late\n")
                second.sendall(b"fresh\n")
                second.recv(100)

        thread = threading.Thread(target=serve_two, daemon=True)
        thread.start()
        resource = f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET"
        link = VisaTransport("meter", resource, timeout=0.3)
        with pytest.raises(LinkError):
            link.query("slow?")
        link.restart()
        assert link.query("next?") == "fresh"
        link.close()
        thread.join(timeout=5)


def test_a_line_may_end_in_nul(serve):
    def converse(client: socket.socket) -> None:
        assert client.recv(100) == b"*IDN?\0"
        client.sendall(b"KI4200A\0")

    link = VisaTransport("scs", serve(converse), end="\0", timeout=2)
    assert link.query("*IDN?") == "KI4200A"
    link.close()


def test_a_tap_sees_every_byte_in_order(serve):
    class Tap:
        def __init__(self) -> None:
            self.seen: list[tuple[str, bytes]] = []

        def sent(self, data: bytes) -> None:
            self.seen.append((">", data))

        def received(self, data: bytes) -> None:
            self.seen.append(("<", data))

    tap = Tap()
    link = VisaTransport("meter", serve(echo), timeout=2, tap=tap)
    link.query("one?")
    link.query_block("two?", 5)
    assert tap.seen == [(">", b"one?\n"), ("<", b"one?\n"), (">", b"two?\n"), ("<", b"two?\n")]
    link.close()


def test_a_burst_of_writes_and_a_query_do_not_wait_for_acknowledgements(serve):
    """Nagle's delay is off for every socket, also for one that was opened anew."""
    link = VisaTransport("meter", serve(echo), timeout=2)
    for number in range(4):
        link.write(f"set {number}")
    assert link.query("done?") == "done?"
    assert nodelay(link)
    link.close()
