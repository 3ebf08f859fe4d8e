"""Any history of calls: streams arrive whole and in order, and who can go on has been told."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from socket_host import LOOP, Sockets, Waits

from guest.abi.sockets import SocketCall, SocketError

PROGRAMS = (0x1000, 0x2000, 0x3000)
ERR_RESET = SocketError.ERR_RESET


@dataclass
class End:
    """A socket of a connection between two programs, as it ought to be."""

    owner: int
    number: int
    sent: bytearray = field(default_factory=bytearray)      # all of it
    got: int = 0                                            # bytes of the other one's that were read
    finished: bool = False
    waits: str = ""                                         # "read" or "write", if that could not be done
    told: bool = True                                       # since then, somebody has said that something happened


class Histories:
    """Two ends, and what they do."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.host = Sockets()
        server, client = self.chance.choice(PROGRAMS), self.chance.choice(PROGRAMS)     # or one program
        port = self.chance.randrange(1, 1 << 16)
        listener = self.host.call(server, SocketCall.SYS_SOCKET_LISTEN, port, 1)
        theirs = self.host.call(client, SocketCall.SYS_SOCKET_CONNECT, LOOP, port)
        ours = self.host.call(server, SocketCall.SYS_SOCKET_ACCEPT, listener)
        assert isinstance(ours, int) and isinstance(theirs, int)
        self.ends = (End(server, ours), End(client, theirs))

    def step(self) -> None:
        """One of them does something."""
        at = self.chance.randrange(2)
        end, other = self.ends[at], self.ends[1 - at]
        what = self.chance.choices(("read", "write", "finish", "tick"), (10, 10, 0.1, 1))[0]
        if what == "read":
            self._read(end, other)
        elif what == "write":
            self._write(end)
        elif what == "finish":
            assert self.host.call(end.owner, SocketCall.SYS_SOCKET_FINISH, end.number) == 0
            end.finished = True
        else:
            self.host.wait(50)
        for owner, number in self.host.woken():
            for one in self.ends:
                one.told |= (owner, number) == (one.owner, one.number)

    def _read(self, end: End, other: End) -> None:
        size = self.chance.choice((1, 100, 1460, 20_000))
        got = self.host.receive_bytes(end.owner, end.number, size)
        if got == Waits(end.number):
            assert not other.finished or end.got < len(other.sent)
            end.waits, end.told = "read", False
            return
        assert isinstance(got, bytes) and end.told | (end.waits != "read")
        assert bool(got) or (other.finished and end.got == len(other.sent))
        assert got == other.sent[end.got:end.got + len(got)]
        end.got += len(got)
        end.waits = ""

    def _write(self, end: End) -> None:
        data = self.chance.randbytes(self.chance.choice((1, 100, 1460, 20_000)))
        done = self.host.send_bytes(end.owner, end.number, data)
        if end.finished:
            assert done == ERR_RESET
            return
        if done == Waits(end.number):
            end.waits, end.told = "write", False
            return
        assert isinstance(done, int) and done > 0 and end.told | (end.waits != "write")
        end.sent += data[:done]
        end.waits = ""

    def finish(self) -> None:
        """Both end their streams, and read what there is: it is everything."""
        for end, other in (self.ends, self.ends[::-1]):
            self.host.call(end.owner, SocketCall.SYS_SOCKET_FINISH, end.number)
            end.finished = True
            for _ in range(1000):
                got = self.host.receive_bytes(other.owner, other.number, 20_000)
                if isinstance(got, Waits):
                    self.host.wait(200)
                    continue
                assert isinstance(got, bytes) and got == end.sent[other.got:other.got + len(got)]
                other.got += len(got)
                if not got:
                    break
            assert other.got == len(end.sent)


@pytest.mark.parametrize("seed", range(4))
def test_streams_arrive_whole_and_who_waits_is_told(seed: int) -> None:
    histories = Histories(seed)
    for _ in range(300):
        histories.step()
    histories.finish()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 150))
def test_streams_arrive_whole_and_who_waits_is_told_for_long(seed: int) -> None:
    histories = Histories(seed)
    for _ in range(3000):
        histories.step()
    histories.finish()
