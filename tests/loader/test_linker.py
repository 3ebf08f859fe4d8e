"""Linking: layout, symbols across files, relocations, lines, and what is refused."""

import pytest
from capstone import CS_ARCH_X86, CS_MODE_32, Cs
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.assembler import assemble
from loader.linker import LinkError, link

START = "; begins\n.global start\nstart:\n"


def linked(*sources, base=0x1000, **options):
    """The program that sources named a.asm, b.asm, ... make."""
    objects = [assemble(source + "\n", name=f"{name}.asm") for name, source in zip("abcdef", sources, strict=False)]
    return link(objects, base=base, entry=options.pop("entry", "start"), **options)


def refusal(*sources, **options):
    with pytest.raises(LinkError) as caught:
        linked(*sources, **options)
    assert "\n".join(caught.value.errors) == str(caught.value)
    return caught.value.errors


def segment(program, name=".text"):
    return next(s for s in program.segments if s.name == name)


def code(program, name=".text"):
    """Instructions of a segment as text."""
    found = segment(program, name)
    return [f"{i.mnemonic} {i.op_str}".strip() for i in Cs(CS_ARCH_X86, CS_MODE_32).disasm(found.data, found.virtual)]


def test_two_files_become_one_program():
    program = linked(
        START + "call helper\nmov eax, [counter]\njmp start",
        "; helps\n.global helper\nhelper:\ninc dword ptr [counter]\nret\n"
        ".data\n.global counter\n.long 0\ncounter: .long 7")
    assert program.entry == 0x1000
    assert code(program)[:3] == ["call 0x1010", "mov eax, dword ptr [0x2004]", "jmp 0x1000"]
    assert code(program)[-2:] == ["inc dword ptr [0x2004]", "ret"]
    assert segment(program, ".data").data == bytes([0, 0, 0, 0, 7, 0, 0, 0])
    assert {n: program.symbols[n] for n in ("start", "helper", "counter")} == {
        "start": 0x1000, "helper": 0x1010, "counter": 0x2004}


def test_sections_lie_on_pages_of_their_own_in_order():
    program = linked(START + "ret\n.bss\nb: .space 5000\n.data\nd: .long 1\n.rodata\nr: .byte 1\n", base=0xC0100000,
                     physical_offset=0xC0000000)
    assert [(s.name, s.virtual, s.physical, len(s.data), s.memory_size, s.flags) for s in program.segments] == [
        (".text", 0xC0100000, 0x100000, 1, 1, "r-x"), (".rodata", 0xC0101000, 0x101000, 1, 1, "r--"),
        (".data", 0xC0102000, 0x102000, 4, 4, "rw-"), (".bss", 0xC0103000, 0x103000, 0, 5000, "rw-")]


def test_boot_sections_come_first_and_run_where_they_are_loaded():
    source = """
.section .boot
.long 0x1badb002
; begins
.global start
start: mov esp, stack_top
jmp 8:high
.section .boot.bss
.space 64
stack_top:
.text
high: mov eax, start
call start
"""
    program = linked(source, base=0xC0100000, physical_offset=0xC0000000)
    assert [(s.name, s.virtual, s.physical, s.flags) for s in program.segments] == [
        (".boot", 0x100000, 0x100000, "r-x"), (".boot.bss", 0x101000, 0x101000, "rw-"),
        (".text", 0xC0102000, 0x102000, "r-x")]
    assert program.entry == 0x100004
    found = segment(program, ".boot").data[4:]
    engine = Cs(CS_ARCH_X86, CS_MODE_32)
    assert [i.op_str for i in engine.disasm(found, program.entry)] == ["esp, 0x101040", "8:0xc0102000"]
    assert code(program) == ["mov eax, 0x100004", "call 0x100004"]


def test_the_linker_names_the_boundaries():
    program = linked(".section .boot.text\nnop\n.text\n" + START + "ret\n.rodata\n.byte 1\n.data\n.byte 1, 2\n.bss\n"
                     ".space 3", base=0xC0100000, physical_offset=0xC0000000)
    assert {n: hex(a) for n, a in program.symbols.items() if n.startswith("__")} == {
        "__boot_start": "0x100000", "__boot_end": "0x101000", "__text_start": "0xc0101000", "__text_end": "0xc0101001",
        "__rodata_start": "0xc0102000", "__rodata_end": "0xc0102001", "__data_start": "0xc0103000",
        "__data_end": "0xc0103002", "__bss_start": "0xc0104000", "__bss_end": "0xc0104003",
        "__image_start": "0xc0100000", "__image_end": "0xc0105000",
        "__image_physical_start": "0x100000", "__image_physical_end": "0x105000"}


def test_boundaries_can_be_used_in_expressions():
    program = linked(START + "mov ecx, (__bss_end - __bss_start + 3) / 4\nmov edi, __bss_start\n.bss\n.space 9")
    assert code(program) == ["mov ecx, 3", "mov edi, 0x2000"]


def test_a_table_of_descriptors_can_be_built_when_linking():
    source = START + "ret\n.data\n.word handler & 0xffff, 8\n.byte 0, 0x8e\n.word handler >> 16\n.text\nhandler: iretd"
    assert segment(linked(source, base=0xC0101000), ".data").data.hex(" ") == "01 10 08 00 00 8e 10 c0"


def test_pieces_of_files_are_aligned_as_they_ask():
    program = linked(START + "ret\n.data\n.byte 1", "nop\n.data\n.byte 2\n.align 32\nx: .byte 3",
                     ".data\ny: .byte 4\n.bss\n.space 1", ".bss\nz: .space 1")
    assert program.symbols["x"] == 0x2000 + 64
    assert program.symbols["y"] == 0x2000 + 68
    assert program.symbols["z"] == 0x3000 + 4
    assert code(program)[0] == "ret" and code(program)[-1] == "nop"
    assert len(segment(program).data) == 17


def test_local_names_of_two_files_do_not_collide():
    program = linked(START + "loop: jmp loop\n.equ N, 1", "loop: jmp loop\n.equ N, 2\nonly: ret")
    assert code(program)[0] == "jmp 0x1000" and code(program)[-2:] == ["jmp 0x1010", "ret"]
    assert {"loop@a": 0x1000, "loop@b": 0x1010, "only": 0x1012}.items() <= program.symbols.items()
    assert "N" not in program.symbols


def test_a_global_keeps_its_name_though_another_file_has_a_local_one():
    program = linked(START + "ret", "start: ret")
    assert program.symbols["start"] == 0x1000
    assert program.symbols["start@b"] == 0x1010


def test_two_files_of_the_same_name_keep_their_symbols_apart():
    objects = [assemble(START + "x: ret\n", name="u/same.asm"), assemble("x: ret\n", name="v/same.asm")]
    program = link(objects, base=0, entry="start")
    assert {"x@same", "x@same.2"} <= set(program.symbols)


def test_a_number_can_be_exported():
    program = linked(START + "mov eax, LIMIT + 1", ".equ LIMIT, 41\n.global LIMIT")
    assert code(program) == ["mov eax, 0x2a"]
    assert "LIMIT" not in program.symbols


def test_sizes_reach_to_the_next_symbol_of_the_piece():
    program = linked(START + "nop\nnop\nnext: ret\n.bss\nb: .space 100", "last: ret")
    assert {s.name: s.size for s in program.defined if s.section} == {"start": 2, "next": 1, "last": 1, "b": 100}


def test_addresses_have_names_and_lines():
    program = linked(START + "nop\nmov eax, 1\n.data\nvalue: .long 1, 2", "; helps\n.global helper\nhelper: nop\nret")
    assert program.symbol_table.name(0x1001) == "start+0x1"
    assert program.symbol_table.name(0x1011) == "helper+0x1"
    assert program.symbol_table.name(0x2004) == "value+0x4"
    assert program.lines.find(0x1000) == ("a.asm", 4)
    assert program.lines.find(0x1003) == ("a.asm", 5)
    assert program.lines.find(0x1006) is None                   # padding between the files
    assert program.lines.find(0x1011) == ("b.asm", 4)
    assert program.lines.find(0x1012) is None
    assert program.lines.find(0x2007) == ("a.asm", 7)
    assert program.lines.addresses("b.asm", 4) == [0x1011]


def test_relative_relocations_wrap_around_at_4_gib():
    program = linked(START + "call 0x10\njmp 0xfffffff0", base=0xFFFFE000)
    assert code(program) == ["call 0x10", "jmp 0xfffffff0"]


# What is refused

def test_an_undefined_symbol_is_reported_where_it_is_used():
    assert refusal(START + "call nowhere\nmov eax, [gone]") == [
        "a.asm:4: undefined symbol nowhere", "a.asm:5: undefined symbol gone"]


def test_a_symbol_that_is_not_exported_is_pointed_at():
    assert refusal(START + "call helper", "helper: ret") == [
        "a.asm:4: undefined symbol helper; b.asm has one that is not .global"]


def test_a_symbol_exported_twice_names_both_places():
    assert refusal(START + "ret", "nop\n" + START + "ret") == ["b.asm:4: start is already defined at a.asm:3"]


def test_a_missing_entry_is_reported():
    assert refusal("start: ret") == ["link: no entry point: no file has a global symbol 'start'"]


def test_an_entry_that_is_no_code_is_refused():
    assert refusal(".global start\n.equ start, 5") == ["a.asm:2: the entry point start is not in a code section"]
    assert refusal(".data\n.global start\nstart: .long 5") == [
        "a.asm:3: the entry point start is not in a code section"]


def test_the_names_of_the_linker_are_taken():
    assert refusal(START + "ret\n.data\n.global __bss_end\n__bss_end:") == [
        "a.asm:7: __bss_end is defined by the linker"]


def test_a_value_that_does_not_fit_is_reported():
    assert refusal(START + "mov al, start") == ["a.asm:4: the value 0x1000 does not fit in 1 bytes"]
    assert refusal(START + ".word start", base=0x10000) == ["a.asm:4: the value 0x10000 does not fit in 2 bytes"]
    assert refusal(START + ".long start - 0x7fffffff - 0x7fffffff") == [
        "a.asm:4: the value -0xffffeffe does not fit in 4 bytes"]
    assert refusal(START + ".long start << 20, 1 / (start - 0x1000)") == [
        "a.asm:4: the value 0x100000000 does not fit in 4 bytes", "a.asm:4: division by zero"]


def test_an_assertion_about_addresses_is_checked():
    linked(START + 'ret\n.assert start == 0x1000, "moved"')
    assert refusal(START + 'ret\n.assert start == 0x1000, "moved"', base=0x2000) == ["a.asm:5: moved"]
    assert refusal(START + 'ret\n.assert nowhere, "moved"') == ["a.asm:5: undefined symbol nowhere"]


@pytest.mark.parametrize(("options", "message"), [
    ({"base": 0x1001}, "link: base 0x1001 must be a multiple of the page size 0x1000"),
    ({"base": 1 << 32}, "link: base 0x100000000 must be a multiple of the page size 0x1000"),
    ({"base": 0x1000, "physical_offset": 0x800},
     "link: physical_offset 0x800 must be a multiple of the page size 0x1000"),
    ({"base": 0x1000, "physical_offset": 0x2000}, "link: base 0x1000 lies below physical_offset 0x2000"),
])
def test_bad_addresses_are_refused(options, message):
    assert refusal(START + "ret", **options) == [message]


def test_a_program_that_does_not_fit_under_4_gib_is_refused():
    assert refusal(START + "ret\n.bss\n.space 0x3000", base=0xFFFFE000) == [
        "link: .bss ends at 0x100002000, beyond 4 GiB"]


# An oracle: a call graph over many files

@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=5), min_size=1, max_size=6), st.integers(0, 500))
def test_every_call_reaches_the_routine_it_names(calls, gap):
    count = len(calls)
    sources = [f"; routine\n.global f{i}\nf{i}:\n.space {gap * i}\n" + "".join(f"call f{n % count}\n" for n in names)
               + f"ret\n.data\nd{i}: .long f{(i + 1) % count}, d{i}" for i, names in enumerate(calls)]
    program = linked(*sources, entry="f0", base=0x400000)
    text, data = segment(program), segment(program, ".data")
    for i, names in enumerate(calls):
        at = program.symbols[f"f{i}"] + gap * i
        for n in names:
            instruction = next(Cs(CS_ARCH_X86, CS_MODE_32).disasm(text.data[at - text.virtual:], at))
            assert int(instruction.op_str, 16) == program.symbols[f"f{n % count}"]
            at += instruction.size
        at = program.symbols[f"d{i}"]
        words = data.data[at - data.virtual:][:8]
        assert words == (program.symbols[f"f{(i + 1) % count}"].to_bytes(4, "little") + at.to_bytes(4, "little"))
