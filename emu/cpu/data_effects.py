"""What instructions that move and compute do to memory and registers, in the terms of a `Derivation`.

Source, of all effects: Intel manual volume 2.
"""

from __future__ import annotations

from typing import Any

from capstone import x86 as cs

from emu.cpu.derivation import (
    DS,
    EAX,
    EDX,
    MEMORY,
    NOTHING,
    REGISTER,
    SEGMENT_OF,
    ZERO,
    Access,
    Address,
    Derivation,
    Effect,
    Marks,
    Op,
    Step,
    Value,
)
from emu.decoding import Instruction

READ, WRITE, RMW = Access.READ, Access.WRITE, Access.RMW
FS, GS = cs.X86_REG_FS, cs.X86_REG_GS


def width(d: Derivation, instruction: Instruction) -> int:
    """Operand size, 2 or 4 bytes, of an instruction whose operands do not tell."""
    return 6 - d.wide if instruction.detail.prefix[2] == 0x66 else d.wide


def value_of(value: int) -> Value:
    return Value(NOTHING, value & 0xFFFFFFFF)


def plain(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """Whatever has no entry: memory as Capstone says, registers unknown."""
    for operand in operands:
        if operand.type == MEMORY:
            kind = operand.access & RMW
            d.access(d.address(operand, instruction), operand.size, kind or READ)
    d.clobber(instruction)


def nothing(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """No access to memory, whatever the operands say; nothing that an address could come from."""


def registers(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """No access to memory; the registers that it writes are not known any more."""
    d.clobber(instruction)


def reads(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """CMP, TEST and such: reads, changes flags only."""
    for operand in operands:
        if operand.type == MEMORY:
            d.access(d.address(operand, instruction), operand.size, READ)


def mov(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """MOV, but not with control, debug and segment registers."""
    target, source = operands
    if target.type == REGISTER and target.reg in SEGMENT_OF:
        load_segment(d, target.reg, d.source(source, instruction))
    elif source.type == REGISTER and source.reg in SEGMENT_OF:
        d.target(target, instruction, None)
    elif any(each.type == REGISTER and instruction.detail.group(cs.X86_GRP_PRIVILEGE) for each in operands):
        d.add(Step(Op.PRIVILEGED, d.at))
        d.clobber(instruction)
    else:
        d.target(target, instruction, d.source(source, instruction))


def load_segment(d: Derivation, register: int, selector: Value | None) -> None:
    """A load of a segment register: the processor reads the descriptor."""
    descriptor(d, selector, Marks.ACCESSED)
    if register in (FS, GS):
        d.fence()                           # it does not end the block, and may fault or change the base


def descriptor(d: Derivation, selector: Value | None, marks: Marks = Marks.NOTHING) -> None:
    """The processor reads a descriptor."""
    if selector is None:
        d.stop()
    else:
        d.add(Step(Op.DESCRIPTOR, d.at, 8, marks, selector))


def far_pointer(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """LDS, LES, LFS, LGS, LSS: offset, then selector."""
    address, size = d.address(operands[1], instruction), operands[0].size
    offset = d.load(address, size)
    selector = d.load(behind(address, size), 2)
    load_segment(d, {"lfs": FS, "lgs": GS}.get(instruction.name, cs.X86_REG_DS), selector)
    d.set_part(operands[0].reg, offset)


def behind(address: Address | None, size: int) -> Address | None:
    return address and address._replace(base=Value(address.base.base, address.base.offset + size))


def extend(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """MOVZX, MOVSX."""
    target, source = operands
    value, size = d.source(source, instruction), source.size
    if instruction.name == "movsx":
        value = d.compute(Op.SIGN_EXTEND, value, ZERO, 0, size)
    d.set_part(target.reg, value)


def lea(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """LEA: the address without the segment."""
    target, memory = operands[0], operands[1].mem
    parts = [number for number in (memory.base, memory.index) if number]
    if any(d.part(number) is None for number in parts) or instruction.detail.addr_size == 2:
        d.set_part(target.reg, None)
        return
    base = d.part(memory.base) if memory.base else ZERO
    index = d.part(memory.index) if memory.index else ZERO
    assert base is not None and index is not None
    value: Value | None = Value(base.base, base.offset + memory.disp)
    if memory.index:
        value = d.compute(Op.ADD, value, index, memory.scale.bit_length() - 1)
    d.set_part(target.reg, value)


def arithmetic(op: Op) -> Effect:
    """ADD, SUB, AND, OR, XOR."""
    def effect(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
        target, source = operands
        right = d.source(source, instruction)
        if target.type == MEMORY:
            modify(d, instruction, target, lambda left: _combine(d, op, left, right))
        else:
            same = op in (Op.XOR, Op.SUB) and source.type == REGISTER and source.reg == target.reg
            d.set_part(target.reg, ZERO if same else _combine(d, op, d.part(target.reg), right))
    return effect


def _combine(d: Derivation, op: Op, left: Value | None, right: Value | None) -> Value | None:
    if left is None or right is None:
        return None
    if right.base == NOTHING and op in (Op.ADD, Op.SUB):
        return Value(left.base, left.offset + (right.offset if op == Op.ADD else -right.offset))
    return d.compute(op, left, right)


def modify(d: Derivation, instruction: Instruction, target: Any, change: Any) -> None:
    """A read, and a write of what `change` makes of the value, to the same place."""
    address = d.address(target, instruction)
    if target.size > 4:
        d.access(address, target.size, RMW)
        return
    value = d.load(address, target.size)
    d.access(address, target.size, WRITE, change(value))


def change_memory(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """ADC, SBB, CMPXCHG, shifts and such: memory is read and written, what with is not followed."""
    if operands[0].type == MEMORY:
        d.access(d.address(operands[0], instruction), operands[0].size, RMW)
    elif len(operands) > 1 and operands[1].type == MEMORY:
        d.access(d.address(operands[1], instruction), operands[1].size, READ)
    d.clobber(instruction)


def cmpxchg(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """CMPXCHG, CMPXCHG8B: memory is written in any case (volume 2)."""
    change_memory(d, instruction, operands)
    d.set(EAX, None)
    if operands[0].type == REGISTER:
        d.set_part(operands[0].reg, None)


def xadd(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """XADD: the sum, and what was there."""
    change_memory(d, instruction, operands)
    for operand in operands:
        if operand.type == REGISTER:
            d.set_part(operand.reg, None)


def step_by(amount: int) -> Effect:
    """INC, DEC."""
    def effect(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
        def change(value: Value | None) -> Value | None:
            return value and Value(value.base, value.offset + amount)
        if operands[0].type == MEMORY:
            modify(d, instruction, operands[0], change)
        else:
            d.set_part(operands[0].reg, change(d.part(operands[0].reg)))
    return effect


def negate(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """NEG, NOT."""
    less = 1 if instruction.name == "not" else 0

    def change(value: Value | None) -> Value | None:
        return d.compute(Op.SUB, value_of(-less), value)
    if operands[0].type == MEMORY:
        modify(d, instruction, operands[0], change)
    else:
        d.set_part(operands[0].reg, change(d.part(operands[0].reg)))


def shift(op: Op) -> Effect:
    """SHL, SHR, SAR."""
    def effect(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
        target = operands[0]
        amount = d.source(operands[1], instruction) if len(operands) > 1 else value_of(1)
        if target.type == MEMORY:
            change_memory(d, instruction, operands)
        elif target.size == 4:
            d.set_part(target.reg, d.compute(op, d.part(target.reg), amount))
        else:
            d.set_part(target.reg, None)
    return effect


def imul(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """IMUL: of two and three operands it is followed."""
    if len(operands) == 1:
        plain(d, instruction, operands)
        return
    left = d.source(operands[-2], instruction)
    d.set_part(operands[0].reg, d.compute(Op.MUL, left, d.source(operands[-1], instruction)))


def divide(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """DIV, IDIV: may fault."""
    plain(d, instruction, operands)
    d.fence()


def sign_of_eax(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """CDQ; CWD fills DX only."""
    value = d.compute(Op.SAR, d.get(EAX), value_of(31)) if instruction.name == "cdq" else None
    d.set(EDX, value)


def widen_eax(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """CWDE; CBW fills AX only."""
    value = d.compute(Op.SIGN_EXTEND, d.get(EAX), ZERO, 0, 2) if instruction.name == "cwde" else None
    d.set(EAX, value)


def bit_scan(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """BSF, BSR: the target stays if the source is zero."""
    target, source = operands
    value = d.source(source, instruction)
    d.set_part(target.reg, d.compute(Op.BIT_SCAN, value, d.part(target.reg), 1 if instruction.name == "bsr" else 0))


def bit_string(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """BT, BTS, BTR, BTC: a register is an offset in bits from the memory operand, of any size."""
    target, source = operands
    kind = READ if instruction.name == "bt" else RMW
    if target.type != MEMORY:
        if kind == RMW:
            d.set_part(target.reg, None)
        return
    address = d.address(target, instruction)
    if source.type == REGISTER:
        up = 2 if target.size == 4 else 1
        offset = d.part(source.reg)
        if target.size == 2:
            offset = d.compute(Op.SIGN_EXTEND, offset, ZERO, 0, 2)
        items = d.compute(Op.SAR, offset, value_of(up + 3))
        if address is None or items is None:
            d.stop()
            return
        base = d.compute(Op.ADD, address.base, address.scaled, address.shift)
        assert base is not None
        address = address._replace(base=base, scaled=items, shift=up)
    d.access(address, target.size, kind)


def exchange(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """XCHG."""
    first, second = operands
    if second.type == MEMORY:
        first, second = second, first
    before = d.part(second.reg)
    if first.type == MEMORY:
        address = d.address(first, instruction)
        value = d.load(address, first.size)
        d.access(address, first.size, WRITE, before)
    else:
        value = d.part(first.reg)
        d.set_part(first.reg, before)
    d.set_part(second.reg, value)


def write_unknown(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """SETcc and such: writes what is not followed."""
    d.target(operands[0], instruction, None)


def translate(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """XLAT: AL from the table at EBX."""
    base, index = d.get(3), d.part(cs.X86_REG_AL)
    if base is None or index is None or instruction.detail.addr_size == 2:
        d.stop()
        return
    override = {0x26: 0, 0x2E: 1, 0x36: 2, 0x3E: 3, 0x64: 4, 0x65: 5}.get(instruction.detail.prefix[1], DS)
    d.set_part(cs.X86_REG_AL, d.load(Address(override, base, index, 0, 0xFFFFFFFF), 1))
