"""HTTP load, as httperf makes it (Mosberger and Jin, 1998): connections at a rate, whatever becomes of earlier ones.

Each connection sends GET requests, one when the reply to the one before is complete, and is closed behind the last.
One that is to send none stays open, and says nothing.
Every connection and reply is timed, and every failure counted by its kind. A server that goes slow meets ever more
connections, up to a bound, as of a client's file descriptors; beyond it, those that arrive fail at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from fractions import Fraction
from typing import Any

from emu.kept import Kept
from emu.net.arrivals import Arrivals
from emu.net.connection import Connection, Failure
from emu.net.packets import ip_text
from emu.net.reply import Reply, ReplyError
from emu.net.spread import Spread
from emu.net.tcp import Stack
from emu.net.timers import Timers
from emu.net.wire import SECOND

PORT = 80
MOST = 1024                         # connections at a time: FD_SETSIZE
PATH = re.compile("/[!-~]{0,1023}")


class Error(IntEnum):
    """How a connection may fail, as httperf tells it."""

    CLIENT_TIMEOUT = 0              # nothing new has come for too long
    SOCKET_TIMEOUT = 1              # TCP has given up
    REFUSED = 2                     # RST for the SYN
    RESET = 3                       # RST later
    CLOSED_EARLY = 4                # the server has closed before the end of a reply
    MALFORMED = 5                   # a reply that is none
    FD_UNAVAILABLE = 6              # too many connections at a time
    ADDRESS_UNAVAILABLE = 7         # all ports of the client are in use

    @property
    def words(self) -> str:
        """For people."""
        return self.name.lower().replace("_", " ")


FAILURES = {Failure.REFUSED: Error.REFUSED, Failure.RESET: Error.RESET, Failure.UNANSWERED: Error.SOCKET_TIMEOUT}


class Session(Kept):
    """One connection of a pool."""

    KEPT = ("_left", "_began", "_asked", "_first", "_reply")

    def __init__(self, pool: Pool, key: int, connection: Connection) -> None:
        self._pool = pool
        self._key = key                     # of the session, in the pool
        self._connection = connection
        self._left = pool.per_connection    # requests that have not been sent
        self._began = pool.moment           # the cycle of the SYN,
        self._asked = 0                     # ... of the last request,
        self._first = 0                     # ... and of the first byte of its reply, once there is one
        self._reply = Reply()               # to the last request
        connection.user = self

    # What TCP says

    def opened(self) -> None:
        """Connected."""
        self._pool.connect_time.add(self._pool.moment - self._began)
        if self._left:
            self._ask()

    def received(self, data: bytes) -> None:
        """A part of a reply, or all of it."""
        pool = self._pool
        pool.bytes += len(data)
        pool.last = pool.moment
        if not self._first:
            self._first = pool.moment
            pool.response_time.add(pool.moment - self._asked)
        try:
            self._reply.take(data)
        except ReplyError:
            self._fail(Error.MALFORMED)
            return
        if self._reply.complete:
            self._replied()
        else:
            pool.wait(self._key)

    def ended(self) -> None:
        """The server has no more to say."""
        try:
            self._reply.end()
        except ReplyError:
            self._fail(Error.CLOSED_EARLY)
        else:
            self._replied()

    def failed(self, failure: Failure) -> None:
        """The connection is no more."""
        self._fail(FAILURES[failure])

    # What it does

    def timed_out(self) -> None:
        """It has waited for long enough."""
        self._fail(Error.CLIENT_TIMEOUT)

    def _ask(self) -> None:
        """Send a request."""
        pool = self._pool
        self._left -= 1
        self._asked, self._first, self._reply = pool.moment, 0, Reply()
        pool.requests += 1
        pool.wait(self._key)
        self._connection.send(pool.request)

    def _replied(self) -> None:
        """The reply is complete: go on, or close."""
        pool, reply = self._pool, self._reply
        pool.count(reply)
        pool.transfer_time.add(pool.moment - self._first)
        if self._left and reply.keeps:
            self._ask()
        else:
            pool.connection_time.add(pool.moment - self._began)
            self._close()

    def _fail(self, error: Error) -> None:
        self._pool.errors[error] += 1
        self._close()

    def _close(self) -> None:
        self._connection.close()
        self._pool.over(self._key)


class Pool(Kept):
    """Connections to one server: `rate` a second, until there were `count` or it is time to `stop`. They come from one
    computer or from several, in turn.
    """

    KEPT = ("requests", "replies", "bytes", "body_bytes", "statuses", "errors", "concurrent", "last", "connect_time",
            "response_time", "transfer_time", "connection_time", "_arrivals", "_timers")

    def __init__(self, stacks: Sequence[Stack], destination: bytes, rate: int, *, count: int | None = None,
                 path: str = "/", port: int = PORT, timeout: int | None = None, requests: int = 1, most: int = MOST,
                 start: int = 0, stop: int | None = None, seed: int | None = None, name: str = "http") -> None:
        """`stacks`: the computers'. `rate`: connections a second. `requests`: in each, if the server keeps it open.
        `timeout`: ns without progress; none: TCP's patience. `most`: connections of a computer at a time. `start`,
        `stop`: ns since cycle 0. `seed`: they come at random, as Arrivals says.

        Raises ValueError for what cannot be asked for, and if the clock already has a pool called `name`.
        """
        for word, value, least in (("rate", rate, 1), ("requests", requests, 0), ("most", most, 1), ("port", port, 1)):
            if value < least:
                raise ValueError(f"{word} of HTTP clients: at least {least}, not {value}")
        if not PATH.fullmatch(path):
            raise ValueError(f"a path is as /index.html, at most 1024 characters, and not {path[:40]!r}")
        host = stacks[0].host
        self._clock = host.clock
        self._stacks = stacks
        self._destination, self._port = destination, port
        self._most = most * len(self._stacks)
        self._timeout = None if timeout is None else -(-timeout * self._clock.frequency // SECOND)
        self.per_connection = requests
        where = ip_text(destination) + (f":{port}" if port != PORT else "")
        self.request = f"GET {path} HTTP/1.1\r\nHost: {where}\r\nUser-Agent: Trapline\r\n\r\n".encode()
        self._sessions: dict[int, Session] = {}         # by key: the connection's, times computers, plus which one
        self.requests = 0                               # sent
        self.replies = 0                                # complete
        self.bytes = 0                                  # received
        self.body_bytes = 0                             # ... in the bodies of complete replies
        self.statuses = [0] * 5                         # replies with 1xx, ... 5xx
        self.errors = [0] * len(Error)                  # failures, by Error
        self.concurrent = 0                             # connections at a time, at most
        self.last = 0                                   # the cycle at which anything was last received
        self.connect_time = Spread()                    # cycles from SYN to SYN
        self.response_time = Spread()                   # ... from a request to the first byte of the reply
        self.transfer_time = Spread()                   # ... from there to the last byte, or the end of the connection
        self.connection_time = Spread()                 # ... from SYN to our closing, of connections that did not fail
        full_name = f"{host.end.name}.{name}"
        self._timers = Timers(self._clock, f"{full_name} timeout", self._timed_out)
        self._arrivals = Arrivals(host, full_name, destination, Fraction(rate), self._arrive, start=start, stop=stop,
                                  count=count, seed=seed)

    @property
    def moment(self) -> int:
        """The cycle."""
        return self._clock.moment

    @property
    def reply_rate(self) -> Fraction:
        """Replies a second, from the first connection to the last thing received."""
        elapsed = self.last - self._arrivals.first
        return Fraction(self.replies * self._clock.frequency, elapsed) if self.replies and elapsed else Fraction(0)

    def _arrive(self) -> None:
        """It is time for the next connection."""
        if len(self._sessions) >= self._most:
            self.errors[Error.FD_UNAVAILABLE] += 1
            return
        computer = self._arrivals.number % len(self._stacks)
        connection = self._stacks[computer].connect(self._destination, self._port)
        if connection is None:
            self.errors[Error.ADDRESS_UNAVAILABLE] += 1
            return
        key = connection.key * len(self._stacks) + computer
        self._sessions[key] = Session(self, key, connection)
        self.wait(key)
        self.concurrent = max(self.concurrent, len(self._sessions))

    # What sessions do

    def wait(self, key: int) -> None:
        """A session gets on: its timeout begins anew."""
        if self._timeout is not None:
            self._timers.set(key, self.moment + self._timeout)

    def _timed_out(self, key: int) -> None:
        self._sessions[key].timed_out()

    def count(self, reply: Reply) -> None:
        """A reply is complete."""
        self.replies += 1
        self.body_bytes += reply.body
        self.statuses[0] += reply.interim
        self.statuses[reply.status // 100 - 1] += 1

    def over(self, key: int) -> None:
        """A session has closed its connection."""
        del self._sessions[key]
        self._timers.clear(key)

    # State

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON."""
        return super().save() | {"sessions": [[key, session.save()] for key, session in self._sessions.items()]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned; the stacks' connections have gone back before."""
        super().load(saved)
        self._sessions.clear()
        for key, state in saved["sessions"]:
            number, computer = divmod(key, len(self._stacks))
            self._sessions[key] = Session(self, key, self._stacks[computer].connections[number])
            self._sessions[key].load(state)

    def describe(self) -> dict[str, int]:
        """What was counted and measured, for people; times in cycles."""
        values = {"connections": self._arrivals.number, "open": len(self._sessions), "concurrent": self.concurrent,
                  "requests": self.requests, "replies": self.replies, "reply rate": round(self.reply_rate),
                  "bytes": self.bytes, "body bytes": self.body_bytes}
        values |= {f"status {number}xx": count for number, count in enumerate(self.statuses, 1)}
        values |= {f"error {error.words}": self.errors[error] for error in Error}
        for name in ("connect", "response", "transfer", "connection"):
            spread: Spread = getattr(self, f"{name}_time")
            values |= {f"{name} time {word}": value for word, value in spread.describe().items()}
        return values
