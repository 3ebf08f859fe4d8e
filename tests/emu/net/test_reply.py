"""HTTP replies, against the standard library's client; cut anywhere, and malformed in every way."""

from __future__ import annotations

import io
import json
from http.client import HTTPResponse
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.net.reply import LONGEST_HEAD, Reply, ReplyError


class Recorded:
    """What HTTPResponse takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def theirs(data: bytes) -> tuple[int, int]:
    """Status and length of the body, as the standard library has it."""
    sock: Any = Recorded(data)
    response = HTTPResponse(sock, method="GET")
    response.begin()
    return response.status, len(response.read())


def reply(data: bytes, *, ends: bool = False) -> Reply:
    made = Reply()
    made.take(data)
    if ends:
        made.end()
    return made


bodies = st.binary(max_size=50)
reasons = st.sampled_from([b"", b" ", b" OK", b" Not Found"])
fields = st.lists(st.sampled_from([b"Server: x", b"X-Empty:", b"Date:\tnow \t", b"x: a: b", b"Age: 0"]))


@st.composite
def replies(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A reply, and whether the end of the connection ends it."""
    status, body, ends = draw(st.sampled_from([200, 301, 404, 500])), draw(bodies), draw(st.booleans())
    lines = [b"HTTP/1.%d %d%s" % (draw(st.integers(0, 1)), status, draw(reasons)), *draw(fields)]
    if not ends:
        lines.append(draw(st.sampled_from([b"Content-Length: %d", b"content-length:%d ", b"CONTENT-LENGTH: 0%d"]))
                     % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body, ends


@given(replies(), st.lists(st.integers(0, 300), max_size=5))
def test_a_reply_is_what_the_standard_library_makes_of_it_however_it_is_cut(case: tuple[bytes, bool],
                                                                            cuts: list[int]) -> None:
    data, ends = case
    made = Reply()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        if start == end:
            continue
        other = Reply()
        other.load(json.loads(json.dumps(made.save())))
        made = other
        assert not made.complete
        made.take(data[start:end])
    assert made.complete is not ends
    if ends:
        made.end()
    assert made.complete and (made.status, made.body) == theirs(data)


@pytest.mark.parametrize(("head", "keeps"), [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, close", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nconnection: keep-alive", True),
    (b"HTTP/1.1 200 OK", False),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 50", True),
    (b"HTTP/1.1 204 No Content", True),
])
def test_whether_a_connection_carries_another_request(head: bytes, keeps: bool) -> None:
    made = reply(head + b"\r\n\r\n")
    assert made.keeps is keeps
    assert made.complete is (b"204" in head or b"Length" in head)


def test_interim_replies_are_counted_and_passed_over() -> None:
    made = reply(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n"
                 b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    assert (made.status, made.interim, made.body, made.complete) == (200, 2, 1, True)


@pytest.mark.parametrize(("data", "message"), [
    (b"\r\n\r\n", "no status line"),
    (b"HTTP/1.1 20 OK\r\n\r\n", "no status line"),
    (b"HTTP/1.1 600 OK\r\n\r\n", "no status line"),
    (b"HTTP/1.1 2000\r\n\r\n", "no status line"),
    (b"HTTP/2 200 OK\r\n\r\n", "no status line"),
    (b"http/1.1 200 OK\r\n\r\n", "no status line"),
    (b"HTTP/1.1 200 O\0K\r\n\r\n", "no status line"),
    (b"HTTP/1.1 200 OK\nServer: x\r\n\r\n", "no status line"),
    (b"HTTP/1.1 200 OK\r\nServer\r\n\r\n", "a field that is none"),
    (b"HTTP/1.1 200 OK\r\nServer : x\r\n\r\n", "a field that is none"),
    (b"HTTP/1.1 200 OK\r\nServer: x\r\n y\r\n\r\n", "a field that is none"),
    (b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", "a field that is none"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "a Content-Length that is no length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "a Content-Length that is no length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "a Content-Length that is no length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "a Content-Length that is no length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "a Content-Length that is no length"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "a transfer coding"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", "more than one reply to a request"),
    (b"x" * (LONGEST_HEAD + 1), "a head of more than 16384 bytes"),
])
def test_a_malformed_reply_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ReplyError) as raised:
        reply(data)
    assert str(raised.value) == message


@pytest.mark.parametrize("data", [
    b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx"])
def test_a_reply_that_is_cut_short_is_an_error(data: bytes) -> None:
    with pytest.raises(ReplyError, match="a reply that is cut short"):
        reply(data, ends=True)


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([
    b"HTTP/1.1 200 OK\r\n", b"\r\n", b"\r\n\r\n", b"Content-Length: 5\r\n", b"Content-Length:", b"HTTP/1.0 100"])),
                max_size=8))
def test_noise_is_taken_or_refused_and_nothing_else(pieces: list[bytes]) -> None:
    made = Reply()
    try:
        for piece in pieces:
            made.take(piece)
        made.end()
    except ReplyError as error:
        assert "\n" not in str(error)
