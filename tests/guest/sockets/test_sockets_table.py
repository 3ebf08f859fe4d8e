"""Any history of sockets that come and go: who may have one more, what it is called, and that none is lost."""

from __future__ import annotations

import random

import pytest
from socket_host import LOOP, Sockets, Waits

from guest.abi.sockets import ACCOUNT, SocketCall, SocketError, SocketFlag, SocketKind, SocketSize

ERR_AGAIN = SocketError.ERR_AGAIN
PROGRAMS = (0x1000, 0x2000, 0x3000)
LISTENER, STREAM, DATAGRAMS = SocketKind.SOCKET_LISTENER, SocketKind.SOCKET_STREAM, SocketKind.SOCKET_DATAGRAMS
LIMITS = {LISTENER: SocketSize.SOCKETS_LISTENING, STREAM: SocketSize.SOCKETS_OWNED, DATAGRAMS: SocketSize.SOCKETS_BOUND}


class Table:
    """What there ought to be, beside what there is."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.host = Sockets()
        self.sockets: dict[int, tuple[int, SocketKind, int]] = {}   # owner, kind, connections that may wait; by number
        self.free: list[int] = []                                   # numbers that are free again, the last one on top
        self.most = 0                                               # the highest so far
        self.port = 1000

    def step(self) -> None:
        """A program gets a socket, or not; or closes one; or ends."""
        owner = self.chance.choice(PROGRAMS)
        what = self.chance.choices(("make", "close", "end"), (10, 6, 0.05))[0]
        if what == "make":
            self._make(owner, self.chance.choices((STREAM, LISTENER, DATAGRAMS), (5, 1, 1))[0])
        elif what == "close" and self.sockets:
            self._close(self.chance.choice(list(self.sockets)))
        elif what == "end":
            self.host.end(owner)
            for number in sorted(number for number, (whose, *_) in self.sockets.items() if whose == owner):
                self._forget(number)

    def _make(self, owner: int, kind: SocketKind) -> None:
        self.port += 1
        waiting = self.chance.randrange(1, 20) if kind == LISTENER else 0
        done = {LISTENER: lambda: self.host.call(owner, SocketCall.SYS_SOCKET_LISTEN, self.port, waiting),
                STREAM: lambda: self.host.call(owner, SocketCall.SYS_SOCKET_CONNECT, LOOP, 80),
                DATAGRAMS: lambda: self.host.call(owner, SocketCall.SYS_SOCKET_BIND, self.port)}[kind]()
        mine = [(one, more) for whose, one, more in self.sockets.values() if whose == owner]
        used = sum(1 + more for _, more in mine)
        allowed = (sum(one == kind for one, _ in mine) < LIMITS[kind]
                   and used + 1 + waiting <= SocketSize.SOCKETS_OWNED and len(self.sockets) < SocketSize.SOCKETS)
        if not allowed or done == SocketError.ERR_FULL:
            assert done == SocketError.ERR_FULL
            if allowed:                             # then the network has not one more of these
                assert sum(one == kind for _, one, _ in self.sockets.values()) >= 8
                if not self.free:
                    self.most += 1
                    self.free.append(self.most)     # it had been made
            return
        expected = self.free.pop() if self.free else self.most + 1
        assert done == expected
        self.most = max(self.most, expected)
        self.sockets[expected] = owner, kind, waiting

    def _close(self, number: int) -> None:
        for stranger in PROGRAMS:
            if stranger != self.sockets[number][0]:
                assert self.host.call(stranger, SocketCall.SYS_SOCKET_CLOSE, number) == SocketError.ERR_SOCKET
        assert self.host.call(self.sockets[number][0], SocketCall.SYS_SOCKET_CLOSE, number) == 0
        self._forget(number)

    def _forget(self, number: int) -> None:
        del self.sockets[number]
        self.free.append(number)

    def check(self) -> None:
        """The accounts say what there is."""
        host = self.host
        accounts = [ACCOUNT.decode(host.read("accounts", ACCOUNT.size, at * ACCOUNT.size))
                    for at in range(SocketSize.SOCKETS)]
        used = [one for one in accounts if one.owner]
        assert sorted(one.owner for one in used) == sorted({owner for owner, *_ in self.sockets.values()})
        for account in used:
            mine = [(kind, waiting) for owner, kind, waiting in self.sockets.values() if owner == account.owner]
            assert account.listeners == sum(kind == LISTENER for kind, _ in mine)
            assert account.streams == sum(kind == STREAM for kind, _ in mine)
            assert account.datagrams == sum(kind == DATAGRAMS for kind, _ in mine)
            assert account.all == sum(1 + waiting for _, waiting in mine)

    def told(self, owner: int) -> list[int]:
        """The sockets of which a program is told, to the last one."""
        numbers = []
        while (number := self.host.call(owner, SocketCall.SYS_SOCKET_WAIT, SocketFlag.SOCKET_NOW)) != ERR_AGAIN:
            assert isinstance(number, int)
            numbers.append(number)
        return numbers


@pytest.mark.parametrize("seed", range(3))
def test_each_has_its_share_and_none_is_lost(seed: int) -> None:
    table = Table(seed)
    for _ in range(12):
        for _ in range(50):
            table.step()
        table.check()
    for number in list(table.sockets):
        table._close(number)
    table.check()


def test_each_program_is_told_of_its_own_in_the_order_in_which_it_happened() -> None:
    table = Table(0)
    host, chance = table.host, random.Random(1)
    owners = {}
    for number in range(30):
        owner = PROGRAMS[number % 3]
        socket = host.call(owner, SocketCall.SYS_SOCKET_CONNECT, LOOP, 80)
        assert isinstance(socket, int)
        owners[socket] = owner
    happened = list(owners)                         # all were refused at once
    for socket in chance.sample(happened, 12):
        assert host.call(owners[socket], SocketCall.SYS_SOCKET_CLOSE, socket) == 0
        happened.remove(socket)
    for owner in PROGRAMS:
        assert table.told(owner) == [socket for socket in happened if owners[socket] == owner]
        assert host.call(owner, SocketCall.SYS_SOCKET_WAIT) == Waits(0)


def test_a_socket_is_made_and_ended_as_soon_among_many() -> None:
    table = Table(0)
    host = table.host

    def taken() -> int:
        before = host.machine.cpu.state.instructions
        socket = host.call(PROGRAMS[0], SocketCall.SYS_SOCKET_BIND, 9)
        host.call(PROGRAMS[0], SocketCall.SYS_SOCKET_CLOSE, socket)
        return host.machine.cpu.state.instructions - before

    alone = taken()
    for _ in range(SocketSize.SOCKETS_OWNED - 1):
        assert isinstance(host.call(PROGRAMS[0], SocketCall.SYS_SOCKET_CONNECT, LOOP, 80), int)
    assert taken() <= alone                         # which made its account, too
