"""What system and x87 instructions access, and where they may fault."""

from __future__ import annotations

from typing import Any

from emu.cpu.data_effects import READ, WRITE, behind, descriptor, plain
from emu.cpu.derivation import EAX, MEMORY, Access, Derivation, Effect, Marks, Op, Step
from emu.decoding import Instruction


def descriptor_table(kind: Access) -> Effect:
    """LGDT, LIDT, SGDT, SIDT: limit, then base."""
    def effect(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
        if kind == READ:
            d.add(Step(Op.PRIVILEGED, d.at))
        address = d.address(operands[0], instruction)
        d.access(address, 2, kind)
        d.access(behind(address, 2), 4, kind)
        if kind == READ:
            d.fence()
    return effect


def load_status_word(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """LMSW."""
    d.add(Step(Op.PRIVILEGED, d.at))
    d.source(operands[0], instruction)


def table_register(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """LLDT, LTR: the descriptor is read (and, by LTR, marked busy)."""
    d.add(Step(Op.PRIVILEGED, d.at))
    selector = d.source(operands[0], instruction)
    descriptor(d, selector, Marks.BUSY if instruction.name == "ltr" else Marks.NOTHING)
    d.fence()


def verify(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """LAR, LSL, VERR, VERW: the descriptor is read."""
    selector = d.source(operands[-1], instruction)
    descriptor(d, selector)
    d.clobber(instruction)


def privileged(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """#GP outside ring 0."""
    d.add(Step(Op.PRIVILEGED, d.at))
    d.clobber(instruction)


def invalidate_page(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """INVLPG: the address alone."""
    d.add(Step(Op.PRIVILEGED, d.at))
    d.access(d.address(operands[0], instruction), 1, Access.NONE)


def empty_caches(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """INVD, WBINVD."""
    d.add(Step(Op.PRIVILEGED, d.at))
    d.add(Step(Op.EMPTY, d.at, int(instruction.name == "wbinvd")))


def interrupt_flag(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """CLI, STI: #GP above IOPL."""
    d.add(Step(Op.INTERRUPT_FLAG, d.at))


def may_fault(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """BOUND, INTO and such."""
    plain(d, instruction, operands)
    d.fence()


def floating(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """x87: #NM if CR0 says so; FNSTSW AX writes a register."""
    d.add(Step(Op.FLOATING, d.at))
    size = _STATE_SIZES.get(instruction.name)
    for operand in operands:
        if operand.type == MEMORY:
            stores = instruction.name.startswith(_FLOATING_STORES)
            d.access(d.address(operand, instruction), size or operand.size, WRITE if stores else READ)
    if instruction.operands == "ax":
        d.set(EAX, None)
_STATE_SIZES = {"fnsave": 108, "frstor": 108, "fnstenv": 28, "fldenv": 28, "fxsave": 512, "fxrstor": 512,
                "fnstcw": 2, "fldcw": 2, "fnstsw": 2}
_FLOATING_STORES = ("fst", "fist", "fbst", "fnst", "fnsave", "fxsave")
