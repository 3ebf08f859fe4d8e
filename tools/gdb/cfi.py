"""Call frame instructions and expressions of DWARF (version 3, sections 6.4.2 and 2.5), as far as frames need them."""

from __future__ import annotations

import struct

from guest.abi.cpu import Selector
from tools.gdb.leb128 import signed, unsigned

NUMBERS = {name: number for number, name in enumerate(
    ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"))} | {
    name: number for number, name in enumerate(("es", "cs", "ss", "ds", "fs", "gs"), 40)}      # System V i386 ABI
ESP, EIP = NUMBERS["esp"], NUMBERS["eip"]

# DW_CFA_*
ADVANCE_LOC4, UNDEFINED, SAME_VALUE, REGISTER, DEF_CFA_EXPRESSION = 0x04, 0x07, 0x08, 0x09, 0x0F
OFFSET, DEF_CFA, VAL_OFFSET, VAL_EXPRESSION = 0x11, 0x12, 0x15, 0x16        # the first three signed
# DW_OP_*
DEREF, CONST4U, DUP, DROP, AND, MINUS, PLUS_UCONST, BRA, EQ, SKIP = \
    0x06, 0x0C, 0x12, 0x13, 0x1A, 0x1C, 0x23, 0x28, 0x29, 0x2F
LIT0, BREG0, BREGX = 0x30, 0x70, 0x92
BRANCH = 3                              # bytes of BRA or SKIP

CALLED = 4                              # bytes that RET pops
REACH = 1024                            # bytes of stack in which a return address is looked for


def search(callers: list[int]) -> bytes:
    """The CFA where the depth of the stack is not known: above the nearest word that is one of `callers`.

    The stack holds the address of a word and, at the tests and behind them, the word. If none is found, it is word 0.
    """
    fail, found = bytes((DROP, LIT0, DUP)), bytes((DROP, PLUS_UCONST, CALLED))
    further = bytes((DROP, PLUS_UCONST, 4, DUP, BREG0 + ESP)) + signed(REACH) + bytes((EQ,)) + _branch(BRA, BRANCH)
    tests = b""
    for caller in reversed(callers):
        over = len(tests) + len(further) + BRANCH + len(fail)
        tests = struct.pack("<BBIB", DUP, CONST4U, caller, EQ) + _branch(BRA, over) + tests
    loop = bytes((DUP, DEREF)) + tests + further
    loop += _branch(SKIP, -len(loop) - BRANCH)
    expression = bytes((BREG0 + ESP, 0)) + loop + fail + found
    return bytes((DEF_CFA_EXPRESSION,)) + unsigned(len(expression)) + expression


def by_ring(inner: bytes, outer: bytes) -> bytes:
    """From the CFA of an IRET: one expression if it returns to ring 0, another if to an outer ring."""
    inner += _branch(SKIP, len(outer))
    selector = bytes((DUP, LIT0 + 8, MINUS, DEREF, LIT0 + int(Selector.SEL_RPL), AND))
    return selector + _branch(BRA, len(inner)) + inner + outer


def _branch(operation: int, distance: int) -> bytes:
    """BRA or SKIP, over so many bytes behind it."""
    return struct.pack("<Bh", operation, distance)


def cfa(register: int, offset: int) -> bytes:
    """The CFA is `offset` bytes from where a register points."""
    return bytes((DEF_CFA, register)) + signed(offset)


def rule(kind: int, register: int) -> bytes:
    """UNDEFINED or SAME_VALUE; or the beginning of a longer rule."""
    return bytes((kind, register))


def offset(register: int, offset: int) -> bytes:
    """It lies `offset` bytes from the CFA."""
    return rule(OFFSET, register) + signed(offset)


def stack(offset: int) -> bytes:
    """The stack pointer of the caller is `offset` bytes from the CFA."""
    return rule(VAL_OFFSET, ESP) + signed(offset)


def value(register: int, expression: bytes) -> bytes:
    """It has the value of an expression, which begins with the CFA."""
    return rule(VAL_EXPRESSION, register) + unsigned(len(expression)) + expression
