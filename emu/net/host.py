"""Host: a computer on the wire that answers ARP and ping, and hands what comes for it to whoever listens there.

It has one Ethernet and one IPv4 address, takes no time, and knows no routes: everybody is on its wire. What it sends to
an address that it does not know waits until ARP has found it. Fragments are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emu.clock import NEVER, Clock
from emu.kept import Kept
from emu.net.hub import Port
from emu.net.packets import (
    ANY_MAC,
    BROADCAST,
    Arp,
    Ethernet,
    EtherType,
    Icmp,
    IcmpType,
    IPv4,
    Operation,
    PacketError,
    Protocol,
    Udp,
)
from emu.net.wire import End

MAC = bytes.fromhex("020000000001")     # addresses of a host unless it is given others
IP = bytes((10, 0, 0, 1))
EVERYBODY = b"\xFF" * 4         # the IPv4 address of a broadcast
ARP_RETRIES = 10                # requests before it gives up on an address,
ARP_INTERVAL = 100              # and how many of them a second
MOST_ADDRESSES = 1024           # addresses that it remembers; the one learnt first is forgotten
MOST_ASKED = 64                 # addresses that it looks for at a time
MOST_WAITING = 64               # packets that wait for one address


class Host(Kept):
    """A host at an end of a wire. Who speaks a protocol enters itself in `protocols`; who has a UDP port, listens."""

    KEPT = ("received", "malformed", "ignored", "fragments", "unclaimed", "unreachable", "arps", "pings")

    def __init__(self, clock: Clock, end: End | Port, mac: bytes = MAC, ip: bytes = IP) -> None:
        """Raises ValueError if there is a host at this end already."""
        self.clock = clock
        self.end = end
        self.mac = mac
        self.ip = ip
        self.protocols: dict[int, Callable[[IPv4], None]] = {Protocol.ICMP: self._icmp, Protocol.UDP: self._udp}
        self._ports: dict[int, Callable[[IPv4, Udp], None]] = {}
        self._retry = clock.event(f"{end.name}.arp", self._ask_again)
        self.addresses: dict[bytes, bytes] = {}         # Ethernet addresses by IPv4 address
        self._asked: dict[bytes, int] = {}              # ARP requests so far, by address that is looked for
        self._waiting: dict[bytes, list[bytes]] = {}    # IPv4 packets by address that they wait for
        self.received = 0                               # frames, those for others included
        self.malformed = 0                              # ... dropped: cut short, or a wrong checksum
        self.ignored = 0                                # ... for others, or of a kind that nobody here speaks
        self.fragments = 0                              # ... parts of larger packets
        self.unclaimed = 0                              # ... to a UDP port where nobody listens
        self.unreachable = 0                            # packets not sent: no address was found, or too many wait
        self.arps = 0                                   # ARP requests answered
        self.pings = 0                                  # ICMP echo requests answered
        end.receive = self._receive

    # Sending

    def send(self, destination: bytes, protocol: int, payload: bytes) -> bool:
        """Send an IPv4 packet; False if it was dropped at once: the wire's queue is full, or too many packets wait."""
        packet = IPv4(self.ip, destination, protocol, payload).build()
        mac = BROADCAST if destination == EVERYBODY else self.addresses.get(destination)
        if mac:
            return self._send_frame(mac, EtherType.IPV4, packet)
        waiting = self._waiting.setdefault(destination, []) if self.find(destination) else None
        if waiting is None or len(waiting) == MOST_WAITING:
            self.unreachable += 1
            return False
        waiting.append(packet)
        return True

    def send_udp(self, port: int, destination: bytes, destination_port: int, payload: bytes) -> bool:
        """Send a UDP datagram from `port` here; False as of `send`."""
        datagram = Udp(port, destination_port, payload)
        return self.send(destination, Protocol.UDP, datagram.build(self.ip, destination))

    def find(self, ip: bytes) -> bool:
        """See that `addresses` gets the Ethernet address of `ip` if it can be had; False: too many are looked for."""
        if ip in self.addresses or ip in self._asked:
            return True
        if len(self._asked) == MOST_ASKED:
            return False
        self._asked[ip] = 0
        self._ask(ip)
        if self._retry.cycle == NEVER:
            self._retry.schedule(self._after_interval())
        return True

    def _send_frame(self, destination: bytes, type: int, payload: bytes) -> bool:
        return self.end.send(Ethernet(destination, self.mac, type, payload).build())

    def _ask(self, ip: bytes) -> None:
        self._asked[ip] += 1
        request = Arp(Operation.REQUEST, self.mac, self.ip, ANY_MAC, ip)
        self._send_frame(BROADCAST, EtherType.ARP, request.build())

    def _ask_again(self) -> None:
        """The answers have been waited for long enough: ask again, or give up."""
        for ip, times in list(self._asked.items()):
            if times < ARP_RETRIES:
                self._ask(ip)
            else:
                del self._asked[ip]
                self.unreachable += len(self._waiting.pop(ip, ()))
        if self._asked:
            self._retry.schedule(self._after_interval())

    def _after_interval(self) -> int:
        return self.clock.moment + self.clock.frequency // ARP_INTERVAL

    def _learn(self, ip: bytes, mac: bytes) -> None:
        """Remember an address, and send what has waited for it."""
        if ip not in self.addresses and len(self.addresses) == MOST_ADDRESSES:
            del self.addresses[next(iter(self.addresses))]
        self.addresses[ip] = mac
        self._asked.pop(ip, None)
        for packet in self._waiting.pop(ip, ()):
            self._send_frame(mac, EtherType.IPV4, packet)

    # Receiving

    def listen(self, port: int, handler: Callable[[IPv4, Udp], None]) -> None:
        """Give `handler` what comes for a UDP port: the packet, and the datagram in it. Raises ValueError if taken."""
        if not 0 <= port < 1 << 16:
            raise ValueError(f"there is no UDP port {port}")
        if port in self._ports:
            raise ValueError(f"UDP port {port} of the host is taken")
        self._ports[port] = handler

    def _receive(self, data: bytes) -> None:
        self.received += 1
        try:
            frame = Ethernet.parse(data)
            if frame.destination not in (self.mac, BROADCAST):
                self.ignored += 1
            elif frame.type == EtherType.ARP:
                self._arp(Arp.parse(frame.payload))
            elif frame.type == EtherType.IPV4:
                self._ipv4(IPv4.parse(frame.payload))
            else:
                self.ignored += 1
        except PacketError:
            self.malformed += 1

    def _arp(self, arp: Arp) -> None:
        """Learn and answer, as RFC 826 says: who asks for us is remembered; of others, only whom we know already."""
        known = arp.sender_ip in self.addresses or arp.sender_ip in self._asked
        if arp.sender_ip not in (self.ip, bytes(4)) and (known or arp.target_ip == self.ip):
            self._learn(arp.sender_ip, arp.sender_mac)
        if arp.target_ip == self.ip and arp.operation == Operation.REQUEST:
            self.arps += 1
            answer = Arp(Operation.REPLY, self.mac, self.ip, arp.sender_mac, arp.sender_ip)
            self._send_frame(arp.sender_mac, EtherType.ARP, answer.build())

    def _ipv4(self, packet: IPv4) -> None:
        handler = self.protocols.get(packet.protocol)
        if packet.destination not in (self.ip, EVERYBODY) or handler is None:
            self.ignored += 1
        elif packet.fragmented:
            self.fragments += 1
        else:
            handler(packet)

    def _icmp(self, packet: IPv4) -> None:
        message = Icmp.parse(packet.payload)
        if message.type == IcmpType.ECHO_REQUEST and packet.destination == self.ip:
            self.pings += 1
            self.send(packet.source, Protocol.ICMP, message._replace(type=IcmpType.ECHO_REPLY).build())
        else:
            self.ignored += 1

    def _udp(self, packet: IPv4) -> None:
        datagram = Udp.parse(packet.payload, packet.source, packet.destination)
        handler = self._ports.get(datagram.destination)
        if handler:
            handler(packet, datagram)
        else:
            self.unclaimed += 1

    # State

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON; addresses and packets in hexadecimal."""
        return super().save() | {
            "addresses": [[ip.hex(), mac.hex()] for ip, mac in self.addresses.items()],
            "asked": [[ip.hex(), times] for ip, times in self._asked.items()],
            "waiting": [[ip.hex(), [packet.hex() for packet in packets]] for ip, packets in self._waiting.items()]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        super().load(saved)
        unhex = bytes.fromhex
        self.addresses = {unhex(ip): unhex(mac) for ip, mac in saved["addresses"]}
        self._asked = {unhex(ip): times for ip, times in saved["asked"]}
        self._waiting = {unhex(ip): [unhex(packet) for packet in packets] for ip, packets in saved["waiting"]}

    def describe(self) -> dict[str, int]:
        """The counters by name, for people."""
        return {name: getattr(self, name) for name in self.KEPT}
