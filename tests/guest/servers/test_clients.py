"""The programs that connect: the client of a web server, and the stream."""

from __future__ import annotations

import pytest
from socket_double import Client, Network

HOST = int.from_bytes(bytes((10, 0, 0, 1)), "little")


class Server:
    """Gives everybody the next reply, and ends the stream then; None: refuses."""

    def __init__(self, *replies: bytes | None, arguments: str = "10.0.0.1 8080 /page", pieces: int = 7) -> None:
        self.replies, self.pieces = list(replies), pieces
        self.asked: list[tuple[int, int]] = []
        self.clients: list[Client] = []
        self.network = Network("client", f"{arguments} {len(replies)}")
        self.network.connected = self.connect
        while self.network.run().exit_code is None:
            self.go_on()

    def connect(self, address: int, port: int) -> Client | None:
        """The program connects."""
        self.asked.append((address, port))
        if self.replies[0] is None:
            self.replies.pop(0)
            return None
        self.clients.append(Client(self.network))
        return self.clients[-1]

    def go_on(self) -> None:
        """The program waits for the rest of a reply."""
        client, reply = self.clients[-1], self.replies[0]
        assert reply is not None and client.sent.endswith(b"\r\n\r\n")
        client.say(reply[:self.pieces])
        self.replies[0] = reply[self.pieces:]
        if not self.replies[0]:
            self.replies.pop(0)
            client.end()


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_the_client_counts_complete_replies() -> None:
    server = Server(GOOD, GOOD.replace(b"Content-Length: ", b"content-LENGTH:"), GOOD.replace(b"\r\n", b"\n"))
    assert server.network.console == "client: 3 replies, 0 failed\n" and server.network.exit_code == 0
    assert server.asked == [(HOST, 8080)] * 3 and all(client.closed for client in server.clients)
    assert server.clients[0].sent == b"GET /page HTTP/1.0\r\nHost: 10.0.0.1\r\n\r\n"


def test_request_done_is_passed_once_for_each_of_them() -> None:
    network = Network("client", "10.0.0.1 80 / 3")
    given = [GOOD, GOOD[:-1], GOOD]
    network.connected = lambda address, port: Client(network).say(given.pop()).end()
    network.run(count="request_done")
    assert network.exit_code == 1 and network.passed == 2


@pytest.mark.parametrize("reply", [
    b"", b"HTTP/1.1 200 OK\r\n", GOOD[:-1], GOOD + b"!", GOOD.replace(b"200", b"404"),
    GOOD.replace(b"Content-Length", b"Length"), GOOD.replace(b"5", b""), b"x" * 9000,
    GOOD.replace(b"HTTP/1.1", b"HTTP\0"), None])
def test_the_client_counts_failures(reply: bytes | None) -> None:
    server = Server(GOOD, reply, GOOD, pieces=1000)
    assert server.network.console == "client: 2 replies, 1 failed\n" and server.network.exit_code == 1
    assert all(client.closed for client in server.clients) and not server.network.sockets


@pytest.mark.parametrize("arguments", [
    "", "10.0.0 80 /", "10.0.0.256 80 /", "10.0.0.1.2 80 /", "10..0.1 80 /", "10.0.0.1", "10.0.0.1 80",
    "10.0.0.1 80 page", "x0.0.0.1 80 /", "10.0.0.1x 80 /"])
def test_the_client_wants_to_know_whom_to_ask(arguments: str) -> None:
    network = Network("client", arguments).run()
    assert network.exit_code == 1 and network.console == "client: tell me an address, a port and a path\n"


def test_the_stream_has_as_many_bytes_as_were_asked_for() -> None:
    network = Network("net", "10.0.0.1 9 100000")
    sink = Client(network)
    sink.room = 5000
    network.connected = lambda address, port: sink if (address, port) == (HOST, 9) else None
    while not sink.finished:
        network.run()
        sink.take(30_000)
    network.run()
    assert len(sink.sent) == 100_000 and network.exit_code is None
    sink.end()
    network.run()
    assert network.exit_code == 0 and network.console == "net: sent 100000 bytes\n" and sink.closed


def test_the_stream_goes_on_for_ever_if_nobody_says_how_long() -> None:
    network = Network("net", "10.0.0.1 9")
    sink = Client(network)
    sink.room = 10_000_000
    network.connected = lambda address, port: sink
    network.run()
    assert len(sink.sent) == 10_000_000 and not sink.finished
    sink.abort()
    network.run()
    assert network.exit_code == 1 and network.console == "net: the connection has failed\n"


def test_the_stream_has_to_go_somewhere() -> None:
    assert Network("net", "10.0.0.1 9").run().console == "net: the connection has failed\n"
    assert Network("net", "10.0.0").run().console == "net: tell me an address and a port\n"
