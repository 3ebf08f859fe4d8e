"""Submission and completion rings: what random submissions come to, against a model; and rings that nobody would
make.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from guest.abi.activations import ActError
from guest.abi.ecalls import EcallCall
from guest.abi.kernel import Error
from guest.abi.readiness import COMPLETION, RINGS, SUBMISSION, ReadinessSize, Ready, RingOperation
from guest.abi.sockets import SocketCall, SocketError, SocketFlag
from loader.image import Image
from tests.guest.ecalls.puppet import Puppet

ImageMaker = Callable[..., Image]      # the fixture `ecalls_image`
NOP, ACCEPT, RECEIVE, SEND, CLOSE, FINISH, POLL = RingOperation
RINGS_AT = 0x0                         # in the puppet's area
BUFFER = 0x3000
NEW = 1 << 20                          # the model's number of a socket that nobody knows before
FIELDS = RINGS.constants()
Done = tuple[int, int]                 # result and data of a completion


class Ring:
    """The program's side."""

    def __init__(self, puppet: Puppet) -> None:
        self.puppet = puppet
        self.given = self.heard = 0
        assert puppet.call(EcallCall.SYS_RINGS, self.at("TAKEN")) == 0

    def at(self, name: str) -> int:
        """Where a field is."""
        return self.puppet.area + RINGS_AT + FIELDS[f"RINGS_{name}"]

    def submit(self, operation: int, socket: int = 0, address: int = 0, length: int = 0, data: int = 0) -> None:
        """One more."""
        slot = self.given % ReadinessSize.RING_SUBMISSIONS
        self.puppet.words(self.at("SUBMISSIONS") + slot * SUBMISSION.size, [operation, socket, address, length, data])
        self.given += 1
        self.puppet.words(self.at("GIVEN"), [self.given])

    def enter(self, most: int = ReadinessSize.RING_SUBMISSIONS, wait: int = 0) -> int:
        """Has them taken."""
        return self.puppet.call(EcallCall.SYS_RINGS_ENTER, most, wait)

    def take(self, most: int = 1 << 30) -> list[Done]:
        """Completions."""
        done = self.puppet.word(self.at("DONE"))
        found = []
        while self.heard != done and len(found) < most:
            slot = self.heard % ReadinessSize.RING_COMPLETIONS
            data = self.puppet.read(self.at("COMPLETIONS") + slot * COMPLETION.size, COMPLETION.size)
            result = int.from_bytes(data[:4], "little", signed=True)
            found.append((result, int.from_bytes(data[4:], "little")))
            self.heard += 1
        self.puppet.words(self.at("HEARD"), [self.heard])
        return found


@pytest.fixture
def puppet(ecalls_image: ImageMaker) -> Puppet:
    """A program that does what the test says."""
    return Puppet(ecalls_image(["puppet"]))


@dataclass
class Side:
    """One end of a connection, or a listener, as the model knows it."""

    unread: int = 0
    over: bool = False
    other: Side | None = None
    knocking: list[Side] = field(default_factory=list)
    waiting: list[tuple[int, int, int]] = field(default_factory=list)     # operations: which, bytes, data


class Model:
    """What the kernel should do."""

    def __init__(self, listener: int) -> None:
        self.listener = listener
        self.sides = {listener: Side()}
        self.due: list[int] = []
        self.submitted: list[tuple[int, int, int, int]] = []
        self.done: list[Done] = []
        self.accepted: list[Side] = []         # whose numbers are not known yet

    def stir(self, side: Side | None) -> None:
        """Something has come for it."""
        for number, each in self.sides.items():
            if each is side and each.waiting and number not in self.due:
                self.due.append(number)

    def attempt(self, number: int, operation: int, length: int) -> int | None:
        """The result of an operation, None if it has to wait."""
        side = self.sides.get(number)
        if operation == NOP:
            return 0
        if side is None:
            return SocketError.ERR_SOCKET
        if operation == ACCEPT:
            if number != self.listener:
                return SocketError.ERR_SOCKET
            if not side.knocking:
                return None
            self.accepted.append(side.knocking.pop(0))
            return NEW
        if operation == POLL:
            return Ready.READY_READ if side.unread or side.over or side.knocking else None
        if number == self.listener:
            return SocketError.ERR_SOCKET
        if operation == RECEIVE:
            if not side.unread:
                return 0 if side.over else None
            count = min(length, side.unread)
            side.unread -= count
            return count
        assert side.other and operation == SEND
        side.other.unread += length
        self.stir(side.other)
        return length

    def take(self, number: int, operation: int, length: int, data: int) -> None:
        """A submission."""
        side = self.sides.get(number)
        if operation == CLOSE and side:
            self.done += [(SocketError.ERR_SOCKET, each) for _, _, each in side.waiting]
            del self.sides[number]
            self.due = [each for each in self.due if each != number]
            if side.other:
                side.other.over = True
                self.stir(side.other)
            self.done.append((0, data))
            return
        if operation != POLL and side and operation in [each for each, _, _ in side.waiting]:
            side.waiting.append((operation, length, data))
            return
        result = self.attempt(number, operation, length)
        if result is None:
            assert side
            side.waiting.append((operation, length, data))
        else:
            self.done.append((result, data))

    def try_again(self) -> None:
        """Those that are due."""
        while self.due:
            number = self.due.pop(0)
            side = self.sides[number]
            left = []
            for operation, length, data in side.waiting:
                result = self.attempt(number, operation, length)
                if result is None:
                    left.append((operation, length, data))
                else:
                    self.done.append((result, data))
            side.waiting = left

    def enter(self, most: int) -> int:
        """SYS_RINGS_ENTER."""
        self.try_again()
        taken, self.submitted = self.submitted[:most], self.submitted[most:]
        for each in taken:
            self.take(*each)
        self.try_again()
        return len(taken)


@pytest.mark.parametrize("seed", range(4))
def test_random_submissions_are_completed_as_they_should_be(seed: int, puppet: Puppet) -> None:
    chance = random.Random(seed)
    listener = puppet.listen()
    ring, model = Ring(puppet), Model(listener)
    data = 0
    for _ in range(100):
        what = chance.random()
        known = [number for number in model.sides if number != listener]
        if what < 0.15 and len(known) < 30:
            here, there = Side(), Side()
            here.other, there.other = there, here
            model.sides[puppet.connect()] = here
            model.sides[listener].knocking.append(there)
            model.stir(model.sides[listener])
        elif what < 0.3 and known:
            number = chance.choice(known)
            side = model.sides[number]
            if side.other and not side.over and side.other.unread < 2000:
                assert puppet.send(number, 50) == 50
                side.other.unread += 50
                model.stir(side.other)
        elif what < 0.8:
            operation = chance.choice([ACCEPT, ACCEPT, RECEIVE, RECEIVE, RECEIVE, SEND, POLL, NOP, CLOSE])
            number = listener if operation == ACCEPT or not known else chance.choice([*known, listener])
            side = model.sides[number]
            if operation == CLOSE and (number == listener or side.unread or side.over
                                       or any(each[0] == number for each in model.submitted)):
                continue
            if operation == SEND and (number == listener or side.over or not side.other or side.other.unread > 2000
                                      or sum(each[1] in (SEND, CLOSE) for each in model.submitted) > 3):
                continue
            if operation == SEND and any(each[1] == CLOSE for each in model.submitted):
                continue
            data += 1
            length = chance.randrange(1, 100)
            address = Ready.READY_READ if operation == POLL else puppet.area + BUFFER
            ring.submit(operation, number, address, length, data)
            model.submitted.append((number, operation, length, data))
        else:
            most = chance.choice([1, 64])
            assert ring.enter(most) == model.enter(most)
            found = ring.take()
            accepted = [result for result, each in found if (NEW, each) in model.done]
            assert [(NEW if (NEW, each) in model.done else result, each) for result, each in found] == model.done
            for number, side in zip(accepted, model.accepted, strict=True):
                assert number > 0
                model.sides[number] = side
            model.done, model.accepted = [], []
    puppet.finish()


def test_no_submission_is_taken_without_room_for_its_completion(puppet: Puppet) -> None:
    ring = Ring(puppet)
    room = ReadinessSize.RING_COMPLETIONS
    listener = puppet.listen()
    for at in range(3):
        ring.submit(ACCEPT, listener, data=at)           # they wait, and their completions need room, too
    sent, taken = 3, ring.enter()
    while sent < room + 50:
        ring.submit(NOP, data=sent)
        sent += 1
        taken += ring.enter()
        if sent > taken + 40:
            break
    assert taken == room
    assert ring.take() == [(0, at) for at in range(3, room)]
    assert ring.enter() == sent - taken
    for _ in range(3):
        puppet.connect()
    ring.enter()
    found = ring.take()
    assert [data for _, data in found] == [*range(room, sent), 0, 1, 2]
    puppet.finish()


def test_enter_waits_for_as_many_as_can_come(puppet: Puppet) -> None:
    ring = Ring(puppet)
    listener = puppet.listen()
    _, there = puppet.pair(listener)
    ring.submit(NOP)
    assert ring.enter(64, 9) == 1                        # nothing else can come
    ring.submit(RECEIVE, there, puppet.area + BUFFER, 10, 7)
    assert ring.enter(64, 1) == 1                        # the one that was not heard yet
    puppet.begin(EcallCall.SYS_RINGS_ENTER, 64, 2)
    assert puppet.end(5_000_000) is None


def test_a_closed_socket_completes_what_waits_for_it(puppet: Puppet) -> None:
    ring = Ring(puppet)
    listener = puppet.listen()
    _, there = puppet.pair(listener)
    for at in range(3):
        ring.submit(RECEIVE, there, puppet.area + BUFFER, 10, at)
    ring.submit(POLL, there, Ready.READY_READ, 0, 3)
    assert ring.enter() == 4 and ring.take() == []
    puppet.close(there)                                  # by the system call
    assert ring.take() == [(SocketError.ERR_SOCKET, at) for at in range(4)]
    here, _ = puppet.pair(listener)
    assert here == there                                 # nothing of that is left for who comes next
    assert ring.enter() == 0 and ring.take() == []
    puppet.finish()


def test_rings_that_nobody_would_make(puppet: Puppet) -> None:
    listener = puppet.listen()
    assert puppet.call(EcallCall.SYS_RINGS_ENTER, 1, 0) == ActError.ERR_ARGUMENT
    assert puppet.call(EcallCall.SYS_RINGS, puppet.area + 2) == ActError.ERR_ARGUMENT
    assert puppet.call(EcallCall.SYS_RINGS, 0xC000_0000 - RINGS.size + 4) == Error.ERR_ADDRESS
    ring = Ring(puppet)
    assert ring.enter(1, ReadinessSize.RING_COMPLETIONS + 1) == ActError.ERR_ARGUMENT
    ring.submit(POLL + 1, data=1)
    ring.submit(ACCEPT, listener | SocketFlag.SOCKET_NOW, data=2)
    ring.submit(RECEIVE, 0, data=3)
    here, _ = puppet.pair(listener)
    ring.submit(RECEIVE, here, 0xC000_0000, 4, 4)
    ring.submit(POLL, 12345, Ready.READY_READ, 0, 5)
    assert ring.enter() == 5
    assert ring.take() == [(ActError.ERR_ARGUMENT, 1), (SocketError.ERR_AGAIN, 2), (SocketError.ERR_SOCKET, 3),
                           (Error.ERR_ADDRESS, 4), (SocketError.ERR_SOCKET, 5)]
    for given in (ring.given + 65, ring.given - 1, 0x8000_0000):
        puppet.words(ring.at("GIVEN"), [given])
        assert ring.enter() == 0
    puppet.words(ring.at("GIVEN"), [ring.given])
    puppet.words(ring.at("TAKEN"), [99, ring.given, 5000, 99])      # the kernel's are its own
    ring.submit(NOP, data=6)
    assert ring.enter() in (0, 1)
    puppet.words(ring.at("HEARD"), [ring.heard])
    assert ring.enter() in (0, 1)
    assert ring.take() == [(0, 6)]
    ring.submit(RECEIVE, here, puppet.area + BUFFER, 4)
    assert ring.enter() == 1
    Ring(puppet)                                         # anew: what waited is forgotten
    assert puppet.call(EcallCall.SYS_RINGS, 0) == 0
    assert puppet.call(EcallCall.SYS_RINGS_ENTER, 1, 0) == ActError.ERR_ARGUMENT
    assert puppet.call(SocketCall.SYS_SOCKET_CLOSE, here) == 0
    puppet.finish()


def test_operations_are_many_and_their_pages_come_back(puppet: Puppet) -> None:
    ring = Ring(puppet)
    listener = puppet.listen()
    for at in range(400):
        ring.submit(ACCEPT, listener, data=at)
        if at % 50 == 49:
            assert ring.enter() == 50
    for _ in range(20):
        puppet.connect()
    ring.enter()
    assert [data for result, data in ring.take()] == list(range(20))
    puppet.finish()
