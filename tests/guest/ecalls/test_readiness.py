"""select, interest and readiness: what they tell of sockets, against what the sockets are."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from emu.result import Reason
from guest.abi.activations import ActError
from guest.abi.ecalls import EcallCall
from guest.abi.kernel import Error
from guest.abi.readiness import READINESS, SELECT, ReadinessSize, Ready
from guest.abi.sockets import SocketCall, SocketError, SocketSize
from loader.image import Image
from tests.guest.ecalls.puppet import LOOPBACK, PORT, Puppet, bits
from tests.guest.network.conftest import MS, Guest

ImageMaker = Callable[..., Image]      # the fixture `ecalls_image`
READ, WRITE = Ready.READY_READ, Ready.READY_WRITE
SET = 4 * ReadinessSize.READY_WORDS
EVER = -1
TICK = 5_500_000                       # cycles, on the processor that runs when none is named


@pytest.fixture
def puppet(ecalls_image: ImageMaker) -> Puppet:
    """A program that does what the test says."""
    return Puppet(ecalls_image(["puppet"]))


def select(puppet: Puppet, read: set[int], write: set[int], most: int = SocketSize.SOCKETS, ticks: int = 0
           ) -> tuple[int | None, set[int], set[int]]:
    """What SYS_SELECT answers, and what it leaves; None if it waits."""
    sets = puppet.area
    puppet.write(sets, bits(read).to_bytes(SET, "little") + bits(write).to_bytes(SET, "little"))
    puppet.begin(EcallCall.SYS_SELECT, sets, most, ticks)
    result = puppet.end(4 * TICK)
    return result, puppet.set(sets, SET), puppet.set(sets + SET, SET)


def ready(puppet: Puppet, room: int = 64, ticks: int = 0) -> list[tuple[int, int, int]]:
    """What SYS_READY tells: socket, bits, data."""
    count = puppet.call(EcallCall.SYS_READY, puppet.area, room, ticks)
    found = [READINESS.decode(puppet.read(puppet.area + at * READINESS.size, READINESS.size)) for at in range(count)]
    return [(each.socket, each.bits, each.data) for each in found]


@dataclass
class End:
    """One end of a connection, as the model knows it."""

    unread: int = 0
    over: bool = False                 # the other end has ended its stream
    dead: bool = False                 # it was reset
    closed: bool = False
    other: End | None = None

    def ready(self) -> int:
        """What it is ready for: there is always room to write."""
        return (READ if self.unread or self.over or self.dead else 0) | WRITE


class World:
    """Random life of sockets in a program, and what there is to know of each."""

    def __init__(self, puppet: Puppet, seed: int) -> None:
        self.puppet, self.chance = puppet, random.Random(seed)
        self.listener = puppet.listen()
        self.ends: dict[int, End] = {}
        self.waiting: list[End] = []
        self.mail = puppet.call(SocketCall.SYS_SOCKET_BIND, 53)
        self.mails = 0
        self.gone: list[int] = []      # sockets that were closed since somebody looked here

    def ready(self) -> dict[int, int]:
        """What each socket is ready for."""
        return {self.listener: READ if self.waiting else 0, self.mail: WRITE | (READ if self.mails else 0),
                **{number: end.ready() for number, end in self.ends.items()}}

    def step(self) -> None:
        """Something happens."""
        puppet, chance = self.puppet, self.chance
        what = chance.choice(["connect", "accept", "write", "write", "read", "read", "drain", "close", "mail",
                              "receive"])
        number = chance.choice([*self.ends]) if self.ends else 0
        end = self.ends.get(number)
        if what == "connect" and len(self.ends) < 30:
            here, there = End(), End()
            here.other, there.other = there, here
            self.ends[puppet.connect()] = here
            self.waiting.append(there)
        elif what == "accept":
            number = puppet.accept(self.listener)
            assert (number > 0) == bool(self.waiting)
            if self.waiting:
                self.ends[number] = self.waiting.pop(0)
        elif what == "write" and end and end.other and not end.dead and not end.other.closed:
            count = chance.randrange(1, 300)
            if end.other.unread < 3000:
                assert puppet.send(number, count) == count
                end.other.unread += count
        elif what in ("read", "drain") and end and not end.dead:
            count = 4000 if what == "drain" else chance.randrange(1, 300)
            expected = min(count, end.unread) or (0 if end.over else SocketError.ERR_AGAIN)
            assert puppet.receive(number, count) == expected
            end.unread -= max(expected, 0)
        elif what == "close" and end and end.other:
            assert puppet.close(number) == 0
            if end.unread:
                end.other.dead = True
            end.other.over = end.closed = True
            del self.ends[number]
            self.gone.append(number)
        elif what == "mail" and self.mails < 20:
            puppet.words(puppet.area, [LOOPBACK, 53, 0])
            assert puppet.call(SocketCall.SYS_SOCKET_SEND, self.mail, puppet.area, 8) == 8
            self.mails += 1
        elif what == "receive" and self.mails:
            assert puppet.call(SocketCall.SYS_SOCKET_RECEIVE, self.mail, puppet.area, 100) == 8
            self.mails -= 1


@pytest.mark.parametrize("seed", range(3))
def test_select_says_what_sockets_are_ready_for(seed: int, puppet: Puppet) -> None:
    world = World(puppet, seed)
    for _ in range(120):
        world.step()
        now = world.ready()
        read, write = ({number for number in now if world.chance.random() < 0.7} for _ in range(2))
        most = world.chance.choice([SocketSize.SOCKETS, SocketSize.SOCKETS - 3, max(now)])
        expected = ({number for number in read if now[number] & READ and number <= most},
                    {number for number in write if now[number] & WRITE and number <= most})
        assert select(puppet, read, write, most) == (len(expected[0]) + len(expected[1]), *expected)
    puppet.finish()


@pytest.mark.parametrize("seed", range(3))
def test_ready_tells_of_all_that_are_ready_and_wanted(seed: int, puppet: Puppet) -> None:
    world = World(puppet, seed)
    wanted: dict[int, tuple[int, int]] = {}
    for _ in range(150):
        world.step()
        for number in world.gone:
            wanted.pop(number, None)
        world.gone.clear()
        now = world.ready()
        if world.chance.random() < 0.6:
            number, wants = world.chance.choice([*now]), world.chance.choice([0, READ, READ, WRITE, READ | WRITE])
            data = world.chance.getrandbits(32)
            assert puppet.call(EcallCall.SYS_INTEREST, number, wants, data) == 0
            wanted[number] = wants, data
        expected = {(number, now[number] & wants, data) for number, (wants, data) in wanted.items()
                    if now[number] & wants}
        if world.chance.random() < 0.2:
            found = ready(puppet, 3)               # whose turn it is not comes the next time
            assert len(found) == min(3, len(expected))
        else:
            found = ready(puppet)
            assert len(found) == len(expected)
        assert set(found) <= expected
    puppet.finish()


def test_those_that_found_no_room_come_first_the_next_time(puppet: Puppet) -> None:
    listener = puppet.listen()
    pairs = [puppet.pair(listener) for _ in range(5)]
    for here, there in pairs:
        puppet.call(EcallCall.SYS_INTEREST, there, READ, 0)
        puppet.send(here, 1)
    numbers = [there for _, there in pairs]
    found = [number for _ in range(5) for number, _, _ in ready(puppet, 2)]
    assert found == (numbers * 2)


def test_bad_arguments(puppet: Puppet) -> None:
    listener = puppet.listen()
    far = 0xC000_0000 - SELECT.size + 4
    assert puppet.call(EcallCall.SYS_SELECT, far, 3, 0) == Error.ERR_ADDRESS
    assert puppet.call(EcallCall.SYS_SELECT, 0, 3, 0) == Error.ERR_ADDRESS
    assert select(puppet, {listener - 1}, set())[0] == SocketError.ERR_SOCKET
    assert select(puppet, {0}, set())[0] == SocketError.ERR_SOCKET
    assert select(puppet, {listener}, set(), listener - 1) == (0, set(), set())
    assert select(puppet, {listener}, set(), 0xFFFF_FFFF) == (0, set(), set())
    for number in (0, listener - 1, SocketSize.SOCKETS + 1, 0xFFFF_FFFF):
        assert puppet.call(EcallCall.SYS_INTEREST, number, READ, 0) == SocketError.ERR_SOCKET
    assert puppet.call(EcallCall.SYS_INTEREST, listener, 4, 0) == ActError.ERR_ARGUMENT
    assert puppet.call(EcallCall.SYS_READY, puppet.area, 0, 0) == ActError.ERR_ARGUMENT
    assert puppet.call(EcallCall.SYS_READY, 0xC000_0000 - 8, 1, 0) == Error.ERR_ADDRESS
    assert ready(puppet, 0xFFFF_FFFF) == []
    puppet.finish()


@pytest.mark.parametrize("call", ["select", "ready"])
def test_time_passes_while_nothing_happens(call: str, puppet: Puppet) -> None:
    listener = puppet.listen()
    before = puppet.machine.cpu.state.cycles
    if call == "select":
        assert select(puppet, {listener}, set(), ticks=2) == (0, set(), set())
    else:
        puppet.call(EcallCall.SYS_INTEREST, listener, READ, 0)
        assert ready(puppet, ticks=2) == []
    tick = puppet.machine.clock.frequency // 100
    assert tick < puppet.machine.cpu.state.cycles - before <= 2.1 * tick


@pytest.mark.parametrize("call", ["select", "ready"])
def test_only_what_was_asked_for_wakes(call: str, ecalls_image: ImageMaker) -> None:
    """A host knocks: at a port that nobody asked for, and at the other."""
    guest = Guest(ecalls_image(["puppet"]), "host:10.0.0.1")
    assert guest.machine.image is not None
    puppet = Puppet(guest.machine.image, guest.machine)
    listener, other = puppet.listen(), puppet.call(SocketCall.SYS_SOCKET_LISTEN, PORT + 1, 5)
    puppet.call(EcallCall.SYS_INTEREST, listener, READ, 77)
    puppet.write(puppet.area, bits({listener}).to_bytes(SET, "little") + bytes(SET))
    if call == "select":
        puppet.begin(EcallCall.SYS_SELECT, puppet.area, max(listener, other), EVER)
    else:
        puppet.begin(EcallCall.SYS_READY, puppet.area, 8, EVER)
    assert puppet.end(2 * MS) is None
    guest.connect(PORT + 1)
    result = guest.machine.run(until="select_scan" if call == "select" else "interest_leave", max_cycles=20 * MS)
    assert result.reason == Reason.CYCLES                   # it was not woken
    guest.connect(PORT)
    assert puppet.end(20 * MS) == 1
    if call == "select":
        assert puppet.set(puppet.area, 2 * SET) == {listener}
    else:
        assert [puppet.word(puppet.area + at) for at in (0, 4, 8)] == [listener, READ, 77]


@pytest.mark.parametrize("seed", range(2))
def test_any_calls_do_no_harm(seed: int, puppet: Puppet) -> None:
    """Whatever the arguments: each call answers, or waits for a tick, and the kernel is well at the end."""
    chance = random.Random(seed)
    listener = puppet.listen()
    sockets = [listener, *puppet.pair(listener), *puppet.pair(listener)]
    for _ in range(300):
        places = [puppet.area, puppet.area + 0x800, puppet.area + 0xFFC, puppet.area + 3, 0, 0xBFFF_FFF0, 0xC000_0000,
                  chance.getrandbits(32)]
        anything = [*sockets, *places, 0, 1, 3, 64, -1, chance.getrandbits(32), chance.randrange(200)]
        puppet.words(puppet.area + 4 * chance.randrange(0x380), [chance.choice(anything) for _ in range(8)])
        number = chance.choice([EcallCall.SYS_SELECT, EcallCall.SYS_INTEREST, EcallCall.SYS_READY, EcallCall.SYS_RINGS,
                                EcallCall.SYS_RINGS_ENTER, EcallCall.SYS_RINGS_ENTER, SocketCall.SYS_SOCKET_WRITE])
        first, second, third = (chance.choice(anything) for _ in range(3))
        if number in (EcallCall.SYS_SELECT, EcallCall.SYS_READY):
            third = chance.choice([0, 0, 1])
        if number == EcallCall.SYS_RINGS_ENTER:
            first, second = chance.choice([0, 1, 64, -1]), 0
        if number == EcallCall.SYS_RINGS:
            first = chance.choice(places)
        puppet.call(number, first, second, third)
    puppet.finish()
