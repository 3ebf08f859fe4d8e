"""UDP load, as netperf makes it: a source with a rate, a sink that measures, and an echo; each is a service of a host.

The payload of a source begins with a STAMP: a magic word, a sequence number from 0 on, and the cycle of sending. A sink
that finds one tells loss, duplicates and reordering, and the latency. All cycles are the machine's own.
"""

from __future__ import annotations

import struct
from fractions import Fraction

from emu.clock import Clock
from emu.kept import Kept
from emu.net.arrivals import Arrivals
from emu.net.host import Host
from emu.net.meter import Meter
from emu.net.packets import IPv4, Udp

STAMP = struct.Struct("!4sIQ")      # MAGIC, sequence number, cycle
MAGIC = b"TRAP"
ECHO, DISCARD = 7, 9                # ports (RFC 862, RFC 863)
SOURCE = 49_152                     # the port that a source sends from
LONGEST = 1472                      # bytes of payload that fit into one Ethernet frame
WINDOW = 4096                       # sequence numbers, back from the highest, of which a sink knows whether they came


class Echo(Kept):
    """Sends every datagram back to where it came from."""

    KEPT = ("datagrams",)

    def __init__(self, host: Host, port: int = ECHO) -> None:
        """Raises ValueError if the port is taken."""
        self._host = host
        self.datagrams = 0              # sent back
        host.listen(port, self._receive)

    def _receive(self, packet: IPv4, datagram: Udp) -> None:
        self.datagrams += 1
        self._host.send_udp(datagram.destination, packet.source, datagram.source, datagram.payload)

    def describe(self) -> dict[str, int]:
        """The counter, for people."""
        return {"datagrams": self.datagrams}


class Sink(Kept):
    """Counts and measures what comes to a port. Sequence numbers make sense of one source at a time."""

    KEPT = ("datagrams", "meter", "stamped", "highest", "duplicates", "reordered", "_seen", "latencies",
            "latency_least", "latency_most", "_latency_sum")

    def __init__(self, host: Host, port: int = DISCARD) -> None:
        """Raises ValueError if the port is taken."""
        self._clock = host.clock
        self.datagrams = 0              # received
        self.meter = Meter(host.clock)  # of their payload
        self.stamped = 0                # datagrams with a STAMP
        self.highest = -1               # highest sequence number so far
        self.duplicates = 0             # stamped ones that had come before
        self.reordered = 0              # ... that came behind a higher one
        self._seen = 0                  # bit n: highest - n has come
        self.latencies = 0              # datagrams with a time of sending, and the cycles that they took:
        self.latency_least = 0
        self.latency_most = 0
        self._latency_sum = 0
        host.listen(port, self._receive)

    @property
    def missing(self) -> int:
        """Sequence numbers from 0 to the highest that have not come."""
        return self.highest + 1 - (self.stamped - self.duplicates)

    @property
    def latency(self) -> Fraction:
        """Mean cycles from sending to arriving."""
        return Fraction(self._latency_sum, self.latencies) if self.latencies else Fraction(0)

    def _receive(self, packet: IPv4, datagram: Udp) -> None:
        self.datagrams += 1
        self.meter.count(len(datagram.payload))
        if len(datagram.payload) >= STAMP.size:
            magic, sequence, cycle = STAMP.unpack_from(datagram.payload)
            if magic == MAGIC:
                self._order(sequence)
                self._time(self._clock.moment - cycle)

    def _order(self, sequence: int) -> None:
        self.stamped += 1
        ahead = sequence - self.highest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & (1 << WINDOW) - 1 if ahead < WINDOW else 1
            self.highest = sequence
        elif self._seen >> -ahead & 1:
            self.duplicates += 1
        else:
            self.reordered += 1
            if -ahead < WINDOW:
                self._seen |= 1 << -ahead

    def _time(self, cycles: int) -> None:
        if cycles >= 0:                 # else the time is not of this machine
            self.latency_least = min(self.latency_least, cycles) if self.latencies else cycles
            self.latency_most = max(self.latency_most, cycles)
            self._latency_sum += cycles
            self.latencies += 1

    def describe(self) -> dict[str, int]:
        """What was measured, for people; goodput in bits/s, latencies in cycles."""
        return {"datagrams": self.datagrams} | self.meter.describe() | {
            "missing": self.missing, "duplicates": self.duplicates, "reordered": self.reordered,
            "latency least": self.latency_least, "latency mean": round(self.latency),
            "latency most": self.latency_most}


class Source(Kept):
    """Sends stamped datagrams of one size, evenly spaced, whatever becomes of them (open loop).

    Datagram n leaves n intervals after the first, to the cycle. The first waits until ARP has found the destination.
    What comes back to its port is measured in `returned`: round trips, if the destination echoes.
    """

    KEPT = ("refused", "returned", "_arrivals")

    def __init__(self, host: Host, destination: bytes, rate: int | None = None, *, frames: int | None = None,
                 size: int = 1000, start: int = 0, stop: int | None = None, count: int | None = None,
                 port: int = DISCARD, source: int = SOURCE, mac: bytes | None = None) -> None:
        """`rate`: bits of payload a second; or `frames` a second. `size`: bytes of payload. `start`, `stop`: ns since
        cycle 0. `port`, `source`: to and from which port. `mac`: the destination's, which spares ARP.

        Raises ValueError for what cannot be sent, and if the port to send from is taken.
        """
        if not STAMP.size <= size <= LONGEST:
            raise ValueError(f"a UDP source sends {STAMP.size} to {LONGEST} bytes in a datagram, not {size}")
        if not 0 <= port < 1 << 16:
            raise ValueError(f"there is no UDP port {port}")
        if (rate is None) == (frames is None):
            raise ValueError("a UDP source has a rate or a number of frames a second, one of the two")
        per_second = Fraction(frames) if rate is None and frames is not None else Fraction(rate or 0, size * 8)
        if per_second <= 0:
            raise ValueError("a UDP source sends more than nothing a second")
        self._host = host
        self._clock: Clock = host.clock
        self._destination, self._port, self._source, self._size = destination, port, source, size
        self.refused = 0                # datagrams for which there was no room
        self.returned = Sink(host, source)
        if mac:
            host.addresses[destination] = mac
        self._arrivals = Arrivals(host, f"{host.end.name}.udp{source}", destination, per_second, self._send,
                                  start=start, stop=stop, count=count)

    @property
    def sequence(self) -> int:
        """Of the next datagram: how many were sent, or refused."""
        return self._arrivals.number

    def _send(self) -> None:
        payload = STAMP.pack(MAGIC, self.sequence & 0xFFFFFFFF, self._clock.moment).ljust(self._size, b"\0")
        if not self._host.send_udp(self._source, self._destination, self._port, payload):
            self.refused += 1

    def describe(self) -> dict[str, int]:
        """What was sent, and what came back, for people."""
        return {"sent": self.sequence - self.refused, "refused": self.refused} | {
            f"returned {name}": value for name, value in self.returned.describe().items()}
