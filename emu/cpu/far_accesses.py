"""What far transfers make the processor access besides their operands: descriptors, the stack, the TSS."""

from __future__ import annotations

from emu.cpu.delivery import SS, descriptor_address
from emu.cpu.layout import BASE, HF_CPL, HF_SS32, HFLAGS, TR
from emu.cpu.program import ACCESS, AT, DISP, OFFSET, OP, OP_CALL_FAR, OP_RETURN_FAR, SCALED, SIZE, VALUE_BASE
from emu.cpu.records import ACCESS_READ, ACCESS_WRITE, CACHE_STALL, TRANSITION, add_access, add_record, value_at
from emu.cpu.state import State, Transition, transition_price
from emu.cpu.x86 import DESC_C, DESC_DPL_SHIFT, DESC_S, TSS_ESP0, TYPE_CALL_GATE16, TYPE_CALL_GATE32
from emu.native import compiled, load8, load16, load32, load64, store32

IRET_OUTER, _, RETF_OUTER, _, CALL_FAR, JMP_FAR, GATE_INNER, GATE_SAME = map(int, Transition)


@compiled
def read_descriptor(s: State, at: int, selector: int) -> int:
    """Append the reads of a descriptor; its high doubleword, 0 for a null selector or one outside its table."""
    if not selector & 0xFFFC:
        return 0
    linear = descriptor_address(s, selector & 0xFFFF)
    if linear < 0 or add_access(s, at, ACCESS_READ, linear, 4, 0) or add_access(s, at, ACCESS_READ, linear + 4, 4, 0):
        return 0
    high = value_at(s, linear + 4, 4, 0)
    return high if high > 0 else 0


@compiled
def stack_address(s: State, offset: int) -> int:
    """The linear address of an offset in the stack segment."""
    mask = 0xFFFFFFFF if load32(s.env + HFLAGS) & HF_SS32 else 0xFFFF
    return load64(s.env + SS + BASE) + (offset & mask) & 0xFFFFFFFF


@compiled
def far_transfer(s: State, step: int, user: int) -> int:
    """Append what RETF, IRET, far CALL and JMP access behind their operands, and what the transition costs."""
    op, at, size = load16(step + OP), load16(step + AT), load16(step + SIZE)
    selector = load32(load64(step + VALUE_BASE)) + load32(step + DISP) & 0xFFFF
    top = load32(load64(step + SCALED)) + load32(step + OFFSET) & 0xFFFFFFFF
    cpl = load32(s.env + HFLAGS) & HF_CPL
    high = read_descriptor(s, at, selector)
    if op == OP_RETURN_FAR:
        outer = selector & 3 > cpl
        if outer:
            inner_ss = value_at(s, stack_address(s, top + size), 2, user)
            failed = add_access(s, at, ACCESS_READ, stack_address(s, top), size, user)
            failed |= add_access(s, at, ACCESS_READ, stack_address(s, top + size), size, user)
            if failed or inner_ss < 0:
                return 1
            read_descriptor(s, at, inner_ss)
        which = (IRET_OUTER if load8(step + ACCESS) else RETF_OUTER) + (0 if outer else 1)      # ..._SAME follows
    elif high & DESC_S:
        which = JMP_FAR
        if op == OP_CALL_FAR:
            which = CALL_FAR
            if push_return(s, at, stack_address(s, top), size, 2, user):
                return 1
    else:
        which = through_gate(s, at, selector, high, top, user)
        if which < 0:
            return 1
    record = add_record(s, at, TRANSITION, which, 0, 0, 0)
    store32(record + CACHE_STALL, transition_price(s, which))
    return 0


@compiled
def push_return(s: State, at: int, top: int, size: int, items: int, user: int) -> int:
    """Append the pushes of a far call: 0, or 1 if one would fault."""
    for i in range(items):
        if add_access(s, at, ACCESS_WRITE, top - (i + 1) * size, size, user):
            return 1
    return 0


@compiled
def through_gate(s: State, at: int, selector: int, high: int, top: int, user: int) -> int:
    """Append what a call gate makes the processor access; the Transition, or -1."""
    kind = high >> 8 & 0xF
    if kind != TYPE_CALL_GATE32 and kind != TYPE_CALL_GATE16:
        return JMP_FAR
    size = 4 if kind == TYPE_CALL_GATE32 else 2
    low = value_at(s, descriptor_address(s, selector), 4, 0)
    if low < 0:
        return -1
    code = read_descriptor(s, at, low >> 16)
    cpl = load32(s.env + HFLAGS) & HF_CPL
    dpl = code >> DESC_DPL_SHIFT & 3
    if code & DESC_C or dpl >= cpl:
        return -1 if push_return(s, at, stack_address(s, top), size, 2, user) else GATE_SAME
    slot = load64(s.env + TR + BASE) + TSS_ESP0 + dpl * 8
    failed = add_access(s, at, ACCESS_READ, slot, 4, 0) | add_access(s, at, ACCESS_READ, slot + 4, 2, 0)
    esp, ss = value_at(s, slot, 4, 0), value_at(s, slot + 4, 2, 0)
    if failed or esp < 0 or ss < 0:
        return -1
    stack = read_descriptor(s, at, ss)
    base = value_at(s, descriptor_address(s, ss), 4, 0) >> 16 | (stack & 0xFF) << 16 | stack & 0xFF000000
    parameters = high & 0x1F
    for i in range(parameters):
        if add_access(s, at, ACCESS_READ, stack_address(s, top + i * size), size, user):
            return -1
    return -1 if push_return(s, at, base + esp, size, 4 + parameters, 0) else GATE_INNER
