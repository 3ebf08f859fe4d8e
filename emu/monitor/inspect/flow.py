"""How deep the stack is at each instruction of a routine, followed through its code.

From the entry of a routine on, every path is followed through jumps, but not into calls, and what each instruction
pushes and pops is added up. So the return address of a routine without a frame pointer is found, in hand-written
assembly, too. A stack pointer loaded from memory is a switch to another stack: its depth is what is popped from there
up to the next RET or IRET.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple, Protocol

from capstone import x86_const as x86

from emu.decoding import Instruction
from emu.monitor.inspect.code import LONGEST, decode_detail

MOST_STEPS = 6000           # instructions that are followed from one entry
MOST_TARGETS = 256          # of a jump through a table
FRAME = 4                   # bytes of a doubleword
PUSHAD, EBP_OF_PUSHAD = 32, 24      # bytes that PUSHAD pushes, and how many of them when EBP is


class Slot(Enum):
    """What lies where `State.depth` counts from."""

    CALL = "call"           # a return address
    TRAP = "trap"           # what the processor pushed on the way to a gate: EIP, CS, EFLAGS
    REGISTERS = "registers"     # nothing: SYSENTER has left the old stack and goes on with that of its MSR
    TOP = "top"             # the end of the thread's kernel stack, to which the entry of SYSENTER has switched


class State(NamedTuple):
    """What is known of the stack in front of an instruction."""

    slot: Slot
    depth: int | None       # bytes from the stack pointer to the slot; None: unknown
    frame: int | None = None    # EBP points that many bytes below the slot; None: it is no frame pointer
    saved: int | None = None    # EBP as the caller had it lies that many bytes below; None: it is still in EBP


class Memory(Protocol):
    """Linear memory: an AddressSpace, or what a file will put into one."""

    def read(self, linear: int, size: int) -> bytes:
        """Up to `size` bytes; fewer if some are missing."""
        ...

    def word(self, linear: int) -> int | None:
        """The doubleword at an address, None if it is not there."""
        ...


class Flow:
    """The routines of an address space, followed when somebody asks and remembered."""

    def __init__(self, space: Memory, bits: int = 32) -> None:
        """`space` is where code and jump tables are read; `bits`, 16 or 32, how code is decoded."""
        self._space = space
        self._bits = bits
        self._decoded: dict[int, Instruction | None] = {}
        self._calls: dict[int, list[Instruction]] = {}
        self._routines: dict[tuple[int, Slot, int], dict[int, set[State]]] = {}

    def at(self, entry: int, address: int, slot: Slot = Slot.CALL, depth: int = 0) -> set[State]:
        """The states in which a routine that is entered at `entry` may come to an instruction; none if it cannot.

        `depth`: bytes that lie above the slot when it is entered (an error code).
        """
        return self.routine(entry, slot, depth).get(address, set())

    def routine(self, entry: int, slot: Slot = Slot.CALL, depth: int = 0) -> dict[int, set[State]]:
        """The instructions of the routine at `entry`, each with the states in which it may be reached; see `at`."""
        key = entry, slot, depth
        if key not in self._routines:
            self._routines[key] = self._follow(entry, State(slot, depth))
        return self._routines[key]

    def instruction(self, address: int) -> Instruction | None:
        """The instruction at a linear address; None if there is none."""
        if address not in self._decoded:
            found = decode_detail(self._space.read(address, LONGEST), address, self._bits)
            self._decoded[address] = found[0] if found else None
        return self._decoded[address]

    def call_before(self, address: int) -> list[Instruction]:
        """The calls that may have pushed this return address, likely ones first."""
        if address not in self._calls:
            calls = ((self.instruction(address - size & 0xFFFFFFFF), size) for size in (5, 6, 7, 2, 3))
            self._calls[address] = [call for call, size in calls if call and call.name == "call" and call.size == size]
        return self._calls[address]

    def targets(self, instruction: Instruction) -> list[int]:
        """Where a call or jump may lead: one place, or those in a table; none if only the running program knows."""
        operand = instruction.detail.operands[0]
        if operand.type == x86.X86_OP_IMM:
            return [operand.imm & 0xFFFFFFFF]
        if operand.type != x86.X86_OP_MEM or operand.mem.base or not operand.mem.disp:
            return []
        table = operand.mem.disp & 0xFFFFFFFF
        if not operand.mem.index:
            word = self._space.word(table)
            return [] if word is None else [word]
        found: list[int] = []
        while len(found) < MOST_TARGETS:                    # up to what cannot be code: it does not decode
            word = self._space.word(table + 4 * len(found))
            if word is None or self.instruction(word) is None:
                break
            found.append(word)
        return list(dict.fromkeys(found))

    def pops_to_return(self, address: int) -> tuple[Slot, int] | None:
        """How many bytes lie between the stack pointer and what the next RET or IRET pops; None if none is found."""
        seen: set[int] = set()
        left = [(address, 0)]
        while left:
            at, popped = left.pop()
            each = self.instruction(at)
            if at in seen or each is None or len(seen) > MOST_STEPS:
                continue
            seen.add(at)
            if each.name == "ret":
                return Slot.CALL, popped
            if each.name in ("iretd", "iret"):
                return Slot.TRAP, popped
            after = _after(each, State(Slot.CALL, 0))
            if after.depth is not None:
                left += [(target, popped - after.depth) for target in self.successors(each)]
        return None

    def after(self, instruction: Instruction, state: State) -> State:
        """The state behind an instruction."""
        if _loads_stack(instruction):
            return self._switched(instruction.address + instruction.size, state)
        return _after(instruction, state)

    def _follow(self, entry: int, state: State) -> dict[int, set[State]]:
        found: dict[int, set[State]] = {}
        left, steps = [(entry, state)], 0
        while left and steps < MOST_STEPS:
            at, state = left.pop()
            known = found.setdefault(at, set())
            each = self.instruction(at)
            if state in known or each is None:
                continue
            known.add(state)
            steps += 1
            after = self.after(each, state)
            left += [(target, after) for target in self.successors(each)]
        return found

    def _switched(self, behind: int, state: State) -> State:
        """The state behind an instruction that loads the stack pointer from memory."""
        found = self.pops_to_return(behind)
        if found:
            return State(found[0], found[1])
        return State(Slot.TOP, 0) if state.slot == Slot.REGISTERS else State(state.slot, None)

    def successors(self, instruction: Instruction) -> list[int]:
        """Where the routine may go on behind an instruction; a call is stepped over."""
        name, behind = instruction.name, instruction.address + instruction.size & 0xFFFFFFFF
        if name.startswith("ret") or name in ("iret", "iretd", "sysexit", "ud2"):
            return []
        if name == "ljmp":
            operands = instruction.detail.operands          # selector, offset; or a place in memory
            return [operands[1].imm & 0xFFFFFFFF] if len(operands) == 2 else []
        if name == "jmp":
            return self.targets(instruction)
        if name.startswith(("j", "loop")):
            return [*self.targets(instruction), behind]
        return [behind]


def _loads_stack(instruction: Instruction) -> bool:
    """MOV ESP from memory."""
    operands = instruction.detail.operands
    return (instruction.name == "mov" and operands[0].type == x86.X86_OP_REG and operands[0].reg == x86.X86_REG_ESP
            and operands[1].type == x86.X86_OP_MEM)


def _after(instruction: Instruction, state: State) -> State:
    """The state behind an instruction that does not load the stack pointer from memory."""
    name, operands = instruction.name, instruction.detail.operands
    width = 2 if instruction.detail.prefix[2] == 0x66 else 4
    slot, depth, frame, saved = state
    first = operands[0].reg if operands and operands[0].type == x86.X86_OP_REG else 0
    untouched = saved is None and frame is None             # EBP is the caller's
    if name in ("push", "pushfd", "pushf"):
        depth = _plus(depth, width)
        return State(slot, depth, frame, depth if first == x86.X86_REG_EBP and untouched else saved)
    if name in ("pushal", "pushad"):
        return State(slot, _plus(depth, PUSHAD), frame, _plus(depth, EBP_OF_PUSHAD) if untouched else saved)
    if name in ("popal", "popad"):
        restored = saved is not None and saved == _plus(depth, EBP_OF_PUSHAD - PUSHAD)
        return State(slot, _plus(depth, -PUSHAD), None, None if restored else saved)
    if name in ("pop", "popfd", "popf"):
        if first == x86.X86_REG_ESP:
            return State(slot, None, frame, saved)
        if first == x86.X86_REG_EBP:
            return State(slot, _plus(depth, -width), None, None if saved == depth else saved)
        return State(slot, _plus(depth, -width), frame, saved)
    if name == "leave" and frame is not None:               # MOV ESP, EBP; POP EBP
        return State(slot, frame - FRAME, None, None if saved == frame else saved)
    if first == x86.X86_REG_ESP and name not in ("cmp", "test"):
        return State(slot, _moved(instruction, state), frame, saved)
    if name == "mov" and first == x86.X86_REG_EBP and _is(operands[1], x86.X86_REG_ESP):
        return State(slot, depth, depth, saved)
    if first == x86.X86_REG_EBP and name not in ("cmp", "test"):
        return State(slot, depth, None, saved)
    return state


def _moved(instruction: Instruction, state: State) -> int | None:
    """The depth behind an instruction whose destination is ESP."""
    name, operands = instruction.name, instruction.detail.operands
    source = operands[1] if len(operands) > 1 else None
    if source is None:
        return None
    if name in ("add", "sub") and source.type == x86.X86_OP_IMM:
        return _plus(state.depth, source.imm if name == "sub" else -source.imm)
    if name == "mov" and _is(source, x86.X86_REG_EBP):
        return state.frame
    if name == "lea" and source.type == x86.X86_OP_MEM and not source.mem.index:
        if source.mem.base == x86.X86_REG_ESP:
            return _plus(state.depth, -source.mem.disp)
        if source.mem.base == x86.X86_REG_EBP:
            return _plus(state.frame, -source.mem.disp)
    return None


def _is(operand: Any, register: int) -> bool:
    return bool(operand.type == x86.X86_OP_REG and operand.reg == register)


def _plus(depth: int | None, change: int) -> int | None:
    return None if depth is None else depth + change
