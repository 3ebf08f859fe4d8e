"""A bare machine for CPU tests: a few instructions in, registers, memory and the frame of a trap out.

`BareMachine` lays descriptor tables, a TSS, page tables and 256 handlers into RAM, assembles a snippet, and lets guest
code of its own load the tables and enter the snippet by IRET at the ring asked for. Every handler pushes its vector
and jumps to CAUGHT, so `trap()` can say which gate was used and what the processor pushed.

    bare = BareMachine("xor ecx, ecx; here: div ecx", ring=3)
    trap = bare.trap()
    assert (trap.vector, trap.eip) == (Vector.DE, bare.address("here"))

    0x01000  GDT (32 descriptors)         0x09000  stack of a ring 0 snippet, up to KERNEL_STACK
    0x01400  LDT (8 descriptors)          0x0D000  stack of TSS.ESP0, up to RING0_STACK
    0x02000  IDT (256 gates)              0x10000  CODE: the snippet        }
    0x03000  TSS with I/O bitmap          0x20000  stack up to USER_STACK   } user pages
    0x06000  handlers, CAUGHT             0x30000  DATA: free               }
    0x08000  boot code                    0x38000  KERNEL_DATA: free, 0x40000 page directory, 0x41000 page table
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

from unicorn import x86_const

from emu.cpu.x86 import CR0_PG, EFLAGS_FIXED, HAS_ERROR_CODE, TSS_ESP0, TSS_IO_MAP_BASE
from emu.machine import Machine
from emu.result import Reason, Result
from loader.assembler import assemble
from loader.linker import Program, link

GDT, LDT_TABLE, IDT, TSS_BASE = 0x1000, 0x1400, 0x2000, 0x3000
HANDLERS, CAUGHT, BOOT = 0x6000, 0x7000, 0x8000
KERNEL_STACK, RING0_STACK = 0xC000, 0xF000
CODE, USER_STACK, DATA, KERNEL_DATA = 0x10000, 0x30000, 0x30000, 0x38000
PAGE_DIRECTORY, PAGE_TABLE = 0x40000, 0x41000
HANDLER_SIZE = 16           # bytes from one handler to the next

GDT_LIMIT, LDT_LIMIT = 32 * 8 - 1, 8 * 8 - 1
IO_MAP = 0x68               # offset of the I/O permission bitmap in the TSS; every port is denied at first
TSS_LIMIT = IO_MAP + 8192   # the byte of ones behind the bitmap included

# Selectors. Rings 0 and 3 stand in the order that SYSENTER and SYSEXIT need.
CODE0, DATA0, CODE3, DATA3 = 0x08, 0x10, 0x1B, 0x23
TSS, LDT = 0x28, 0x30
CODE1, DATA1, CODE2, DATA2 = 0x39, 0x41, 0x4A, 0x52
FREE = 0x58                 # from here on the GDT is empty, for the tests: FREE, FREE + 8, ...
CODE_OF = (CODE0, CODE1, CODE2, CODE3)
DATA_OF = (DATA0, DATA1, DATA2, DATA3)
TO_RING_3 = f"push {DATA3}; push {USER_STACK}; push 2; push {CODE3}; push {{}}; iretd"   # of a label

# The access byte of a descriptor (type, S, DPL, P).
PRESENT = 0x80
CODE_ACCESS, DATA_ACCESS = 0x9B, 0x93       # present, DPL 0, accessed; code readable, data writable
CONFORMING = 0x04                           # in the access byte of code
TSS32, TSS16, LDT_TYPE = 0x89, 0x81, 0x82   # system segments, present
TASK_GATE, INTERRUPT16, TRAP16, INTERRUPT, TRAP = 5, 6, 7, 14, 15     # types of gates in the IDT
CALL16, CALL = 4, 12                        # types of call gates

USER_PAGE, KERNEL_PAGE, ABSENT = 7, 3, 0    # page-table entries: present, writable, user


def descriptor(access: int, *, base: int = 0, limit: int = 0xFFFFFFFF, dpl: int = 0, wide: bool = True) -> bytes:
    """A segment descriptor; `limit` in bytes (counted in pages above 1 MiB), `wide` for 32-bit segments."""
    flags = 0x4 if wide else 0
    if limit > 0xFFFFF:
        limit, flags = limit >> 12, flags | 8
    return struct.pack("<HHBBBB", limit & 0xFFFF, base & 0xFFFF, base >> 16 & 0xFF, access | dpl << 5,
                       flags << 4 | limit >> 16, base >> 24)


def gate(selector: int, offset: int, kind: int = INTERRUPT, *, dpl: int = 3, present: bool = True,
         parameters: int = 0) -> bytes:
    """A gate for the IDT, or a call gate (which alone has `parameters`)."""
    return struct.pack("<HHBBH", offset & 0xFFFF, selector, parameters, kind | dpl << 5 | present << 7, offset >> 16)


@dataclass(frozen=True)
class Trap:
    """What a handler found: its vector and what the processor pushed."""

    vector: int             # of the gate that was used
    error: int | None       # error code, None for vectors without one
    eip: int
    cs: int
    eflags: int
    esp: int | None         # None unless the ring changed
    ss: int | None


@cache
def _assembled(source: str, base: int) -> Program:
    text = f"# What the test runs.\n.global _start\n_start:\n{source.replace(';', chr(10))}\nend: hlt\n"
    return link([assemble(text, name="snippet")], base=base, entry="_start", name="snippet")


_BOOT = f"""
    lgdt [tables]; lidt [tables + 6]
    mov eax, [cr3_value]; mov cr3, eax; mov eax, [cr4_value]; mov cr4, eax; mov eax, [cr0_value]; mov cr0, eax
    mov ax, {DATA0}; mov ss, ax; mov esp, [frame]
    mov ax, {TSS}; ltr ax; mov ax, {LDT}; lldt ax
    mov ax, [data_selector]; mov ds, ax; mov es, ax; mov fs, ax; mov gs, ax
    xor eax, eax
    iretd
    .align 16
tables: .word {GDT_LIMIT}; .long {GDT}; .word 0x7ff; .long {IDT}
frame: .long 0
cr0_value: .long 0
cr3_value: .long 0
cr4_value: .long 0
data_selector: .long 0
"""


@cache
def _tables(paging: bool) -> bytes:
    """What is in memory from GDT on, up to the end of the page table."""
    memory = bytearray(PAGE_TABLE + 0x1000)

    def put(address: int, data: bytes) -> None:
        memory[address:address + len(data)] = data

    for ring in range(4):
        put(GDT + (CODE_OF[ring] & ~7), descriptor(CODE_ACCESS, dpl=ring))
        put(GDT + (DATA_OF[ring] & ~7), descriptor(DATA_ACCESS, dpl=ring))
    put(GDT + TSS, descriptor(TSS32, base=TSS_BASE, limit=TSS_LIMIT))
    put(GDT + LDT, descriptor(LDT_TYPE, base=LDT_TABLE, limit=LDT_LIMIT))
    put(TSS_BASE + TSS_ESP0, struct.pack("<IH", RING0_STACK, DATA0))
    put(TSS_BASE + TSS_IO_MAP_BASE, struct.pack("<H", IO_MAP))
    put(TSS_BASE + IO_MAP, b"\xff" * 8193)
    for vector in range(256):
        at = HANDLERS + vector * HANDLER_SIZE
        put(at, struct.pack("<BIBi", 0x68, vector, 0xE9, CAUGHT - (at + 10)))           # push vector; jmp CAUGHT
        put(IDT + vector * 8, gate(CODE0, at))
    put(CAUGHT, b"\xf4")                                                                # hlt
    if paging:
        put(PAGE_DIRECTORY, struct.pack("<I", PAGE_TABLE | USER_PAGE))
        for page in range(0, 1 << 22, 1 << 12):
            flags = USER_PAGE if CODE <= page < KERNEL_DATA else KERNEL_PAGE
            put(PAGE_TABLE + (page >> 10), struct.pack("<I", page | flags))
    return bytes(memory[GDT:])


class BareMachine:
    """A machine in front of the first instruction of a snippet; `machine` is the machine itself."""

    def __init__(self, source: str, *, ring: int = 0, paging: bool = False, flags: int = 0, cr0: int = 0, cr4: int = 0,
                 cpu: str = "unit", handlers: dict[int, str] | None = None, **registers: int) -> None:
        """Assemble `source` (";" or a new line ends a statement, "#" begins a comment) at CODE and go to its start.

        Behind it stands the label `end` with a HLT.
        `flags`, `cr0` and `cr4` are set besides what must be; `handlers` gives vectors to labels of the snippet
        (interrupt gates to ring 0, DPL 3); `registers` are general registers by name.
        """
        self.machine = machine = Machine(memory=4 << 20, cpu=cpu)
        self.registers = machine.cpu.registers
        self.program = _assembled(source, CODE)
        machine.ram.write(GDT, _tables(paging))
        for vector, label in (handlers or {}).items():
            self.set_gate(vector, gate(CODE0, self.address(label)))
        for program in (self.program, _assembled(_BOOT, BOOT)):
            for segment in program.segments:
                machine.ram.write(segment.physical, segment.data)
        self._write_parameters(ring, flags, cr0 | (CR0_PG if paging else 0), cr4)
        self.registers.eip = BOOT
        self.run(until=CODE)
        for name, value in registers.items():
            setattr(self.registers, name, value)

    # Running

    def run(self, until: str | int | None = None, **limits: int) -> Result:
        """Run to a label or address; a run that ends elsewhere (limit: a million cycles) fails the test."""
        limits.setdefault("max_cycles", 1_000_000)
        at = self.address(until) if isinstance(until, str) else until
        result = self.machine.run(until=at, **limits)
        assert until is None or result.reason == Reason.UNTIL, f"{result}\n{self.registers.snapshot()}"
        return result

    def trap(self) -> Trap:
        """Run until a handler is reached; what it finds on its stack."""
        self.run(until=CAUGHT)
        words = self.stack(7)
        vector = words.pop(0)
        error = words.pop(0) if vector < 32 and HAS_ERROR_CODE >> vector & 1 else None
        eip, cs, eflags, esp, ss = (*words, 0)[:5]
        if cs & 3 == self.registers.cpl:
            return Trap(vector, error, eip, cs & 0xFFFF, eflags, None, None)
        return Trap(vector, error, eip, cs & 0xFFFF, eflags, esp, ss & 0xFFFF)

    # Looking and changing

    def address(self, label: str) -> int:
        """The address of a label of the snippet. Raises KeyError."""
        return self.program.symbols[label]

    def read(self, address: int, size: int = 4) -> int:
        """A number in physical memory."""
        return int.from_bytes(self.machine.ram.read(address, size), "little")

    def write(self, address: int, value: int, size: int = 4) -> None:
        """Store a number in physical memory."""
        self.machine.ram.write(address, value.to_bytes(size, "little"))

    def stack(self, count: int, size: int = 4) -> list[int]:
        """The `count` numbers of `size` bytes on top of the current stack."""
        top = self.registers.segment("ss").base + self.registers.esp
        data = self.machine.cpu.read_linear(top, count * size).ljust(count * size, b"\0")
        return [int.from_bytes(data[i * size:(i + 1) * size], "little") for i in range(count)]

    def set_descriptor(self, selector: int, data: bytes) -> None:
        """Write a descriptor into the GDT or the LDT, wherever the selector points."""
        self.machine.ram.write((LDT_TABLE if selector & 4 else GDT) + (selector & ~7), data)

    def set_gate(self, vector: int, data: bytes) -> None:
        """Write a gate into the IDT."""
        self.machine.ram.write(IDT + vector * 8, data)

    def set_page(self, address: int, flags: int) -> None:
        """Change the page-table entry of a page that maps to itself (nothing is flushed)."""
        self.write(PAGE_TABLE + (address >> 12) * 4, (address & ~0xFFF | flags) if flags & 1 else 0)

    def allow_port(self, port: int, size: int = 1) -> None:
        """Clear the port's bits in the I/O permission bitmap."""
        for number in range(port, port + size):
            at = TSS_BASE + IO_MAP + number // 8
            self.write(at, self.read(at, 1) & ~(1 << number % 8), 1)

    def set_table(self, name: str, base: int, limit: int) -> None:
        """Load GDTR, IDTR or LDTR, by its name in small letters."""
        number = {"gdtr": x86_const.UC_X86_REG_GDTR, "idtr": x86_const.UC_X86_REG_IDTR,
                  "ldtr": x86_const.UC_X86_REG_LDTR}[name]
        self.machine.cpu.uc.reg_write(number, (LDT, base, limit, (PRESENT | LDT_TYPE) << 8))

    def start_pic(self, base: int = 0x20, mask: int = 0) -> None:
        """Initialise the master 8259: IRQ 0 to 7 become vectors `base` to `base` + 7; `mask` as in OCW1."""
        for offset, value in ((0, 0x11), (1, base & ~7), (1, 4), (1, 1), (1, mask)):    # ICW1-4, OCW1
            self.machine.pic.master.write(offset, value, 1)

    def handler(self, vector: int) -> int:
        """The address of a vector's handler."""
        return HANDLERS + vector * HANDLER_SIZE

    def _write_parameters(self, ring: int, flags: int, cr0: int, cr4: int) -> None:
        boot = _assembled(_BOOT, BOOT).symbols
        frame = [CODE, CODE_OF[ring], flags | EFLAGS_FIXED]
        frame += [USER_STACK, DATA_OF[ring]] if ring else []
        esp = KERNEL_STACK - 4 * len(frame)
        self.machine.ram.write(esp, struct.pack(f"<{len(frame)}I", *frame))
        for name, value in (("frame", esp), ("cr0_value", self.registers.cr0 | cr0), ("cr3_value", PAGE_DIRECTORY),
                            ("cr4_value", cr4), ("data_selector", DATA_OF[ring])):
            self.write(boot[name], value)
