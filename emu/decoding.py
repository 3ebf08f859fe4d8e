"""Code decoded by Capstone: the one place that turns bytes into instructions.

Everything else that has to know what an instruction does (the block table, the prices, the derivation of addresses)
gets its instructions from here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import capstone

UNKNOWN = "(bad)"           # mnemonic of what Capstone does not know


class Instruction(NamedTuple):
    """One decoded instruction."""

    address: int            # linear
    size: int               # bytes
    mnemonic: str           # Capstone's, prefixes included
    operands: str           # Capstone's
    detail: Any = None      # Capstone's CsInsn with operands, registers and prefixes; None if it was not asked for

    @property
    def name(self) -> str:
        """The mnemonic without prefixes."""
        return self.mnemonic.rsplit(" ", 1)[-1]


def _decoder(mode: int, detail: bool) -> Any:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, mode)
    decoder.detail = detail
    return decoder


_MODES = {32: capstone.CS_MODE_32, 16: capstone.CS_MODE_16}
_decoders = {(bits, detail): _decoder(mode, detail) for bits, mode in _MODES.items() for detail in (False, True)}


def decode(code: bytes, address: int, bits: int = 32) -> list[Instruction]:
    """The instructions in `code` at linear `address`, without detail; what Capstone does not know ends the list."""
    return [Instruction(*row) for row in _decoders[bits, False].disasm_lite(code, address)]


def decode_detail(code: bytes, address: int, bits: int = 32) -> list[Instruction]:
    """`decode`, with operands: ten times as slow."""
    return [Instruction(each.address, each.size, each.mnemonic, each.op_str, each)
            for each in _decoders[bits, True].disasm(code, address)]


def pad(instructions: list[Instruction], code: bytes, address: int) -> list[Instruction]:
    """`instructions` made to cover `code` exactly.

    One that reaches beyond it goes (Unicorn ends a block inside what Capstone takes for one instruction); the bytes
    behind the last become one UNKNOWN, and an UNKNOWN of size 0 follows: it is decoded when those have run.
    """
    known = sum(instruction.size for instruction in instructions)
    if known > len(code):
        known -= instructions[-1].size
        instructions = instructions[:-1]
    if known < len(code):
        instructions = [*instructions, Instruction(address + known, len(code) - known, UNKNOWN, ""),
                        Instruction(address + len(code), 0, UNKNOWN, "")]
    return instructions
