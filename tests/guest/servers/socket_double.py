"""A program of guest/user/net on a machine of its own, with a network in Python that does what a test tells it to."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path

from emu.machine import Machine
from emu.result import Reason
from guest import abi
from guest.abi.kernel import Syscall
from guest.abi.sockets import DATAGRAM, SocketCall, SocketError, SocketFlag
from loader.assembler import assemble
from loader.linker import Program, link

GUEST = Path(abi.__file__).parents[1]
LIBRARY = ("lib/print.asm", "lib/arguments.asm", "lib/sockets.asm")
PROGRAMS = {
    "echo": ("echo", "serve", "seats"),
    "web": ("web", "serve", "seats", "http_request", "http_fields", "http_reply", "http_pages", "http_text"),
    "client": ("client", "client_request", "http_text"),
    "net": ("net",),
}
BASE = 0x100000
OWNED = 20                      # sockets that there are
LONG = 50_000_000               # cycles: nothing takes that without a call


@cache
def linked(name: str) -> Program:
    """A program, linked with the double."""
    sources = [*(f"user/net/{part}.asm" for part in PROGRAMS[name]), *LIBRARY]
    constants = abi.constants()
    objects = [assemble(GUEST / source, name=source, constants=constants, include=[GUEST]) for source in sources]
    objects.append(assemble(Path(__file__).with_name("alone.asm"), constants=constants))
    return link(objects, base=BASE, entry="alone")


class Client:
    """The other end of a connection: `sent` is what the program has written; it takes `room` bytes more."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.number = 0                         # of its socket, once it has one
        self.incoming = bytearray()             # said, and not read yet
        self.ended = self.reset = False         # by the client
        self.finished = self.closed = False     # by the program
        self.lost = False                       # it was closed before all was read
        self.sent = bytearray()
        self.room = 1 << 20

    def say(self, data: bytes) -> Client:
        """Data come."""
        self.incoming += data
        self._network.happen(self.number)
        return self

    def end(self) -> Client:
        """The stream ends."""
        self.ended = True
        self._network.happen(self.number)
        return self

    def abort(self) -> Client:
        """The connection is reset."""
        self.reset = True
        self._network.happen(self.number)
        return self

    def take(self, room: int) -> Client:
        """There is more room."""
        self.room += room
        self._network.happen(self.number)
        return self


class Listener:
    """A socket that listens."""

    def __init__(self) -> None:
        self.waiting: deque[Client] = deque()


class Port:
    """A UDP port that is bound: address, port and data of each datagram."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, int, bytes]] = deque()


class Network:
    """The program, and its sockets. `run` lets it run until it waits."""

    def __init__(self, name: str, arguments: str = "") -> None:
        program = linked(name)
        self.symbols = program.symbols
        self.machine = Machine(memory=4 << 20)
        for segment in program.segments:
            self.machine.ram.write(segment.physical, segment.data)
        self._write(self.symbols["words"], f"{name} {arguments}".rstrip().encode() + b"\0")
        self.machine.cpu.registers.eip = program.entry
        self.console = ""
        self.exit_code: int | None = None
        self.passed = 0
        self.sockets: dict[int, Client | Listener | Port] = {}
        self.listening: dict[int, int] = {}             # socket by TCP port
        self.bound: dict[int, int] = {}                 # socket by UDP port
        self.datagrams: list[tuple[int, int, bytes]] = []       # that the program has sent: address, port, data
        self._happened: deque[int] = deque()
        self._waits = False
        self.connected: Callable[[int, int], Client | None] = lambda address, port: None

    # What the other side does

    def client(self, port: int) -> Client:
        """Somebody connects."""
        client = Client(self)
        listener = self.sockets[self.listening[port]]
        assert isinstance(listener, Listener)
        listener.waiting.append(client)
        self.happen(self.listening[port])
        return client

    def datagram(self, port: int, address: int, source: int, data: bytes) -> None:
        """A datagram comes."""
        bound = self.sockets[self.bound[port]]
        assert isinstance(bound, Port)
        bound.waiting.append((address, source, data))
        self.happen(self.bound[port])

    def happen(self, socket: int) -> None:
        """Something happens with a socket."""
        if socket in self.sockets and socket not in self._happened:
            self._happened.append(socket)

    # The program

    def run(self, most: int = 100_000, *, count: str = "ended") -> Network:
        """Until it waits for something or has ended, or `most` calls; `passed`: how often it came by `count`."""
        state = self.machine.cpu.registers
        stops = [self.symbols[name] for name in ("trap", "ended", count)]
        for _ in range(most):
            if not self._waits:
                result = self.machine.run(max_cycles=LONG, until=stops)
                assert result.reason == Reason.UNTIL, result
                self.passed += state.eip == self.symbols[count]
                if state.eip == self.symbols["ended"]:
                    self.exit_code = state.eax
                    return self
                if state.eip != self.symbols["trap"]:
                    continue
            answer = self._call(state.eax, state.ebx, state.esi, state.edi)
            self._waits = answer is None
            if answer is None:
                return self
            state.eax = answer & 0xFFFF_FFFF
        raise AssertionError(f"it goes on and on\n{self.console}")

    def _call(self, number: int, ebx: int, esi: int, edi: int) -> int | None:
        """What a call gives; None: it waits."""
        if number == Syscall.SYS_WRITE:
            self.console += self._read(ebx, esi).decode()
            return esi
        call = SocketCall(number)
        if call == SocketCall.SYS_SOCKET_CONNECT:
            return self._connect(ebx, esi)
        answer = self._socket_call(call, ebx & ~SocketFlag.SOCKET_NOW, esi, edi)
        return None if answer == SocketError.ERR_AGAIN and not ebx & SocketFlag.SOCKET_NOW else answer

    def _connect(self, address: int, port: int) -> int:
        client = self.connected(address, port)
        if client is None:
            return SocketError.ERR_RESET
        client.number = self._new(client)
        return client.number

    def _socket_call(self, call: SocketCall, first: int, esi: int, edi: int) -> int:
        match call:
            case SocketCall.SYS_SOCKET_LISTEN | SocketCall.SYS_SOCKET_BIND:
                ports = self.listening if call == SocketCall.SYS_SOCKET_LISTEN else self.bound
                if first in ports:
                    return SocketError.ERR_FULL
                ports[first] = self._new(Listener() if ports is self.listening else Port())
                return ports[first]
            case SocketCall.SYS_SOCKET_WAIT:
                assert first == 0
                return self._happened.popleft() if self._happened else SocketError.ERR_AGAIN
        thing = self.sockets[first]                     # a KeyError is the program's fault
        match call:
            case SocketCall.SYS_SOCKET_ACCEPT:
                assert isinstance(thing, Listener)
                if not thing.waiting:
                    return SocketError.ERR_AGAIN
                if len(self.sockets) == OWNED:
                    return SocketError.ERR_FULL
                client = thing.waiting.popleft()
                client.number = self._new(client)
                self.happen(client.number)
                return client.number
            case SocketCall.SYS_SOCKET_RECEIVE:
                assert isinstance(thing, Port)
                if not thing.waiting:
                    return SocketError.ERR_AGAIN
                address, port, data = thing.waiting.popleft()
                self._write(esi, struct.pack("<III", address, port, len(data)) + data[:edi])
                return min(len(data), edi)
            case SocketCall.SYS_SOCKET_SEND:
                address, port, _ = struct.unpack("<III", self._read(esi, DATAGRAM.size))
                self.datagrams.append((address, port, self._read(esi + DATAGRAM.size, edi)))
                return edi
        assert isinstance(thing, Client)
        return self._stream_call(call, thing, esi, edi)

    def _stream_call(self, call: SocketCall, client: Client, esi: int, edi: int) -> int:
        match call:
            case SocketCall.SYS_SOCKET_READ if client.incoming:
                assert edi
                data = bytes(client.incoming[:edi])
                del client.incoming[:edi]
                self._write(esi, data)
                return len(data)
            case SocketCall.SYS_SOCKET_READ:
                return SocketError.ERR_RESET if client.reset else 0 if client.ended else SocketError.ERR_AGAIN
            case SocketCall.SYS_SOCKET_WRITE:
                assert edi
                if client.reset or client.finished:
                    return SocketError.ERR_RESET
                taken = min(edi, client.room)
                client.sent += self._read(esi, taken)
                client.room -= taken
                return taken or SocketError.ERR_AGAIN
            case SocketCall.SYS_SOCKET_FINISH:
                client.finished = True
                return 0
            case SocketCall.SYS_SOCKET_CLOSE:
                client.closed, client.lost = True, bool(client.incoming)
                del self.sockets[client.number]
                self._happened = deque(number for number in self._happened if number != client.number)
                return 0
        raise AssertionError(call)

    def _new(self, thing: Client | Listener | Port) -> int:
        number = next(number for number in range(1, OWNED + 2) if number not in self.sockets)
        self.sockets[number] = thing
        return number

    def _read(self, address: int, size: int) -> bytes:
        return bytes(self.machine.ram.read(address, size))

    def _write(self, address: int, data: bytes) -> None:
        self.machine.ram.write(address, data)
