"""Keystone, one instruction at a time: the only module that knows it.

Keystone 0.9.2 crashes the process on some directives, never comes back from a prefix that stands alone, and changes
its reading of numbers with its options. It is therefore never given an option, a label, a decimal, a prefix or
anything but one instruction in the grammar below.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from keystone import KS_ARCH_X86, KS_MODE_32, Ks, KsError

from loader.assembler import registers
from loader.errors import Mistake

_HEX = r"-?0x[0-9a-f]{1,8}"
_INDEX = "|".join(registers.GENERAL_32)
_MEMORY = rf"(?:(?:{'|'.join(registers.OPERAND_SIZE)}) ptr )?\[(?:(?:{_INDEX})(?:\+(?:{_INDEX})\*[1248])?" \
          rf"|(?:{_INDEX})\*[1248])?\+?(?:{_HEX})?\]"
_REGISTER = "|".join(re.escape(name) for name in registers.SIZE)
_OPERAND = rf"(?:{_REGISTER}|{_HEX}|{_MEMORY})"
PREFIXES = frozenset((
    "lock", "rep", "repe", "repz", "repne", "repnz", "cs", "ds", "es", "fs", "gs", "ss", "data16", "data32", "addr16",
    "addr32", "rex64", "xacquire", "xrelease", "notrack", "bnd"))
_MNEMONIC = rf"(?!(?:{'|'.join(sorted(PREFIXES))})\b)[a-z][a-z0-9]*"
SAFE = re.compile(rf"{_MNEMONIC}(?: {_OPERAND}(?:, {_OPERAND})*)?")         # all that ever reaches Keystone


@cache
def _keystone() -> Ks:
    return Ks(KS_ARCH_X86, KS_MODE_32)


@lru_cache(maxsize=1 << 16)
def encode(text: str) -> bytes:
    """The bytes of one instruction, written in the grammar of SAFE. Raises Mistake if Keystone has none for it."""
    if not SAFE.fullmatch(text):
        raise Mistake(f"{text!r} is not an instruction")
    try:
        data, _ = _keystone().asm(text)
    except KsError as error:
        reason = str(error).partition(" (KS_")[0].lower()
        raise Mistake(f"no such form of {text.split()[0]}: {text} ({reason})") from None
    if not data:
        raise Mistake(f"no such form of {text.split()[0]}: {text} (the encoder gives no bytes)")
    return bytes(data)
