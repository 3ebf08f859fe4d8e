"""What each instruction does to memory, to the stack and to the registers, in the terms of a `Derivation`.

One function per kind of instruction; `EFFECTS` has them by Capstone's mnemonic. An instruction without an entry reads
or writes its memory operands as Capstone says and leaves nothing known in the registers that it writes.
Source: Intel manual volume 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from capstone import x86 as cs

from emu.cpu.derivation import (
    DIRECTION,
    DS,
    EAX,
    EBP,
    ECX,
    EDI,
    EDX,
    ESI,
    ESP,
    IMMEDIATE,
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
    useful,
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
    selector = d.load(_behind(address, size), 2)
    load_segment(d, {"lfs": FS, "lgs": GS}.get(instruction.name, cs.X86_REG_DS), selector)
    d.set_part(operands[0].reg, offset)


def _behind(address: Address | None, size: int) -> Address | None:
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
            selector = d.load(_behind(address, size), 2)
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


def translate(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
    """XLAT: AL from the table at EBX."""
    base, index = d.get(3), d.part(cs.X86_REG_AL)
    if base is None or index is None or instruction.detail.addr_size == 2:
        d.stop()
        return
    override = {0x26: 0, 0x2E: 1, 0x36: 2, 0x3E: 3, 0x64: 4, 0x65: 5}.get(instruction.detail.prefix[1], DS)
    d.set_part(cs.X86_REG_AL, d.load(Address(override, base, index, 0, 0xFFFFFFFF), 1))


def descriptor_table(kind: Access) -> Effect:
    """LGDT, LIDT, SGDT, SIDT: limit, then base."""
    def effect(d: Derivation, instruction: Instruction, operands: list[Any]) -> None:
        if kind == READ:
            d.add(Step(Op.PRIVILEGED, d.at))
        address = d.address(operands[0], instruction)
        d.access(address, 2, kind)
        d.access(_behind(address, 2), 4, kind)
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
    if "ax" in instruction.operands:
        d.set(EAX, None)


_STATE_SIZES = {"fnsave": 108, "frstor": 108, "fnstenv": 28, "fldenv": 28, "fxsave": 512, "fxrstor": 512,
                "fnstcw": 2, "fldcw": 2, "fnstsw": 2}
_FLOATING_STORES = ("fst", "fist", "fbst", "fnst", "fnsave", "fxsave")

EFFECTS: dict[str, Effect] = {
    "mov": mov, "movzx": extend, "movsx": extend, "lea": lea, "xchg": exchange, "xlatb": translate,
    "add": arithmetic(Op.ADD), "sub": arithmetic(Op.SUB), "and": arithmetic(Op.AND), "or": arithmetic(Op.OR),
    "xor": arithmetic(Op.XOR), "inc": step_by(1), "dec": step_by(-1), "neg": negate, "not": negate,
    "adc": change_memory, "sbb": change_memory, "cmpxchg": cmpxchg, "cmpxchg8b": cmpxchg, "xadd": xadd,
    "shl": shift(Op.SHL), "sal": shift(Op.SHL), "shr": shift(Op.SHR), "sar": shift(Op.SAR),
    "imul": imul, "div": divide, "idiv": divide,
    "rol": change_memory, "ror": change_memory, "rcl": change_memory, "rcr": change_memory,
    "shld": change_memory, "shrd": change_memory,
    "cdq": sign_of_eax, "cwd": sign_of_eax, "cwde": widen_eax, "cbw": widen_eax,
    "bsf": bit_scan, "bsr": bit_scan, "bt": bit_string, "bts": bit_string, "btr": bit_string, "btc": bit_string,
    "cmp": reads, "test": reads, "nop": nothing, "prefetchnta": nothing, "prefetcht0": nothing, "prefetcht1": nothing,
    "prefetcht2": nothing, "prefetchw": nothing, "prefetch": nothing,
    "push": push, "pop": pop, "pushal": push_all, "pushaw": push_all, "popal": pop_all, "popaw": pop_all,
    "pushfd": push_flags, "pushf": push_flags, "popfd": pop_flags, "popf": pop_flags, "enter": enter, "leave": leave,
    "call": call, "jmp": jump, "ret": ret, "retf": return_far, "iret": return_far, "iretd": return_far,
    "lcall": far(Op.CALL_FAR), "ljmp": far(Op.JUMP_FAR),
    "lds": far_pointer, "les": far_pointer, "lfs": far_pointer, "lgs": far_pointer, "lss": far_pointer,
    "cld": direction(1), "std": direction(-1),
    "lgdt": descriptor_table(READ), "lidt": descriptor_table(READ),
    "sgdt": descriptor_table(WRITE), "sidt": descriptor_table(WRITE),
    "lldt": table_register, "ltr": table_register, "sldt": write_unknown, "str": write_unknown, "smsw": write_unknown,
    "lmsw": load_status_word, "lar": verify, "lsl": verify, "verr": verify, "verw": verify, "arpl": change_memory,
    "invlpg": invalidate_page, "clts": privileged, "invd": empty_caches, "wbinvd": empty_caches, "hlt": privileged,
    "rdmsr": privileged, "wrmsr": privileged, "cli": interrupt_flag, "sti": interrupt_flag,
    "bound": may_fault, "into": may_fault, "aam": may_fault,
    "cpuid": registers, "rdtsc": registers, "fwait": floating, "wait": floating,
    "fxsave": floating, "fxrstor": floating,
}
for _name in ("movs", "stos", "lods", "cmps", "scas", "ins", "outs"):
    EFFECTS |= {_name + suffix: string for suffix in "bwd"}
for _condition in ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"):
    EFFECTS["set" + _condition] = write_unknown
    EFFECTS["j" + _condition] = nothing
EFFECTS |= dict.fromkeys(("jcxz", "jecxz", "clc", "stc", "cmc", "sahf", "int3"), nothing)


def effect_of(instruction: Instruction) -> Effect:
    """The function for an instruction."""
    if instruction.detail.opcode[0] == 0x0F and instruction.name in ("movsd", "cmpsd"):
        return plain                            # SSE2, not strings
    effect = EFFECTS.get(instruction.name)
    if effect is None:
        floats = instruction.name.startswith("f") and instruction.detail.group(cs.X86_GRP_FPU)
        effect = floating if floats else plain
    return effect


def derive(instructions: Sequence[Instruction], bits: int) -> list[Step]:
    """The program of a block, decoded with detail: what to compute, what is accessed. The last step is END or STOP."""
    d = Derivation(bits)
    for d.at, instruction in enumerate(instructions):
        if instruction.detail is None:
            d.stop()
        else:
            effect_of(instruction)(d, instruction, list(instruction.detail.operands))
        if d.stopped:
            break
    else:
        d.add(Step(Op.END, len(instructions)))
    return useful(d.steps)
