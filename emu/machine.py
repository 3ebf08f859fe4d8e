"""The machine: a page of wiring, and the loop that runs it.

Everything that software can find on the board is made and joined in `_wire`; no behaviour lives there. `run` lets the
processor execute up to the next event of the clock, runs what is due, and skips idle time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emu.bus import Bus, Line
from emu.clock import NEVER, Clock
from emu.counters import Counters, read
from emu.cpu.block_store import path_of
from emu.cpu.cpu import Cpu
from emu.cpu.state import Mode, Stop
from emu.cpu.x86 import IF
from emu.devices.debug import DebugConsole, DebugExit, PostCode
from emu.devices.keyboard import Keyboard
from emu.devices.pci import PciBus
from emu.devices.pic import PicPair
from emu.devices.pit import Pit, SystemControl
from emu.devices.rtc import EPOCH, Rtc
from emu.devices.uart import Uart
from emu.kept import Kept
from emu.memory import Ram, SnoopedRam
from emu.result import Reason, Result
from emu.snapshot.snapshot import Snapshot, Snapshots
from emu.timing.profile import Profile, load_profile

if TYPE_CHECKING:
    from emu.devices.e1000.nic import E1000
    from emu.net.plug import Plug
    from emu.net.wire import Wire
    from loader.image import Image

SLICE = 20_000_000          # cycles without a look at Python's signals: a fraction of a second

MODES = {
    Mode.REAL: "an interrupt with protected mode off: set CR0.PE before enabling interrupts",
    Mode.PAE: "paging with CR4.PAE set: use 4 KiB and 4 MiB pages",
    Mode.CODE_IN_DEVICE: "instructions fetched from outside RAM",
}


class AttachedNetwork(Protocol):
    """What emu.network puts into a machine, for those who have the machine alone."""

    nic: E1000
    wire: Wire
    plug: Plug

    def describe(self) -> dict[str, Any]:
        """What went over the wire, and what the plug says of itself; for people."""
        ...

    def close(self) -> None:
        """Finish recordings, and leave the host's devices. Raises OSError with the file's name."""
        ...


class Machine:
    """A PC: one processor, RAM, and the chips that software expects.

    `console` holds what the guest has written to COM1; `serial` is called with each byte as well.
    """

    def __init__(self, *, memory: int = 16 << 20, cpu: str | Path | Profile = "unit", epoch: int = EPOCH,
                 strict: bool = False, fast_forward: bool = True, serial: Callable[[int], None] | None = None,
                 debug: Callable[[int], None] | None = None) -> None:
        """`memory` in bytes, `cpu` a profile, its name or file, `epoch` what the RTC shows at cycle 0 (seconds since
        1970 UTC), `strict` ends the run at an access where no device is; `fast_forward` skips loops that change nothing
        before the next event, which shows in nothing but the time that it takes (emu.cpu.spinning); `serial` and
        `debug` get the bytes written to COM1 and port E9h. Raises ValueError, ProfileError and UnicornLayoutError.
        """
        self.profile = cpu if isinstance(cpu, Profile) else load_profile(cpu)
        self.clock = Clock(self.profile.clock)
        self.bus = Bus()
        self.ram = Ram(memory)
        self.image: Image | None = None
        self.console = bytearray()
        self.debug_console = bytearray()
        self.irqs = [0] * 16                                # interrupts accepted, by line
        self.asserted = [0] * 16                            # the cycle at which each line last rose
        self.idle_cycles = 0
        self.on_idle: Callable[[int], None] | None = None    # called before idle cycles are skipped, with their number
        self.on_turn: Callable[[], None] | None = None       # called at each turn of `run`, a SLICE apart at most
        self.serial, self.debug, self._strict = serial, debug, strict   # get each byte of output
        self._end: tuple[Reason, str, int | None] | None = None
        self.halted = False                                 # by HLT: waits for an interrupt
        self.cpu = Cpu(self.ram, self.bus, self.clock, self.profile, self._acknowledge)
        self.dma = SnoopedRam(self.ram, self.cpu.snoop)     # memory for devices that are masters of the bus
        self.cpu.state.fast_forward = int(fast_forward)
        self._wire(epoch)
        self._snapshots = Snapshots(self)

    def _wire(self, epoch: int) -> None:
        """The board: chips at their addresses, pins joined."""
        clock, ports = self.clock, self.bus.ports
        self.pic = PicPair(Line("INTR", self._intr))
        irq = self.pic.irq
        for line, wire in enumerate(irq):
            wire.listeners.append(partial(self._line_changed, line))
        speaker = Line("OUT2")
        self.pit = Pit(clock, (irq[0], Line("OUT1"), speaker))
        self.system_control = SystemControl(clock, self.pit.gate[2], speaker)
        self.keyboard = Keyboard(clock, irq[1], self._reset_asked, Line("A20", self.cpu.set_a20))
        self.uart = Uart(clock, irq[4], self._transmit)
        self.rtc = Rtc(clock, irq[8], epoch)
        self.rtc.set_memory_size(self.ram.size)
        self.pci = PciBus()
        self.post = PostCode()
        self.attached: dict[str, Kept] = {}                 # what is plugged in from outside: kept in snapshots, too
        self.network: AttachedNetwork | None = None         # the card, the wire, and what is at its other end
        self.parts: dict[str, Kept] = {                     # what has state of its own, for snapshots
            "pic": self.pic, "pit": self.pit, "system control": self.system_control, "keyboard": self.keyboard,
            "uart": self.uart, "rtc": self.rtc, "pci": self.pci, "post": self.post}
        for start, length, device, name, width in (
                (0x020, 2, self.pic.master, "pic1", 1),
                (0x040, 4, self.pit, "pit", 1),
                (0x060, 1, self.keyboard.data, "keyboard data", 1),
                (0x061, 1, self.system_control, "system control", 1),
                (0x064, 1, self.keyboard.command, "keyboard command", 1),
                (0x070, 2, self.rtc, "rtc", 1),
                (0x080, 1, self.post, "post", 1),
                (0x0A0, 2, self.pic.slave, "pic2", 1),
                (0x0E9, 1, DebugConsole(self._debug_byte), "debug console", 1),
                (0x0F4, 4, DebugExit(self._exit), "debug exit", 4),
                (0x3F8, 8, self.uart, "com1", 1),
                (0x4D0, 2, self.pic.elcr, "elcr", 1),
                (0xCF8, 8, self.pci, "pci", 4)):
            ports.claim(start, length, device, name, width)
        for space in (ports, self.bus.memory):
            space.unclaimed = self._unclaimed if self._strict else None

    @classmethod
    def boot(cls, image: Image | str | Path, *, address: int | None = None, cpu: str | Path | Profile | None = None,
             memory: int = 16 << 20, epoch: int = EPOCH, strict: bool = False, fast_forward: bool = True,
             serial: Callable[[int], None] | None = None, debug: Callable[[int], None] | None = None) -> Machine:
        """A machine with `image` loaded, at its first instruction. `cpu` None means the image's own, else `unit`.

        Raises loader.image.ImageError besides what the constructor raises.
        """
        from loader.boot import boot, load
        from loader.image import Image

        if not isinstance(image, Image):
            image = load(image, address=address)
        machine = cls(memory=memory, cpu=cpu or image.profile or "unit", epoch=epoch, strict=strict,
                      fast_forward=fast_forward, serial=serial, debug=debug)
        start = boot(image, memory)
        for at, data in start.writes:
            machine.ram.write(at, data)
        for name, value in start.registers.items():
            setattr(machine.cpu.registers, name, value)
        machine.cpu.registers.eip = start.entry
        machine.image = image
        if machine.profile.timing:
            machine.cpu.costs.store.open(path_of(machine.profile, image.digest))
        return machine

    # Running

    def run(self, *, max_cycles: int | None = None, max_instructions: int | None = None,
            until: int | str | Iterable[int | str] | None = None, vectors: Iterable[int] = ()) -> Result:
        """Run until the guest ends, a limit is reached, execution arrives at `until` (addresses or symbols), or one of
        the exceptions and interrupts in `vectors` has been delivered: it stops in front of its handler.

        Limits count from here, in cycles and instructions. Raises KeyError for an unknown symbol, and whatever a
        device raised.
        """
        state, clock, cpu = self.cpu.state, self.clock, self.cpu
        last_cycle = NEVER if max_cycles is None else state.cycles + max_cycles
        limit = NEVER >> 1 if max_instructions is None else state.instructions + max_instructions
        places = [until] if isinstance(until, int | str) else until or ()
        cpu.set_breakpoints(map(self.address, places))
        cpu.set_vector_stops(vectors)
        state.resumed = cpu.linear_eip                      # a run begins with the instruction it stands before
        while True:
            now = clock.now = state.cycles
            clock.run_due()
            if self.on_turn:
                self.on_turn()
            if self._end:
                return self._result(*self._end)
            if now >= last_cycle:
                return self._result(Reason.CYCLES, f"{max_cycles} cycles have passed")
            if self.halted and not (state.intr and cpu.accepts_interrupts):
                ended = self._skip_idle(last_cycle)
                if ended:
                    return self._result(*ended)
                continue
            self.halted = False
            stop = cpu.run(min(last_cycle, now + SLICE), limit)
            if stop == Stop.EVENT:
                continue
            clock.now = state.cycles
            if stop == Stop.HALT:
                self.halted = True
            elif stop == Stop.BREAK:
                return self._result(Reason.UNTIL, "")
            elif stop == Stop.VECTOR:
                return self._result(Reason.VECTOR, f"vector {state.vector}")
            elif stop == Stop.LIMIT:
                return self._result(Reason.INSTRUCTIONS, f"{max_instructions} instructions have run")
            elif stop != Stop.PYTHON:
                self._end = self._failure(stop)

    def step(self, instructions: int = 1) -> Result:
        """Run that many instructions, and the interrupts between them."""
        return self.run(max_instructions=instructions)

    def stop(self) -> None:
        """From a callback of the machine: end the run before the next instruction; it can be resumed."""
        self._finish(Reason.STOPPED, "")

    def snapshot(self) -> Snapshot:
        """Everything that decides how the machine goes on, between two runs; pages of RAM that have not changed since
        the last snapshot are shared with it. Nothing of the machine changes. Raises SnapshotError (emu.snapshot) if
        something is plugged in that cannot be saved: a tap of the host.
        """
        return self._snapshots.take()

    def restore(self, snapshot: Snapshot) -> None:
        """Make the machine what it was, or what another one was that was built like it (image, profile, memory).

        What is no state stays: callbacks, `strict`, breakpoints of a run. Raises SnapshotError (emu.snapshot) for one
        that does not fit, in which case nothing has changed.
        """
        self._snapshots.restore(snapshot)

    @property
    def counters(self) -> Counters:
        """Everything counted since power-on, cycles by their causes among it; two readings can be subtracted."""
        return read(self.cpu, self.idle_cycles, self.irqs)

    def address(self, place: int | str) -> int:
        """The linear address of a symbol or number. Raises KeyError for a name that the image does not have."""
        if isinstance(place, int):
            return place
        if self.image is None:
            raise KeyError(f"no symbol {place!r}: no image is loaded")
        return self.image.symbols.address(place)

    def where(self, address: int | None = None) -> str:
        """A linear address (EIP if None) as symbol+offset, from the kernel or the programs of the image."""
        address = self.cpu.linear_eip if address is None else address
        tables = {}
        if self.image:
            tables = {"": self.image.symbols} | {f"{name}:": table for name, table in self.image.programs.items()}
        names = [prefix + table.name(address) for prefix, table in tables.items() if table.find(address)]
        return " or ".join(names) or f"{address:#x}"

    def _skip_idle(self, last_cycle: int) -> tuple[Reason, str] | None:
        """Move the clock to the next event; why not, if nothing will wake the processor."""
        state = self.cpu.state
        if not self.cpu.registers.eflags & IF:
            return Reason.HALTED, f"HLT with interrupts disabled before {self.where()}: nothing can wake the processor"
        if self.clock.deadline == NEVER and last_cycle == NEVER:
            return Reason.IDLE, f"HLT before {self.where()}, and no device has anything to come"
        wake = min(self.clock.deadline, last_cycle)
        skipped = wake - state.cycles
        self.idle_cycles += skipped
        if self.on_idle:
            self.on_idle(skipped)
        state.cycles = wake
        self.cpu.note_idle(skipped)
        return None

    def _failure(self, stop: Stop) -> tuple[Reason, str, None]:
        """A stop after which the machine cannot go on, for people."""
        state = self.cpu.state
        if stop == Stop.TRIPLE_FAULT:
            return Reason.TRIPLE_FAULT, f"at {self.where()}: an exception while delivering a double fault", None
        if stop == Stop.TASK_GATE:
            return Reason.UNSUPPORTED, f"at {self.where()}: a task gate in the IDT: use an interrupt gate", None
        if stop == Stop.UNSUPPORTED:
            return Reason.UNSUPPORTED, f"at {self.where()}: {MODES[Mode(state.examine)]}", None
        return Reason.UNSUPPORTED, f"at {self.where()}: Unicorn error {state.examine} ({stop.name})", None

    def _result(self, reason: Reason, detail: str, exit_code: int | None = None) -> Result:
        if reason == Reason.STOPPED:
            self._end = None
        self.cpu.costs.store.save()
        return Result(reason, detail, exit_code, self.cpu.linear_eip, self.where(), self.counters)

    def _finish(self, reason: Reason, detail: str, exit_code: int | None = None) -> None:
        """From a device: end the run before the next instruction. The first reason counts."""
        self._end = self._end or (reason, detail, exit_code)
        self.cpu.request_stop()

    # Pins and callbacks

    def _intr(self, level: int) -> None:
        self.cpu.state.intr = level

    def _acknowledge(self) -> int:
        self.clock.now = self.cpu.state.cycles
        vector, line = self.pic.acknowledge()
        self.irqs[line] += 1
        state = self.cpu.state
        state.irq_line, state.irq_waited = line, state.cycles - self.asserted[line]
        return vector

    def _line_changed(self, line: int, level: int) -> None:
        if level:
            self.asserted[line] = self.clock.moment

    def _transmit(self, byte: int) -> None:
        self.console.append(byte)
        if self.serial:
            self.serial(byte)

    def _debug_byte(self, byte: int) -> None:
        self.debug_console.append(byte)
        if self.debug:
            self.debug(byte)

    def _exit(self, code: int) -> None:
        for byte in self.uart.unsent():                     # the end of a message is not lost
            self._transmit(byte)
        self._finish(Reason.EXIT, "", code)

    def _reset_asked(self) -> None:
        self._finish(Reason.RESET, f"the guest reset the machine at {self.where()}")

    def _unclaimed(self, kind: str, address: int, size: int) -> None:
        detail = f"{kind} of {size} bytes at {address:#x}, where no device is, at {self.where()}"
        self._finish(Reason.UNCLAIMED, detail)
