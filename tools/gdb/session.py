"""What each packet of gdb asks for (Debugging with GDB, appendix E).

A session is one gdb, attached to a guest that stands still whenever a packet comes. An empty reply says that a packet
is not known; E and two digits that it could not be obeyed; `E.` and a text, where gdb shows it, why.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from emu.monitor.inspect.threads import Thread
from emu.monitor.stops.watchpoints import Access
from emu.monitor.travel.timeline import Timeline
from tools.gdb.backward import resume_back, step_back
from tools.gdb.description import description
from tools.gdb.execution import Execution
from tools.gdb.files import NO_FILE, Files
from tools.gdb.memory import pieces_of, write
from tools.gdb.monitor import Monitor
from tools.gdb.packets import LONGEST, escape
from tools.gdb.registers import EBP, EIP, ESP, registers_of
from tools.gdb.stops import STEPPED, Context, Signal, Stopped
from tools.gdb.threads import label, register_bytes, resumes_at, running, space_of, thread_list, threads_of

OK, UNKNOWN = b"OK", b""
BAD_PACKET, NO_MEMORY, NO_THREAD = b"E16", b"E0e", b"E03"       # EINVAL, EFAULT, ESRCH
FEATURES = (f"PacketSize={LONGEST:x};QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;swbreak+;hwbreak+;"
            "ReverseStep+;ReverseContinue+;vContSupported+;QNonStop-;multiprocess-")
NO_THREAD_IN_PARTICULAR = (0, -1)
EXPEDITED = (ESP, EBP, EIP)     # registers that gdb gets with each stop
SOFTWARE = "0"                  # kinds of Z packets, in gdb's numbers
BREAKPOINTS = (SOFTWARE, "1")
WATCHPOINTS = {"2": Access.WRITE, "3": Access.READ, "4": Access.ANY}
KINDS = (*BREAKPOINTS, *WATCHPOINTS)


class End(Enum):
    """How a session is over."""

    DETACHED = auto()           # the guest is to go on alone
    KILLED = auto()             # the run is to end
    EXITED = auto()             # the guest has ended the machine


class Refusal(Exception):
    """What is asked for cannot be done: the argument is the reply."""


class Session:
    """Answers the packets of one gdb. `end` is set once there is nothing more to answer."""

    def __init__(self, timeline: Timeline, wants_stop: Callable[[], bool], show: Callable[[str], None]) -> None:
        """`wants_stop` is asked while the guest runs; `show` prints a text at gdb."""
        self.machine = machine = timeline.machine
        self.timeline = timeline
        self.execution = Execution(timeline, wants_stop)
        self.end: End | None = None
        self.acknowledges = True
        self._show = show
        self._monitor = Monitor(self.execution)
        self._registers = registers_of(machine)
        self._documents = {("features", "target.xml"): lambda: description(self._registers),
                           ("threads", ""): lambda: thread_list(machine)}
        self.files = Files(machine.image)
        if self.files.kernel:
            self._documents["exec-file", ""] = lambda: self.files.kernel
        self._last = STEPPED
        self._thread = running(machine)             # whose registers and memory gdb looks at

    def answer(self, packet: bytes) -> bytes:
        """The reply to a packet. What is malformed gets an error, and is no error here."""
        text = packet.decode("latin-1")
        for pattern, action in ACTIONS:
            match = pattern.fullmatch(text)
            if match:
                try:
                    return action(self, *match.groups())
                except Refusal as refusal:
                    return bytes(refusal.args[0])
                except ValueError as error:                 # it says what and why
                    return _because(str(error))
        return BAD_PACKET if text.startswith(STARTS) else UNKNOWN

    # Stops

    def why_stopped(self) -> bytes:
        """?"""
        stopped = self._last
        if stopped.exit_code is not None:
            return b"W%02x" % (stopped.exit_code & 0xFF)
        values = "".join(f"{number:02x}:{self._registers[number].get(self.machine).hex()};" for number in EXPEDITED)
        return f"T{stopped.signal:02x}{values}thread:{running(self.machine):x};{stopped.why}".encode()

    def _stop(self, stopped: Stopped) -> bytes:
        self._last = stopped
        self._thread = running(self.machine)
        if stopped.text:
            self._show(stopped.text + "\n")
        if stopped.exit_code is not None:
            self.end = End.EXITED
        return self.why_stopped()

    # Running

    def continue_at(self, address: str | None) -> bytes:
        """c [address], C signal [; address]: the guest gets no signals."""
        self._set_eip(address)
        return self._stop(self.execution.resume())

    def step_at(self, address: str | None) -> bytes:
        """s [address], S signal [; address]"""
        self._set_eip(address)
        return self._stop(self.execution.step())

    def resume(self, actions: str) -> bytes:
        """vCont: of several actions, that of one thread counts before that of all others.

        There is one processor: the others cannot be held while one thread goes on.
        """
        chosen: tuple[bool, str, int] | None = None
        for action in actions.split(";"):
            match = re.fullmatch(r"([csCSt])(?:[0-9a-fA-F]{2})?(?::(-?[0-9a-fA-F]{1,8}))?|"
                                 r"(r[0-9a-fA-F]{1,8},[0-9a-fA-F]{1,8})(?::(-?[0-9a-fA-F]{1,8}))?", action)
            if not match:
                raise Refusal(BAD_PACKET)
            kind, number = match[1] or match[3], int(match[2] or match[4] or "-1", 16)
            if chosen is None or (number not in NO_THREAD_IN_PARTICULAR and not chosen[0]):
                chosen = number not in NO_THREAD_IN_PARTICULAR, kind, number
        assert chosen
        _, kind, number = chosen
        if kind in "cC":
            return self.continue_at(None)
        if kind == "t":
            return self._stop(Stopped(Signal.NONE))
        low, high = (int(text, 16) for text in kind[1:].split(",")) if kind[0] == "r" else (0, 0)
        return self._stop(self._bring_back(number) or self.execution.step(low, high))

    def _bring_back(self, number: int) -> Stopped | None:
        """Run until that thread has the processor, to step it then: None, or another stop before."""
        if number in NO_THREAD_IN_PARTICULAR or number == running(self.machine):
            return None
        thread = self._existing(number)
        place = resumes_at(self.machine, thread) if thread else None
        if thread is None or place is None:
            raise Refusal(NO_THREAD)
        return self.execution.run_to(Context(*place, thread.key, thread.directory))

    def continue_back(self) -> bytes:
        """bc"""
        return self._stop(resume_back(self.execution))

    def step_back(self) -> bytes:
        """bs"""
        return self._stop(step_back(self.execution))

    def _set_eip(self, address: str | None) -> None:
        if address:
            self._write_register(EIP, int(address, 16).to_bytes(4, "little"))

    def detach(self) -> bytes:
        """D"""
        self.end = End.DETACHED
        return OK

    def kill(self) -> bytes:
        """k, vKill"""
        self.end = End.KILLED
        return OK

    # Registers and memory

    def read_registers(self) -> bytes:
        """g"""
        return b"".join(register_bytes(self.machine, self._registers, self._existing(self._thread)))

    def write_registers(self, values: str) -> bytes:
        """G: all of them; those that do not change are left alone."""
        data = _unhex(values)
        if len(data) != sum(register.bits // 8 for register in self._registers):
            raise Refusal(BAD_PACKET)
        for number, register in enumerate(self._registers):
            self._write_register(number, data[:register.bits // 8])
            data = data[register.bits // 8:]
        return OK

    def read_register(self, number: str) -> bytes:
        """p"""
        index = self._register(number)
        return register_bytes(self.machine, self._registers[index:index + 1], self._existing(self._thread))[0]

    def write_register(self, number: str, value: str) -> bytes:
        """P"""
        self._write_register(self._register(number), _unhex(value))
        return OK

    def _register(self, number: str) -> int:
        index = int(number, 16)
        if index >= len(self._registers):
            raise Refusal(BAD_PACKET)
        return index

    def _write_register(self, index: int, data: bytes) -> None:
        thread = self._existing(self._thread)
        if thread and not thread.current:
            raise Refusal(_because(f"{label(thread)}: does not run: its registers are on its stack"))
        register = self._registers[index]
        if register.is_changed(self.machine, data):
            self.timeline.do(lambda machine: register.set(machine, data))

    def read_memory(self, address: str, size: str) -> bytes:
        """m: as much as there is"""
        wanted = min(int(size, 16), LONGEST // 2)
        data = space_of(self.machine, self._existing(self._thread)).read(int(address, 16), wanted)
        if wanted and not data:
            raise Refusal(NO_MEMORY)
        return data.hex().encode()

    def write_memory(self, address: str, size: str, values: str) -> bytes:
        """M"""
        return self.write_binary(address, size, _unhex(values).decode("latin-1"))

    def write_binary(self, address: str, size: str, values: str) -> bytes:
        """X"""
        data = values.encode("latin-1")
        if len(data) != int(size, 16):
            raise Refusal(BAD_PACKET)
        space = space_of(self.machine, self._existing(self._thread))
        pieces = pieces_of(self.machine, space, int(address, 16), data)
        if pieces is None:
            raise Refusal(NO_MEMORY)
        if data:
            self.timeline.do(lambda machine: write(machine, pieces))
        return OK

    # Breakpoints

    def insert(self, kind: str, address: str, size: str) -> bytes:
        """Z"""
        if kind in BREAKPOINTS:
            self._places(kind).add(int(address, 16))
        elif kind in WATCHPOINTS:
            self.execution.watch(int(address, 16), int(size, 16), WATCHPOINTS[kind])
        return OK if kind in KINDS else UNKNOWN

    def remove(self, kind: str, address: str, size: str) -> bytes:
        """z"""
        if kind in BREAKPOINTS:
            self._places(kind).discard(int(address, 16))
        elif kind in WATCHPOINTS:
            self.execution.unwatch(int(address, 16), int(size, 16), WATCHPOINTS[kind])
        return OK if kind in KINDS else UNKNOWN

    def _places(self, kind: str) -> set[int]:
        return self.execution.software if kind == SOFTWARE else self.execution.hardware

    # Threads

    def select(self, purpose: str, number: str) -> bytes:
        """Hg, Hc: the latter has no use where vCont is known."""
        wanted = int(number, 16)
        if wanted not in NO_THREAD_IN_PARTICULAR:
            self._existing(wanted)
        if purpose == "g":
            self._thread = running(self.machine) if wanted in NO_THREAD_IN_PARTICULAR else wanted
        return OK

    def is_alive(self, number: str) -> bytes:
        """T"""
        self._existing(int(number, 16))
        return OK

    def current_thread(self) -> bytes:
        """qC"""
        return b"QC%x" % running(self.machine)

    def list_threads(self) -> bytes:
        """qfThreadInfo: all of them, as there are never too many for a packet"""
        return b"m" + ",".join(f"{number:x}" for number in threads_of(self.machine)).encode()

    def describe_thread(self, number: str) -> bytes:
        """qThreadExtraInfo"""
        return label(self._existing(int(number, 16))).encode().hex().encode()

    def _existing(self, number: int) -> Thread | None:
        found = threads_of(self.machine)
        if number not in found:
            raise Refusal(NO_THREAD)
        return found[number]

    # What else gdb wants to know

    def features(self) -> bytes:
        """qSupported"""
        return (FEATURES + (";qXfer:exec-file:read+" if self.files.kernel else "")).encode()

    def transfer(self, kind: str, annex: str, offset: str, size: str) -> bytes:
        """qXfer: a part of a document"""
        document = self._documents.get((kind, "" if kind == "exec-file" else annex))     # there it is a process
        if document is None:
            raise Refusal(UNKNOWN if kind not in {known for known, _ in self._documents} else b"E00")
        data = document().encode()
        start = int(offset, 16)
        end = start + min(int(size, 16), LONGEST // 2)
        return (b"m" if end < len(data) else b"l") + escape(data[start:end])

    def open_file(self, path: str) -> bytes:
        """vFile:open"""
        return self.files.open(_unhex(path).decode("utf-8", "replace"))

    def command(self, text: str) -> bytes:
        """qRcmd: what stands behind `monitor`"""
        self._show(self._monitor.run(_unhex(text).decode("utf-8", "replace")))
        return OK

    def start_no_acknowledgements(self) -> bytes:
        """QStartNoAckMode"""
        self.acknowledges = False
        return OK

    def set_non_stop(self, wanted: str) -> bytes:
        """QNonStop"""
        if wanted == "1":
            raise Refusal(_because("all threads stop together: there is one processor"))
        return OK


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Refusal(BAD_PACKET) from None


def _because(text: str) -> bytes:
    return f"E.{text}".encode("ascii", "replace")


NUMBER, THREAD, VALUES = "([0-9a-fA-F]{1,8})", "(-?[0-9a-fA-F]{1,8})", "([0-9a-fA-F]*)"
ACTIONS = [(re.compile(pattern, re.DOTALL), action) for pattern, action in (
    (r"\?", Session.why_stopped),
    ("g", Session.read_registers),
    (f"G{VALUES}", Session.write_registers),
    (f"p{NUMBER}", Session.read_register),
    (f"P{NUMBER}={VALUES}", Session.write_register),
    (f"m{NUMBER},{NUMBER}", Session.read_memory),
    (f"M{NUMBER},{NUMBER}:{VALUES}", Session.write_memory),
    (f"X{NUMBER},{NUMBER}:(.*)", Session.write_binary),
    (f"c{NUMBER}?", Session.continue_at),
    (f"C[0-9a-fA-F]{{2}}(?:;{NUMBER})?", Session.continue_at),
    (f"s{NUMBER}?", Session.step_at),
    (f"S[0-9a-fA-F]{{2}}(?:;{NUMBER})?", Session.step_at),
    (r"vCont\?", lambda session: b"vCont;c;C;s;S;t;r"),
    ("vCont;(.+)", Session.resume),
    ("bc", Session.continue_back),
    ("bs", Session.step_back),
    ("D(?:;.*)?", Session.detach),
    ("k|vKill;.*", Session.kill),
    (f"Z([0-9]),{NUMBER},{NUMBER}(?:;.*)?", Session.insert),
    (f"z([0-9]),{NUMBER},{NUMBER}", Session.remove),
    (f"H([gc]){THREAD}", Session.select),
    (f"T{NUMBER}", Session.is_alive),
    ("qC", Session.current_thread),
    ("qfThreadInfo", Session.list_threads),
    ("qsThreadInfo", lambda session: b"l"),
    (f"qThreadExtraInfo,{NUMBER}", Session.describe_thread),
    ("qSupported(?::.*)?", Session.features),
    ("qAttached(?::.*)?", lambda session: b"1"),
    ("qSymbol::", lambda session: OK),
    (f"qXfer:([a-z-]+):read:([^:]*):{NUMBER},{NUMBER}", Session.transfer),
    ("vFile:setfs:.*", lambda session: b"F0"),
    (f"vFile:open:{VALUES},{NUMBER},{NUMBER}", lambda session, path, flags, mode: session.open_file(path)),
    (f"vFile:close:{NUMBER}", lambda session, *numbers: session.files.close(*numbers)),
    (f"vFile:pread:{NUMBER},{NUMBER},{NUMBER}", lambda session, *numbers: session.files.read(*numbers)),
    (f"vFile:fstat:{NUMBER}", lambda session, *numbers: session.files.describe(*numbers)),
    ("vFile:(?:readlink|stat|lstat):.*", lambda session: NO_FILE),
    (f"qRcmd,{VALUES}", Session.command),
    ("QStartNoAckMode", Session.start_no_acknowledgements),
    ("QNonStop:([01])", Session.set_non_stop),
)]
STARTS = (*"GpPmMXcCsSZzHT", "vCont;", "qThreadExtraInfo", "qXfer", "qRcmd", "QNonStop")    # of packets that we know
