"""The guest's network stack alone on a machine: its routines are called from Python."""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import net_frames as net

from emu.machine import Machine
from emu.result import Reason
from guest import abi
from guest.abi.layout import Layout
from guest.abi.net import CONN, NEIGHBOUR, Count, NetError, NetSize, TcpSize, TcpState
from loader.assembler import assemble
from loader.linker import Program, link

GUEST = Path(abi.__file__).parents[1]
PARTS = tomllib.loads((GUEST / "net" / "net.toml").read_text())["sources"]
SOURCES = [*(GUEST / "net" / name for name in PARTS), Path(__file__).with_name("double.asm")]
BASE, STACK, TOP = 0x100000, 0x8000, 0x10000
SENT_SLOTS, SLOT_BYTES, SLOT_DATA = 256, 2048, 16                   # as in double.asm
LONG = 50_000_000                                                   # cycles: no call takes that


@cache
def program() -> Program:
    """The stack, linked with its double."""
    constants = abi.constants()
    return link([assemble(path, constants=constants, include=[GUEST]) for path in SOURCES], base=BASE, entry="start")


class Stack:
    """A machine with the stack, which knows who it is and has told so."""

    def __init__(self, gateway: bytes = net.GATEWAY, *, neighbour: bool = True) -> None:
        """`neighbour`: the peer is known already."""
        self.machine = Machine()
        for segment in program().segments:
            self.machine.ram.write(segment.physical, segment.data)
        self.symbols = program().symbols
        self._taken = 0
        self.time = 0xFFFF_FF00                                     # wraps around soon
        self.write("now", struct.pack("<I", self.time))
        self.write("room", net.OUR_MAC + bytes(2) + net.OURS + net.MASK + gateway)
        self.call("net_init", eax=self.symbols["room"])
        if neighbour:
            self.input(net.arp(1, net.PEER, net.PEER_MAC, net.OURS))
            self.sent()

    def call(self, routine: str, **registers: int) -> SimpleNamespace:
        """Runs a routine to its end, and gives the registers then, and carry; those that it must keep are checked."""
        state = self.machine.cpu.registers
        kept = {"ebx": 0x11111111, "esi": 0x22222222, "edi": 0x33333333, "ebp": 0x44444444} | registers
        for name, value in kept.items():
            setattr(state, name, value)
        self.machine.ram.write(TOP - 4, struct.pack("<I", self.symbols["back"]))
        state.esp, state.eip = TOP - 4, self.symbols[routine]
        result = self.machine.run(max_cycles=LONG, until=self.symbols["back"])
        assert result.reason == Reason.UNTIL, result
        assert state.esp == TOP
        if routine != "feed":
            assert all(getattr(state, name) == kept[name] for name in ("ebx", "esi", "edi", "ebp"))
        return SimpleNamespace(eax=state.eax, carry=bool(state.eflags & 1))

    def read(self, symbol: str, size: int, offset: int = 0) -> bytes:
        """Bytes of memory."""
        return bytes(self.machine.ram.read(self.symbols[symbol] + offset, size))

    def write(self, symbol: str, data: bytes) -> None:
        """The same, the other way."""
        self.machine.ram.write(self.symbols[symbol], data)

    def word(self, symbol: str, offset: int = 0) -> int:
        """A doubleword."""
        return int.from_bytes(self.read(symbol, 4, offset), "little")

    def input(self, *frames: bytes) -> None:
        """Frames come."""
        self.write("room", b"".join(struct.pack("<I", len(frame)) + frame for frame in frames) + b"\xff" * 4)
        self.call("feed", esi=self.symbols["room"])

    def sent(self) -> list[bytes]:
        """The frames that were sent since the last call."""
        count = self.word("sent_count")
        assert count - self._taken <= SENT_SLOTS
        slots = [(number % SENT_SLOTS) * SLOT_BYTES for number in range(self._taken, count)]
        self._taken = count
        return [self.read("sent", self.word("sent", slot), slot + SLOT_DATA) for slot in slots]

    def forget(self) -> None:
        """What was sent does not matter."""
        self._taken = self.word("sent_count")

    def packets(self) -> list[net.Packet]:
        """The same as packets, which go to the peer's MAC."""
        frames = self.sent()
        assert all(frame[:12] == net.PEER_MAC + net.OUR_MAC for frame in frames)
        return [net.parse(frame) for frame in frames]

    def ask(self, frame: bytes) -> net.Packet | None:
        """The only answer to a frame, if there is one."""
        self.input(frame)
        packets = self.packets()
        assert len(packets) <= 1
        return packets[0] if packets else None

    def wait(self, milliseconds: int, *, step: int = 50) -> None:
        """Time passes, with a tick now and then."""
        for _ in range(milliseconds // step):
            self.time = (self.time + step) & 0xFFFF_FFFF
            self.write("now", struct.pack("<I", self.time))
            self.call("net_tick")

    def bind(self, port: int, routine: str, argument: int = 0) -> bool:
        """Binds a UDP port."""
        return not self.call("udp_bind", eax=port, edx=self.symbols[routine], ecx=argument).carry

    def udp_send(self, ports: tuple[int, int], data: bytes, target: bytes = net.PEER) -> bool:
        """Sends a datagram."""
        self.write("room", data)
        return not self.call("udp_send", eax=int.from_bytes(target, "little"), edx=ports[0] << 16 | ports[1],
                             esi=self.symbols["room"], ecx=len(data)).carry

    def listen(self, port: int, half: int = 8, waiting: int = 8) -> int:
        """The listener of a TCP port."""
        done = self.call("tcp_listen", eax=port, edx=half, ecx=waiting)
        assert not done.carry
        return done.eax

    def accept(self, listener: int) -> int | None:
        """The next connection, if one waits."""
        done = self.call("tcp_accept", eax=listener)
        assert not done.carry or done.eax == NetError.NET_AGAIN
        return None if done.carry else done.eax

    def connect(self, target: bytes = net.PEER, port: int = 80, owner: int = 0) -> int | NetError:
        """A connection that begins, or why not."""
        done = self.call("tcp_connect", eax=int.from_bytes(target, "little"), edx=port, ecx=owner)
        return NetError(done.eax) if done.carry else done.eax

    def begin(self, target: bytes = net.PEER, port: int = 80, owner: int = 0) -> int:
        """The same, of one that can begin."""
        conn = self.connect(target, port, owner)
        assert not isinstance(conn, NetError), conn
        return conn

    def tcp_read(self, conn: int, length: int = 65536) -> bytes | NetError:
        """What has come, or why not."""
        done = self.call("tcp_read", eax=conn, edx=self.symbols["room"], ecx=length)
        return NetError(done.eax) if done.carry else self.read("room", done.eax)

    def tcp_write(self, conn: int, data: bytes) -> int | NetError:
        """How many bytes were taken, or why none."""
        self.write("room", data)
        done = self.call("tcp_write", eax=conn, edx=self.symbols["room"], ecx=len(data))
        return NetError(done.eax) if done.carry else done.eax

    def conn(self, address: int) -> SimpleNamespace:
        """What the stack knows of a connection."""
        return CONN.decode(bytes(self.machine.ram.read(address, CONN.size)))

    def ports(self, address: int) -> tuple[int, int]:
        """Ports of a connection, the peer's and ours."""
        theirs, ours = struct.unpack(">HH", self.conn(address).ports.to_bytes(4, "little"))
        return theirs, ours

    def conns(self) -> list[SimpleNamespace]:
        """All connections that there are."""
        return [one for one in self._table("connections", CONN, TcpSize.TCP_CONNECTIONS)
                if one.state != TcpState.TCP_FREE]

    def woken(self) -> list[int]:
        """Who was woken since the last call."""
        count = self.word("woken_count")
        self.write("woken_count", bytes(4))
        return [self.word("woken", at * 4) for at in range(count)]

    def count(self, which: Count) -> int:
        """A counter."""
        return self.word("net_counts", which * 4)

    def counts(self) -> dict[Count, int]:
        """All of them that are not 0."""
        return {which: self.count(which) for which in Count if which != Count.COUNTS and self.count(which)}

    def neighbours(self) -> Iterable[SimpleNamespace]:
        """The neighbours that are known or asked for."""
        return [one for one in self._table("neighbours", NEIGHBOUR, NetSize.NEIGHBOURS) if one.state]

    def _table(self, symbol: str, layout: Layout, count: int) -> list[SimpleNamespace]:
        return [layout.decode(self.read(symbol, layout.size, at * layout.size)) for at in range(count)]
