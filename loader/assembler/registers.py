"""The words that operands are made of: registers and sizes. None of them can name a symbol."""

from __future__ import annotations

GENERAL_32 = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")       # in encoding order (SDM vol. 2, table 2-2)
GENERAL_16 = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
GENERAL_8 = ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh")
SEGMENT = ("es", "cs", "ss", "ds", "fs", "gs")
SEGMENT_PREFIX = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "ds": 0x3E, "fs": 0x64, "gs": 0x65}     # SDM vol. 2, 2.1.1

SIZE = {                                                                    # bytes of each register
    **dict.fromkeys(GENERAL_32, 4), **dict.fromkeys(GENERAL_16, 2), **dict.fromkeys(GENERAL_8, 1),
    **dict.fromkeys(SEGMENT, 2),
    **{f"cr{n}": 4 for n in (0, 2, 3, 4)}, **{f"dr{n}": 4 for n in (0, 1, 2, 3, 6, 7)},
    **{f"mm{n}": 8 for n in range(8)}, **{f"xmm{n}": 16 for n in range(8)}, **{f"st({n})": 10 for n in range(8)},
}

OPERAND_SIZE = {            # size keywords, bytes
    "byte": 1, "word": 2, "dword": 4, "fword": 6, "qword": 8, "tbyte": 10, "xmmword": 16,
}
KEYWORDS = {*OPERAND_SIZE, "ptr", "far", "near", "short", "offset", "st"}

# A few that only 64-bit or later processors have are reserved too, so that a slip is not taken for a symbol.
FOREIGN = {f"r{n}{s}" for n in range(8, 16) for s in ("", "d", "w", "b")} | {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "rip",
    "sil", "dil", "spl", "bpl", *(f"cr{n}" for n in range(16)), *(f"dr{n}" for n in range(16)),
    *(f"tr{n}" for n in range(8)), *(f"ymm{n}" for n in range(16)), *(f"xmm{n}" for n in range(8, 16))}


def is_reserved(word: str) -> bool:
    """Whether `word` cannot be the name of a symbol."""
    return word.lower() in SIZE or word.lower() in KEYWORDS or word.lower() in FOREIGN


def default_segment(base: str) -> str:
    """The segment that an address with this base register uses if none is named (SDM vol. 1, table 3-5)."""
    return "ss" if base in ("esp", "ebp") else "ds"
