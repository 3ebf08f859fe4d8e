"""Modules that are not what they claim to be: the kernel refuses them in one line and starts the others."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.machine import Machine
from emu.result import Reason
from guest import abi
from guest.abi.boot import EHDR, PHDR, SHDR
from guest.abi.cpu import Vector
from guest.abi.kernel import ExitCode, Syscall
from guest.abi.memory import Memory
from loader.assembler import assemble
from loader.build import build
from loader.image import Image, Module

Boot = Callable[..., Any]              # the fixture `run`

HELLO = build("hello").modules[0].data
FIRST = EHDR.decode(HELLO).phoff                         # of its program headers


def patched(offset: int, value: int, width: int = 4) -> bytes:
    """The hello program with one number changed."""
    return HELLO[:offset] + value.to_bytes(width, "little") + HELLO[offset + width:]


def segment(field: str, value: int) -> bytes:
    """The hello program with one number of its first program header changed."""
    return patched(FIRST + PHDR.offsets[field], value)


def with_module(data: bytes) -> Image:
    """Two programs: `data`, and hello."""
    image = build("hello")
    image.modules = [Module("odd one", data), Module("hello", HELLO)]
    return image


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "not an ELF file"),
    (HELLO[:EHDR.size - 1], "not an ELF file"),
    (b"#!/bin/sh\n" * 10, "not an ELF file"),
    (patched(EHDR.offsets["class"], 0x0102, 2), "not a 32-bit executable for the 386"),
    (patched(EHDR.offsets["class"], 0x0201, 2), "not a 32-bit executable for the 386"),
    (patched(EHDR.offsets["type"], 0x0003_0001), "not a 32-bit executable for the 386"),
    (patched(EHDR.offsets["type"], 0x003E_0002), "not a 32-bit executable for the 386"),
    (patched(EHDR.offsets["phentsize"], 31, 2), "its program headers are damaged"),
    (patched(EHDR.offsets["phoff"], 0xFFFF_FFF0), "its program headers are damaged"),
    (patched(EHDR.offsets["phnum"], 0xFFFF, 2), "its program headers are damaged"),
    (segment("offset", 0xFFFF_FFFF), "a segment is damaged or cut off"),
    (segment("filesz", len(HELLO)), "a segment is damaged or cut off"),
    (segment("memsz", 0), "a segment is damaged or cut off"),
    (segment("vaddr", 0), "a segment lies outside the memory of programs"),
    (segment("vaddr", Memory.USER_LIMIT), "a segment lies outside the memory of programs"),
    (segment("vaddr", Memory.KERNEL_BASE), "a segment lies outside the memory of programs"),
    (segment("memsz", 0xFFFF_FFFF), "a segment lies outside the memory of programs"),
    (segment("memsz", 0x8000_0000), "out of memory"),
])
def test_a_damaged_module_is_refused_and_the_next_one_runs(data: bytes, reason: str, run: Boot) -> None:
    done = run(with_module(data))
    assert done.lines == [f"odd: not started: {reason}", "hello, world"]
    assert done.result.exit_code == ExitCode.EXIT_NOT_STARTED


@pytest.mark.parametrize("entry", [0, 0x0700_0000, Memory.KERNEL_BASE])
def test_an_entry_outside_the_program_is_a_fault_like_any_other(entry: int, run: Boot) -> None:
    done = run(with_module(patched(EHDR.offsets["entry"], entry)))
    assert done.lines[0].startswith("odd: page fault (#PF)")
    assert done.lines[0].endswith(f"at {entry:#x}")
    assert "hello, world" in done.lines


def test_segments_that_share_a_page_are_both_loaded(run: Boot) -> None:
    """Text and data in one page, as a linker packs them: the page gets the rights of both."""
    code = bytes(assemble("""
        inc byte ptr [0x08048020]
        mov eax, SYS_WRITE
        mov ebx, 0x08048020
        mov esi, 2
        int VECTOR_SYSCALL
        mov eax, SYS_EXIT
        xor ebx, ebx
        int VECTOR_SYSCALL""", constants=abi.constants()).sections[".text"].data)
    header = struct.pack("<IHxxxxxxxxxxIIIIIIHHHHHH", 0x464C457F, 0x0101, 0x00030002, 1, 0x0804_8030, EHDR.size, 0, 0,
                         EHDR.size, PHDR.size, 2, SHDR.size, 0, 0)
    start = EHDR.size + 2 * PHDR.size
    text = struct.pack("<8I", 1, start, 0x0804_8030, 0, len(code), len(code), 5, 4)
    data = struct.pack("<8I", 1, start + len(code), 0x0804_8020, 0, 2, 2, 6, 4)
    assert run(with_module(header + text + data + code + b"a\n")).lines[0] == "b"


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("ld")), reason="no GNU assembler and linker here")
def test_a_program_linked_by_another_toolchain_runs_and_its_faults_have_names(tmp_path: Path, run: Boot) -> None:
    source = tmp_path / "foreign.s"
    source.write_text(f""".globl _start
        _start: movl ${Syscall.SYS_WRITE:d}, %eax; movl $text, %ebx; movl $8, %esi; int ${Vector.VECTOR_SYSCALL:d}
                call stumble
        stumble: nop; ud2
        .section .rodata
        text: .ascii "foreign\\n"
    """)
    program = tmp_path / "foreign"
    subprocess.run(["as", "--32", source, "-o", tmp_path / "foreign.o"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", tmp_path / "foreign.o", "-o", program], check=True)
    assert run(with_module(program.read_bytes())).lines == [
        "foreign", "odd: invalid opcode (#UD), at stumble+0x1", "hello, world"]


@pytest.mark.parametrize("damage", [
    patched(EHDR.offsets["shoff"], 0xFFFF_FF00), patched(EHDR.offsets["shnum"], 0, 2),
    patched(EHDR.offsets["shentsize"], 41, 2)])
def test_without_a_usable_symbol_table_a_fault_has_a_number(damage: bytes, run: Boot) -> None:
    crash = bytearray(damage)
    entry = EHDR.decode(HELLO).entry
    header = PHDR.decode(HELLO[FIRST:])
    at = entry - header.vaddr + header.offset
    crash[at:at + 2] = b"\x0f\x0b"                          # UD2
    assert run(with_module(bytes(crash))).lines[0] == f"odd: invalid opcode (#UD), at {entry:#x}"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(HELLO) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_module_brings_the_kernel_down(changes: list[tuple[int, int]]) -> None:
    data = bytearray(HELLO)
    for at, byte in changes:
        data[at] = byte
    machine = Machine.boot(with_module(bytes(data)))
    result = machine.run(max_cycles=30_000_000)
    console = machine.console.decode("ascii", "replace")
    assert result.reason in (Reason.EXIT, Reason.CYCLES), f"{result}\n{console}"
    assert "panic" not in console
    assert "hello, world" in console
