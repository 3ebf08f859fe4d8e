"""Address programs as native code reads them: packed steps, whose operands are addresses in this process."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import NamedTuple

from emu.cpu.derivation import BY_STACK, DIRECTION, NOTHING, TEMPORARY, Op, Step, Value
from emu.cpu.layout import BASE, DF, SEGMENT_SIZE, SEGMENTS
from emu.cpu.state import State

# A packed step, bytes from its start. Operands are addresses of 32-bit values in this process.
OP = 0                      # u16: Op
AT = 2                      # u16: instruction
SIZE = 4                    # u16: bytes; NOWHERE if the address alone is wanted
ACCESS = 6                  # u8: Access, and ON_STACK
SHIFT = 7                   # u8
DISP = 8                    # i32: added to the base
OFFSET = 12                 # i32: added to the second operand of an operation, or to the value of a KEEP
VALUE_BASE = 16             # address of the base
SCALED = 24                 # address of what is shifted and added, or of the second operand
SEGMENT = 32                # address of the segment's base (u64)
MASK = 40                   # u32: of the offset in the segment
READS = 44                  # u16: reads of data by the steps before
WRITES = 46                 # u16: writes
RESULT = 48                 # address of the temporary that is written
STORED = 56                 # KEEP: address of the value that is stored; 0: not known
SET, LINE = VALUE_BASE, SCALED      # FETCH: see `hits.look_code`
GLANCE, PAGED_GLANCE = RESULT, STORED       # the first FETCH: see `glance`, without paging and with it
STEP_SIZE = 64
ON_STACK = 0x80             # the offset is as wide as the stack
NOWHERE = 0xFFFF            # longer than any line
_LAYOUT = struct.Struct("<HHHBBiiqqqIHHqq")
TEMPORARIES = 1 << 13
ENDS, STOPS = int(Op.END), int(Op.STOP)
OP_ACCESS, OP_FETCH, OP_LOAD, OP_KEEP = int(Op.ACCESS), int(Op.FETCH), int(Op.LOAD), int(Op.KEEP)
OP_ADD, OP_SUB, OP_AND, OP_OR, OP_XOR = (int(op) for op in (Op.ADD, Op.SUB, Op.AND, Op.OR, Op.XOR))
OP_SHL, OP_SHR, OP_SAR, OP_MUL = int(Op.SHL), int(Op.SHR), int(Op.SAR), int(Op.MUL)
OP_ZERO_EXTEND, OP_SIGN_EXTEND, OP_INSERT = int(Op.ZERO_EXTEND), int(Op.SIGN_EXTEND), int(Op.INSERT)
OP_BIT_SCAN, OP_IF_COUNT = int(Op.BIT_SCAN), int(Op.IF_COUNT)
OP_FLOATING, OP_PRIVILEGED, OP_INTERRUPT_FLAG = int(Op.FLOATING), int(Op.PRIVILEGED), int(Op.INTERRUPT_FLAG)
OP_DESCRIPTOR, OP_RETURN_FAR = int(Op.DESCRIPTOR), int(Op.RETURN_FAR)
OP_CALL_FAR, OP_EMPTY = int(Op.CALL_FAR), int(Op.EMPTY)


class Packed(NamedTuple):
    """The fields of a packed step, in order."""

    op: int
    at: int
    size: int
    access: int
    shift: int
    disp: int
    offset: int
    base: int
    scaled: int
    segment: int
    mask: int
    reads: int
    writes: int
    result: int
    stored: int


def pack(steps: Sequence[Step], s: State) -> bytes:
    """A program for `derive`, of this process: its operands are addresses."""
    packed = []
    reads = writes = 0
    for step in steps:
        packed.append(_pack_step(step, s, reads, writes))
        reads += step.reads
        writes += step.writes
    return b"".join(packed)


def _pack_step(step: Step, s: State, reads: int, writes: int) -> bytes:
    disp, offset = step.base.offset, step.scaled.offset
    if step.op in (Op.ACCESS, Op.LOAD, Op.KEEP, Op.ADD):
        disp += step.scaled.offset << step.shift
        offset = step.value.offset if step.value else 0
    access, mask = (step.access | ON_STACK, 0xFFFFFFFF) if step.mask == BY_STACK else (step.access, step.mask)
    size = NOWHERE if step.op == Op.ACCESS and not step.access else step.size
    return _LAYOUT.pack(step.op, step.at, size, access, step.shift, _signed(disp), _signed(offset),
                        _place(step.base, s), _place(step.scaled, s),
                        s.env + SEGMENTS + SEGMENT_SIZE * step.segment + BASE, mask, reads, writes,
                        _place(Value(step.result, 0), s) if step.result else 0,
                        _place(step.value, s) if step.value else 0)


def unpack(address: int) -> Packed:
    """The packed step at an address."""
    return Packed._make(_LAYOUT.unpack(ctypes.string_at(address, STEP_SIZE)))


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


def _place(value: Value, s: State) -> int:
    """The address of what a value is based on."""
    if value.base == NOTHING:
        return s.temporaries                # the first is always zero
    if value.base == DIRECTION:
        return s.env + DF
    return s.env + 8 * value.base if value.base < DIRECTION else s.temporaries + 8 * (value.base - TEMPORARY + 1)
