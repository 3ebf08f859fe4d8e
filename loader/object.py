"""What the assembler hands to the linker: one source file's sections, symbols and what is left to be filled in."""

from __future__ import annotations

from dataclasses import dataclass, field

from loader.expression import Linear

R_386_32 = "R_386_32"           # the word becomes S + A (System V ABI, i386 supplement, table 4.4)
R_386_PC32 = "R_386_PC32"       # the word becomes S + A - P
EXPRESSION = "EXPRESSION"       # the field becomes the value of an expression; ours, never written to ELF

SECTION_ORDER = (".boot", ".boot.text", ".boot.rodata", ".boot.data", ".boot.bss",    # run before paging
                 ".text", ".rodata", ".data", ".bss")                                 # the order in memory

# What fills code, by length: NOP, XCHG AX,AX, and LEA ESI,[ESI+0] with ever longer addresses. Every IA-32 processor has
# these; the NOP of several bytes (0F 1F) came with the Pentium Pro.
NOPS = tuple(bytes.fromhex(h) for h in (
    "", "90", "66 90", "8D 76 00", "8D 74 26 00", "90 8D 74 26 00", "8D B6 00 00 00 00", "8D B4 26 00 00 00 00"))


def section_kind(name: str) -> str:
    """What a section holds: text, rodata, data or bss (`.boot` itself holds text)."""
    return "text" if name == ".boot" else name.rpartition(".")[2]


def padding(section: str, length: int) -> bytes:
    """What fills `length` bytes of alignment: NOPs in code, zeros elsewhere."""
    if section_kind(section) != "text":
        return bytes(length)
    return NOPS[7] * (length // 7) + NOPS[length % 7]


@dataclass
class Section:
    """A named run of bytes. A bss section has a size and no data."""

    data: bytearray = field(default_factory=bytearray)
    size: int = 0               # bytes in memory; len(data) unless it is bss
    align: int = 1              # power of two


@dataclass
class Symbol:
    """A name with a value."""

    section: str | None         # None: absolute, a number
    value: int                  # offset in the section, or the number
    is_global: bool             # other files may use it
    kind: str                   # func (in code), object (in data), or "" (absolute)
    file: str = ""              # where it is defined
    line: int = 0


@dataclass
class Relocation:
    """A field that the linker fills in.

    `symbol` names a section of the same file (it begins with a dot), a symbol that another file exports, or nothing
    ("": the addend is an absolute address).
    """

    section: str                # where the field is
    offset: int                 # of the field in that section
    kind: str                   # R_386_32, R_386_PC32 or EXPRESSION
    symbol: str                 # S
    addend: int                 # A
    file: str                   # the reference in the source
    line: int
    width: int = 4              # bytes of the field
    value: Linear | None = None     # of EXPRESSION, over sections and symbols


@dataclass
class Assertion:
    """A claim of the source that only the linker can check."""

    value: Linear               # over sections and symbols; 0 means that the claim is false
    text: str                   # what to say then
    file: str
    line: int


@dataclass
class ObjectFile:
    """One assembled source file."""

    name: str
    sections: dict[str, Section] = field(default_factory=dict)
    symbols: dict[str, Symbol] = field(default_factory=dict)
    relocations: list[Relocation] = field(default_factory=list)
    lines: list[tuple[str, int, str, int]] = field(default_factory=list)    # (section, offset, file, line), sorted
    assertions: list[Assertion] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)     # every file that was read: the source, includes, incbins
