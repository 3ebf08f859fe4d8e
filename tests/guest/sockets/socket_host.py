"""The guest's sockets with the network below them, on a machine without a kernel: programs are Python's."""

from __future__ import annotations

import struct
import tomllib
from functools import cache
from pathlib import Path

import net_frames as net

from emu.machine import Machine
from emu.result import Reason
from guest import abi
from guest.abi.activations import ActError
from guest.abi.kernel import Error
from guest.abi.sockets import DATAGRAM, SOCKET, SocketCall, SocketError, SocketFlag, SocketSize
from loader.assembler import assemble
from loader.linker import Program, link

GUEST = Path(abi.__file__).parents[1]
SOURCES = [*(GUEST / part / name for part in ("sockets", "net")
             for name in tomllib.loads((GUEST / part / f"{part}.toml").read_text())["sources"]),
           Path(__file__).with_name("double.asm")]
BASE, TOP = 0x100000, 0x10000
USER, READ_ONLY, SIZE = 0x7000_0000, 0x1000, 0x20000            # where programs see their memory; bytes
SENT_SLOTS, SLOT_BYTES, SLOT_DATA = 64, 2048, 16                # as in double.asm
BUFFER = USER + READ_ONLY
LOOP = int.from_bytes(net.address("127.0.0.1"), "little")
Datagram = tuple[bytes, int, int, bytes]                        # address, port, length, what there is of the data
ERRORS = (*Error, *ActError, *SocketError)


@cache
def program() -> Program:
    """Sockets and network, linked with their double."""
    constants = abi.constants()
    return link([assemble(path, constants=constants, include=[GUEST]) for path in SOURCES], base=BASE, entry="start")


class Waits:
    """What a call gives that has to wait."""

    def __init__(self, socket: int) -> None:
        """`socket`: the number for which it waits; 0: any."""
        self.socket = socket

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Waits) and other.socket == self.socket

    def __repr__(self) -> str:
        return f"Waits({self.socket})"


class Sockets:
    """A machine with programs 1, 2, ..., which share one memory and do what Python says."""

    def __init__(self) -> None:
        self.machine = Machine()
        for segment in program().segments:
            self.machine.ram.write(segment.physical, segment.data)
        self.symbols = program().symbols
        self._sent = self._woken = 0
        self.time = 0
        for name, value in (("user_start", USER), ("user_writable", USER + READ_ONLY), ("user_end", USER + SIZE),
                            ("user_offset", (self.symbols["room"] - USER) & 0xFFFF_FFFF)):
            self.write(name, struct.pack("<I", value))
        self.write("config", net.OUR_MAC + bytes(2) + net.OURS + net.MASK + net.GATEWAY)
        self._routine("net_init", eax=self.symbols["config"])
        self.input(net.arp(1, net.PEER, net.PEER_MAC, net.OURS))
        self.sent()

    def _routine(self, name: str, **registers: int) -> tuple[int, bool]:
        state = self.machine.cpu.registers
        for register, value in registers.items():
            setattr(state, register, value & 0xFFFF_FFFF)
        self.machine.ram.write(TOP - 4, struct.pack("<I", self.symbols["back"]))
        state.esp, state.eip = TOP - 4, self.symbols[name]
        result = self.machine.run(max_cycles=50_000_000, until=self.symbols["back"])
        assert result.reason == Reason.UNTIL and state.esp == TOP, result
        return state.eax, bool(state.eflags & 1)

    def call(self, owner: int, number: SocketCall, ebx: int = 0, esi: int = 0, edi: int = 0) -> int | Waits:
        """A system call of a program: its result, or that it waits."""
        eax, carry = self._routine("socket_call", eax=number, ebx=ebx, esi=esi, edi=edi, ebp=owner)
        assert self.machine.cpu.registers.ebp == owner
        if carry:
            return Waits(self.number(eax) if eax else 0)
        return next((error for error in ERRORS if error == eax - (1 << 32)), eax)

    def number(self, socket: int) -> int:
        """What a SOCKET is called."""
        number, rest = divmod(socket - self.symbols["sockets"], SOCKET.size)
        assert rest == 0 and 0 <= number < SocketSize.SOCKETS
        return number + 1

    def write(self, symbol: str, data: bytes, offset: int = 0) -> None:
        """Bytes of memory."""
        self.machine.ram.write(self.symbols[symbol] + offset, data)

    def read(self, symbol: str, size: int, offset: int = 0) -> bytes:
        """The same, the other way."""
        return bytes(self.machine.ram.read(self.symbols[symbol] + offset, size))

    def _word(self, symbol: str, offset: int = 0) -> int:
        return int.from_bytes(self.read(symbol, 4, offset), "little")

    def woken(self) -> list[tuple[int, int]]:
        """(owner, number) of each that was woken since the last call."""
        count = self._word("woken_count")
        records = [(self._word("woken", 8 * (at % 256)), self.number(self._word("woken", 8 * (at % 256) + 4)))
                   for at in range(self._woken, count)]
        self._woken = count
        return records

    def input(self, frame: bytes) -> None:
        """A frame comes."""
        self.write("room", frame, SIZE // 2)
        self._routine("net_input", esi=self.symbols["room"] + SIZE // 2, ecx=len(frame))

    def sent(self) -> list[bytes]:
        """The frames that were sent since the last call."""
        count = self._word("sent_count")
        slots = [number % SENT_SLOTS * SLOT_BYTES for number in range(max(self._sent, count - SENT_SLOTS), count)]
        self._sent = count
        return [self.read("sent", self._word("sent", slot), slot + SLOT_DATA) for slot in slots]

    def wait(self, milliseconds: int, step: int = 50) -> None:
        """Time passes."""
        for _ in range(milliseconds // step):
            self.time += step
            self.write("now", struct.pack("<I", self.time))
            self._routine("net_tick")

    def end(self, owner: int) -> None:
        """A program ends."""
        kept = {"ebx": 1, "esi": 2, "edi": 3, "ebp": 4}
        self._routine("sockets_end", eax=owner, **kept)
        assert {name: getattr(self.machine.cpu.registers, name) for name in kept} == kept

    def receive_bytes(self, owner: int, socket: int, size: int = 4096, now: bool = False) -> bytes | int | Waits:
        """What a program reads."""
        done = self.call(owner, SocketCall.SYS_SOCKET_READ, socket | now * SocketFlag.SOCKET_NOW, BUFFER, size)
        return self.read("room", done, READ_ONLY) if isinstance(done, int) and done >= 0 else done

    def send_bytes(self, owner: int, socket: int, data: bytes, now: bool = False) -> int | Waits:
        """What a program writes."""
        self.write("room", data, READ_ONLY)
        return self.call(owner, SocketCall.SYS_SOCKET_WRITE, socket | now * SocketFlag.SOCKET_NOW, BUFFER, len(data))

    def send_datagram(self, owner: int, socket: int, address: bytes, port: int, data: bytes) -> int | Waits:
        """A datagram that a program sends."""
        self.write("room", address + struct.pack("<II", port, 0) + data, READ_ONLY)
        return self.call(owner, SocketCall.SYS_SOCKET_SEND, socket, BUFFER, len(data))

    def receive_datagram(self, owner: int, socket: int, room: int = 2000) -> Datagram | int | Waits:
        """Address, port, length and what there is of the data."""
        done = self.call(owner, SocketCall.SYS_SOCKET_RECEIVE, socket, BUFFER, room)
        if not isinstance(done, int) or done < 0:
            return done
        head = DATAGRAM.decode(self.read("room", DATAGRAM.size, READ_ONLY))
        return head.address.to_bytes(4, "little"), head.port, head.length, \
            self.read("room", done, READ_ONLY + DATAGRAM.size)
