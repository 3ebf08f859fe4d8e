"""What the stack, calls and returns, and string instructions do to memory and registers."""

from __future__ import annotations

from typing import Any

from capstone import x86 as cs

from emu.cpu.data_effects import READ, WRITE, behind, load_segment, value_of, width
from emu.cpu.derivation import (
    DIRECTION,
    EBP,
    ECX,
    EDI,
    ESI,
    ESP,
    IMMEDIATE,
    MEMORY,
    REGISTER,
    SEGMENT_OF,
    ZERO,
    Derivation,
    Effect,
    Op,
    Step,
    Value,
)
from emu.decoding import Instruction


def push(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """PUSH; of a segment register, its slot is as wide as the operand size."""
    operand = operands[0]
    if operand.type == REGISTER and operand.reg in SEGMENT_OF:
        d.push(width(d, instruction), None)
    else:
        size = width(d, instruction) if operand.type == IMMEDIATE else operand.size
        d.push(size, d.source(operand, instruction))


def pop(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """POP; an address in its operand counts with ESP behind the popped item."""
    operand = operands[0]
    if operand.type == REGISTER and operand.reg in SEGMENT_OF:
        load_segment(d, operand.reg, d.pop(width(d, instruction)))
    elif operand.type == REGISTER:
        value = d.pop(operand.size)
        d.set_part(operand.reg, value)
    else:
        value = d.pop(operand.size)
        d.target(operand, instruction, value)


def push_all(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """PUSHA, PUSHAD: EAX first, ESP as it was."""
    size = 4 if instruction.name == "pushal" else 2
    for value in [d.get(register) for register in range(8)]:
        d.push(size, value)


def pop_all(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """POPA, POPAD: EDI first; ESP's slot is passed over."""
    size = 4 if instruction.name == "popal" else 2
    for register in reversed(range(8)):
        if register == ESP:
            d.move_stack(size)
        else:
            value = d.pop(size)
            d.set(register, value if size == 4 else None)


def push_flags(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """PUSHF, PUSHFD."""
    d.push(width(d, instruction), None)


def pop_flags(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """POPF, POPFD."""
    d.pop(width(d, instruction))
    d.set(DIRECTION, None)


def enter(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """ENTER without nesting; with it, the copied frame pointers end the program."""
    size = width(d, instruction)
    if operands[1].imm & 0x1F:
        d.stop()
        return
    d.push(size, d.get(EBP))
    top = d.get(ESP)
    d.set(EBP, top if size == 4 else None)
    d.move_stack(-(operands[0].imm & 0xFFFF))


def leave(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """LEAVE."""
    d.set(ESP, d.get(EBP))
    value = d.pop(width(d, instruction))
    d.set(EBP, value)


def call(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """Near CALL: ends the block."""
    if operands[0].type == MEMORY:
        if is_far(instruction):
            far(Op.CALL_FAR)(d, instruction, operands)
            return
        d.access(d.address(operands[0], instruction), operands[0].size, READ)
    d.push(width(d, instruction), None)


def jump(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """Near JMP."""
    if operands[0].type == MEMORY:
        if is_far(instruction):
            far(Op.JUMP_FAR)(d, instruction, operands)
            return
        d.access(d.address(operands[0], instruction), operands[0].size, READ)


def is_far(instruction: Instruction) -> bool:
    """FF /3 and FF /5, which Capstone may call plain CALL and JMP."""
    detail = instruction.detail
    return detail.opcode[0] == 0xFF and detail.modrm >> 3 & 7 in (3, 5)


def ret(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """Near RET."""
    d.access(d.stack(), width(d, instruction), READ)


def far(op: Op) -> Effect:
    """Far CALL and JMP, direct or through memory."""
    def effect(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
        size = width(d, instruction)
        if operands[0].type == MEMORY:
            address = d.address(operands[0], instruction)
            d.access(address, size, READ)
            selector = d.load(behind(address, size), 2)
        else:
            selector = value_of(operands[0].imm & 0xFFFF)
        top = d.get(ESP)
        if selector is None or top is None:
            d.stop()
        else:
            d.add(Step(op, d.at, size, base=selector, scaled=top))
    return effect


def return_far(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """RETF, IRET: EIP, CS and the flags; a return to an outer ring finds ESP and SS behind them."""
    size = width(d, instruction)
    d.access(d.stack(), size, READ)
    selector = d.load(d.stack(size), size)
    is_iret = instruction.name.startswith("iret")
    if is_iret:
        d.access(d.stack(2 * size), size, READ)
    top = d.get(ESP)
    if selector is None or top is None:
        d.stop()
        return
    parameters = operands[0].imm & 0xFFFF if operands else 0
    behind = Value(top.base, top.offset + (3 if is_iret else 2) * size + parameters)
    d.add(Step(Op.RETURN_FAR, d.at, size, access=1 if is_iret else 0, base=selector, scaled=behind))


def string(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS; one that repeats ends the block: its first iteration."""
    short = instruction.detail.addr_size == 2
    memory = [operand for operand in operands if operand.type == MEMORY]
    if instruction.detail.prefix[0] in (0xF2, 0xF3):
        count = d.get(ECX)
        if short:
            count = d.compute(Op.ZERO_EXTEND, count, ZERO, 0, 2)
        if count is None:
            d.stop()
            return
        d.add(Step(Op.IF_COUNT, d.at, base=count))
    name = instruction.name.rstrip("bwdl")
    order = sorted(memory, key=lambda operand: operand.mem.base in (cs.X86_REG_EDI, cs.X86_REG_DI))
    if name == "cmp":
        order = order[::-1]
    for operand in order:                   # the source is read first
        register = EDI if operand.mem.base in (cs.X86_REG_EDI, cs.X86_REG_DI) else ESI
        address = d.address(operand, instruction)
        kind = WRITE if operand is not None and register == EDI and _stores(instruction) else READ
        value = None
        if kind == WRITE:
            d.access(address, operand.size, WRITE, None)
        elif _loads(instruction):
            value = d.load(address, operand.size)
            d.set_part(operands[0].reg, value)
        else:
            d.access(address, operand.size, READ)
    for operand in memory:
        register = EDI if operand.mem.base in (cs.X86_REG_EDI, cs.X86_REG_DI) else ESI
        moved = d.compute(Op.ADD, d.get(register), d.get(DIRECTION), operand.size.bit_length() - 1)
        d.set(register, None if short else moved)


def _stores(instruction: Instruction) -> bool:
    return instruction.name.startswith(("movs", "stos", "ins"))


def _loads(instruction: Instruction) -> bool:
    return instruction.name.startswith("lods")


def direction(offset: int) -> Effect:
    """CLD, STD."""
    def effect(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
        d.set(DIRECTION, value_of(offset))
    return effect
