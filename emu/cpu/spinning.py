"""Fast-forward: a loop that can change nothing before the next event is skipped, exactly.

A spin is straight code that ends with a jump to its own start, stores nothing, accesses no device, and either computes
the same at each turn (`jmp $`, a poll of memory) or also counts one register to zero (LOOP, DEC and JNZ). Unicorn ends
a block at PAUSE, so it may be several blocks; the last one is looked at. When a few turns have cost the same and left
the timing model as it was, every further one will: until the next event, and for a counter until the last turns, the
clock and the counters move as those turns would have moved them. What runs afterwards, runs. HLT needs no such care: a
halted processor executes nothing (`Machine.run`).

Why it is exact: nobody but an event can change memory or raise an interrupt, and each run of the processor ends with
the next event; spins are told anew in each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from capstone import x86 as cs

from emu.cpu.blocks import NO_SPIN, SPIN, last_address
from emu.cpu.state import State
from emu.cpu.x86 import Register
from emu.decoding import Instruction, decode_detail
from emu.native import compiled, load16, load32, store64
from emu.timing.model import model_at

LONGEST = 48                # bytes of a spin
STEADY = 2                  # turns alike before it is believed
STEP_SHIFT = 4              # in SPIN: register + 1 (0: it does not count), then the step, 12 bits, signed
PLAIN_SPIN = 0

# What a spin may consist of. None of these stores, if its first operand is no memory.
_PURE = frozenset(("mov", "movzx", "movsx", "lea", "add", "sub", "inc", "dec", "and", "or", "xor", "not", "neg", "shl",
                   "shr", "sar", "cmp", "test", "nop", "pause", "cdq", "cwde", "bswap", "jmp", "loop"))
_READ_ONLY = frozenset(("cmp", "test"))
_COUNT = {"dec": -1, "inc": 1, "loop": -1}
_WIDE = {getattr(cs, f"X86_REG_{register.name}"): int(register) for register in Register}


def spin_of(instructions: Sequence[Instruction], bits: int, read: Callable[[int, int], bytes]) -> int:
    """What kind of spin ends with a block, for SPIN: PLAIN_SPIN, a register and its step, or NO_SPIN.

    Of the instructions the first and the last will do. `read` gives code that may stand in front of the block: (linear
    address, bytes).
    """
    last = instructions[-1]
    if bits != 32 or not _is_near_jump(last):
        return NO_SPIN
    start, end = int(last.operands, 16), last.address + last.size
    if not instructions[0].address - LONGEST < start <= instructions[0].address or end - start > LONGEST:
        return NO_SPIN
    details = decode_detail(read(start, end - start), start, bits)
    if not details or details[-1].address != last.address or not all(_is_pure(each) for each in details):
        return NO_SPIN
    if any(_is_near_jump(each) for each in details[:-1]):
        return NO_SPIN                                  # not straight
    counter = _counter(details)
    others = [each for each in details if each is not counter]
    if _carried(others):
        return NO_SPIN
    if counter is None:
        return PLAIN_SPIN
    register, step = _step(counter)
    if any(register in _registers(each, 0) | _registers(each, 1) for each in others):
        return NO_SPIN
    return register + 1 | (step & 0xFFF) << STEP_SHIFT


def _is_near_jump(instruction: Instruction) -> bool:
    """True for a jump to an address that stands in it."""
    return instruction.name.startswith(("j", "loop")) and instruction.operands.startswith("0x")


def _is_pure(instruction: Instruction) -> bool:
    name, operands = instruction.name, list(instruction.detail.operands)
    if name.startswith("j") and name != "jmp":
        return name not in ("jcxz", "jecxz")
    if name not in _PURE or " " in instruction.mnemonic or (name == "jmp" and operands[0].type != cs.X86_OP_IMM):
        return False
    if name == "loop" and instruction.detail.addr_size != 4:
        return False                        # counts CX, and leaves the rest of ECX alone
    if operands and operands[0].type == cs.X86_OP_MEM and name not in _READ_ONLY:
        return False
    return all(each.reg in _WIDE or _WIDTHS.get(each.reg, 0) for each in operands if each.type == cs.X86_OP_REG)


_WIDTHS = {getattr(cs, f"X86_REG_{name}"): 1 for name in
           ("AL", "CL", "DL", "BL", "AH", "CH", "DH", "BH", "AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI")}
_PARTS = {getattr(cs, f"X86_REG_{part}"): int(register) for register, parts in (
    (Register.EAX, "AL AH AX"), (Register.ECX, "CL CH CX"), (Register.EDX, "DL DH DX"), (Register.EBX, "BL BH BX"),
    (Register.ESP, "SP"), (Register.EBP, "BP"), (Register.ESI, "SI"), (Register.EDI, "DI")) for part in parts.split()}


def _registers(instruction: Instruction, which: int) -> set[int]:
    """The general registers that an instruction reads (0) or writes (1)."""
    return {(_WIDE | _PARTS)[number] for number in instruction.detail.regs_access()[which] if number in _WIDE | _PARTS}


def _counter(details: Sequence[Instruction]) -> Instruction | None:
    """The instruction that counts a register to zero: LOOP, or what sets the flags for a final JNZ."""
    if details[-1].name == "loop":
        return details[-1]                  # by ECX: see `_is_pure`
    if details[-1].name != "jne" or len(details) < 2:
        return None
    before: Any = details[-2]
    first = before.detail.operands[0] if before.detail.operands else None
    if first is None or first.type != cs.X86_OP_REG or first.reg not in _WIDE:
        return None
    constant = len(before.detail.operands) == 1 or before.detail.operands[1].type == cs.X86_OP_IMM
    return before if before.name in ("dec", "inc", "sub", "add") and constant and _step(before)[1] else None


def _step(counter: Instruction) -> tuple[int, int]:
    """(register, what is added to it at each turn) of a counter; 0 for a step too long for SPIN."""
    if counter.name in _COUNT:
        register = Register.ECX if counter.name == "loop" else _WIDE[counter.detail.operands[0].reg]
        return int(register), _COUNT[counter.name]
    amount = counter.detail.operands[1].imm
    amount = -amount if counter.name == "sub" else amount
    return _WIDE[counter.detail.operands[0].reg], amount if -0x800 < amount < 0x800 else 0


def _carried(details: Sequence[Instruction]) -> bool:
    """True if a turn uses what the turn before has computed: a register that it reads before it writes it."""
    written: set[int] = set()
    early: set[int] = set()
    for each in details:
        early |= _registers(each, 0) - written
        partial = any(number in _PARTS for number in each.detail.regs_access()[1])
        written |= set() if partial else _registers(each, 1)
        early |= _registers(each, 1) if partial else set()
    return bool(early & {register for each in details for register in _registers(each, 1)})


@compiled
def is_steady(s: State, slot: int) -> bool:
    """Note that a turn of a spin begins; true if the last ones were alike in everything that counts."""
    changes = history = loads = branches = 0
    if s.model:
        m = model_at(s.model)
        changes, history, loads, branches = m.changes, m.history, m.loads, m.branches
    stalls = s.cache_cycles + s.tlb_cycles + s.branch_cycles
    still = (s.spin_slot == slot and changes == s.spin_changes and history == s.spin_history
             and stalls == s.spin_stalls and s.io_accesses == s.spin_io)
    cycles, instructions = s.cycles - s.spin_cycles, s.instructions - s.spin_instructions
    alike = still and cycles == s.turn_cycles and instructions == s.turn_instructions
    s.spin_turns = s.spin_turns + 1 if alike else 0
    s.turn_cycles, s.turn_instructions = cycles, instructions
    s.turn_uops, s.turn_transitions = s.uops - s.spin_uops, s.transition_cycles - s.spin_transitions
    s.turn_loads, s.turn_branches = loads - s.spin_loads, branches - s.spin_branches
    s.spin_slot, s.spin_instructions, s.spin_cycles = slot, s.instructions, s.cycles
    s.spin_uops, s.spin_transitions, s.spin_loads, s.spin_branches = s.uops, s.transition_cycles, loads, branches
    s.spin_changes, s.spin_history, s.spin_stalls, s.spin_io = changes, history, stalls, s.io_accesses
    return s.spin_turns >= STEADY


@compiled
def turns_left(s: State, kind: int) -> int:
    """How many whole turns certainly come before the next event, the limit, and the end of the counting."""
    if s.turn_cycles <= 0:
        return 0
    turns = (s.event_deadline - s.cycles) // s.turn_cycles
    turns = min(turns, (s.limit - s.instructions) // s.turn_instructions)
    if kind:
        value = load32(s.env + 8 * ((kind & 15) - 1))
        step = kind >> STEP_SHIFT
        if step & 0x800:                                # down, to zero: where it wraps to exactly zero is far away
            turns = min(turns, value // (0x1000 - step))
        else:
            turns = min(turns, (0x100000000 - value) // step if value else 0)
    return turns - STEADY


@compiled
def is_broken(s: State, slot: int) -> bool:
    """True if a breakpoint may lie in the spin."""
    last = last_address(s, slot)
    found = False
    for i in range(s.breakpoint_count):
        found |= 0 <= last - load32(s.breakpoints + i * 4) <= LONGEST
    return found


@compiled
def skip(s: State, slot: int) -> None:
    """Make the turns of a spin that change nothing but counters, without running them."""
    kind = load16(slot + SPIN)
    turns = turns_left(s, kind) if is_steady(s, slot) else 0
    if turns <= 0 or is_broken(s, slot):
        return
    s.cycles += turns * s.turn_cycles
    s.instructions += turns * s.turn_instructions
    s.skipped += turns * s.turn_instructions
    s.uops += turns * s.turn_uops
    s.transition_cycles += turns * s.turn_transitions
    if s.model:
        m = model_at(s.model)
        m.loads += turns * s.turn_loads
        m.branches += turns * s.turn_branches
    if kind:
        register = s.env + 8 * ((kind & 15) - 1)
        step = kind >> STEP_SHIFT
        step = step - 0x1000 if step & 0x800 else step
        store64(register, load32(register) + turns * step & 0xFFFFFFFF)
    s.spin_slot = 0
