"""Tap: a TAP device of a Linux host at an end of a wire. What arrives there goes to the host, and back.

While it is plugged in, virtual time follows the host's. At every TICK of its own a machine that is ahead sleeps until
the host's time has come, or until the host has sent something, which it may then be ahead for, by a TICK at most. A
machine that is slower than that simply runs; what it is late by more than LATE, it is never to catch up with.

What comes, and when, is the host's doing: this is the one plug that makes runs which cannot be repeated, nor saved.
But every frame leaves at a tick, so what was recorded of them is the same run again (`pcap.Replay`).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
import time
from fcntl import ioctl
from typing import Any, NoReturn

from emu.kept import Kept
from emu.net.pcap import Writer
from emu.net.wire import SECOND, Wire

DEVICE = "/dev/net/tun"
TUNSETIFF = 0x400454CA          # ioctl: be the interface of this name and kind
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000     # kind: Ethernet frames, with nothing in front of them
IFREQ = "16sH22x"               # its argument: name, kind
RATE = 1000                     # ticks a second, of virtual time
TICK = SECOND // RATE           # ns
LATE = 10 * TICK                # ns behind the host's time, up to which it is caught up with
BURST = 64                      # frames taken at a tick; the host keeps the others
LONGEST = 1 << 16               # bytes of a frame from the host


class Tap(Kept):
    """A TAP device at `wire.ends[1]`. Close it when the run is over."""

    def __init__(self, wire: Wire, device: int, name: str = "tap") -> None:
        """`device`: what `attach` returned, or another non-blocking descriptor that reads and writes frames."""
        self.record: Writer | None = None               # gets every frame from the host, when it is put on the wire
        self._end = wire.ends[1]
        self._device = device
        self._name = name
        self._ticks = wire.clock.ticks(RATE)
        self._tick = self._ticks.now                    # the last one that has come
        self._zero: int | None = None                   # of virtual time, in the host's ns; None before the first tick
        self._event = wire.clock.event(f"{self._end.name}.tap", self._look)
        self.taken = 0                                  # frames from the host
        self.given = 0                                  # frames to the host
        self.dropped = 0                                # ... that it did not take: queue full, or interface down
        self.late = 0                                   # ns by which virtual time has fallen behind for good
        self._end.receive = self._give
        self._await()

    def close(self) -> None:
        """Be unplugged; the machine can run on, at its own speed."""
        self._event.cancel()
        self._end.receive = None
        os.close(self._device)

    def _await(self) -> None:
        self._tick += 1
        self._event.schedule(self._ticks.cycle(self._tick))

    def _look(self) -> None:
        """A tick has come: wait for the host's time, and take what the host has sent."""
        virtual, now = self._tick * TICK, time.monotonic_ns()
        if self._zero is None:
            self._zero = now - virtual
        ahead = virtual - (now - self._zero)
        if ahead < -LATE:
            self.late -= ahead
            self._zero -= ahead
        elif ahead > 0:
            time.sleep(max(ahead - TICK, 0) / SECOND)
            select.select([self._device], [], [], min(ahead, TICK) / SECOND)
        self._take()
        self._await()

    def _take(self) -> None:
        """Put on the wire what the host has sent."""
        for _ in range(BURST):
            try:
                frame = os.read(self._device, LONGEST)
            except BlockingIOError:
                return
            except OSError as error:                    # somebody has removed it
                error.filename = self._name
                raise
            self.taken += 1
            if self.record:
                self.record.write(frame)
            self._end.send(frame)

    def _give(self, frame: bytes) -> None:
        try:
            os.write(self._device, frame)
            self.given += 1
        except OSError:
            self.dropped += 1

    def save(self) -> dict[str, Any]:
        """Raises ValueError."""
        self._refuse()

    def load(self, saved: dict[str, Any]) -> None:
        """Raises ValueError."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError("a machine with a tap can neither be saved nor go back in time; record what comes from the "
                         "host (tap:...,record=FILE), and replay that")

    def describe(self) -> dict[str, int]:
        """Counters, for people."""
        return {"from host": self.taken, "to host": self.given, "dropped": self.dropped, "late ns": self.late}


def attach(name: str) -> int:
    """A descriptor of the host's TAP device of that name. Raises ValueError."""
    if sys.platform != "linux":
        raise ValueError("only Linux has such devices")
    try:
        socket.if_nametoindex(name)                     # else root would make a new one without an address
    except OSError:
        raise ValueError(f"there is no such device; root can make it: ip tuntap add {name} mode tap user "
                         "NAME") from None
    try:
        device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"{DEVICE}: {(error.strerror or str(error)).lower()}") from None
    try:
        ioctl(device, TUNSETIFF, struct.pack(IFREQ, name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError as error:
        os.close(device)
        raise ValueError(WHY_NOT.get(error.errno or 0, str(error))) from None
    return device


WHY_NOT = {                     # a device of the host cannot be had
    errno.EPERM: "the device belongs to somebody else",
    errno.EBUSY: "the device is in use already, by another program or another machine of this one",
    errno.EINVAL: "the device is no TAP, or has several queues",
}
