"""Exceptions and interrupts delivered through the guest's IDT.

Unicorn never looks at the IDT. `deliver` does what the processor does: gate, privilege, stack switch through the TSS,
frame, new flags; a fault on the way becomes the next exception, a double fault, or shutdown. Everything is checked
before a register changes. Source: Intel manual volume 3, chapter 5 (sections 5.8 to 5.12), and INT n in volume 2.
"""

from __future__ import annotations

from typing import Any

from numba import types
from unicorn.x86_const import UC_X86_REG_EFLAGS

from emu.cpu.layout import (
    BASE,
    CR0,
    CR2,
    EFLAGS,
    EIP,
    FLAGS,
    GDT,
    HF_ADDSEG,
    HF_CPL,
    HF_CS32,
    HF_INHIBIT_IRQ,
    HF_SS32,
    HFLAGS,
    IDT,
    LDT,
    LIMIT,
    OLD_EXCEPTION,
    SEGMENT_SIZE,
    SEGMENTS,
    SELECTOR,
    TR,
)
from emu.cpu.paging import read_linear, write_linear
from emu.cpu.rings import begin_crossing, end_crossing, linear_eip, note_ring
from emu.cpu.state import Mode, Note, State, Stop, note, record
from emu.cpu.x86 import (
    CONTRIBUTORY,
    CR0_PE,
    DESC_A,
    DESC_B,
    DESC_C,
    DESC_CODE,
    DESC_DPL_SHIFT,
    DESC_G,
    DESC_P,
    DESC_RW,
    DESC_S,
    ERROR_EXT,
    ERROR_IDT,
    HAS_ERROR_CODE,
    IF,
    NT,
    RF,
    TF,
    TSS_BUSY,
    TSS_ESP0,
    TYPE_INT_GATE16,
    TYPE_INT_GATE32,
    TYPE_TASK_GATE,
    TYPE_TRAP_GATE16,
    TYPE_TRAP_GATE32,
    TYPE_TSS16_BUSY,
    TYPE_TSS32_BUSY,
    VM,
    Register,
    Segment,
    Vector,
)
from emu.crossings import NO_LINE, Kind
from emu.native import call_deliver, call_reg_read, call_touch, callback, compiled, load32, load64, store32, store64

FAULT, TRAP, SOFTWARE, EXTERNAL = range(4)     # what an event is: decides RF in the frame, DPL check, error code's EXT

ES, CS, SS, DS, FS, GS = (SEGMENTS + SEGMENT_SIZE * int(segment) for segment in Segment)
ESP = 8 * int(Register.ESP)
DF, TS, NP, SF, GP, PF = (int(getattr(Vector, name)) for name in ("DF", "TS", "NP", "SS", "GP", "PF"))
REAL = int(Mode.REAL)
EXCEPTION, SOFTWARE_INTERRUPT, INTERRUPT = int(Kind.EXCEPTION), int(Kind.SOFTWARE), int(Kind.INTERRUPT)
DELIVERED, BITMAP = int(Note.DELIVERED), int(Note.BITMAP)
TRIPLE_FAULT, TASK_GATE, UNSUPPORTED = int(Stop.TRIPLE_FAULT), int(Stop.TASK_GATE), int(Stop.UNSUPPORTED)
VECTOR = int(Stop.VECTOR)


@compiled
def eflags(s: State) -> int:
    """EFLAGS whole but for RF: Unicorn keeps the arithmetic flags elsewhere until asked, and clears RF late."""
    call_reg_read(s.reg_read, s.uc, UC_X86_REG_EFLAGS, s.scratch)
    return load32(s.scratch) & ~RF


@compiled
def set_segment(s: State, at: int, selector: int, base: int, limit: int, flags: int) -> None:
    """Load a segment register's cache and what the translator derives from it; CPL follows SS, as in Unicorn."""
    env = s.env
    store32(env + at + SELECTOR, selector)
    store64(env + at + BASE, base)
    store32(env + at + LIMIT, limit)
    store32(env + at + FLAGS, flags)
    hflags = load32(env + HFLAGS)
    if at == CS:
        hflags = hflags & ~HF_CS32 | (HF_CS32 if flags & DESC_B else 0)
    if at == SS:
        hflags = hflags & ~(HF_SS32 | HF_CPL) | (HF_SS32 if flags & DESC_B else 0) | flags >> DESC_DPL_SHIFT & 3
    based = load64(env + DS + BASE) | load64(env + ES + BASE) | load64(env + SS + BASE)
    if based or load32(env + EFLAGS) & VM or not hflags & HF_CS32:
        hflags |= HF_ADDSEG
    else:
        hflags &= ~HF_ADDSEG
    store32(env + HFLAGS, hflags)


@compiled
def segment_base(high: int, low: int) -> int:
    """The base in a descriptor's two doublewords."""
    return low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000


@compiled
def segment_limit(high: int, low: int) -> int:
    """The limit in a descriptor's two doublewords, bytes."""
    limit = low & 0xFFFF | high & 0xF0000
    return limit << 12 | 0xFFF if high & DESC_G else limit


@compiled
def descriptor_address(s: State, selector: int) -> int:
    """Linear address of a selector's descriptor, -1 if it lies outside its table."""
    table = s.env + (LDT if selector & 4 else GDT)
    index = selector & ~7
    if index + 7 > load32(table + LIMIT) or (selector & 4 and not load32(table + FLAGS) & DESC_P):
        return -1
    return load64(table + BASE) + index & 0xFFFFFFFF


@compiled
def fault(vector: int, error: int) -> int:
    """A fault on the way, as one number."""
    return -(vector << 32 | error) - 1


@compiled
def page_fault(s: State) -> int:
    """The page fault of the last failed translation; CR2 is written as it is recognised."""
    store64(s.env + CR2, s.walk_address)
    return fault(PF, s.walk_error)


@compiled
def mark_accessed(s: State, address: int, high: int) -> int:
    """Set the accessed bit of a code or data descriptor that is being loaded."""
    if not high & DESC_A:
        return write_linear(s, address + 4, high | DESC_A, 4)
    return 0


@compiled
def enter(s: State, vector: int, error: int, kind: int) -> int:
    """Deliver one event: 0, a Stop, or (negative) the fault met on the way, in which case no register changed."""
    env = s.env
    ext = 0 if kind == SOFTWARE else ERROR_EXT
    idt_error = vector << 3 | ERROR_IDT | ext
    if vector * 8 + 7 > load32(env + IDT + LIMIT):
        return fault(GP, idt_error)
    gate_at = load64(env + IDT + BASE) + vector * 8
    low = read_linear(s, gate_at, 4)
    high = read_linear(s, gate_at + 4, 4) if low >= 0 else -1
    if high < 0:
        return page_fault(s)
    gate = high >> 8 & 0x1F
    if gate not in (TYPE_TASK_GATE, TYPE_INT_GATE32, TYPE_TRAP_GATE32, TYPE_INT_GATE16, TYPE_TRAP_GATE16):
        return fault(GP, idt_error)
    cpl = load32(env + HFLAGS) & HF_CPL
    old_flags = eflags(s)
    if kind == SOFTWARE and high >> DESC_DPL_SHIFT & 3 < cpl:
        return fault(GP, idt_error)
    if not high & DESC_P:
        return fault(NP, idt_error)
    if gate == TYPE_TASK_GATE:
        return TASK_GATE

    selector = low >> 16
    if not selector & ~3:
        return fault(GP, ext)
    cs_at = descriptor_address(s, selector)
    if cs_at < 0:
        return fault(GP, selector & ~3 | ext)
    cs_low = read_linear(s, cs_at, 4)
    cs_high = read_linear(s, cs_at + 4, 4) if cs_low >= 0 else -1
    if cs_high < 0:
        return page_fault(s)
    dpl = cs_high >> DESC_DPL_SHIFT & 3
    if cs_high & (DESC_S | DESC_CODE) != DESC_S | DESC_CODE or dpl > cpl:
        return fault(GP, selector & ~3 | ext)
    if not cs_high & DESC_P:
        return fault(NP, selector & ~3 | ext)
    new_cpl = cpl if cs_high & DESC_C else dpl
    if old_flags & VM and new_cpl:
        return fault(GP, selector & ~3 | ext)

    wide = gate & 8
    offset = low & 0xFFFF | (high & 0xFFFF0000 if wide else 0)
    if offset > segment_limit(cs_high, cs_low):
        return fault(GP, ext)
    old_ss, old_esp = load32(env + SS + SELECTOR), load32(env + ESP)
    new_ss = ss_low = ss_high = ss_at = tss = slot = 0
    if new_cpl < cpl:                                   # a more privileged stack, from the TSS
        tss_type = load32(env + TR + FLAGS) >> 8 & 0xF | TSS_BUSY      # Unicorn's LTR leaves it out of the cache
        tss32 = tss_type == TYPE_TSS32_BUSY
        tr = load32(env + TR + SELECTOR)
        if not tss32 and tss_type != TYPE_TSS16_BUSY:
            return fault(TS, tr & ~3 | ext)
        slot = TSS_ESP0 + new_cpl * 8 if tss32 else 2 + new_cpl * 4
        width = 4 if tss32 else 2
        if slot + width + 1 > load32(env + TR + LIMIT):
            return fault(TS, tr & ~3 | ext)
        tss = load64(env + TR + BASE)
        esp = read_linear(s, tss + slot, width)
        new_ss = read_linear(s, tss + slot + width, 2) if esp >= 0 else -1
        if new_ss < 0:
            return page_fault(s)
        if not new_ss & ~3:
            return fault(TS, ext)
        ss_at = descriptor_address(s, new_ss)
        if ss_at < 0:
            return fault(TS, new_ss & ~3 | ext)
        ss_low = read_linear(s, ss_at, 4)
        ss_high = read_linear(s, ss_at + 4, 4) if ss_low >= 0 else -1
        if ss_high < 0:
            return page_fault(s)
        writable_data = ss_high & (DESC_S | DESC_CODE | DESC_RW) == DESC_S | DESC_RW
        if new_ss & 3 != new_cpl or ss_high >> DESC_DPL_SHIFT & 3 != new_cpl or not writable_data:
            return fault(TS, new_ss & ~3 | ext)
        if not ss_high & DESC_P:
            return fault(SF, new_ss & ~3 | ext)
        if mark_accessed(s, ss_at, ss_high) < 0:
            return page_fault(s)
        ss_high |= DESC_A
        base = segment_base(ss_high, ss_low)
        mask = 0xFFFFFFFF if ss_high & DESC_B else 0xFFFF
    else:
        esp = old_esp
        base = load64(env + SS + BASE)
        mask = 0xFFFFFFFF if load32(env + HFLAGS) & HF_SS32 else 0xFFFF
    if mark_accessed(s, cs_at, cs_high) < 0:
        return page_fault(s)

    sp = esp & mask
    bad = 0
    if new_cpl < cpl:
        if old_flags & VM:
            sp, bad = push(s, base, sp, mask, wide, load32(env + GS + SELECTOR), bad)
            sp, bad = push(s, base, sp, mask, wide, load32(env + FS + SELECTOR), bad)
            sp, bad = push(s, base, sp, mask, wide, load32(env + DS + SELECTOR), bad)
            sp, bad = push(s, base, sp, mask, wide, load32(env + ES + SELECTOR), bad)
        sp, bad = push(s, base, sp, mask, wide, old_ss, bad)
        sp, bad = push(s, base, sp, mask, wide, old_esp, bad)
    sp, bad = push(s, base, sp, mask, wide, old_flags & ~RF | (RF if kind == FAULT else 0), bad)
    sp, bad = push(s, base, sp, mask, wide, load32(env + CS + SELECTOR), bad)
    sp, bad = push(s, base, sp, mask, wide, load32(env + EIP), bad)
    if kind != SOFTWARE and kind != EXTERNAL and HAS_ERROR_CODE >> vector & 1:
        sp, bad = push(s, base, sp, mask, wide, error, bad)
    if bad:
        return page_fault(s)

    # From here on nothing can fail.
    if s.model:
        touch_tables(s, gate_at, cs_at, tss + slot if new_cpl < cpl else -1, ss_at)
        touch_stack(s, base, sp, (esp & mask) - sp)
    cleared = TF | NT | RF | VM
    if gate in (TYPE_INT_GATE32, TYPE_INT_GATE16):
        cleared |= IF
    store64(env + EFLAGS, load64(env + EFLAGS) & ~cleared)
    if new_cpl < cpl:
        if old_flags & VM:
            for at in (DS, ES, FS, GS):
                set_segment(s, at, 0, 0, 0, 0)
        set_segment(s, SS, new_ss, base, segment_limit(ss_high, ss_low), ss_high)
    store64(env + ESP, esp & ~mask & 0xFFFFFFFF | sp)
    set_segment(s, CS, selector & ~3 | new_cpl, segment_base(cs_high, cs_low), segment_limit(cs_high, cs_low),
                cs_high | DESC_A)
    hflags = load32(env + HFLAGS) & ~(HF_CPL | HF_INHIBIT_IRQ)
    store32(env + HFLAGS, hflags | new_cpl)
    store64(env + EIP, offset)
    s.ring = new_cpl
    charge_transition(s, kind, new_cpl < cpl)
    return 0


@compiled
def charge_transition(s: State, kind: int, inner: int) -> None:
    """Charge the delivery of an event, to an `inner` ring or not: as an INT instruction, and what it takes more."""
    note(s, DELIVERED, kind, inner)
    cost = s.cost_int_outer if inner else s.cost_int_same
    if kind == EXTERNAL:
        cost += s.cost_interrupt
        s.cycles += s.bus_inta
        s.bus_cycles += s.bus_inta
    elif kind != SOFTWARE:
        cost += s.cost_exception
    s.cycles += cost
    s.transition_cycles += cost


@compiled
def charge_bitmap(s: State, write: int) -> None:
    """Charge a port access for having asked the I/O permission bitmap."""
    note(s, BITMAP, write, 0)
    cost = s.cost_out_bitmap if write else s.cost_in_bitmap
    s.cycles += cost
    s.transition_cycles += cost


@compiled
def touch_tables(s: State, gate_at: int, cs_at: int, stack_at: int, ss_at: int) -> None:
    """The processor has read a gate, a code descriptor and, unless `stack_at` is -1, a stack from the TSS."""
    call_touch(s.touch, s.self, gate_at, 8, 0)
    call_touch(s.touch, s.self, cs_at, 8, 0)
    if stack_at >= 0:
        call_touch(s.touch, s.self, stack_at, 8, 0)
        call_touch(s.touch, s.self, ss_at, 8, 0)


@compiled
def touch_stack(s: State, base: int, sp: int, size: int) -> None:
    """The processor has pushed `size` bytes down to `sp`."""
    for at in range(size - 4, -1, -4):
        call_touch(s.touch, s.self, base + sp + at, 4, 1)


@compiled
def push(s: State, base: int, sp: int, mask: int, wide: int, value: int, bad: int) -> tuple[int, int]:
    """Push a doubleword, or a word from a 16-bit gate, unless an earlier push failed: (new SP, failed)."""
    if bad:
        return sp, 1
    size = 4 if wide else 2
    sp = sp - size & mask
    return sp, 1 if write_linear(s, base + sp, value, size) < 0 else 0


@compiled
def end_delivery(s: State, vector: int, error: int, kind: int) -> None:
    """Write the event that has been delivered into the ring of crossings."""
    if kind == EXTERNAL:
        end_crossing(s, INTERRUPT, vector, s.irq_line, 0, s.irq_waited)
    else:
        has_error = kind == FAULT and HAS_ERROR_CODE >> vector & 1
        end_crossing(s, SOFTWARE_INTERRUPT if kind == SOFTWARE else EXCEPTION, vector, NO_LINE,
                     error if has_error else 0, 0)


@compiled
def deliver(s: State, vector: int, error: int, kind: int, restart: int) -> int:
    """Deliver an event and whatever faults its delivery raises; 0, or the Stop with which the machine ends.

    `restart` is the EIP of the instruction that asked for a software interrupt: what a fault returns to.
    """
    return call_deliver(s.deliver, s.self, vector, error, kind, restart)    # by address: compiled once, not per caller


@callback(types.int64(types.voidptr, types.int64, types.int64, types.int64, types.int64))
def deliver_event(user: Any, vector: int, error: int, kind: int, restart: int) -> int:
    """The body of `deliver`.

    Table 5-4 of the manual: a contributory exception or a page fault while delivering one of the same class makes a
    double fault (a page fault after a contributory exception does not); a fault while delivering that is shutdown.
    """
    s = record(user)
    if not load32(s.env + CR0) & CR0_PE:
        s.examine = REAL
        return UNSUPPORTED
    store32(s.env + OLD_EXCEPTION, -1)
    if s.repeating == load64(s.env + CS + BASE) + load32(s.env + EIP) & 0xFFFFFFFF:
        s.instructions -= 1                 # between two iterations of REP: it counts when it goes on
    s.repeating = -1
    s.rest_slot = s.branch_slot = s.spin_slot = 0
    if s.returning or load32(s.env + HFLAGS) & HF_CPL != s.ring:
        note_ring(s)                        # a return whose first instruction faults, or is interrupted
    if s.crossing_ring:
        begin_crossing(s, restart + load64(s.env + CS + BASE) & 0xFFFFFFFF if kind == SOFTWARE else linear_eip(s))
    while True:
        s.traps[vector] += 1
        result = enter(s, vector, error, kind)
        if result == 0:
            s.vector = vector
            if s.crossing_ring:
                end_delivery(s, vector, error, kind)
            return VECTOR if s.stop_vectors[vector >> 5] >> (vector & 31) & 1 else 0
        if result > 0:
            return result
        s.traps[vector] -= 1
        second, error = -(result + 1) >> 32, -(result + 1) & 0xFFFFFFFF
        if kind == SOFTWARE:
            store64(s.env + EIP, restart)
        if vector == DF and kind == FAULT:
            return TRIPLE_FAULT
        hard = kind == FAULT and (CONTRIBUTORY >> vector & 1 or vector == PF)
        if hard and (CONTRIBUTORY >> second & 1 or (second == PF and vector == PF)):
            second, error = DF, 0
        vector, kind = second, FAULT
