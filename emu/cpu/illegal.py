"""Opcodes that Unicorn executes although the processor would raise #UD.

Which instructions exist is up to the profile's CPUID: Unicorn goes by models of its own. And LOCK is for instructions
that modify memory only (Intel manual volume 2, LOCK), which Unicorn does not check everywhere.
"""

from __future__ import annotations

from typing import Any

import capstone
from capstone import x86 as cs_x86

from emu.timing.profile import FEATURES

LOCK = 0xF0
PREFIXES = frozenset(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf2\xf3") | {LOCK}
TWO_BYTES = 0x0F
VEX = frozenset(b"\xc4\xc5\x8f")                            # LES, LDS and POP, or AVX and XOP
HINTS = frozenset([0x0D, *range(0x18, 0x20)])               # behind 0F: NOPs to a processor that has no use for them
OLD = frozenset([*range(0x80, 0xAE), *range(0xAF, 0xC0), *range(0xC8, 0xD0)])   # behind 0F: 80386 and 80486
PLAIN = HINTS | OLD

LOCKABLE = frozenset((
    "adc", "add", "and", "btc", "btr", "bts", "cmpxchg", "cmpxchg8b", "dec", "inc", "neg", "not", "or", "sbb", "sub",
    "xadd", "xchg", "xor"))
OF_FEATURE = {              # instructions by the feature of CPUID that announces them, if their group does not tell
    "TSC": ("rdtsc",),
    "MSR": ("rdmsr", "wrmsr"),
    "CX8": ("cmpxchg8b",),
    "SEP": ("sysenter", "sysexit"),
    "FXSR": ("fxsave", "fxrstor"),
    "SSE": ("maskmovq", "movntq", "pavgb", "pavgw", "pextrw", "pinsrw", "pmaxsw", "pmaxub", "pminsw", "pminub",
            "pmovmskb", "pmulhuw", "psadbw", "pshufw"),     # on MMX registers
    "SSE2": ("paddq", "pmuludq", "psubq"),                  # on MMX registers
}
FEATURE_OF = {name: FEATURES[feature] for feature, names in OF_FEATURE.items() for name in names}
NEVER = frozenset(("syscall", "sysret"))                    # not modelled for any processor
FEATURE_OF_GROUP = {
    cs_x86.X86_GRP_CMOV: FEATURES["CMOV"],
    cs_x86.X86_GRP_MMX: FEATURES["MMX"],
    cs_x86.X86_GRP_SSE1: FEATURES["SSE"],
    cs_x86.X86_GRP_SSE2: FEATURES["SSE2"],
}
NEVER_GROUPS = frozenset((
    cs_x86.X86_GRP_3DNOW, cs_x86.X86_GRP_SSE3, cs_x86.X86_GRP_SSSE3, cs_x86.X86_GRP_SSE41, cs_x86.X86_GRP_SSE42,
    cs_x86.X86_GRP_SSE4A, cs_x86.X86_GRP_AVX, cs_x86.X86_GRP_AVX2, cs_x86.X86_GRP_FMA, cs_x86.X86_GRP_FMA4,
    cs_x86.X86_GRP_F16C, cs_x86.X86_GRP_XOP, cs_x86.X86_GRP_AES, cs_x86.X86_GRP_PCLMUL, cs_x86.X86_GRP_SHA))

_decoders: dict[int, Any] = {}
for _width, _mode in ((32, capstone.CS_MODE_32), (16, capstone.CS_MODE_16)):
    _decoders[_width] = capstone.Cs(capstone.CS_ARCH_X86, _mode)
    _decoders[_width].detail = True


def is_illegal(code: bytes, bits: int, features: int) -> bool:
    """True if the instruction that `code` begins with raises #UD.

    `bits` is the width of the code segment, `features` is EDX of CPUID leaf 1.
    """
    start = 0
    while start < len(code) - 1 and code[start] in PREFIXES:
        start += 1
    opcode = code[start]
    extended = opcode == TWO_BYTES and start + 1 < len(code) and code[start + 1] not in PLAIN
    locked = LOCK in code[:start]
    if not (extended or locked or opcode in VEX):
        return False                                        # nearly all of them
    instruction = next(_decoders[bits].disasm(code, 0, 1), None)
    if instruction is None:
        return locked                                       # Capstone knows LOCK only where it belongs
    name = instruction.mnemonic.split()[-1]
    if locked and not (name in LOCKABLE and instruction.operands[0].type == cs_x86.X86_OP_MEM):
        return True
    if extended:
        return _is_missing(name, instruction.groups, features)
    return opcode in VEX and _is_never(instruction.groups)


def _is_never(groups: list[int]) -> bool:
    return not NEVER_GROUPS.isdisjoint(groups)


def _is_missing(name: str, groups: list[int], features: int) -> bool:
    """True if the processor does not report what the instruction needs."""
    if name in NEVER or _is_never(groups):
        return True
    needed = {FEATURE_OF_GROUP[group] for group in groups if group in FEATURE_OF_GROUP}
    if name in FEATURE_OF and needed <= {FEATURES["MMX"]}:
        needed.add(FEATURE_OF[name])
    return not all(features >> bit & 1 for bit in needed)
