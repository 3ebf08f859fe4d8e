"""The web server, told everything that a client may say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from socket_double import OWNED, Client, Network

from guest.abi.servers import SeatSize

GET = b"GET / HTTP/1.1\r\nHost: trapline\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: trapline\r\nConnection: close\r\n\r\n"
MARKER = b"GET /nowhere HTTP/1.1\r\nHost: trapline\r\n\r\n"
LONGEST = int(SeatSize.SEAT_ROOM)


@dataclass
class Reply:
    """A reply, its names of fields in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes


def replies(stream: bytes, *, head: bool = False) -> list[Reply]:
    """The replies in a stream, which is nothing else; `head`: those to HEAD."""
    found = []
    while stream:
        top, blank, rest = bytes(stream).partition(b"\r\n\r\n")
        assert blank, stream
        first, *lines = top.decode("ascii").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 ([0-9]{3}) [ -~]+", first)
        assert match, first
        fields = dict(line.lower().split(": ", 1) for line in lines)
        assert len(fields) == len(lines)
        length = 0 if head else int(fields["content-length"])
        assert len(rest) >= length
        found.append(Reply(int(match[1]), fields, rest[:length]))
        stream = rest[length:]
    return found


@pytest.fixture(scope="module")
def server() -> Network:
    """One that serves all tests: what a client says must not matter to the next."""
    return Network("web").run()


@cache
def fresh(test: str) -> Network:
    """One that serves all examples of a test."""
    return Network("web").run()


def ask(server: Network, said: bytes) -> tuple[list[Reply], Client]:
    """What somebody gets who says all that at once, and his connection."""
    client = server.client(80).say(said)
    server.run()
    return replies(client.sent, head=said.startswith(b"HEAD ")), client


def test_a_page_comes_with_what_a_browser_wants_to_know(server: Network) -> None:
    (reply,), client = ask(server, GET)
    assert reply.status == 200 and reply.body.startswith(b"<!DOCTYPE html>")
    assert reply.fields["content-type"] == "text/html; charset=utf-8"
    assert reply.fields["connection"] == "keep-alive"
    assert not client.finished and not client.closed


@pytest.mark.parametrize(("path", "length"), [("/index.html", None), ("/4k.html", 4096), ("/16k.html", 16384)])
def test_a_page_has_its_length(server: Network, path: str, length: int | None) -> None:
    (reply,), _ = ask(server, f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert reply.status == 200 and (length is None or len(reply.body) == length)
    assert reply.body.isascii() and reply.body.endswith(b"\n")


def test_head_is_the_same_without_the_body(server: Network) -> None:
    (whole,), _ = ask(server, b"GET /4k.html HTTP/1.1\r\nHost: x\r\n\r\n")
    (head,), client = ask(server, b"HEAD /4k.html HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (head.status, head.fields) == (whole.status, whole.fields)
    client.say(b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    server.run()
    assert [reply.status for reply in replies(client.sent, head=True)] == [200, 404]


@pytest.mark.parametrize("target", ["/", "/?", "/index.html?a=b/c", "http://somewhere", "HTTP://somewhere:80/",
                                    "http://somewhere/index.html"])
def test_what_is_asked_for_may_be_said_in_several_ways(server: Network, target: str) -> None:
    (reply,), _ = ask(server, f"GET {target} HTTP/1.1\r\nHost: somewhere\r\n\r\n".encode())
    assert reply.status == 200 and b"<h1>" in reply.body


@pytest.mark.parametrize("target", ["/4k", "/4k.html/", "/4k.htmlx", "//", "/%34k.html", "/../4k.html", "/index.HTML",
                                    "http://somewhere/4k", "/\xff"])
def test_what_is_not_there_is_not_found(server: Network, target: str) -> None:
    (reply,), client = ask(server, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"))
    assert reply.status == 404 and not client.finished


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "HEADER", "HEA", "GETS", "get", "!#$%&'*+-.^_`|~"])
def test_of_other_methods_it_says_which_there_are(server: Network, method: str) -> None:
    (reply,), client = ask(server, f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert reply.status == 405 and reply.fields["allow"] == "get, head" and not client.finished


KEPT = {            # lines of a head: does the connection stay, in HTTP/1.0, in HTTP/1.1?
    "": (False, True),
    "Connection: close\r\n": (False, False),
    "Connection: keep-alive\r\n": (True, True),
    "connection:Keep-Alive\r\n": (True, True),
    "CONNECTION:\t CLOSE \t\r\n": (False, False),
    "Connection: upgrade, close\r\n": (False, False),
    "Connection: ,keep-alive ,te\r\n": (True, True),
    "Connection: keep-alive\r\nConnection: close\r\n": (False, False),
    "Connection: closed, keep-alive-not\r\n": (False, True),
    "Connection:\r\n": (False, True),
    "Proxy-Connection: close\r\n": (False, True),
    "Content-Length: 0\r\n": (False, False),
    "Content-Length: 5\r\nConnection: keep-alive\r\n": (False, False),
    "Transfer-Encoding: chunked\r\n": (False, False),
}


@pytest.mark.parametrize("lines", KEPT)
@pytest.mark.parametrize("version", [0, 1])
def test_the_connection_stays_if_that_is_wanted_and_safe(server: Network, version: int, lines: str) -> None:
    said = f"GET / HTTP/1.{version}\r\nHost: x\r\n{lines}\r\n".encode()
    got, client = ask(server, said + MARKER)
    stays = KEPT[lines][version]
    assert [reply.status for reply in got] == ([200, 404] if stays else [200])
    assert got[0].fields["connection"] == ("keep-alive" if stays else "close")
    assert client.finished is not stays and not client.closed


BAD = (
    b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / \r\n\r\n", b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", b" GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\tHTTP/1.1\r\nHost: x\r\n\r\n", b"GET / http/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1x\r\nHost: x\r\n\r\n",
    b"GET / HTTP\r\nHost: x\r\n\r\n", b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", b"G\xc4T / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http:/x HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /\r/ HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: x\r\nHost:\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA\0: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \x7f\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\ry: z\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\x80: x\r\n\r\n",
)


@pytest.mark.parametrize("said", BAD)
def test_what_is_no_request_is_told_so_and_ends_the_connection(server: Network, said: bytes) -> None:
    (reply,), client = ask(server, said + GET)
    assert reply.status == 400 and reply.fields["connection"] == "close" and reply.body == b"this is no request\n"
    assert client.finished and not client.closed
    client.end()
    server.run()
    assert client.closed and not client.lost


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/9.9"])
def test_other_versions_are_not_spoken(server: Network, version: str) -> None:
    (reply,), client = ask(server, f"GET / {version}\r\nHost: x\r\n\r\n".encode())
    assert reply.status == 505 and client.finished


def test_lines_may_end_without_cr_and_empty_ones_may_come_first(server: Network) -> None:
    got, client = ask(server, b"\r\n\n\r\nGET / HTTP/1.1\nHost: x\n\n\r\n" + LAST)
    assert [reply.status for reply in got] == [200, 200] and client.finished


def test_a_request_may_be_as_long_as_there_is_room(server: Network) -> None:
    frame = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"
    (reply,), _ = ask(server, frame % (b"x" * (LONGEST - len(frame) + 2)))
    assert reply.status == 200
    (reply,), client = ask(server, frame % (b"x" * (LONGEST - len(frame) + 3)))
    assert reply.status == 431 and client.finished
    (reply,), client = ask(server, b"GET /" + b"x" * LONGEST)
    assert reply.status == 414 and client.finished


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([b"/", b"/4k.html", b"/16k.html", b"/none"]), min_size=1, max_size=8), st.data())
def test_requests_may_come_in_any_pieces_and_replies_may_be_taken_so(paths: list[bytes], data: st.DataObject) -> None:
    server = fresh("pieces")
    said = b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=8)))
    client = server.client(80)
    client.room = data.draw(st.integers(0, 9000))
    for begin, end in zip([0, *cuts], [*cuts, len(said)], strict=True):
        client.say(said[begin:end])
        server.run()
    while client.room == 0:
        client.take(data.draw(st.sampled_from([369, 370, 1460, 8192, 100_000])))
        server.run()
    expected = {b"/4k.html": (200, 4096), b"/16k.html": (200, 16384), b"/none": (404, 30)}
    got = replies(client.sent)
    assert len(got) == len(paths)
    for path, reply in zip(paths, got, strict=True):
        assert (reply.status, len(reply.body)) == expected.get(path, (200, len(got[paths.index(path)].body)))
    client.end()
    server.run()
    assert client.closed and not client.lost


def test_byte_by_byte_is_a_request_too(server: Network) -> None:
    client = server.client(80)
    for at in range(len(LAST)):
        assert not client.sent
        client.say(LAST[at:at + 1])
        server.run()
    assert [reply.status for reply in replies(client.sent)] == [200] and client.finished


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300) | st.lists(st.sampled_from(
    [b"GET", b"HEAD", b" ", b"/", b"http://", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b":", b"Host", b"x",
     b"\t", b"Connection", b"close", b",", b"keep-alive", b"\0", b"\xff", b"?"]), max_size=40).map(b"".join))
def test_whatever_somebody_says_the_next_one_is_served(said: bytes) -> None:
    server = fresh("anything")
    client = server.client(80).say(said).end()
    server.run()
    assert client.closed
    for reply in replies(client.sent) if b"HEAD" not in said else []:
        assert reply.status in (200, 400, 404, 405, 505)
    (reply,), last = ask(server, LAST)
    assert reply.status == 200
    last.end()
    server.run()
    assert len(server.sockets) == 1


def test_a_client_who_ends_his_stream_gets_his_replies_first(server: Network) -> None:
    client = server.client(80).say(GET + MARKER).end()
    server.run()
    assert [reply.status for reply in replies(client.sent)] == [200, 404] and client.closed


@pytest.mark.parametrize("said", [b"", b"GET / HT", GET])
def test_a_reset_frees_the_connection(server: Network, said: bytes) -> None:
    client = server.client(80).say(said)
    server.run()
    client.abort()
    server.run()
    assert client.closed


def test_a_reset_amid_a_reply_frees_the_connection(server: Network) -> None:
    client = server.client(80)
    client.room = 100
    client.say(b"GET /16k.html HTTP/1.1\r\nHost: x\r\n\r\n")
    server.run()
    assert len(client.sent) == 100
    client.abort()
    server.run()
    assert client.closed


def test_what_follows_a_refusal_is_thrown_away_but_not_for_ever(server: Network) -> None:
    client = server.client(80).say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n")
    server.run()
    assert client.finished and [reply.status for reply in replies(client.sent)] == [405]
    for _ in range(32):
        client.say(bytes(2048))
        server.run()
    assert not client.closed
    client.say(bytes(2048))
    server.run()
    assert client.closed


def test_who_says_nothing_makes_room_and_the_oldest_first() -> None:
    server = Network("web").run()
    silent = []
    for number in range(OWNED - 1):
        silent.append(server.client(80).say(b"GET" if number % 2 else b""))
        server.run()
        server.machine.cpu.state.cycles += 1 << 17
    assert not any(client.closed for client in silent)
    for number in range(3):
        (reply,), _ = ask(server, GET)
        assert reply.status == 200
        assert [each.closed for each in silent] == [True] * (number + 1) + [False] * (OWNED - 2 - number), number
    silent[5].say(b"GET / HTTP/1.0\r\n\r\n" if not silent[5].closed else b"")
    server.run()
    assert silent[5].sent


def test_who_is_being_sent_something_keeps_his_place_until_he_has_stood_still_for_long() -> None:
    server = Network("web").run()
    slow = [server.client(80).say(b"GET /16k.html HTTP/1.0\r\n\r\n") for _ in range(OWNED - 1)]
    for client in slow:
        client.room = 5000
    server.run()
    server.machine.cpu.state.cycles += 1 << 20
    late = server.client(80).say(LAST)
    server.run()
    assert not late.sent and not any(client.closed for client in slow)
    server.machine.cpu.state.cycles += 2**32
    slow[0].take(10)
    server.run()
    assert late.sent and [client.closed for client in slow] == [False, True] + [False] * (OWNED - 3)


def test_who_comes_when_all_places_are_taken_is_served_when_one_is_free() -> None:
    server = Network("web").run()
    slow = [server.client(80).say(b"GET /16k.html HTTP/1.0\r\n\r\n") for _ in range(OWNED - 1)]
    for client in slow:
        client.room = 5000
    server.run()
    late = server.client(80).say(LAST)
    server.run()
    assert not late.sent
    slow[3].abort()
    server.run()
    assert late.sent


def test_a_hundred_clients_at_a_time_are_served() -> None:
    server = Network("web").run()
    clients = [server.client(80).say(GET) for _ in range(100)]
    server.run()
    assert all(replies(client.sent)[0].status == 200 for client in clients)


def test_another_port_may_be_given_and_a_port_that_is_taken_is_said() -> None:
    server = Network("web", "8080").run()
    assert 8080 in server.listening
    taken = Network("web")
    taken.listening[80] = 99
    taken.run()
    assert taken.exit_code == 1 and taken.console == "web: the port is taken\n"
