"""Running the command line, and small guests for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from loader.assembler import assemble
from loader.elf_writer import write_elf
from loader.linker import link
from tools.cli import main

# Guests whose console is of interest. Each begins at `_start` in flat ring 0, and ends with a byte count.
START = """
; _start: the guest.
.text
.global _start
_start:
    mov esp, 0x90000
"""
UART = """
    mov edx, 0x3FB              ; DLAB, 115200 baud, 8N1, FIFOs
    mov al, 0x83
    out dx, al
    mov edx, 0x3F8
    mov al, 1
    out dx, al
    mov edx, 0x3F9
    xor eax, eax
    out dx, al
    mov edx, 0x3FB
    mov al, 3
    out dx, al
    mov edx, 0x3FA
    mov al, {fifo}
    out dx, al
"""
POLLING = START + UART + """
    mov edx, 0x3F8              ; a prompt
    mov al, '>'
    out dx, al
    mov edx, 0x3FD
.Lsent:
    in al, dx
    test al, 0x40
    jz .Lsent
    xor ebx, ebx
.Lnext:                         ; echo up to q, and be slow about it
    mov edx, 0x3FD
    in al, dx
    test al, 1
    jz .Lnext
    mov ecx, {delay}
.Ldelay:
    dec ecx
    jnz .Ldelay
    mov edx, 0x3F8
    in al, dx
    inc ebx
    out dx, al
    cmp al, 'q'
    jne .Lnext
    mov eax, ebx
    out 0xF4, eax
"""
SLEEPING = START + UART.format(fifo=7) + """
    mov eax, received
    mov [gate], ax
    shr eax, 16
    mov [gate + 6], ax
    lgdt [gdt_register]
    lidt [idt_register]
    jmp 8:.Lcode
.Lcode:
    mov eax, 0x10
    mov ss, ax
    mov al, 0x11                ; the interrupt controller: IRQ 4 alone, vector 24h
    out 0x20, al
    mov al, 0x20
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xEF
    out 0x21, al
    mov edx, 0x3FC              ; OUT2, received data interrupt
    mov al, 0xB
    out dx, al
    mov edx, 0x3F9
    mov al, 1
    out dx, al
    xor ebx, ebx
.Lsleep:
    sti
    hlt
    cli
    jmp .Lsleep

received:                       ; echo up to q
    mov edx, 0x3FD
    in al, dx
    test al, 1
    jz .Lend
    mov edx, 0x3F8
    in al, dx
    inc ebx
    out dx, al
    cmp al, 'q'
    jne received
    mov eax, ebx
    out 0xF4, eax
.Lend:
    mov al, 0x20
    out 0x20, al
    iretd

.data
gdt:
    .quad 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF
gdt_register:
    .word 23
    .long gdt
idt:
    .space 8 * 0x24
gate:
    .word 0, 8, 0x8E00, 0
idt_register:
    .word 8 * 0x25 - 1
    .long idt
"""


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int         # exit code
    out: str            # standard output
    err: str            # standard error

    def complains(self, *words: str) -> bool:
        """Whether it said one line that holds all of the words, and nothing else."""
        one_line = self.err.startswith("trapline: ") and self.err.count("\n") == 1
        return one_line and not self.out and all(word in self.err for word in words)


class Guests:
    """Makes ELF files of guests in a directory; each method returns the file's name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def of(self, instructions: str, name: str = "guest.elf") -> str:
        """These instructions, after START."""
        return self._write(START + instructions, name)

    def polling(self, fifo: bool, delay: int) -> str:
        """Prints >, polls the UART, waits `delay` turns of a loop before it takes a byte, echoes up to q."""
        return self._write(POLLING.format(fifo=7 if fifo else 0, delay=delay), "polling.elf")

    def busy(self) -> str:
        """Prints x and goes on for ever."""
        return self._write(START + UART.format(fifo=0) + "mov edx, 0x3F8\nmov al, 'x'\nout dx, al\njmp .", "busy.elf")

    def sleeping(self) -> str:
        """Sleeps until an interrupt brings bytes, echoes them up to q."""
        return self._write(SLEEPING, "sleeping.elf")

    def multiboot(self, instructions: str) -> str:
        """The same as `of`, with a Multiboot header."""
        header = ".section .boot\n.long 0x1BADB002, 0, -0x1BADB002\n"
        return self._write(header + START + instructions, "multiboot.elf")

    def _write(self, source: str, name: str) -> str:
        program = link([assemble(source, name="guest.asm")], base=0x100000, entry="_start", name="guest")
        (self.directory / name).write_bytes(write_elf(program))
        return str(self.directory / name)


@pytest.fixture
def trapline(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ended]:
    """Runs `trapline` in this process: arguments, and `given` as the file that is standard input."""

    def run(*arguments: str | Path, given: bytes = b"") -> Ended:
        source = tmp_path / "standard-input"
        source.write_bytes(given)
        kept = os.dup(0)
        try:
            with open(source, "rb") as file:
                os.dup2(file.fileno(), 0)
            capfd.readouterr()
            status = main([str(argument) for argument in arguments])
        finally:
            os.dup2(kept, 0)
            os.close(kept)
        return Ended(status, *capfd.readouterr())

    return run


@pytest.fixture
def guests(tmp_path: Path) -> Guests:
    """Makes guests in the test's directory."""
    return Guests(tmp_path)


@pytest.fixture
def command() -> list[str]:
    """What begins the argument list of a process that runs `trapline`."""
    return [sys.executable, "-P", "-c", "import sys; from tools.cli import main; sys.exit(main())"]
