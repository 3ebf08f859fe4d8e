"""The socket behind `--gdb`: one gdb at a time, and the guest between two of them."""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable

from emu.machine import Machine
from emu.result import Reason, Result
from tools.exit_codes import ExitCode
from tools.gdb.endpoint import Endpoint
from tools.gdb.packets import LONGEST, Damaged, Interrupt, Item, Packet, Reader, Refused, frame
from tools.gdb.session import End, Session
from tools.messages import say
from tools.serial import timeline_of

PIECE = 1 << 16             # bytes taken from the socket at once
WAKE = 0.2                  # seconds between two looks at whether to stop, while waiting for gdb
PATIENCE = 10.0             # seconds that gdb may leave a reply lying before it counts as gone
MOST = 1000                 # packets that may wait
TEXT = LONGEST // 2 - 1     # bytes of text in one packet that gdb is to print


class Gone(Exception):
    """gdb has closed the connection, or the person at the terminal wants to end."""


class Connection:
    """The wire to one gdb; `is_open` until gdb has closed it."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        wire.settimeout(PATIENCE)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Reader()
        self._items: deque[Item] = deque()
        self.is_open = True
        self._interrupted = False       # gdb wants the guest to stop, which it has not done yet

    def next(self, is_ending: Callable[[], bool]) -> Item:
        """Wait for what gdb sends. Raises Gone. What it interrupted is over."""
        self._interrupted = False
        while not self._items:
            self._take(WAKE)
            if not self._items and (not self.is_open or is_ending()):
                raise Gone
        return self._items.popleft()

    def is_interrupted(self) -> bool:
        """While the guest runs: whether gdb wants it to stop, or is gone."""
        self._take(0)
        others = [item for item in self._items if not isinstance(item, Interrupt)]
        self._interrupted |= len(others) < len(self._items)
        self._items = deque(others)
        return self._interrupted or not self.is_open

    def is_there(self) -> bool:
        """Whether gdb has not gone, as far as one can know."""
        while self.is_open and self._take(0):
            pass
        return self.is_open

    def send(self, data: bytes) -> None:
        """Send bytes; if gdb does not take them, it is gone."""
        try:
            self.wire.sendall(data)
        except OSError:
            self.is_open = False

    def _take(self, seconds: float) -> bool:
        """Take what has come, and wait so long for it: whether there was anything."""
        try:
            if not select.select([self.wire], [], [], seconds)[0]:
                return False
            data = self.wire.recv(PIECE)
        except OSError:
            data = b""
        self.is_open = self.is_open and bool(data)
        self._items.extend(self._reader.feed(data))
        if len(self._items) > MOST:         # gdb waits for each reply: this is not gdb
            self.is_open = False
            self._items.clear()
        return True


class Server:
    """Lets gdb drive a machine: `serve` does it all."""

    def __init__(self, machine: Machine, listener: socket.socket, is_ending: Callable[[], bool]) -> None:
        """`listener` is where gdb connects; `is_ending` is asked for whether the run is to end from outside."""
        self.machine = machine
        self.timeline = timeline_of(machine)
        self.wants_stop: Callable[[], bool] = lambda: False     # asked while the guest runs or waits for input
        self._listener = listener
        self._is_ending = is_ending

    def serve(self) -> tuple[Result, ExitCode | None]:
        """Run the machine under gdb, from the instruction it stands before up to its end.

        Nothing runs until a gdb has come. After a detach the guest runs alone, and stops for the next gdb; after a
        lost connection it stands still. The result is that of the last run, and the exit code if gdb has chosen it.
        """
        place = Endpoint(*self._listener.getsockname()[:2])
        say(f"the guest waits for gdb: target remote {place}")
        while True:
            wire = self._await()
            if wire is None:
                return self._stopped(), None
            with contextlib.closing(wire):
                end = self._attend(wire)
            if end == End.KILLED:
                return self._stopped(), ExitCode.KILLED
            if end == End.EXITED:
                return self.machine.run(), None             # once more: it says again how it ended
            if end == End.DETACHED:
                result = self._run_alone()
                if result.reason != Reason.STOPPED or self._is_ending():
                    return result, None
            elif not self._is_ending():
                say(f"gdb is gone, and the guest waits at {self.machine.where()}: target remote {place}",
                    after_line=True)

    def _await(self) -> socket.socket | None:
        """The next gdb; None if the run is to end instead."""
        while not self._is_ending():
            if self._has_caller(WAKE):
                return self._listener.accept()[0]
        return None

    def _attend(self, wire: socket.socket) -> End | None:
        """Answer one gdb to the end of its session; None if the connection was lost."""
        connection = Connection(wire)

        def wants_stop() -> bool:
            interrupted = connection.is_interrupted()
            self._refuse_others(connection)
            return interrupted

        def is_ending() -> bool:
            self._refuse_others(connection)
            return self._is_ending()

        def show(text: str) -> None:
            data = text.encode()
            for start in range(0, len(data), TEXT):
                reply(b"O" + data[start:start + TEXT].hex().encode())

        def reply(data: bytes) -> None:
            connection.send(frame(data))

        session = Session(self.timeline, wants_stop, show)
        self.wants_stop = wants_stop
        last = b""
        with contextlib.suppress(Gone):
            while not session.end:
                item = connection.next(is_ending)
                if isinstance(item, Packet):
                    if session.acknowledges:
                        connection.send(b"+")
                    last = session.answer(item.data)
                    reply(last)
                elif isinstance(item, Refused):
                    reply(last)
                elif isinstance(item, Damaged) and session.acknowledges:
                    connection.send(b"-")
        session.execution.forget()
        self.wants_stop = lambda: False
        return session.end

    def _run_alone(self) -> Result:
        """Run without gdb, up to the end or until one comes."""
        def look() -> None:
            if self._has_caller(0):
                self.machine.stop()

        self.machine.on_turn, self.wants_stop = look, lambda: self._has_caller(0)
        try:
            return self.timeline.run()
        finally:
            self.machine.on_turn, self.wants_stop = None, lambda: False

    def _stopped(self) -> Result:
        """The end of a run that somebody has ended here."""
        self.machine.stop()
        return self.machine.run()

    def _refuse_others(self, connection: Connection) -> None:
        """There is one guest, so there is one gdb, unless that one has just gone."""
        if self._has_caller(0) and connection.is_there():
            other, address = self._listener.accept()
            other.close()
            say(f"a second gdb, from {address[0]}, was sent away: one is attached", after_line=True)

    def _has_caller(self, seconds: float) -> bool:
        return bool(select.select([self._listener], [], [], seconds)[0])
