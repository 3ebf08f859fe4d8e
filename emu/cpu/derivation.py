"""The addresses that a block will access, as a program over the registers at its start.

A memory hook costs more than everything else the machine does per instruction. So the accesses of a block are derived
before it runs: each register is followed through the block as "a value known at entry plus a constant"; where that is
not enough (an address that was computed, or loaded) the program computes it, too, loading from RAM what the block would
load. What cannot be followed (a quotient, a conditional move) ends the program: the machine runs the block up to there
and begins a new one. `addresses` evaluates the programs natively.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from capstone import x86 as cs

from emu.cpu.x86 import Register, Segment
from emu.decoding import Instruction

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = (int(register) for register in Register)
ES, CS, SS, DS, FS, GS = (int(segment) for segment in Segment)


class Op(IntEnum):
    """One step of a program."""

    END = 0             # everything has been derived
    STOP = 1            # what follows cannot be derived from here
    FETCH = 2           # code
    ACCESS = 3          # data
    LOAD = 4            # data, whose value goes to a temporary
    KEEP = 5            # a store, whose value a LOAD may find
    ADD = 6             # temporaries: base + (index << shift) + displacement
    SUB = 7             # base - index, and so on
    AND = 8
    OR = 9
    XOR = 10
    SHL = 11
    SHR = 12
    SAR = 13
    MUL = 14
    ZERO_EXTEND = 15    # the low `size` bytes of base, after a shift to the right
    SIGN_EXTEND = 16
    INSERT = 17         # the low `size` bytes of base, which stand `shift` bits up in index, replaced
    BIT_SCAN = 18       # the lowest (shift 0) or highest bit of base that is set; index if none is
    IF_COUNT = 19       # ends the program if base is zero: REP
    FLOATING = 20       # stops if CR0 makes it a fault: #NM
    PRIVILEGED = 21     # stops if CPL is not 0: #GP
    INTERRUPT_FLAG = 22     # stops if CPL is above IOPL: #GP
    DESCRIPTOR = 23     # the processor reads the descriptor of selector base; access: see Marks
    RETURN_FAR = 24     # RETF and IRET: the stack, and the descriptors
    CALL_FAR = 25       # far CALL to selector base
    JUMP_FAR = 26       # far JMP
    EMPTY = 27          # the caches lose what they hold; size 1: dirty lines are written back


class Access(IntFlag):
    """What an access does."""

    NONE = 0            # nothing: only the address is wanted
    READ = 1
    WRITE = 2
    RMW = 3             # read, then written


class Marks(IntEnum):
    """What the processor writes into a descriptor that it reads."""

    NOTHING = 0
    BUSY = 1                # LTR
    ACCESSED = 2            # loads of segment registers, unless it is marked already


class Value(NamedTuple):
    """A 32-bit value: what is at `base` at the entry of the block, plus `offset`."""

    base: int           # a Register, TEMPORARY + number, DIRECTION, or NOTHING
    offset: int


NOTHING = -1                # base of a constant
DIRECTION = 8               # base, and a register: DF as 1 or -1
TEMPORARY = 16              # bases from here on: what the program computed
ZERO = Value(NOTHING, 0)
BY_STACK = 0                # mask of an address on the stack: as wide as SS says


class Step(NamedTuple):
    """One step, its operands still symbolic."""

    op: Op
    at: int                             # instruction in the block
    size: int = 0                       # bytes
    access: int = 0                     # Access; what else the step needs to know
    base: Value = ZERO
    scaled: Value = ZERO
    shift: int = 0
    segment: int = DS                   # Segment
    mask: int = 0xFFFFFFFF
    result: int = 0                     # base that it defines, 0 if none
    value: Value | None = None          # KEEP: what is stored, None if unknown

    @property
    def reads(self) -> bool:
        """True if an instruction reads data here."""
        return self.op in (Op.ACCESS, Op.LOAD, Op.KEEP) and bool(self.access & Access.READ)

    @property
    def writes(self) -> bool:
        """True if an instruction writes data here."""
        return self.op in (Op.ACCESS, Op.LOAD, Op.KEEP) and bool(self.access & Access.WRITE)


class Address(NamedTuple):
    """A memory operand with the values that its registers have at its instruction."""

    segment: int
    base: Value
    scaled: Value
    shift: int
    mask: int


_WIDE = {"eax": EAX, "ecx": ECX, "edx": EDX, "ebx": EBX, "esp": ESP, "ebp": EBP, "esi": ESI, "edi": EDI}
_PARTS: dict[int, tuple[int, int, int]] = {}        # Capstone's number -> (register, bytes, bits up)
for _name, _register in _WIDE.items():
    _PARTS[getattr(cs, f"X86_REG_{_name.upper()}")] = (_register, 4, 0)
    _PARTS[getattr(cs, f"X86_REG_{_name[1:].upper()}")] = (_register, 2, 0)
    if _name.endswith("x"):
        _PARTS[getattr(cs, f"X86_REG_{_name[1].upper()}L")] = (_register, 1, 0)
        _PARTS[getattr(cs, f"X86_REG_{_name[1].upper()}H")] = (_register, 1, 8)
SEGMENT_OF = {getattr(cs, f"X86_REG_{segment.name}"): int(segment) for segment in Segment}
REGISTER, IMMEDIATE, MEMORY = cs.X86_OP_REG, cs.X86_OP_IMM, cs.X86_OP_MEM


class Derivation:
    """What is known while instructions are followed one after the other, and the program that comes of it."""

    def __init__(self, bits: int) -> None:
        """In code of `bits` 16 or 32."""
        self.wide = bits // 8
        self.steps: list[Step] = []
        self.at = 0                         # the instruction that is being followed
        self._registers: list[Value | None] = [Value(register, 0) for register in (*range(8), DIRECTION)]
        self._temporaries = TEMPORARY
        self.stopped = False
        self._fenced = False

    # Values

    def get(self, register: int) -> Value | None:
        """What a 32-bit register holds now."""
        return self._registers[register]

    def set(self, register: int, value: Value | None) -> None:
        """What it holds from now on; None: not known."""
        self._registers[register] = value

    def compute(self, op: Op, base: Value | None, index: Value | None = ZERO, shift: int = 0,
                size: int = 4) -> Value | None:
        """A temporary that holds `op` of the operands."""
        if base is None or index is None:
            return None
        return self.define(Step(op, self.at, size, 0, base, index, shift))

    def define(self, step: Step) -> Value:
        """Append a step that defines a temporary."""
        result = self._temporaries
        self._temporaries += 1
        self.add(step._replace(result=result))
        return Value(result, 0)

    def add(self, step: Step) -> None:
        """Append a step, unless the program has ended; one that accesses memory ends it behind a fence."""
        if self.stopped:
            return
        self.stopped = self._fenced and step.op not in _BEHIND_FENCE
        self.steps.append(Step(Op.STOP, self.at) if self.stopped else step)

    def part(self, number: int) -> Value | None:
        """What a register of any width holds, zero-extended."""
        register, size, up = _PARTS[number]
        value = self.get(register)
        return value if size == 4 else self.compute(Op.ZERO_EXTEND, value, ZERO, up, size)

    def set_part(self, number: int, value: Value | None) -> None:
        """Write a register of any width."""
        register, size, up = _PARTS[number]
        if size < 4:
            value = self.compute(Op.INSERT, value, self.get(register), up, size)
        self.set(register, value)

    # Accesses

    def stop(self) -> None:
        """The instruction, and what follows it, cannot be derived."""
        if not self.stopped:
            self.steps.append(Step(Op.STOP, self.at))
        self.stopped = True

    def fence(self) -> None:
        """The instruction may fault or change what addresses mean: derive no access behind it."""
        self._fenced = True

    def address(self, operand: Any, instruction: Instruction) -> Address | None:
        """A memory operand; None (and a stop) if a register in it is not known."""
        memory = operand.mem
        base = self.part(memory.base) if memory.base in _PARTS else ZERO
        index = self.part(memory.index) if memory.index in _PARTS else ZERO
        if base is None or index is None:
            self.stop()
            return None
        default = SS if memory.base in _ON_STACK else DS
        segment = SEGMENT_OF[memory.segment] if memory.segment else default
        mask = 0xFFFF if instruction.detail.addr_size == 2 else 0xFFFFFFFF
        base = Value(base.base, base.offset + memory.disp)
        return Address(segment, base, index, memory.scale.bit_length() - 1, mask)

    def access(self, address: Address | None, size: int, access: int, value: Value | None = None) -> None:
        """An access to memory; of a store, the value."""
        if address is not None:
            op = Op.KEEP if access & Access.WRITE else Op.ACCESS
            self.add(Step(op, self.at, size, access, address.base, address.scaled, address.shift, address.segment,
                          address.mask, value=value))

    def load(self, address: Address | None, size: int) -> Value | None:
        """A read, and the value that it will find."""
        if address is None or size > 4:
            self.access(address, size, Access.READ)
            return None
        return self.define(Step(Op.LOAD, self.at, size, Access.READ, address.base, address.scaled, address.shift,
                                address.segment, address.mask))

    def stack(self, offset: int = 0) -> Address | None:
        """The address `offset` bytes from the top of the stack."""
        top = self.get(ESP)
        if top is None:
            self.stop()
            return None
        return Address(SS, Value(top.base, top.offset + offset), ZERO, 0, BY_STACK)

    def move_stack(self, offset: int) -> None:
        """Add to ESP."""
        top = self.get(ESP)
        self.set(ESP, top and Value(top.base, top.offset + offset))

    def push(self, size: int, value: Value | None) -> None:
        """A push of one item."""
        self.access(self.stack(-size), size, Access.WRITE, value)
        self.move_stack(-size)

    def pop(self, size: int) -> Value | None:
        """A pop of one item."""
        value = self.load(self.stack(), size)
        self.move_stack(size)
        return value

    def source(self, operand: Any, instruction: Instruction) -> Value | None:
        """The value of a source operand, zero-extended; a load if it is in memory."""
        if operand.type == REGISTER:
            return self.part(operand.reg) if operand.reg in _PARTS else None
        if operand.type == IMMEDIATE:
            return Value(NOTHING, operand.imm & 0xFFFFFFFF)
        return self.load(self.address(operand, instruction), operand.size)

    def target(self, operand: Any, instruction: Instruction, value: Value | None) -> None:
        """Write a destination operand."""
        if operand.type == MEMORY:
            self.access(self.address(operand, instruction), operand.size, Access.WRITE, value)
        elif operand.reg in _PARTS:
            self.set_part(operand.reg, value)

    def clobber(self, instruction: Instruction) -> None:
        """Nothing is known about what the instruction writes."""
        for number in instruction.detail.regs_access()[1]:
            if number in _PARTS:
                self.set(_PARTS[number][0], None)


_ON_STACK = frozenset((cs.X86_REG_ESP, cs.X86_REG_EBP, cs.X86_REG_SP, cs.X86_REG_BP))
_BEHIND_FENCE = frozenset((Op.END, Op.STOP, Op.FLOATING, Op.PRIVILEGED, Op.INTERRUPT_FLAG,
                           *range(Op.ADD, Op.BIT_SCAN + 1)))
Effect = Callable[[Derivation, Instruction, list[Any]], None]


def useful(steps: list[Step]) -> list[Step]:
    """Without what no access needs: from the end, a step stays if it has an effect or its result is used."""
    used: set[int] = set()
    kept: list[Step] = []
    loads = False                           # a LOAD comes behind: stores before it must be kept with their values
    for step in reversed(steps):
        if step.op == Op.LOAD and step.result not in used:
            step = step._replace(op=Op.ACCESS, result=0)
        elif step.op == Op.KEEP and not loads:
            step = step._replace(op=Op.ACCESS, value=None)
        elif Op.ADD <= step.op <= Op.BIT_SCAN and step.result not in used:
            continue
        loads |= step.op == Op.LOAD or step.op in (Op.RETURN_FAR, Op.CALL_FAR, Op.JUMP_FAR)
        used |= {value.base for value in (step.base, step.scaled, step.value or ZERO)}
        kept.append(step)
    return kept[::-1]
