"""Where the registers of the caller, or of the interrupted code, are while a routine runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from capstone import x86_const as x86

from emu.decoding import Instruction
from emu.monitor.inspect.flow import Flow, Slot, State

GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")     # in the order in which PUSHAD pushes them
PUSHAD = {name: 4 * at for at, name in enumerate(GENERAL, 1) if name != "esp"}     # how deep each is then, in bytes
TRACKED = (*PUSHAD, "es", "ds", "fs", "gs")
WHOLE = {part: name for name in GENERAL for part in (name, name[1:])} \
      | {part: f"e{part[0]}x" for part in ("al", "ah", "cl", "ch", "dl", "dh", "bl", "bh")} \
      | {name: name for name in ("es", "ds", "fs", "gs")}
DESTROYED = ("eax", "ecx", "edx")       # by a call, as the kernel's and the library's calling rule has it
CALLS = ("call", "lcall", "int", "sysenter")


class Kept(NamedTuple):
    """What has become of the value that a register had when the routine was entered."""

    intact: bool            # it is in the register
    at: int | None = None   # it is on the stack, so many bytes below the slot


Registers = dict[str, Kept]
INTACT: Registers = {name: Kept(True) for name in TRACKED}
LOST: Registers = {name: Kept(False) for name in TRACKED}


def saved(flow: Flow, entries: Iterable[int], states: Mapping[int, State | None]) -> dict[int, Registers]:
    """The registers in front of each instruction that is reached from `entries`.

    `states` has what is known of the stack there, None if there are several possibilities.
    """
    found = {entry: INTACT for entry in entries}
    left = list(found)
    while left:
        at = left.pop()
        each = flow.instruction(at)
        if each is None:
            continue
        after = _after(each, states.get(at), found[at])
        for target in flow.successors(each):
            new = _joined(found.get(target, after), after, states.get(target))
            if new != found.get(target):
                found[target] = new
                left.append(target)
    return found


def _joined(one: Registers, other: Registers, state: State | None) -> Registers:
    """What holds on both ways to an instruction. What has been popped is no longer on the stack."""
    joined = {}
    for name in TRACKED:
        at = one[name].at if one[name].at == other[name].at else None
        if at is not None and state and state.depth is not None and at > state.depth:
            at = None
        joined[name] = Kept(one[name].intact and other[name].intact, at)
    return joined


def _after(instruction: Instruction, state: State | None, before: Registers) -> Registers:
    """The registers behind an instruction."""
    name, operands = instruction.name, instruction.detail.operands
    depth = state.depth if state else None
    first = _whole(instruction, operands[0].reg) if operands and operands[0].type == x86.X86_OP_REG else ""
    if name == "push":
        width = 2 if instruction.detail.prefix[2] == 0x66 else 4
        return before | (_pushed(before, {first: width}, depth) if first in before else {})
    if name in ("pushal", "pushad"):
        return before | _pushed(before, PUSHAD, depth)
    if name == "pop" and first in before:
        return before | _popped(before, {first: 0}, depth)
    if name in ("popal", "popad"):
        return before | _popped(before, {register: PUSHAD["edi"] - deep for register, deep in PUSHAD.items()}, depth)
    if name == "leave":
        return before | _popped(before, {"ebp": 0}, state.frame if state else None)
    if name == "mov" and first == "esp" and operands[1].type == x86.X86_OP_MEM and state \
            and state.slot != Slot.REGISTERS:
        return LOST                                         # another stack, and so another caller
    written = {_whole(instruction, register) for register in instruction.detail.regs_access()[1]}
    written.update(DESTROYED if name in CALLS else ())
    return before | {register: Kept(False, before[register].at) for register in written if register in before}


def _whole(instruction: Instruction, register: int) -> str:
    """The tracked register that one of Capstone's is or is a part of; "" for others."""
    return WHOLE.get(instruction.detail.reg_name(register) or "", "")


def _pushed(before: Registers, registers: Mapping[str, int], depth: int | None) -> Registers:
    """`registers` on the stack, so many bytes deeper than `depth`; what was there before counts."""
    return {name: Kept(True, depth + deeper) for name, deeper in registers.items()
            if depth is not None and before[name] == Kept(True)}


def _popped(before: Registers, registers: Mapping[str, int], depth: int | None) -> Registers:
    """`registers` taken from the stack, so many bytes above `depth`: restored, if that is where they were saved."""
    return {name: Kept(True) if depth is not None and before[name].at == depth - above else
            Kept(False, before[name].at if depth is None else None) for name, above in registers.items()}
