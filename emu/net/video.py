"""Video load: servers that send streams of frames, as an encoder makes them, to whoever asks by UDP.

A player sends a REQUEST to a server's port: so many frames, so many a second. The server sends them to where that
came from, the first one within a group of pictures from then on, each as a burst of datagrams, whatever becomes of
them. A datagram begins with a PART, which says of which frame it is; what follows is of no meaning. Behind the last
frame comes, in the same rhythm, what says that there are no more. How long a frame is depends on its kind, and on
chance: the seed, the server and the player's port alone, so no stream depends on the others.

Frames come in the order in which they are shown. An encoder would send a P frame before the B frames that need it;
that changes which frame a player has to wait for, not how much there is to receive and decode.
"""

from __future__ import annotations

import re
import struct
from functools import partial
from random import Random
from typing import Any

from emu.clock import Clock
from emu.kept import Kept
from emu.net.host import Host
from emu.net.hub import Hub
from emu.net.packets import IPv4, Udp, ip_text
from emu.net.timers import Timers

REQUEST = struct.Struct("!4sII")    # MAGIC, frames a second, frames
PART = struct.Struct("!IIII")       # number of the frame, its kind, number of this part of it, parts that it has
ENDS = 15                           # times that it is said that a stream is over: a frame without parts
MAGIC = b"PLAY"
KINDS = "IPB"                       # of frames: whole, from the one before, from those on both sides
PORT = 5004
FIRST = bytes((10, 0, 0, 11))       # address of the first server; the others' follow
MOST_SERVERS = 200
MOST_PER_SECOND = 1000              # frames
PIECE = 1400                        # bytes of a frame in one datagram
LONGEST = 1 << 20                   # bytes of a frame
LONGEST_GROUP = 256                 # frames
GOP = re.compile(f"I[{KINDS}]{{0,{LONGEST_GROUP - 1}}}")
GROUP = "IBBPBBPBBPBB"              # the usual group of pictures
MAC = bytes.fromhex("0200000001")   # Ethernet addresses begin so, and end with the address' last byte


class Stream(Kept):
    """What one player gets."""

    KEPT = ("server", "service", "player", "port", "rate", "frames", "next", "first")

    def __init__(self, server: int = 0, service: int = 0, player: int = 0, port: int = 0, rate: int = 1,
                 frames: int = 0, first: int = 0) -> None:
        self.server = server            # which one sends it,
        self.service = service          # ... from which port
        self.player = player            # address that it goes to,
        self.port = port                # ... and port
        self.rate = rate                # frames a second
        self.frames = frames            # how many there are
        self.next = 0                   # number of the next one
        self.first = first              # cycle of the first one


class Servers(Kept):
    """Some servers, at addresses that follow each other."""

    KEPT = ("requests", "frames", "datagrams", "bytes", "refused", "_hosts", "_timers")

    def __init__(self, clock: Clock, hub: Hub, *, servers: int = 5, gop: str = GROUP, i: int = 15_000, p: int = 7500,
                 b: int = 2500, spread: float = 0.2, seed: int = 0, port: int = PORT) -> None:
        """`i`, `p`, `b`: mean bytes of a frame of each kind; a frame is up to `spread` of that shorter or longer.

        Raises ValueError for what no server sends, and if there are such servers already.
        """
        if not 1 <= servers <= MOST_SERVERS:
            raise ValueError(f"there are 1 to {MOST_SERVERS} video servers, not {servers}")
        if not GOP.fullmatch(gop):
            raise ValueError(f"a group of pictures is as {GROUP}, at most {LONGEST_GROUP} long, not {gop[:40]!r}")
        for kind, length in zip(KINDS, (i, p, b), strict=True):
            if not 1 <= length <= LONGEST:
                raise ValueError(f"a frame {kind} has 1 to {LONGEST} bytes, not {length}")
        self._clock = clock
        self._gop = [KINDS.index(kind) for kind in gop]
        self._lengths, self._spread, self._seed = (i, p, b), spread, seed
        self._hosts = [_host(clock, hub, number) for number in range(servers)]
        self._timers = Timers(clock, f"{hub.name}.video", self._send)
        self._streams: list[Stream] = []
        self.requests = 0               # that came, those for streams that have begun included
        self.frames = 0                 # sent
        self.datagrams = 0              # ... in so many, the ends of streams included
        self.bytes = 0                  # ... with so many bytes of frames
        self.refused = 0                # datagrams for which the wire had no room
        for number, host in enumerate(self._hosts):
            host.listen(port, partial(self._asked, number))

    def _asked(self, server: int, packet: IPv4, datagram: Udp) -> None:
        """A player wants a stream: if it has one from this server, it has not got it yet, and asks again."""
        if len(datagram.payload) != REQUEST.size:
            return
        magic, rate, frames = REQUEST.unpack(datagram.payload)
        player, port = int.from_bytes(packet.source), datagram.source
        if magic != MAGIC or not 0 < rate <= MOST_PER_SECOND or not frames:
            return
        self.requests += 1
        if any((stream.server, stream.player, stream.port) == (server, player, port) for stream in self._streams):
            return
        wait = Random(f"{self._seed} {server} {port}").random() * len(self._gop) / rate
        first = self._clock.moment + round(wait * self._clock.frequency)
        self._streams.append(Stream(server, datagram.destination, player, port, rate, frames, first))
        self._timers.set(len(self._streams) - 1, first)

    def _send(self, number: int) -> None:
        """It is time for the next frame of a stream, or to say again that there is none."""
        stream = self._streams[number]
        if stream.next < stream.frames:
            self._send_frame(stream)
        else:
            self._send_part(stream, PART.pack(stream.frames, 0, 0, 0))
        stream.next += 1
        if stream.next < stream.frames + ENDS:
            after = stream.next * self._clock.frequency
            self._timers.set(number, stream.first + -(-after // stream.rate))

    def _send_frame(self, stream: Stream) -> None:
        """The next frame, in parts."""
        kind = self._gop[stream.next % len(self._gop)]
        chance = Random(f"{self._seed} {stream.server} {stream.port} {stream.next}")
        length = max(round(self._lengths[kind] * (1 + self._spread * chance.uniform(-1, 1))), 1)
        parts = -(-length // PIECE)
        for part in range(parts):
            piece = min(PIECE, length - part * PIECE)
            if self._send_part(stream, PART.pack(stream.next, kind, part, parts) + bytes(piece)):
                self.bytes += piece
        self.frames += 1

    def _send_part(self, stream: Stream, payload: bytes) -> bool:
        """False if the wire had no room."""
        host, player = self._hosts[stream.server], stream.player.to_bytes(4)
        taken = host.send_udp(stream.service, player, stream.port, payload)
        self.datagrams += taken
        self.refused += not taken
        return taken

    # State

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON."""
        return super().save() | {"streams": [stream.save() for stream in self._streams]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        super().load(saved)
        self._streams = [Stream() for _ in saved["streams"]]
        for stream, state in zip(self._streams, saved["streams"], strict=True):
            stream.load(state)

    def describe(self) -> dict[str, int]:
        """What was asked for and sent, for people."""
        return {"requests": self.requests, "streams": len(self._streams), "frames": self.frames,
                "datagrams": self.datagrams, "bytes": self.bytes, "refused": self.refused}


def _host(clock: Clock, hub: Hub, number: int) -> Host:
    """The computer of a server."""
    address = (int.from_bytes(FIRST) + number).to_bytes(4)
    return Host(clock, hub.port(ip_text(address)), MAC + address[-1:], address)
