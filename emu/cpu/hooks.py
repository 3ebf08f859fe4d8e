"""The native hooks besides the block and TLB-fill hooks: traps, invalid opcodes, SYSENTER, RDTSC, CPUID, ports."""

from __future__ import annotations

from typing import Any

from numba import types

from emu.cpu.account import arm, stop
from emu.cpu.blocks import COUNT, KEY, POOL, index_in
from emu.cpu.charging import PART, add_charge, cost_before, cycle_at, rewind, stalls_of
from emu.cpu.delivery import CS, ESP, FAULT, SOFTWARE, SS, TRAP, deliver, set_segment
from emu.cpu.layout import (
    BASE,
    DR6,
    EFLAGS,
    EIP,
    ERROR_CODE,
    EXCEPTION_IS_INT,
    HF_CPL,
    HFLAGS,
    SYSENTER_CS,
    SYSENTER_EIP,
    SYSENTER_ESP,
)
from emu.cpu.records import BUS
from emu.cpu.rings import SYSENTER as SYSENTER_CROSSING
from emu.cpu.rings import begin_crossing, begin_earlier, end_crossing, linear_eip
from emu.cpu.state import Bus, Crossing, Examine, Note, State, Stop, bus_price, note, record
from emu.cpu.x86 import (
    DESC_A,
    DESC_B,
    DESC_CODE,
    DESC_G,
    DESC_P,
    DESC_RW,
    DESC_S,
    DR6_BS,
    IF,
    RF,
    VM,
    Register,
    Vector,
)
from emu.crossings import NO_LINE
from emu.native import call_port, callback, compiled, load8, load16, load32, load64, store32, store64
from emu.timing.hierarchy import snoop
from emu.timing.model import model_at

EXAMINE, REFUSED = int(Stop.EXAMINE), int(Examine.REFUSED)
SYSENTER = int(Crossing.SYSENTER)
ISA_READ, PCI_READ, ON_BUS, ON_DMA = int(Bus.ISA_READ), int(Bus.PCI_READ), int(Note.BUS), int(Note.DMA)
ISA_PORTS = 0x400           # ISA decodes ten bits of a port's number; what lies above is on PCI
DB, UD, GP = int(Vector.DB), int(Vector.UD), int(Vector.GP)
EAX, ECX, EDX, EBX = (8 * int(getattr(Register, name)) for name in ["EAX", "ECX", "EDX", "EBX"])
FLAT_CODE = DESC_G | DESC_B | DESC_P | DESC_S | DESC_CODE | DESC_RW | DESC_A    # what SYSENTER loads, DPL 0
FLAT_DATA = DESC_G | DESC_B | DESC_P | DESC_S | DESC_RW | DESC_A
SYSENTER_SIZE = 2           # bytes; Unicorn adds them to EIP after the hook


@compiled
def raise_event(s: State, vector: int, error: int, kind: int, restart: int) -> None:
    """Deliver from within a hook; a machine that cannot go on is stopped."""
    result = deliver(s, vector, error, kind, restart)
    if result:
        stop(s, result)
    else:
        arm(s)


@compiled
def instruction_before(s: State, linear: int) -> int:
    """Linear address of the instruction of the current block that ends at `linear`."""
    if s.block:
        slot = s.block & ~PART
        start = load64(slot + KEY) & 0xFFFFFFFF
        at = s.starts + load32(slot + POOL) * 4
        for i in range(load16(slot + COUNT)):
            if load32(at + i * 4 + 4) == linear - start:
                return start + load32(at + i * 4)
    return linear - 2


@callback(types.void(types.voidptr, types.uint32, types.voidptr))
def on_interrupt(handle: Any, vector: int, user: Any) -> None:
    """UC_HOOK_INTR: EIP is at the instruction for a fault, behind it for INT n and a single step."""
    s = record(user)
    number = types.int64(vector) & 0xFF
    if load32(s.env + EXCEPTION_IS_INT):
        base = load64(s.env + CS + BASE)
        restart = instruction_before(s, linear_eip(s)) - base & 0xFFFFFFFF
        rewind(s, linear_eip(s))                        # INTO does not end a block
        raise_event(s, number, 0, SOFTWARE, restart)
    elif number == DB:
        if not load64(s.env + DR6) & DR6_BS:            # Unicorn sets it for a single step
            rewind(s, linear_eip(s))                    # an instruction breakpoint
        raise_event(s, number, 0, TRAP, 0)
    else:
        rewind(s, linear_eip(s))
        raise_event(s, number, load32(s.env + ERROR_CODE), FAULT, 0)


@compiled
def code_byte(s: State, linear: int) -> int:
    """A byte of code that has just been fetched."""
    frame = load32(s.code_frames + ((linear & 0xFFFFFFFF) >> 12) * 4) & 0x3FFFF
    return load8(s.ram + (frame << 12 | linear & 0xFFF))


@compiled
def is_refused(s: State, linear: int) -> bool:
    """True for TEST by its second encoding (F6 /1, F7 /1) and for hint NOPs (0F 18): Unicorn takes both for invalid."""
    while code_byte(s, linear) in (0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67):
        linear += 1
    opcode, second = code_byte(s, linear), code_byte(s, linear + 1)
    return (opcode & 0xFE == 0xF6 and second >> 3 & 7 == 1) or (opcode == 0x0F and second == 0x18)


@callback(types.boolean(types.voidptr, types.voidptr))
def on_invalid(handle: Any, user: Any) -> bool:
    """UC_HOOK_INSN_INVALID: #UD, unless the opcode does exist."""
    s = record(user)
    here = linear_eip(s)
    rewind(s, here)
    if s.block and is_refused(s, here):
        s.step_slot = s.block & ~PART
        s.step_from = index_in(s, s.step_slot, here - (load64(s.step_slot + KEY) & 0xFFFFFFFF))
        if s.step_from < load16(s.step_slot + COUNT):
            s.examine = REFUSED
            stop(s, EXAMINE)
            return True
    raise_event(s, UD, 0, FAULT, 0)
    return True


@compiled
def begin_before(s: State) -> None:
    """What has begun to cross began with the last instruction of the current block, which has been charged."""
    if s.block:
        slot = s.block & ~PART
        last = load16(slot + COUNT) - 1
        at = s.transitions + (load32(slot + POOL) + last) * 4
        cache, tlb = stalls_of(s, last) if s.model else (0, 0)
        took = cost_before(s, slot, last + 1) - cost_before(s, slot, last) + cache + tlb
        begin_earlier(s, s.cycles - took, load32(at + 4) - load32(at), cache, tlb)


@callback(types.void(types.voidptr, types.voidptr))
def on_sysenter(handle: Any, user: Any) -> None:
    """SYSENTER (Intel manual volume 2): ring 0 at the MSRs' CS, ESP and EIP, flat segments, interrupts off."""
    s = record(user)
    env = s.env
    selector = load32(env + SYSENTER_CS) & 0xFFFC
    if not s.has_sep or not selector:
        rewind(s, linear_eip(s))
        raise_event(s, GP if s.has_sep else UD, 0, FAULT, 0)
    else:
        if s.crossing_ring:
            begin_crossing(s, linear_eip(s))
            begin_before(s)
        store64(env + EFLAGS, load64(env + EFLAGS) & ~(VM | IF | RF))
        set_segment(s, SS, selector + 8, 0, 0xFFFFFFFF, FLAT_DATA)
        set_segment(s, CS, selector, 0, 0xFFFFFFFF, FLAT_CODE)
        store32(env + HFLAGS, load32(env + HFLAGS) & ~HF_CPL)
        s.crossings[SYSENTER] += 1
        s.ring = 0
        store64(env + ESP, load64(env + SYSENTER_ESP) & 0xFFFFFFFF)
        store64(env + EIP, load64(env + SYSENTER_EIP) & 0xFFFFFFFF)
        if s.crossing_ring:
            end_crossing(s, SYSENTER_CROSSING, 0, NO_LINE, 0, 0)
    store64(env + EIP, load64(env + EIP) - SYSENTER_SIZE & 0xFFFFFFFF)


@callback(types.int32(types.voidptr, types.voidptr))
def on_rdtsc(handle: Any, user: Any) -> int:
    """RDTSC: the clock when the instruction begins."""
    s = record(user)
    now = cycle_at(s, linear_eip(s)) + s.tsc_offset
    store64(s.env + EAX, now & 0xFFFFFFFF)
    store64(s.env + EDX, now >> 32 & 0xFFFFFFFF)
    return 1


@callback(types.int32(types.voidptr, types.voidptr))
def on_cpuid(handle: Any, user: Any) -> int:
    """CPUID from the model's table; a leaf beyond the last basic one reads as the last, as Intel's processors do."""
    s = record(user)
    leaf = load32(s.env + EAX)
    index = s.cpuid_leaves - 1
    if leaf >= 0x80000000 and leaf - 0x80000000 < s.cpuid_extended:
        index = s.cpuid_leaves + leaf - 0x80000000
    elif leaf < s.cpuid_leaves:
        index = leaf
    store64(s.env + EAX, s.cpuid[index * 4])
    store64(s.env + EBX, s.cpuid[index * 4 + 1])
    store64(s.env + ECX, s.cpuid[index * 4 + 2])
    store64(s.env + EDX, s.cpuid[index * 4 + 3])
    return 1


@compiled
def access_port(s: State, port: int, size: int, value: int, write: int) -> int:
    """Call the bus at the exact cycle; what it read."""
    s.io_cycle = cycle_at(s, linear_eip(s))
    s.io_accesses += 1
    result = call_port(s.port_callback, port, size, value, write)
    charge_bus(s, (ISA_READ if port < ISA_PORTS else PCI_READ) + write)
    arm(s)
    return result


@compiled
def charge_bus(s: State, which: int) -> None:
    """Charge the instruction at EIP for the time that its access to a device, a Bus, took on the bus."""
    if s.model and s.block:
        slot = s.block & ~PART
        index = index_in(s, slot, linear_eip(s) - (load64(slot + KEY) & 0xFFFFFFFF))
        note(s, ON_BUS, which, index)
        cycles = bus_price(s, which)
        s.bus_cycles += cycles
        add_charge(s, index, BUS, cycles)


@callback(types.void(types.voidptr, types.int64, types.int64))
def on_dma(user: Any, physical: int, size: int) -> None:
    """A device has written memory, and the profile has caches: they have it no more."""
    s = record(user)
    note(s, ON_DMA, physical, size)
    snoop(model_at(s.model), physical, size)


@callback(types.uint32(types.voidptr, types.uint32, types.int32, types.voidptr))
def on_in(handle: Any, port: int, size: int, user: Any) -> int:
    """IN and INS."""
    return types.uint32(access_port(record(user), types.int64(port), types.int64(size), 0, 0))


@callback(types.void(types.voidptr, types.uint32, types.int32, types.uint32, types.voidptr))
def on_out(handle: Any, port: int, size: int, value: int, user: Any) -> None:
    """OUT and OUTS."""
    access_port(record(user), types.int64(port), types.int64(size), types.int64(value), 1)
