"""The service `io`: who is told of what; frames that are told of when they are due; and overload control."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emu.result import Reason
from guest.abi.ecalls import CHANNEL, CONTROL, Defer, EcallCall, EcallSize, FastCall, Method
from guest.abi.kernel import Syscall
from guest.abi.net import LISTENER
from guest.abi.readiness import SOCKET_INTEREST, SOCKET_READY, IoParameter, ReadinessSize, Ready
from guest.abi.sockets import SOCKET, SocketCall, SocketSize
from loader.image import Image
from tests.guest.ecalls.puppet import LOOPBACK, PORT, Puppet, register_io
from tests.guest.ecalls.test_readiness import World

ImageMaker = Callable[..., Image]      # the fixture `ecalls_image`
READ, WRITE = Ready.READY_READ, Ready.READY_WRITE
SET = 4 * ReadinessSize.READY_WORDS
TOLD = SOCKET_INTEREST.constants()
TELLS = SOCKET_READY.constants()


class Io:
    """A program's side of the service."""

    def __init__(self, puppet: Puppet, methods: int = 0, signal: int = 0) -> None:
        self.puppet = puppet
        self.channel = register_io(puppet, methods, signal)
        assert self.channel >= 0
        self.tell = EcallSize.ECALL_TELL + self.channel * EcallSize.ECALL_SPAN
        self.hear = EcallSize.ECALL_HEAR + self.channel * EcallSize.ECALL_SPAN

    def bit(self, address: int, number: int, on: bool) -> None:
        """A bit of a set."""
        word = address + number // 32 * 4
        value = self.puppet.word(word) & ~(1 << number % 32) | on << number % 32
        self.puppet.words(word, [value])

    def want(self, number: int, wants: int) -> None:
        """Interest changes, and is not heard yet."""
        self.bit(self.tell + TOLD["SOCKET_INTEREST_FD_LIST"], number, bool(wants & READ))
        self.bit(self.tell + TOLD["SOCKET_INTEREST_FD_WRITE"], number, bool(wants & WRITE))
        self.bit(self.tell + TOLD["SOCKET_INTEREST_UPDATED_FD_LIST"], number, True)
        self.puppet.words(self.tell, [self.puppet.word(self.tell) + 1])

    def fast(self) -> None:
        """Now."""
        assert self.puppet.call(FastCall.ECALL_FAST + self.channel) == 0

    def set(self, name: str, value: int) -> None:
        """A word that the program tells."""
        self.puppet.words(self.tell + TOLD[f"SOCKET_INTEREST_{name}"], [value])

    def said(self, name: str) -> int:
        """A word that the kernel tells."""
        return self.puppet.word(self.hear + TELLS[f"SOCKET_READY_{name}"])

    def active(self) -> set[int]:
        """Of which sockets it is told; `flag` says how many."""
        found = self.puppet.set(self.hear + TELLS["SOCKET_READY_FD_ACTIVE"], SET)
        assert self.said("FLAG") == len(found)
        return found

    def serve(self, number: int) -> None:
        """A bit is reset, and counted off."""
        self.bit(self.hear + TELLS["SOCKET_READY_FD_ACTIVE"], number, False)
        self.puppet.words(self.hear, [self.said("FLAG") - 1])


@pytest.fixture
def puppet(ecalls_image: ImageMaker) -> Puppet:
    """A program that does what the test says."""
    return Puppet(ecalls_image(["puppet"]))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_ready_is_active_until_it_is_served(seed: int, puppet: Puppet) -> None:
    world = World(puppet, seed)
    io = Io(puppet)
    wanted: dict[int, int] = {}
    for _ in range(200):
        world.step()
        for number in world.gone:
            wanted.pop(number, None)
            assert number not in io.active()
        world.gone.clear()
        now = world.ready()
        if world.chance.random() < 0.5:
            number = world.chance.choice([*now])
            wants = world.chance.choice([0, READ, READ, READ, READ | WRITE]) if number in world.ends else READ
            wanted[number] = wants
            io.want(number, wants)
            if world.chance.random() < 0.5:
                io.fast()
            else:
                puppet.words(io.tell + EcallSize.SEGMENT_CONTROL + CONTROL.constants()["CONTROL_WHEN"],
                             [Defer.DEFER_CALL])
                puppet.call(Syscall.SYS_SELF)
            assert puppet.word(io.tell) == 0                   # it has heard
        expected = {number for number, wants in wanted.items() if now[number] & wants}
        assert expected <= io.active() <= wanted.keys()
        drained = [number for number in io.active() if not now[number] & READ and not wanted[number] & WRITE]
        if drained and world.chance.random() < 0.7:
            io.serve(world.chance.choice(drained))
    puppet.finish()


def test_interest_is_told_before_the_program_waits(puppet: Puppet) -> None:
    io = Io(puppet)
    listener = puppet.listen()
    puppet.connect()
    io.want(listener, READ)
    puppet.words(io.tell + EcallSize.SEGMENT_CONTROL + CONTROL.constants()["CONTROL_WHEN"],
                 [Defer.DEFER_CALL | Defer.DEFER_SCHEDULE])
    assert puppet.call(EcallCall.SYS_ECALLS_WAIT, io.channel) == 0
    assert io.active() == {listener}


def test_unregistering_leaves_nothing(puppet: Puppet) -> None:
    io = Io(puppet)
    listener = puppet.listen()
    here, there = puppet.pair(listener)
    io.want(there, READ)
    io.fast()
    assert puppet.call(EcallCall.SYS_ECALLS_UNREGISTER, io.channel) == 0
    puppet.send(here, 3)
    again = Io(puppet)
    assert again.active() == set()
    again.want(there, READ)
    again.fast()
    assert again.active() == {there}
    puppet.finish()


def test_others_sockets_and_nonsense_are_no_interest(puppet: Puppet) -> None:
    io = Io(puppet)
    listener = puppet.listen()
    for number in (0, listener - 1, SocketSize.SOCKETS + 1, SET * 8 - 1):
        io.want(number, READ | WRITE)
    io.fast()
    assert io.active() == set()
    puppet.words(io.hear, [0xFFFF_FFFF] * (SET // 4 + 1))      # the kernel does not believe what it reads
    io.want(listener, READ)
    io.fast()
    puppet.connect()
    puppet.close(listener)
    puppet.finish()


SIGNAL = 40


def two_datagrams(puppet: Puppet, methods: int) -> tuple[Io, list[int]]:
    """A program that blocks a signal, and is told by it of datagrams for two sockets, which come to both."""
    io = Io(puppet, methods, SIGNAL)
    puppet.call(EcallCall.SYS_SIGPROCMASK, 0, 1 << SIGNAL - 32)
    mails = [puppet.call(SocketCall.SYS_SOCKET_BIND, 53 + at) for at in range(2)]
    for mail in mails:
        io.want(mail, READ)
    io.fast()
    for at, mail in enumerate(mails):
        puppet.words(puppet.area, [LOOPBACK, 53 + at, 0])
        assert puppet.call(SocketCall.SYS_SOCKET_SEND, mail, puppet.area, 8) == 8
    return io, mails


def signals(puppet: Puppet) -> list[int]:
    """The values of the signals that are queued."""
    values = []
    while True:
        puppet.begin(EcallCall.SYS_SIGWAITINFO, 0, 1 << SIGNAL - 32, puppet.area)
        number = puppet.end(puppet.machine.clock.frequency // 20)
        if number is None:
            return values
        assert number == SIGNAL
        values.append(puppet.word(puppet.area))


@pytest.mark.parametrize(("methods", "expected"), [
    (Method.METHOD_SIGNAL, 2), (Method.METHOD_KERNEL | Method.METHOD_SIGNAL, 2),
    (Method.METHOD_KERNEL | Method.METHOD_FILTER | Method.METHOD_SIGNAL, 1)])
def test_the_filter_lets_the_first_socket_pass(methods: int, expected: int, puppet: Puppet) -> None:
    io, mails = two_datagrams(puppet, methods)
    assert io.active() == set(mails)
    assert signals(puppet) == mails[:expected]


def test_the_thread_sends_one_signal_for_a_tick(puppet: Puppet) -> None:
    io, mails = two_datagrams(puppet, Method.METHOD_THREAD)
    assert io.active() == set(mails)
    assert signals(puppet) == [2]                              # how many sockets are active


def milliseconds(puppet: Puppet) -> int:
    """What the program would say is the time."""
    return puppet.machine.cpu.state.cycles * 1000 // puppet.machine.clock.frequency


@pytest.mark.parametrize("lead", [0, 20])
def test_a_frame_is_told_of_when_it_is_nearly_due(lead: int, puppet: Puppet) -> None:
    io = Io(puppet, Method.METHOD_QUEUE)
    mail = puppet.call(SocketCall.SYS_SOCKET_BIND, 53)
    io.want(mail, READ)
    io.fast()
    low = puppet.call(Syscall.SYS_TIME)
    assert low >= 0                                            # less than two seconds
    displayed, period = low // 1_000_000, 66
    for name, value in (("PERIOD", period), ("FRAMES", 1), ("DISPLAYED", displayed), ("LEAD", lead)):
        io.set(name, value)
    puppet.words(puppet.area, [LOOPBACK, 53, 0])
    assert puppet.call(SocketCall.SYS_SOCKET_SEND, mail, puppet.area, 8) == 8
    assert io.active() == set()
    before = milliseconds(puppet)
    puppet.begin(EcallCall.SYS_ECALLS_WAIT, io.channel)
    assert puppet.end(puppet.machine.clock.frequency // 5) == 0
    assert period - lead - 10 < milliseconds(puppet) - before <= period - lead + 11
    assert io.active() == {mail}
    channel = puppet.machine.address("channels") - 0xC000_0000
    key = CHANNEL.decode(bytes(puppet.machine.ram.read(channel, CHANNEL.size))).key
    assert key == displayed + period
    io.serve(mail)
    puppet.call(SocketCall.SYS_SOCKET_SEND, mail, puppet.area, 8)
    assert io.active() == {mail}                               # the next one is late: at once
    puppet.finish()


def test_a_delayed_socket_may_be_closed_or_be_read_meanwhile(puppet: Puppet) -> None:
    io = Io(puppet)
    mails = [puppet.call(SocketCall.SYS_SOCKET_BIND, 53 + at) for at in range(3)]
    for name, value in (("PERIOD", 30), ("FRAMES", 1), ("DISPLAYED", puppet.call(Syscall.SYS_TIME) // 1_000_000)):
        io.set(name, value)
    for at, mail in enumerate(mails):
        io.want(mail, READ)
        io.fast()
        puppet.words(puppet.area, [LOOPBACK, 53 + at, 0])
        puppet.call(SocketCall.SYS_SOCKET_SEND, mail, puppet.area, 8)
    assert io.active() == set()
    puppet.close(mails[1])
    puppet.call(SocketCall.SYS_SOCKET_RECEIVE, mails[0], puppet.area, 100)
    puppet.call(Syscall.SYS_SLEEP, 8)
    assert io.active() == {mails[2]}
    puppet.finish()


class Control:
    """Overload control of a listener for which nobody accepts."""

    def __init__(self, puppet: Puppet) -> None:
        self.puppet, self.io = puppet, Io(puppet)
        self.listener = puppet.listen()
        self.io.want(self.listener, READ)
        self.io.set("CONNECTS_THRESHOLD", 10)
        self.io.set("WAITING_THRESHOLD", 2)
        self.io.fast()

    @property
    def limit(self) -> int:
        """How many may be half open; the kernel says so, and it is so."""
        machine = self.puppet.machine
        table = machine.address("sockets") - 0xC000_0000 + (self.listener - 1) * SOCKET.size
        net = SOCKET.decode(bytes(machine.ram.read(table, SOCKET.size))).net - 0xC000_0000
        limit: int = LISTENER.decode(bytes(machine.ram.read(net, LISTENER.size))).half_limit
        assert limit == self.io.said("HALF_LIMIT")
        return limit


def test_overload_shrinks_the_queue_of_half_open_connections_and_less_load_restores_it(puppet: Puppet) -> None:
    control = Control(puppet)
    full = int(SocketSize.SOCKETS_HALF)
    assert control.limit == full
    for _ in range(4):
        puppet.connect()
    assert control.limit == full                               # many wait, but few are served
    control.io.set("NUMCONNECTS", 11)
    puppet.connect()
    assert control.limit == full // 2
    puppet.connect()
    assert control.limit == full // 4
    puppet.call(Syscall.SYS_SLEEP, 3)                          # at ticks, too
    assert control.limit == IoParameter.IO_HALF_LEAST and control.io.said("SHRUNK") == 3
    control.io.set("NUMCONNECTS", 10)
    limits = []
    while control.limit < full:
        puppet.call(Syscall.SYS_SLEEP, 1)
        limits.append(control.limit)
    assert limits[-7:] == [16, 24, 32, 40, 48, 56, 64]
    control.io.set("NUMCONNECTS", 11)
    puppet.call(Syscall.SYS_SLEEP, 3)
    assert control.limit < full
    assert puppet.call(EcallCall.SYS_ECALLS_UNREGISTER, control.io.channel) == 0
    again = Control.__new__(Control)
    again.puppet, again.io, again.listener = puppet, Io(puppet), control.listener
    again.io.want(control.listener, READ)
    again.io.fast()
    assert again.limit == full                                 # whoever controlled it is gone
    puppet.finish()


def test_without_thresholds_there_is_no_control(puppet: Puppet) -> None:
    control = Control(puppet)
    control.io.set("CONNECTS_THRESHOLD", 0)
    control.io.set("NUMCONNECTS", 1000)
    for _ in range(10):
        puppet.connect()
    assert control.limit == SocketSize.SOCKETS_HALF and control.io.said("SHRUNK") == 0
    assert puppet.machine.run(max_cycles=1000).reason == Reason.CYCLES and PORT
