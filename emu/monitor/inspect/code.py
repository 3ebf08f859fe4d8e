"""Code with its names, source lines and prices; and the memory around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emu.decoding import Instruction, decode_detail
from emu.machine import Machine
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.plain import Plain
from emu.timing.pricing import Pricer
from loader.symbols import LineMap, SymbolTable

LONGEST = 15                # bytes of an instruction
ENDS = ("j", "loop", "call", "lcall", "ret", "iret", "int", "sysenter", "sysexit", "hlt", "ljmp")   # of a block


@dataclass(frozen=True)
class Line(Plain):
    """One instruction."""

    address: int            # linear
    code: bytes
    text: str               # as Capstone writes it; operands that are addresses with the symbol behind them
    name: str               # symbol+offset, or the address
    file: str | None        # source
    line: int | None
    cycles: int | None      # in the pipeline, in a block that begins at the first instruction shown or behind a branch;
                            # None for what is decided at run time (REP, far transfers)


class Names:
    """Symbols and source lines of a machine's image, for addresses in a certain program."""

    def __init__(self, machine: Machine, program: str | None = None) -> None:
        """`program`: whose names to use for addresses that several have; None leaves it open."""
        image = machine.image
        if image and program not in image.programs:
            program = None
        self._symbols: dict[str, SymbolTable] = {}
        self._lines: dict[str, LineMap] = {}
        if image:
            self._symbols = {"": image.symbols} | {name: table for name, table in image.programs.items()
                                                   if program in (None, name)}
            self._lines = {"": image.lines} | {name: lines for name, lines in image.program_lines.items()
                                               if program in (None, name)}

    def name(self, address: int) -> str:
        """symbol+offset, with PROGRAM: in front for a program's; alternatives joined by "or"; else the number."""
        names = [f"{program}:{table.name(address)}" if program else table.name(address)
                 for program, table in self._symbols.items() if table.find(address)]
        return " or ".join(names) or f"{address:#x}"

    def symbol(self, address: int) -> int | None:
        """The address of the symbol that covers an address, None if none does."""
        for table in self._symbols.values():
            found = table.find(address)
            if found:
                return address - found[1]
        return None

    def source(self, address: int) -> tuple[str, int] | None:
        """(file, line), None if it comes from no source line, or from lines of several programs that differ."""
        found = {lines.find(address) for lines in self._lines.values()} - {None}
        return found.pop() if len(found) == 1 else None

    def entry(self, address: int, name: str = "_start") -> set[int]:
        """Where the programs that cover an address begin."""
        return {table.address(name) for table in self._symbols.values() if table.find(address) and name in table}


def disassemble(machine: Machine, address: int, count: int, *, space: AddressSpace | None = None,
                names: Names | None = None) -> list[Line]:
    """`count` instructions from a linear address on; fewer where memory or what Capstone knows ends."""
    space, names = space or AddressSpace(machine), names or Names(machine)
    found = instructions(space, address, count, code_bits(machine))
    prices = dict(zip((each.address for each in found), _prices(machine, found), strict=True))
    lines = []
    for each in found:
        file, line = names.source(each.address) or (None, None)
        lines.append(Line(each.address, bytes(each.detail.bytes), f"{each.mnemonic} {each.operands}".rstrip()
                          + _comment(each, names), names.name(each.address), file, line, prices[each.address]))
    return lines


def instructions(space: AddressSpace, address: int, count: int, bits: int = 32) -> list[Instruction]:
    """Up to `count` instructions from a linear address on, with operands."""
    return decode_detail(space.read(address, count * LONGEST), address, bits)[:count]


def code_bits(machine: Machine) -> int:
    """16 or 32: how code is decoded now."""
    return 32 if machine.cpu.registers.segment("cs").flags >> 22 & 1 else 16


def memory(space: AddressSpace, address: int, count: int, size: int = 4) -> list[int]:
    """`count` numbers of `size` bytes from a linear address on; fewer where memory ends."""
    data = space.read(address, count * size)
    return [int.from_bytes(data[at:at + size], "little") for at in range(0, len(data) // size * size, size)]


def text(space: AddressSpace, address: int, most: int = 256) -> str:
    """The zero-terminated string at a linear address, at most so many bytes; other than ASCII as in Python."""
    return space.read(address, most).split(b"\0", 1)[0].decode("ascii", "backslashreplace")


def _prices(machine: Machine, found: list[Instruction]) -> Iterator[int | None]:
    """Cycles of each instruction."""
    pricer = Pricer(machine.profile)
    unit = machine.profile.timing is None
    first = 0
    for at, each in enumerate(found, 1):
        if at < len(found) and not each.name.startswith(ENDS):
            continue
        ends = (0, *pricer.price(found[first:at]).cycles)
        for instruction, before, after in zip(found[first:at], ends, ends[1:], strict=False):
            decided_later = not unit and after == before and _is_decided_later(instruction)
            yield None if decided_later else after - before
        first = at


def _is_decided_later(instruction: Instruction) -> bool:
    return " " in instruction.mnemonic or instruction.name.startswith(("int", "iret", "lcall", "ljmp", "retf"))


def _comment(instruction: Instruction, names: Names) -> str:
    """What a direct target or an absolute address in memory is called."""
    for operand in instruction.detail.operands:
        address = None
        if operand.type == 2 and instruction.name.startswith(("j", "call", "loop")):        # an immediate
            address = operand.imm
        elif operand.type == 3 and not operand.mem.base:                                    # memory
            address = operand.mem.disp
        if address is not None:
            name = names.name(address & 0xFFFFFFFF)
            return "" if name.startswith("0x") else f"    ; {name}"
    return ""
