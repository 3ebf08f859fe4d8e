"""How gdb comes from a routine to its caller: a .debug_frame section (DWARF 3, section 6.4), made from the code.

For each instruction there is a row: where the frame begins (the canonical frame address, CFA) and where the caller's
registers are. Ranges of which the code tells nothing have no rows.

An interrupt handler returns by an IRET to come, as a handler of signals in Unix returns by a trampoline: gdb shows it
as `<signal handler called>`, and knows that what lies beyond was interrupted, not called, and where it goes on.

    #0  timer_interrupt     called by
    #1  trap_entry          entered by a gate; it will return to
    #2  the IRET            whose row finds EIP, CS, EFLAGS, and from an outer ring ESP and SS, on the stack
    #3  main                interrupted
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tools.gdb.cfi import ADVANCE_LOC4, EIP, SAME_VALUE, rule
from tools.gdb.code import Code
from tools.gdb.leb128 import signed, unsigned
from tools.gdb.rows import Row, Rows

CIE = 0xFFFFFFFF                        # CIE_id: this is a CIE


class Piece(NamedTuple):
    """Addresses with one row."""

    start: int
    end: int
    row: Row
    is_signal: bool             # in whose FDE they are


def debug_frame(code: Code) -> bytes:
    """The section for the code of an ELF file."""
    section, begins = b"", {}
    for is_signal in (False, True):
        begins[is_signal] = len(section)
        section += _entry(struct.pack("<IB", CIE, 1) + (b"S\0" if is_signal else b"\0") + unsigned(1) + signed(1)
                          + bytes((EIP,)))
    for run in _stretches(_pieces(code)):
        start, end = run[0].start, run[-1].end
        section += _entry(struct.pack("<3I", begins[run[0].is_signal], start, end - start) + _program(run))
    return section


def _entry(body: bytes) -> bytes:
    body += bytes(-len(body) % 4)                           # DW_CFA_nop
    return struct.pack("<I", len(body)) + body


def _program(run: list[Piece]) -> bytes:
    """The instructions of an FDE: what changes from row to row."""
    program, before, at = b"", Row(b"", {}), run[0].start
    for piece in run:
        changes = piece.row.cfa if piece.row.cfa != before.cfa else b""
        for register in sorted(before.rules.keys() | piece.row.rules.keys()):
            changed = piece.row.rules.get(register, rule(SAME_VALUE, register))
            if changed != before.rules.get(register, rule(SAME_VALUE, register)):
                changes += changed
        if changes:
            if piece.start > at:
                program += struct.pack("<BI", ADVANCE_LOC4, piece.start - at)
            program, before, at = program + changes, piece.row, piece.start
    return program


def _stretches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Runs of pieces that follow each other and are of one kind."""
    run: list[Piece] = []
    for piece in pieces:
        if run and (run[-1].end, run[-1].is_signal) != (piece.start, piece.is_signal):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _pieces(code: Code) -> list[Piece]:
    """The addresses that have rows, ascending.

    gdb looks for the FDE of a trampoline one byte before it, as if it were a return address.
    """
    pieces: list[Piece] = []
    for address, row in sorted(Rows(code).all()):
        instruction = code.flow.instruction(address)
        assert instruction
        if pieces and pieces[-1].end > address:             # data among the code, which has been read as code
            pieces[-1] = pieces[-1]._replace(end=address)
        if row.is_signal:
            before = pieces.pop() if pieces and pieces[-1].end == address else Piece(address - 1, address, row, True)
            pieces += [before._replace(end=address - 1)] if before.start < address - 1 else []
            pieces.append(before._replace(start=address - 1, is_signal=True))
        pieces.append(Piece(address, address + instruction.size, row, row.is_signal))
    return pieces
