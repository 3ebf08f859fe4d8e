"""What a translated block holds: its instructions, and the table in which the block hook finds it.

A block is decoded once, in Python, when it is first seen; from then on it is one 32-byte entry of a hash table that
native code searches, plus two numbers per instruction (offset in the block, cycles from its start).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum, IntFlag

import numpy as np

from emu.cpu.illegal import is_illegal
from emu.cpu.state import State
from emu.decoding import UNKNOWN, Instruction, decode, pad
from emu.native import compiled, load32, load64

# A table entry, bytes from its start. The key is linear address | frame << 32 | size << 52; an empty entry has key 0.
KEY = 0                     # i64
COST = 8                    # i32: cycles of the whole block
COUNT = 12                  # u16: instructions
FLAGS = 14                  # u16: Special; 0 for a block that needs no attention
POOL = 16                   # i32: index of its first instruction in `starts` and `costs`
GUARD_AT = 20               # u16: instruction to look at before it runs
GUARD_KIND = 22             # u16: Guard
CUT_AT = 24                 # u16: where to leave the block once the guarded instruction may run
BREAK_AT = 26               # u16: first breakpoint
CODE = 28                   # i32: index of its bytes in `code_bytes`
ENTRY_SIZE = 32

ENTRIES = 1 << 17           # of the table; it is cleared when half full
POOL_SIZE = 1 << 21         # instructions of all blocks together
CODE_SIZE = 1 << 21         # bytes of the blocks that are compared at each run
HASH = -7046029254386353131     # 2^64 / golden ratio, as a signed number

SIZE_SHIFT = 52
CODE16 = 1 << 50            # in the key: 16-bit code (frames have 18 bits)


class Special(IntFlag):
    """Why the block hook looks closer at a block."""

    COMPARE = 1             # its bytes may have changed: compare them first
    REPEAT = 2              # ends with a REP string instruction, which calls the hook at each iteration
    GUARD = 4               # has an instruction to look at before it runs
    BREAK = 8               # has a breakpoint
    FLUSH = 16              # ends by changing CR0, CR3, CR4 or a translation
    COUNT16 = 32            # that REP counts in CX, not in ECX
    JUMP = 64               # with COMPARE: ends with a jump or return, which may lead to itself
    CALL = 128              # with COMPARE: ends with a call, which may lead to itself


class Guard(IntEnum):
    """What must be looked at before an instruction runs, because Unicorn would do it wrong."""

    NONE = 0
    PORT = 1                # IN, OUT, INS, OUTS: rights are not checked; afterwards a device may have changed something
    FAR = 2                 # far CALL, JMP and RET, IRET at CPL 3: the stack is accessed with supervisor rights
    DIVIDE = 3              # IDIV: the most negative dividend by -1 ends the host process
    ICEBP = 4               # F1: would end the run
    UNKNOWN = 5             # Capstone does not know it: run it alone
    ILLEGAL = 6             # the processor does not have it, or not with LOCK
    MSR = 7                 # RDMSR, WRMSR: Unicorn refuses no register
    BEGIN = 8               # must begin a block: elsewhere Unicorn gets the flags wrong


_PORT = frozenset(["in", "out", "insb", "insw", "insd", "outsb", "outsw", "outsd"])
_FAR = frozenset(["lcall", "ljmp", "retf", "iret", "iretd"])
_STRING = frozenset(["movs", "stos", "lods", "cmps", "scas", "ins", "outs"])
_FLUSH = frozenset(["invlpg", "lmsw"])
_MSR = frozenset(["rdmsr", "wrmsr"])
_BEGIN = frozenset(["bt", "bts", "btr", "btc", "loope", "loopne"])
_NO_FLAGS = frozenset(["mov", "movzx", "movsx", "lea", "push", "pop", "xchg", "nop", "cdq", "cwde"])
_COSTS = Callable[[Sequence[Instruction]], Sequence[int]]

def guard_of(instruction: Instruction) -> Guard:
    """What must be looked at before this instruction runs."""
    name = instruction.name
    if name in _PORT:
        return Guard.PORT
    if name in _FAR or (name in ("call", "jmp") and instruction.operands.startswith("ptr ")):
        return Guard.FAR
    if name == "idiv":
        return Guard.DIVIDE
    if name == UNKNOWN:
        return Guard.UNKNOWN
    if name in _MSR:
        return Guard.MSR
    return Guard.ICEBP if name == "int1" else Guard.NONE


def repeat_of(instruction: Instruction) -> Special:
    """REPEAT for a string instruction with a REP prefix, and how it counts."""
    words = instruction.mnemonic.split()
    if len(words) < 2 or not words[0].startswith("rep") or words[-1].rstrip("bwdq") not in _STRING:
        return Special(0)
    short = "[si]" in instruction.operands or "[di]" in instruction.operands
    return Special.REPEAT | Special.COUNT16 if short else Special.REPEAT


def jump_of(instruction: Instruction) -> Special:
    """JUMP, CALL, or neither."""
    name = instruction.name
    if name in ("call", "lcall"):
        return Special.CALL
    return Special.JUMP if name.startswith(("j", "loop", "ret", "iret")) or name == "ljmp" else Special(0)


def flushes(instruction: Instruction) -> bool:
    """True if it changes how addresses are translated."""
    return instruction.mnemonic in _FLUSH or (instruction.mnemonic == "mov" and instruction.operands[:2] == "cr")


@compiled
def slot_of(s: State, key: int) -> int:
    """Address of the entry with `key`, or of the empty one where it belongs."""
    index = key * HASH >> 40 & ENTRIES - 1
    while True:
        slot = s.table + index * ENTRY_SIZE
        found = load64(slot)
        if found == key or found == 0:
            return slot
        index = index + 1 & ENTRIES - 1


@compiled
def index_in(s: State, slot: int, offset: int) -> int:
    """Which instruction of a block begins at `offset`; the number of instructions if none does."""
    count = load32(slot + COUNT) & 0xFFFF
    at = s.starts + load32(slot + POOL) * 4
    for i in range(count):
        if load32(at + i * 4) == offset:
            return i
    return count


class BlockTable:
    """The native table and what fills it."""

    def __init__(self, state: State, costs: _COSTS, features: int) -> None:
        """`costs` prices a block: cycles from its start to the end of each of its instructions.

        `features` is what CPUID leaf 1 reports in EDX: instructions beyond it do not exist.
        """
        self._state = state
        self._costs = costs
        self._features = features
        self.breakpoints: frozenset[int] = frozenset()
        self._entries = np.zeros(ENTRIES * ENTRY_SIZE, np.uint8)
        self._starts = np.zeros(POOL_SIZE, np.int32)
        self._prices = np.zeros(POOL_SIZE, np.int32)
        self._code = np.zeros(CODE_SIZE, np.uint8)
        self._used = self._pool = self._bytes = 0
        state.table = self._entries.ctypes.data
        state.starts = self._starts.ctypes.data
        state.costs = self._prices.ctypes.data
        state.code_bytes = self._code.ctypes.data

    def clear(self) -> None:
        """Forget every block: after breakpoints changed, when code was replaced behind the processor, when full."""
        if self._used:
            self._entries.fill(0)
        self._used = self._pool = self._bytes = 0
        self._state.block = 0

    def add(self, key: int, code: bytes, compare: bool) -> None:
        """Decode a block and enter it; `compare`: its bytes are to be checked at every run."""
        address, bits = key & 0xFFFFFFFF, 16 if key & CODE16 else 32
        instructions = pad(decode(code, address, bits), code, address)
        count = len(instructions)
        if self._used * 2 >= ENTRIES or self._pool + count + 1 > POOL_SIZE or self._bytes + len(code) > CODE_SIZE:
            self.clear()

        flags = Special(0)
        guards = self._guards(instructions, code, bits)
        guard_at, guard = guards[0] if guards else (count, Guard.NONE)
        cut_at = guards[1][0] if len(guards) > 1 else count
        if guard in (Guard.PORT, Guard.UNKNOWN):
            cut_at = guard_at + 1
        break_at = next((i for i, each in enumerate(instructions) if each.address in self.breakpoints), count)
        flags |= Special.COMPARE if compare else Special(0)
        flags |= repeat_of(instructions[-1])
        flags |= jump_of(instructions[-1]) if compare else Special(0)
        flags |= Special.GUARD if guard else Special(0)
        flags |= Special.BREAK if break_at < count else Special(0)
        flags |= Special.FLUSH if flushes(instructions[-1]) else Special(0)

        pool = self._pool
        costs = self._costs(instructions)
        self._starts[pool:pool + count] = [each.address - address for each in instructions]
        self._starts[pool + count] = len(code)
        self._prices[pool] = 0
        self._prices[pool + 1:pool + count + 1] = costs
        self._pool += count + 1
        if compare:
            self._code[self._bytes:self._bytes + len(code)] = np.frombuffer(code, np.uint8)
        slot = self._free_slot(key)
        struct.pack_into("<qiHHiHHHHi", self._entries.data, slot, key, costs[-1], count, flags, pool, guard_at, guard,
                         cut_at, break_at, self._bytes)
        self._used += 1
        self._bytes += len(code) if compare else 0

    def _guards(self, instructions: Sequence[Instruction], code: bytes, bits: int) -> list[tuple[int, Guard]]:
        """(index, guard) of the instructions of a block that must be looked at."""
        guards, flags_changed = [], False
        for index, instruction in enumerate(instructions):
            at = instruction.address - instructions[0].address
            guard = guard_of(instruction)
            if instruction.size and is_illegal(code[at:at + instruction.size], bits, self._features):
                guard = Guard.ILLEGAL
            elif flags_changed and instruction.name in _BEGIN:
                guard = Guard.BEGIN
            if guard:
                guards.append((index, guard))
            flags_changed |= instruction.mnemonic not in _NO_FLAGS
        return guards

    def _free_slot(self, key: int) -> int:
        """Byte offset of the entry where `key` belongs: `slot_of` in Python."""
        product = key * HASH & (1 << 64) - 1
        index = (product - (1 << 64) if product >> 63 else product) >> 40 & ENTRIES - 1
        while True:
            found = int.from_bytes(self._entries[index * ENTRY_SIZE:index * ENTRY_SIZE + 8].tobytes(), "little")
            if found in (0, key & (1 << 64) - 1):
                return index * ENTRY_SIZE
            index = index + 1 & ENTRIES - 1
