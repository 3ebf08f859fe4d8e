"""A program of the kernel `ecalls` whose every call a test says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emu.machine import Machine
from emu.result import Reason
from guest.abi.ecalls import EcallCall
from guest.abi.kernel import Syscall
from guest.abi.sockets import SocketCall, SocketFlag
from loader.image import Image

LOW = 0xFFFF_FFFF
LOOPBACK = 0x0100_007F          # 127.0.0.1
PORT = 80
PATIENCE = 20_000_000           # cycles of a call


def bits(numbers: Iterable[int]) -> int:
    """A set as a number: bit n for n."""
    return sum(1 << number for number in numbers)


def members(number: int) -> set[int]:
    """The reverse."""
    return {at for at in range(number.bit_length()) if number >> at & 1}


class Puppet:
    """The program, about to make a call, on a machine of its own or one that a test plugs in."""

    def __init__(self, image: Image, machine: Machine | None = None) -> None:
        """Boots it."""
        self.machine = machine or Machine.boot(image, memory=8 << 20)
        self.address = image.programs["puppet"].address
        self.machine.run(until=self.address("_start"))
        self.area = self.address("area")

    def write(self, address: int, data: bytes) -> None:
        """Bytes to its memory."""
        while data:
            part = data[:4096 - address % 4096]
            physical = self.machine.cpu.translate(address)
            assert physical is not None
            self.machine.ram.write(physical, part)
            address, data = address + len(part), data[len(part):]

    def words(self, address: int, words: Sequence[int]) -> None:
        """Words likewise."""
        self.write(address, b"".join((word & LOW).to_bytes(4, "little") for word in words))

    def read(self, address: int, length: int) -> bytes:
        """Bytes of its memory."""
        return self.machine.cpu.read_linear(address, length)

    def word(self, address: int) -> int:
        """A word of it."""
        return int.from_bytes(self.read(address, 4), "little")

    def set(self, address: int, length: int) -> set[int]:
        """A set of bits in it."""
        return members(int.from_bytes(self.read(address, length), "little"))

    def begin(self, number: int, *arguments: int) -> None:
        """It is about to make a call."""
        self.words(self.address("command"), [number, *arguments, *[0] * (3 - len(arguments))])

    def end(self, max_cycles: int = PATIENCE) -> int | None:
        """The result of the call that was begun; None if it has not ended."""
        result = self.machine.run(until=self.address("idle"), max_cycles=max_cycles)
        if result.reason != Reason.UNTIL:
            return None
        value = self.word(self.address("result"))
        return value - (1 << 32) if value >> 31 else value

    def call(self, number: int, *arguments: int) -> int:
        """A call that does not wait for long."""
        self.begin(number, *arguments)
        value = self.end()
        assert value is not None, f"{number}{arguments} has not ended"
        return value

    def listen(self, waiting: int = 40) -> int:
        """A socket that listens at PORT."""
        return self.call(SocketCall.SYS_SOCKET_LISTEN, PORT, waiting)

    def connect(self) -> int:
        """A socket that is connected to it."""
        return self.call(SocketCall.SYS_SOCKET_CONNECT, LOOPBACK, PORT)

    def accept(self, listener: int) -> int:
        """The next connection, or ERR_AGAIN."""
        return self.call(SocketCall.SYS_SOCKET_ACCEPT, listener | SocketFlag.SOCKET_NOW)

    def pair(self, listener: int) -> tuple[int, int]:
        """Both ends of a new connection."""
        return self.connect(), self.accept(listener)

    def send(self, socket: int, count: int) -> int:
        """Bytes to the other end."""
        return self.call(SocketCall.SYS_SOCKET_WRITE, socket | SocketFlag.SOCKET_NOW, self.area + 0x3000, count)

    def receive(self, socket: int, count: int) -> int:
        """Bytes from there."""
        return self.call(SocketCall.SYS_SOCKET_READ, socket | SocketFlag.SOCKET_NOW, self.area + 0x3000, count)

    def close(self, socket: int) -> int:
        """A socket is closed."""
        return self.call(SocketCall.SYS_SOCKET_CLOSE, socket)

    def finish(self) -> None:
        """It ends, and the machine with it; no frame of memory is left behind."""
        self.begin(Syscall.SYS_EXIT, 0)
        result = self.machine.run(max_cycles=PATIENCE)
        assert result.reason == Reason.EXIT, result
        used = self.machine.address("frames_used") - 0xC000_0000
        assert not any(self.machine.ram.read(used, 4)), "frames are lost"


def register_io(puppet: Puppet, methods: int = 0, signal: int = 0) -> int:
    """The number of a channel for the service `io`, which has no user handler."""
    puppet.write(puppet.area, b"io\0")
    puppet.words(puppet.area + 0x100, [methods, 0, 0, signal])
    return puppet.call(EcallCall.SYS_ECALLS_REGISTER, puppet.area, puppet.area + 0x100)
