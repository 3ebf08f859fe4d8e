"""What a translated block holds: its instructions, and the table in which the block hook finds it.

A block is decoded once, in Python, when it is first seen; from then on it is one 64-byte entry of a hash table that
native code searches, a few numbers per instruction (offset in the block; cycles, transitions and micro-ops from its
start) and, under a timing model, the program that derives its accesses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emu.cpu.illegal import is_illegal
from emu.cpu.state import Crossing, State
from emu.cpu.x86 import Register
from emu.decoding import UNKNOWN, Instruction
from emu.native import compiled, load16, load32, load64
from emu.timing import branches
from emu.timing.pricing import Price

# A table entry, bytes from its start. The key is linear address | frame << 32 | size << 52; an empty entry has key 0.
KEY = 0                     # i64
COST = 8                    # i32: cycles of the whole block
COUNT = 12                  # u16: instructions
FLAGS = 14                  # u16: Special; 0 for a block that needs no attention
POOL = 16                   # i32: index of its first instruction in `starts` and `costs`
GUARD_AT = 20               # u16: instruction to look at before it runs
GUARD_KIND = 22             # u16: Guard
CUT_AT = 24                 # u16: where to leave the block once the guarded instruction may run
FLUSHES = 26                # u16: Flush
CODE = 28                   # i32: index of its bytes in `code_bytes`
WORST = 32                  # i32: cycles that it may take at most, whatever it misses
PROGRAM = 36                # i32: offset of its address program in `programs`
ENDS = 40                   # u16: the kind of the branch that ends it (emu.timing.branches), 0 if none does
STRING = 42                 # u16: its REP string instruction, an index in `string_costs`; 0: none, or without a model
STRING_SIZE = 44            # u16: how wide: 0 bytes, 1 words, 2 doublewords
LEAVES = 46                 # u16: Crossing, if the privilege level may be another behind it
TRANSITIONS = 48            # i32: cycles of COST that are published costs of transitions
UOPS = 52                   # i32: micro-ops
LOADS = 56                  # u16: reads of data, if no access crosses a page
STORES = 58                 # u16: writes of data
LAST = 60                   # u16: offset of the last instruction, bytes
SPIN = 62                   # u16: what kind of spin it is: see `spinning`
ENTRY_SIZE = 64

ENTRIES = 1 << 17           # of the table; it is cleared when half full
POOL_SIZE = 1 << 21         # instructions of all blocks together
PROGRAM_SIZE = 1 << 27      # bytes of all address programs together
MOST_DECODED = 1 << 14      # blocks that are remembered beyond the table
CODE_SIZE = 1 << 21         # bytes of the blocks that are compared at each run
HASH = -7046029254386353131     # 2^64 / golden ratio, as a signed number

NO_SPIN = 0xFFFF            # SPIN of any other block
ECX = 8 * int(Register.ECX)
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
    SPIN = 256              # jumps to its own start and may be skipped: see `spinning`
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


class Flush(IntEnum):
    """What happens to translations at the end of a block."""

    NONE = 0
    CR3 = 1                 # another address space
    PAGE = 2                # INVLPG
    MODE = 3                # CR0 or CR4: paging may work otherwise now


_PORT = frozenset(["in", "out", "insb", "insw", "insd", "outsb", "outsw", "outsd"])
_FAR = frozenset(["lcall", "ljmp", "retf", "iret", "iretd"])
_STRING = frozenset(["movs", "stos", "lods", "cmps", "scas", "ins", "outs"])
_MSR = frozenset(["rdmsr", "wrmsr"])
_BEGIN = frozenset(["bt", "bts", "btr", "btc", "loope", "loopne"])
_NO_FLAGS = frozenset(["mov", "movzx", "movsx", "lea", "push", "pop", "xchg", "nop", "cdq", "cwde"])
_ENTRY = struct.Struct("<qiHHiHHHHiiiHHHHiiHHHH")


class Description(NamedTuple):
    """What a block is and what it costs."""

    instructions: Sequence[Instruction]
    price: Price            # of its instructions
    program: bytes = b""    # derives its accesses: see `addresses`
    stalls: int = 0         # cycles beyond its price that it may take at most
    string: int = 0         # its REP string instruction: index in `string_costs`
    string_size: int = 0    # 0 bytes, 1 words, 2 doublewords
    loads: int = 0          # reads of data
    stores: int = 0         # writes of data


class Decoded(NamedTuple):
    """What follows from a block's code alone."""

    block: Description              # of its instructions the first and the last, without detail
    starts: NDArray[np.int64]       # of its instructions, bytes from its start, and its end
    guards: list[tuple[int, Guard]]     # by index of the instruction
    flags: Special          # REPEAT, COUNT16, GUARD, FLUSH
    jump: Special           # JUMP or CALL, if it is compared
    flush: Flush
    branch: int             # kind of the branch that ends it
    leaves: Crossing


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


def flush_of(instruction: Instruction) -> Flush:
    """How it changes what addresses mean."""
    if instruction.name == "invlpg":
        return Flush.PAGE
    if instruction.name == "lmsw" or (instruction.name == "mov" and instruction.operands[:2] == "cr"):
        return Flush.CR3 if instruction.operands.startswith("cr3") else Flush.MODE
    return Flush.NONE


def crossing_of(instruction: Instruction) -> Crossing:
    """How it may change the privilege level, besides trapping."""
    name = instruction.name
    if name in ("iret", "iretd"):
        return Crossing.IRET
    if name in ("call", "lcall"):
        return Crossing.CALL_GATE
    return {"sysexit": Crossing.SYSEXIT, "retf": Crossing.RETF}.get(name, Crossing.OTHER)


def branch_of(instruction: Instruction) -> int:
    """The kind of a near branch, for the predictor; 0 for everything else."""
    name, direct = instruction.name, instruction.operands.startswith("0x")
    if name == "ret":
        return branches.RETURN
    if name == "call":
        return branches.CALL if direct else branches.CALL_INDIRECT
    if name == "jmp":
        return branches.JUMP if direct else branches.INDIRECT
    if name.startswith(("j", "loop")) and direct:
        backward = int(instruction.operands, 16) <= instruction.address
        return branches.CONDITIONAL_BACKWARD if backward else branches.CONDITIONAL
    return 0


COUNT16 = int(Special.COUNT16)


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


@compiled
def last_address(s: State, slot: int) -> int:
    """Linear address of a block's last instruction."""
    return (load64(slot + KEY) & 0xFFFFFFFF) + load32(s.starts + (load32(slot + POOL) + load16(slot + COUNT) - 1) * 4)


@compiled
def repeat_count(s: State, slot: int) -> int:
    """The count register of the REP instruction in a block."""
    return load32(s.env + ECX) & (0xFFFF if load16(slot + FLAGS) & COUNT16 else 0xFFFFFFFF)


class BlockTable:
    """The native table and what fills it."""

    def __init__(self, state: State, describe: Callable[[bytes, int, int], Description],
                 spin_of: Callable[[Sequence[Instruction], int], int], features: int) -> None:
        """`describe` tells what a block (code, linear address, 16 or 32 bits) is and costs, `spin_of` how it spins.

        `features` is what CPUID leaf 1 reports in EDX: instructions beyond it do not exist.
        """
        self._state = state
        self._describe = describe
        self._spin_of = spin_of
        self._features = features
        self.stops: frozenset[int] = frozenset()
        self.marks: frozenset[int] = frozenset()
        self.breakpoints: frozenset[int] = frozenset()      # both
        self._points = np.zeros(0, np.uint32)
        self._decoded: dict[tuple[bytes, int, int], Decoded] = {}      # by code, linear address and bits
        self._entries = np.zeros(ENTRIES * ENTRY_SIZE, np.uint8)
        self._slots = np.zeros(ENTRIES // 2, np.int64)      # which of them are used
        self._starts, self._costs, self._transitions, self._uops = (np.zeros(POOL_SIZE, np.int32) for _ in range(4))
        self._programs = np.zeros(PROGRAM_SIZE if state.model else 0, np.uint8)
        self._code = np.zeros(CODE_SIZE, np.uint8)
        self._used = self._pool = self._bytes = self._steps = 0
        state.table = self._entries.ctypes.data
        state.starts = self._starts.ctypes.data
        state.costs = self._costs.ctypes.data
        state.transitions = self._transitions.ctypes.data
        state.uop_counts = self._uops.ctypes.data
        state.programs = self._programs.ctypes.data
        state.code_bytes = self._code.ctypes.data

    def clear(self) -> None:
        """Forget every block: after breakpoints changed, when code was replaced behind the processor, when full."""
        if self._used:
            self._entries.reshape(ENTRIES, ENTRY_SIZE)[self._slots[:self._used]] = 0
            self._state.tables += 1
            self._state.hot_count = 0
        self._used = self._pool = self._bytes = self._steps = 0
        self._state.block = self._state.rest_slot = self._state.branch_slot = 0

    def set_breakpoints(self, stops: frozenset[int], marks: frozenset[int]) -> None:
        """Linear addresses in front of which to stop, and at which to write a mark into the ring of crossings.

        The code stays the same, and so does what it costs: a block of which the rest is still to come keeps it.
        """
        self.stops, self.marks = stops, marks
        addresses = [*sorted(stops), *sorted(marks)]
        self.breakpoints = stops | marks
        self._points = np.array(addresses, np.uint32)
        self._state.breakpoints, self._state.breakpoint_count = self._points.ctypes.data, len(addresses)
        self._state.stop_count = len(stops)
        used = self._slots[:self._used]
        keys = self._entries.view(np.int64)[::ENTRY_SIZE // 8][used]
        flags = self._entries.view(np.uint16)[FLAGS // 2::ENTRY_SIZE // 2]
        starts, sizes = keys & 0xFFFFFFFF, keys >> SIZE_SHIFT & 0xFFF
        points = np.array(sorted(self.breakpoints), np.int64)
        holds = np.searchsorted(points, starts) < np.searchsorted(points, starts + sizes)
        others = flags[used] & np.uint16(0xFFFF ^ Special.BREAK)
        flags[used] = others | holds * np.uint16(Special.BREAK)

    def add(self, key: int, code: bytes, compare: bool) -> bytes:
        """Decode a block and enter it; `compare`: its bytes are to be checked at every run. Its address program."""
        address, bits = key & 0xFFFFFFFF, 16 if key & CODE16 else 32
        known = self._decode(code, address, bits)
        block, count = known.block, len(known.starts) - 1
        if (self._used * 2 >= ENTRIES or self._pool + count + 1 > POOL_SIZE or self._bytes + len(code) > CODE_SIZE
                or self._steps + len(block.program) > len(self._programs)):
            self.clear()

        guard_at, guard = known.guards[0] if known.guards else (count, Guard.NONE)
        cut_at = known.guards[1][0] if len(known.guards) > 1 else count
        if guard in (Guard.PORT, Guard.UNKNOWN):
            cut_at = guard_at + 1
        flags = known.flags
        flags |= Special.COMPARE | known.jump if compare else Special(0)
        if self.breakpoints and not self.breakpoints.isdisjoint((known.starts[:-1] + address).tolist()):
            flags |= Special.BREAK
        spin = self._spin_of(block.instructions, bits)
        flags |= Special.SPIN if spin != NO_SPIN and not flags else Special(0)

        pool, end = self._pool, self._pool + count + 1
        self._starts[pool:end] = known.starts
        self._costs[pool:end] = (0, *block.price.cycles)
        self._transitions[pool:end] = (0, *block.price.transitions)
        self._uops[pool:end] = (0, *block.price.uops)
        self._programs[self._steps:self._steps + len(block.program)] = np.frombuffer(block.program, np.uint8)
        if compare:
            self._code[self._bytes:self._bytes + len(code)] = np.frombuffer(code, np.uint8)
        cost, slot = block.price.cycles[-1], self._free_slot(key)
        _ENTRY.pack_into(self._entries.data, slot, key, cost, count, flags, pool, guard_at, guard, cut_at, known.flush,
                         self._bytes, cost + block.stalls, self._steps, known.branch, block.string, block.string_size,
                         known.leaves, block.price.transitions[-1], block.price.uops[-1], block.loads, block.stores,
                         known.starts[-2], spin)
        self._slots[self._used] = slot // ENTRY_SIZE
        self._used += 1
        self._pool = end
        self._steps += len(block.program)
        self._bytes += len(code) if compare else 0
        return block.program

    def _decode(self, code: bytes, address: int, bits: int) -> Decoded:
        """What a block is; it may come again when the table was cleared, as by every snapshot that is restored."""
        known = self._decoded.get((code, address, bits))
        if known:
            return known
        block = self._describe(code, address, bits)
        instructions, last = block.instructions, block.instructions[-1]
        guards, flush = self._guards(instructions, code, bits), flush_of(last)
        flags = repeat_of(last)
        flags |= Special.GUARD if guards else Special(0)
        flags |= Special.FLUSH if flush else Special(0)
        starts = np.array([*(each.address - address for each in instructions), len(code)], np.int64)
        ends = [each._replace(detail=None) for each in (instructions[0], last)]
        known = Decoded(block._replace(instructions=ends), starts, guards, flags, jump_of(last), flush,
                        branch_of(last), crossing_of(last))
        if len(self._decoded) >= MOST_DECODED:
            self._decoded.clear()
        self._decoded[code, address, bits] = known
        return known

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
