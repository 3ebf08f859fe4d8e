"""Where a thread is, and by which calls, interrupts and switches it came there.

The kernel has no frame pointers, so the stack is read in the light of the code. A word is the return address of the
routine at hand if it points behind a call, and that call leads to a routine which can come to where the thread is with
just as much on the stack (`flow`). The same is asked of the handlers in the IDT: then what lies there is the trap
frame, from which the trace goes on in the interrupted code, on the user's stack as well. What is found so is sure.
Where the code gives no answer, the next word that could be a return address is taken for one, and marked as a guess.
In a kernel with one stack for all threads, what lies behind its calls is the frame at the thread's ESP0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emu.cpu.x86 import HAS_ERROR_CODE
from emu.machine import Machine
from emu.memory import PAGE
from emu.monitor.inspect import threads
from emu.monitor.inspect.code import Names, code_bits
from emu.monitor.inspect.flow import Flow, Slot, State
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.plain import Plain
from emu.monitor.inspect.registers import sysenter
from emu.monitor.inspect.tables import Gate, gdt, idt, thread_key, vector_name
from guest.abi.cpu import FRAME

MOST_FRAMES = 200           # of a trace
REACH = 1 << 14             # bytes of stack that are looked at if its end is not known
LARGEST_STACK = 1 << 16     # bytes: ESP0 farther away is not the end of this stack
USER_FRAME = 20             # bytes of a trap frame from an outer ring: EIP, CS, EFLAGS, ESP, SS
VECTOR_BELOW = FRAME.offsets["eip"] - FRAME.offsets["vector"]       # our kernel's vector lies so far below EIP
SYSENTER, INT, ENTRY_SIZE = b"\x0F\x34", b"\xCD", 2    # instructions that lead into the kernel, and their size
RESERVED_FLAGS = 0xFFC08028         # always 0; bit 1 is always 1


@dataclass(frozen=True)
class Frame(Plain):
    """One step of a trace, the innermost first."""

    address: int            # linear: the next instruction, or the return address, or what was interrupted
    name: str               # symbol+offset
    file: str | None        # source line; of a call, that of the call
    line: int | None
    how: str                # "here"; "call": has called what stands before; "trap": was interrupted by it;
                            # "sysenter"; "switch": goes on there when it runs again; "start": will begin there
    sure: bool              # the code confirms it; else a guess
    slot: int | None        # linear address of the word on the stack that says so
    stack: int              # stack pointer there
    cpl: int
    vector: int | None      # of a trap, if known
    vector_name: str        # "#PF"; "" for what is no exception


@dataclass(frozen=True)
class _Place:
    """A frame being unwound."""

    frame: Frame
    at: int                 # the instruction to ask the flow about: of a call, the call itself
    ebp: int | None


class Tracer:
    """Makes traces of one stopped machine; what it learns of the code is kept, so the code must stay what it is."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._bits = code_bits(machine)
        self._flows: dict[int, Flow] = {}
        self._read_tables()

    def _read_tables(self) -> None:
        self._gates: dict[int, tuple[int, set[int]]] = {}       # handler -> (bytes of error code, vectors)
        for slot in idt(self._machine):
            if isinstance(slot.entry, Gate) and slot.entry.present and slot.entry.offset:
                error = 4 if slot.index < 32 and HAS_ERROR_CODE >> slot.index & 1 else 0
                self._gates.setdefault(slot.entry.offset, (error, set()))[1].add(slot.index)
        self._code = {slot.index: slot.entry.dpl for slot in gdt(self._machine)
                      if not isinstance(slot.entry, Gate) and slot.entry.kind == "code" and slot.entry.present}
        self._sysenter = sysenter(self._machine)["eip"]

    def where(self, thread: threads.Thread | None = None) -> list[Frame]:
        """The trace of a thread, None for what the processor is doing; innermost first."""
        machine, registers = self._machine, self._machine.cpu.registers
        if not self._gates or not self._sysenter:           # the kernel may have set them up meanwhile
            self._read_tables()
        if thread is None or thread.current:
            running = threads.on_stack(machine)
            trace = _Trace(self, running.directory if running and not machine.cpu.cpl else registers.cr3,
                           running.name if running else None, running.key if running else thread_key(machine))
            stack = registers.segment("ss").base + registers.esp & 0xFFFFFFFF
            here = trace.frame(machine.cpu.linear_eip, "here", None, stack, machine.cpu.cpl)
            start = _Place(here, here.address, registers.ebp)
        else:
            trace = _Trace(self, thread.directory, thread.name, thread.key)
            saved = threads.saved_registers(machine, thread)
            if not saved:
                return []
            known = threads.kind(machine)
            slot = thread.stack + (known.EIP_AT if known else 0)
            if saved.get("cs", 0) & 3:
                start = trace.suspended(saved, slot)
            else:
                start = trace.returned(saved["eip"], slot, "switch", True, 0, saved["ebp"])
        return list(trace.follow(start))

    def flow(self, cr3: int) -> Flow:
        """The code of an address space."""
        if cr3 not in self._flows:
            self._flows[cr3] = Flow(AddressSpace(self._machine, cr3), self._bits)
        return self._flows[cr3]


class _Trace:
    """One trace: a thread's address space, names and kernel stack."""

    def __init__(self, tracer: Tracer, cr3: int, program: str | None, key: int) -> None:
        self._tracer = tracer
        self._machine = tracer._machine
        self._space = AddressSpace(self._machine, cr3)
        self._flow = tracer.flow(cr3)
        self._names = Names(self._machine, program)
        self._key = key
        known = threads.kind(self._machine)
        self._end = self._machine.address(known.STACK) if known and known.STACK else None    # of the one kernel stack

    def frame(self, address: int, how: str, slot: int | None, stack: int, cpl: int, sure: bool = True,
              vector: int | None = None, at: int | None = None) -> Frame:
        """A frame with its names; `at` is the instruction whose source line counts."""
        file, line = self._names.source(address if at is None else at) or (None, None)
        name = vector_name(vector) if vector is not None else ""
        return Frame(address, self._names.name(address), file, line, how, sure, slot, stack & 0xFFFFFFFF, cpl, vector,
                     name)

    def follow(self, place: _Place) -> Iterator[Frame]:
        """The frames from `place` outwards."""
        for _ in range(MOST_FRAMES):
            yield place.frame
            outer = self._unwind(place) or self._guess(place)
            if outer is None:
                return
            place = outer

    def _unwind(self, place: _Place) -> _Place | None:
        """The next frame outwards as the code says, None if it says nothing."""
        if self._end and place.frame.cpl == 0:
            return next(iter((*self._calls(place), *self._at_the_end())), None)
        traps = self._traps(place) if place.frame.cpl == 0 else []
        calls = self._calls(place)
        found = min((*traps, *calls), key=lambda each: each.frame.slot or 0, default=None)
        return found or (self._sysenter(place) if place.frame.cpl == 0 else None)

    def _calls(self, place: _Place) -> list[_Place]:
        """The nearest return address that the code confirms."""
        words = self._words(place.frame)
        for slot, word in words:
            for call in self._flow.call_before(word):
                for target in self._flow.targets(call):
                    for state in self._flow.at(target, place.at):
                        if state.slot == Slot.CALL and self._slot(state, place) == slot:
                            ebp = self._ebp(state, slot, place)
                            return [self.returned(word, slot, "call", True, place.frame.cpl, ebp)]
        return self._fresh(place)

    def _fresh(self, place: _Place) -> list[_Place]:
        """A thread that has just been switched to for the first time: it goes on where no call was."""
        found = self._flow.pops_to_return(place.at) if place.frame.how == "here" else None
        if not found or found[0] != Slot.CALL:
            return []
        slot = place.frame.stack + found[1]
        word = self._space.word(slot)
        if word is None or self._names.symbol(word) != word or place.frame.cpl:
            return []
        if not any(state.slot == Slot.TRAP for entry, (error, _) in self._tracer._gates.items()
                   for state in self._flow.at(entry, word, Slot.TRAP, error)):
            return []
        return [self.returned(word, slot, "switch", True, 0, None)]

    def returned(self, word: int, slot: int, how: str, sure: bool, cpl: int, ebp: int | None) -> _Place:
        """The place to which a return address leads."""
        calls = self._flow.call_before(word)
        at = calls[0].address if calls else word
        return _Place(self.frame(word, how, slot, slot + 4, cpl, sure, at=at), at, ebp)

    def suspended(self, saved: dict[str, int], slot: int) -> _Place:
        """The place in a program where a thread goes on whose registers were saved."""
        frame = self.frame(saved["eip"], "switch", slot, saved["esp"], saved["cs"] & 3)
        return _Place(frame, frame.address, saved["ebp"])

    def _traps(self, place: _Place) -> list[_Place]:
        """The trap frame, if the code at hand belongs to a handler."""
        found: dict[int, tuple[State, set[int]]] = {}
        for entry, (error, vectors) in self._tracer._gates.items():
            for state in self._flow.at(entry, place.at, Slot.TRAP, error):
                slot = self._slot(state, place)
                if state.slot == Slot.TRAP and slot is not None:
                    found.setdefault(slot, (state, set()))[1].update(vectors)
        places = []
        for slot, (state, vectors) in found.items():
            if not self._is_trap_frame(slot):
                continue
            vector = next(iter(vectors)) if len(vectors) == 1 else self._vector(slot, vectors)
            places.append(self._interrupted(slot, "trap", vector, self._ebp(state, slot, place)))
        return places

    def _vector(self, slot: int, vectors: set[int]) -> int | None:
        """Which of several vectors it was, as our own kernel notes it."""
        word = self._space.word(slot - VECTOR_BELOW) if threads.is_known(self._machine) else None
        return word if word in vectors else None

    def _is_trap_frame(self, slot: int) -> bool:
        words = [self._space.word(slot + 4 * at) for at in range(3)]
        if None in words:
            return False
        _, selector, flags = (word or 0 for word in words)
        level = self._tracer._code.get(selector & ~3)
        return (level is not None and selector >> 16 == 0 and selector & 3 >= level
                and flags & 2 != 0 and not flags & RESERVED_FLAGS)

    def _interrupted(self, slot: int, how: str, vector: int | None, ebp: int | None) -> _Place:
        """The place that a trap frame leads back to."""
        address, cpl = self._space.word(slot) or 0, (self._space.word(slot + 4) or 0) & 3
        stack = (self._space.word(slot + 12) or 0) if cpl else slot + 12
        if vector == 0 and address in self._names.entry(address):       # as a kernel makes the frame of a new thread
            how, vector = "start", None
        return _Place(self.frame(address, how, slot, stack, cpl, vector=vector), address, ebp)

    def _at_the_end(self) -> list[_Place]:
        """What a program was doing, by the frame that ends at ESP0; how it came into the kernel, by its instruction."""
        slot = self._key - USER_FRAME
        if not self._is_trap_frame(slot):
            return []
        address = self._space.word(slot) or 0
        before = self._space.read(address - ENTRY_SIZE & 0xFFFFFFFF, ENTRY_SIZE)
        if before == SYSENTER:
            return [self._interrupted(slot, "sysenter", None, None)]
        vector = before[1] if before[:1] == INT else self._space.word(slot - VECTOR_BELOW)
        return [self._interrupted(slot, "trap", vector, None)]

    def _sysenter(self, place: _Place) -> _Place | None:
        """The caller of SYSENTER: in the frame that our kernel builds at the end of its stack, first in registers."""
        if not self._tracer._sysenter:
            return None
        registers = self._machine.cpu.registers
        for state in self._flow.at(self._tracer._sysenter, place.at, Slot.REGISTERS):
            begun = state.slot == Slot.REGISTERS or (state.depth is not None and state.depth < USER_FRAME)
            if begun and place.frame.how == "here":
                address, stack = threads.sysenter_return(self._machine)
                return _Place(self.frame(address, "sysenter", None, stack, 3), address, registers.ebp)
            if state.slot == Slot.TOP and state.depth is not None:
                slot = place.frame.stack + state.depth - USER_FRAME
                if slot + USER_FRAME == self._key and self._is_trap_frame(slot):
                    return self._interrupted(slot, "sysenter", None, self._ebp(state, self._key, place))
        return None

    def _guess(self, place: _Place) -> _Place | None:
        """The next word on the stack that points behind a call in code with a name."""
        if self._flow.instruction(place.at) is None:
            return None
        for slot, word in self._words(place.frame):
            if self._names.symbol(word) is not None and self._flow.call_before(word):
                return self.returned(word, slot, "call", False, place.frame.cpl, None)
        return None

    def _slot(self, state: State, place: _Place) -> int | None:
        """Where the slot of a state lies, None if that cannot be told."""
        if state.depth is not None:
            return place.frame.stack + state.depth & 0xFFFFFFFF
        if state.frame is not None and place.ebp is not None:
            return place.ebp + state.frame & 0xFFFFFFFF
        return None

    def _ebp(self, state: State, slot: int, place: _Place) -> int | None:
        """EBP as the caller had it."""
        return place.ebp if state.saved is None else self._space.word(slot - state.saved)

    def _words(self, frame: Frame) -> list[tuple[int, int]]:
        """(linear address, word) from the stack pointer to the end of the stack."""
        if self._end and not frame.cpl:
            left = self._end - frame.stack
            size = left if 0 <= left <= PAGE else 0         # it may be in the frame at ESP0 still, or again
        else:
            ends = not frame.cpl and 0 <= self._key - frame.stack <= LARGEST_STACK
            size = self._key - frame.stack if ends else REACH
        data = self._space.read(frame.stack, size)
        return [(frame.stack + at, int.from_bytes(data[at:at + 4], "little")) for at in range(0, len(data) - 3, 4)]


def where(machine: Machine, thread: threads.Thread | None = None) -> list[Frame]:
    """The trace of a thread, None for what the processor is doing; innermost first."""
    return Tracer(machine).where(thread)

