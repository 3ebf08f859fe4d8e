"""Sections, labels, data, alignment, the lengths of branches, relocations and line tables."""

import pytest
from capstone import CS_ARCH_X86, CS_MODE_32, Cs
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.assembler import AssemblyError, assemble
from loader.object import SECTION_ORDER


def made(source, **options):
    return assemble(source + "\n", name="t.asm", **options)


def data(source, section=".text"):
    """The bytes of a section."""
    return made(source).sections[section].data.hex(" ")


def refusal(source):
    with pytest.raises(AssemblyError) as caught:
        made(source)
    return str(caught.value).splitlines()[0]


# Data

@pytest.mark.parametrize(("source", "expected"), [
    (".byte 1, 255, -128, 'a', 0b11", "01 ff 80 61 03"),
    (".word 0x1234, -1", "34 12 ff ff"),
    (".short 1", "01 00"),
    (".long 0x12345678, -1", "78 56 34 12 ff ff ff ff"),
    (".dword 1", "01 00 00 00"),
    (".quad 0x123456789abcdef0, -1", "f0 de bc 9a 78 56 34 12 ff ff ff ff ff ff ff ff"),
    ('.ascii "ab"', "61 62"),
    ('.asciz "ab", "c"', "61 62 00 63 00"),
    (r'.ascii "\n\t\r\0\e\\\"\'\x41\x7"', "0a 09 0d 00 1b 5c 22 27 41 07"),
    ('.ascii "é"', "c3 a9"),
    ('.ascii "a;b#c//d"', "61 3b 62 23 63 2f 2f 64"),
    (".space 3", "00 00 00"),
    (".space 2, 0x90", "90 90"),
    (".space 0", ""),
    (".skip 1 + 1, -1", "ff ff"),
    (".fill 3", "00 00 00"),
    (".fill 2, 2, 0x1234", "34 12 34 12"),
    (".fill 1, 8, -1", "ff ff ff ff ff ff ff ff"),
    ("a: .long b - a\n.byte 9\nb:", "05 00 00 00 09"),
    ("a: .quad b - a\nb:", "08 00 00 00 00 00 00 00"),
    ("a: .byte 1, (b - a) * 3, b - a\nb:", "01 09 03"),
    (".byte 9\n.long . - a\na:", "09 fc ff ff ff"),
    (".equ SIZE, . - start\nstart:\n.byte SIZE", "00"),
    ("text: .ascii \"hello\"\n.equ LENGTH, . - text\n.byte LENGTH", "68 65 6c 6c 6f 05"),
    ("start: .byte 1, 2\n.space 8 - (. - start), 0xcc\n.byte 3", "01 02 cc cc cc cc cc cc 03"),
    (".byte LATER\n.equ LATER, 5", "05"),
    ("x = 1\n.byte x\nx = x + 1\n.byte x\n.set x, 9\n.byte x", "01 02 09"),
    ("A = B\nB = C\nC = 3\n.byte A", "03"),
])
def test_data_directives_leave_their_bytes(source, expected):
    assert data(".data\n" + source, ".data") == expected


@pytest.mark.parametrize(("source", "message"), [
    (".byte 256", "the value 0x100 does not fit in a byte"),
    (".word -32769", "the value -0x8001 does not fit in a word"),
    (".long 0x100000000", "the value 0x100000000 does not fit in a doubleword"),
    (".byte", "values are missing"),
    (".byte 1,,2", "a value is missing"),
    ("a: .space 300\n.byte b - a\nb:", "the value 0x12d does not fit in a byte"),
    (".ascii hello", "a string in double quotes is needed"),
    ('.ascii "a" "b"', "a string in double quotes is needed"),
    ('.ascii "a', "a string in double quotes is needed"),
    (r'.ascii "\q"', r"unknown escape \q"),
    (".space -1", "a size of -1 bytes is impossible"),
    (".space label", "the size must be known when the file is assembled"),
    ("a: .space b - a\nb:", "the size depends on b, which comes later"),
    (".space 1, 256", "the fill byte 0x100 does not fit in a byte"),
    (".space 1 << 27", "the section grows beyond 64 MiB"),
    (".fill 1, 3", ".fill repeats values of 1, 2, 4 or 8 bytes, not 3"),
    (".fill 1, 1, 256", "the value 0x100 does not fit in 1 bytes"),
    (".fill 1 << 40", "the count is out of range"),
    (".align 3", ".align 3: a power of two up to 0x400000 is needed"),
    (".align 0", ".align 0: a power of two"),
    (".align 1 << 40", "a power of two up to 0x400000 is needed"),
    (".unknown 5", "unknown directive .unknown"),
    (".section .init", "no section '.init': there are .boot .boot.text .boot.rodata .boot.data .boot.bss .text "
                       ".rodata .data .bss"),
    (".bss\n.byte 1", ".bss holds no data: only .space, .align and labels"),
    (".data\nnop", "an instruction in .data, which holds no code"),
    (".equ A", "a name and a value are needed: .equ NAME, value"),
    (".equ eax, 1", "eax is a register or keyword and cannot name a symbol"),
    (".equ A, 1\n.equ A, 2", "A is already defined at t.asm:1"),
    (".equ A, 1\nA = 2", "A is already defined at t.asm:1"),
    ("A:\nA:", "A is already defined at t.asm:1"),
    ("A:\n.equ A, 1", "A is already defined at t.asm:1"),
    ("f:\n.La:\n.La:", ".La is already defined at t.asm:2"),
    ("eax:", "eax is a register or keyword and cannot name a symbol"),
    (".foo:", ".foo: a local label begins with .L, another with a letter or _"),
    ("mov eax, .foo", ".foo is no symbol: a local label begins with .L"),
    (".equ A, B\n.equ B, A", "B is defined by itself"),
    (".global nowhere", "nowhere is global and is not defined in this file"),
    (".global 5", "'5' cannot name a symbol"),
    (".global A\n.equ A, elsewhere + 1", "A cannot be global: it is neither a number nor a place in this file"),
    ("f:\njmp .Lx\ng:\n.Lx:", "no label .Lx below f"),
])
def test_what_is_wrong_with_data_and_symbols_is_said(source, message):
    assert message in refusal(source)


# Sections and labels

def test_the_pieces_of_a_section_are_joined():
    source = ".text\nnop\n.data\n.byte 1\n.text\nret\n.rodata\n.byte 2\n.data\n.byte 3\n.section .boot.text\nhlt"
    assert {n: s.data.hex() for n, s in made(source).sections.items()} == {
        ".text": "90c3", ".data": "0103", ".rodata": "02", ".boot.text": "f4"}


def test_every_section_can_be_named_directly():
    for section in SECTION_ORDER:
        assert section in made(f"{section}\n.space 4").sections
        assert made(f".section {section}\n.space 4").sections[section].size == 4


def test_bss_has_a_size_and_no_data():
    bss = made(".bss\n.space 10\n.align 16\nx: .space 4").sections[".bss"]
    assert (bss.data, bss.size, bss.align) == (b"", 20, 16)


def test_symbols_have_section_value_and_kind():
    found = made("; does it\n.global f\nf: nop\ng: ret\n.data\nx: .long 1\n.equ N, 5\n.global N").symbols
    assert {n: (s.section, s.value, s.is_global, s.kind, s.line) for n, s in found.items()} == {
        "f": (".text", 0, True, "func", 3), "g": (".text", 1, False, "func", 4), "x": (".data", 0, False, "object", 6),
        "N": (None, 5, True, "", 7)}


def test_local_labels_belong_to_the_label_above():
    source = "f: jmp .Lend\n.Lend: ret\ng: jmp .Lend\nnop\n.Lend: ret\n.data\n.long 1"
    assert data(source) == "eb 00 c3 eb 01 90 c3"
    assert set(made(source).symbols) == {"f", "g"}


def test_a_local_label_can_be_used_in_data_and_expressions():
    source = ("f: jmp [.Ltable + eax*4]\n.Lcase: ret\n.rodata\n.Ltable: .long .Lcase, .Lcase + 1\n"
              ".text\n.byte .Lcase - f")
    found = made(source)
    assert found.sections[".text"].data[-1] == 7
    assert [(r.section, r.symbol, r.addend) for r in found.relocations] == [
        (".text", ".rodata", 0), (".rodata", ".text", 7), (".rodata", ".text", 8)]


def test_a_label_may_stand_alone_or_before_a_statement_or_another_label():
    assert {n: s.value for n, s in made("a:\nb: c: nop\nd:nop").symbols.items()} == {"a": 0, "b": 0, "c": 0, "d": 1}


def test_a_value_can_be_a_place():
    found = made("f: nop\n.equ behind, f + 1\nmov eax, behind").symbols["behind"]
    assert (found.section, found.value) == (".text", 1)


def test_alignment_is_that_of_the_largest_align():
    assert made("nop\n.align 16\n.align 4").sections[".text"].align == 16


@pytest.mark.parametrize("length", range(17))
def test_code_is_padded_with_instructions_that_do_nothing(length):
    code = made(".byte 0x90\n" * (17 - length) + ".align 32\n" if length else ".align 32").sections[".text"].data
    decoded = list(Cs(CS_ARCH_X86, CS_MODE_32).disasm(bytes(code), 0))
    assert sum(i.size for i in decoded) == len(code)
    for i in decoded:
        assert i.mnemonic == "nop" or (i.mnemonic, i.op_str) == ("xchg", "ax, ax") or (
            i.mnemonic == "lea" and i.op_str.replace(" + 0", "") == "esi, [esi]"), i


def test_data_is_padded_with_zeros():
    assert data(".data\n.byte 1\n.align 4\n.byte 2", ".data") == "01 00 00 00 02"


# Contracts

@pytest.mark.parametrize("source", [
    "; what it does\n.global f\nf: ret",
    ".global f\n; what it does\n; and takes\nf: ret",
    "; what it does\nf:\n.global f\nret",
    "; what it does\n.align 16\n.global f\nf: ret",
    "; both\n.global f, g\nf:\ng: ret",
    ".data\n; what it does\n.text\n.global f\nf: ret",
    ".macro ENTRY name\n.global \\name\n\\name:\n.endm\n; what it does\nENTRY f\nret",
    ".global x\n.data\nx: .long 1",
    "f: ret",
])
def test_a_routine_with_a_contract_can_be_global(source):
    made(source)


@pytest.mark.parametrize("source", [
    ".global f\nf: ret",
    "; what it does\n\n.global f\nf: ret",
    "; what it does\nnop\n.global f\nf: ret",
    "f: ret ; what it does\n.global f",
    "; the first\n.global f, g\nf: ret\ng: ret",
])
def test_a_global_routine_without_a_contract_is_refused(source):
    assert "is a global routine without a contract" in refusal(source)


# Branches

def test_branches_are_short_where_they_reach():
    assert data("f: jmp f\njz f\nnop") == "eb fe 74 fc 90"
    assert data("jmp f\n.space 127\nf:")[:5] == "eb 7f"
    assert data("jmp f\n.space 128\nf:")[:14] == "e9 80 00 00 00"
    assert data("f: .space 126\njmp f")[-5:] == "eb 80"
    assert data("f: .space 127\njmp f")[-14:] == "e9 7c ff ff ff"
    assert data("jnz f\n.space 128\nf:")[:17] == "0f 85 80 00 00 00"


def test_a_branch_that_grows_pushes_another_over_the_edge():
    source = "jmp a\njmp b\n.space 123\na: nop\n.space 1\nb:"
    assert data(source)[:14] == "eb 7d eb 7d 00"
    source = "jmp a\njmp b\n.space 125\na: nop\n.space 3\nb:"
    assert data(source)[:29] == "e9 82 00 00 00 e9 81 00 00 00"


def test_calls_are_always_near():
    assert data("f: call f") == "e8 fb ff ff ff"


def test_the_source_can_insist_on_short_or_near():
    assert data("f: jmp near f") == "e9 fb ff ff ff"
    assert data("f: jmp short f") == "eb fe"
    assert "jmp reaches 127 bytes ahead and 128 back, the target is 130 away" in refusal(
        "jmp short f\n.space 130\nf:")


def test_loops_reach_no_further_than_a_byte():
    assert data("f: loop f\njecxz f\njcxz f\nloopne f\nloopz f") == "e2 fe e3 fc 67 e3 f9 e0 f7 e1 f5"
    assert "loop reaches 127 bytes ahead" in refusal("f: .space 200\nloop f")
    assert "jecxz reaches only labels of the same section and file" in refusal("jecxz elsewhere")


def test_a_branch_to_another_section_is_near_with_a_relocation():
    found = made("jmp f\n.section .boot.text\nf: ret")
    assert found.sections[".text"].data.hex() == "e900000000"
    assert [(r.kind, r.symbol, r.addend) for r in found.relocations] == [("R_386_PC32", ".boot.text", -4)]


def test_a_branch_can_go_to_an_absolute_address():
    found = made("jmp 0x7c00")
    assert [(r.kind, r.symbol, r.addend) for r in found.relocations] == [("R_386_PC32", "", 0x7c00 - 4)]


def test_a_branch_goes_to_a_label_only():
    assert "a branch goes to a label, plus or minus a number" in refusal("jmp 2 * elsewhere")


BRANCHES = st.tuples(st.sampled_from(["jmp", "jz", "jng"]), st.integers(0, 99))
SPACES = st.tuples(st.just(".space"), st.integers(0, 70))
ALIGNMENTS = st.tuples(st.just(".align"), st.sampled_from([2, 8, 32]))


def laid_out(statements):
    """(instruction, its target) for each branch of a program with a label in front of every statement."""
    lines = [f"at{i}: {word} " + (f"at{number % len(statements)}" if word[0] == "j" else str(number))
             for i, (word, number) in enumerate(statements)]
    found = made("\n".join(lines))
    code, engine = bytes(found.sections[".text"].data), Cs(CS_ARCH_X86, CS_MODE_32)
    for i, (word, number) in enumerate(statements):
        if word[0] == "j":
            start = found.symbols[f"at{i}"].value
            target = found.symbols[f"at{number % len(statements)}"].value
            yield next(engine.disasm(code[start:start + 6], start)), target


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(BRANCHES, SPACES, ALIGNMENTS), min_size=1, max_size=40))
def test_every_branch_reaches_its_label(statements):
    for branch, target in laid_out(statements):
        assert int(branch.op_str, 16) == target


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(BRANCHES, SPACES), min_size=1, max_size=40))
def test_no_branch_is_longer_than_needed(statements):
    for branch, target in laid_out(statements):
        end = branch.address + (branch.size if target > branch.address else 2)      # of the short form, as it were
        assert (branch.size == 2) == (-128 <= target - end <= 127)


# Relocations

def test_a_symbol_in_a_32_bit_field_is_an_absolute_relocation():
    found = made(".data\n.long 0, label + 4, other - 4\nlabel:")
    assert [(r.section, r.offset, r.kind, r.symbol, r.addend, r.line) for r in found.relocations] == [
        (".data", 4, "R_386_32", ".data", 16, 2), (".data", 8, "R_386_32", "other", -4, 2)]


def test_anything_else_is_left_to_the_linker_as_an_expression():
    found = made(".data\n.word label & 0xffff\n.long (end - start) / 4, other - .\n.byte label >> 24\n.quad label\n"
                 "label:")
    assert [(r.offset, r.kind, r.width) for r in found.relocations] == [
        (0, "EXPRESSION", 2), (2, "EXPRESSION", 4), (6, "EXPRESSION", 4), (10, "EXPRESSION", 1), (11, "EXPRESSION", 8)]


# Assertions

def test_an_assertion_that_holds_says_nothing():
    assert made("a: nop\nb:\n.assert b - a == 1\n.assert 1").assertions == []


def test_an_assertion_that_fails_says_its_text():
    assert refusal('a: .space 513\nb:\n.assert b - a <= 512, "the sector is full"') == "t.asm:3: the sector is full"
    assert refusal(".assert 1 == 2") == "t.asm:1: not so: 1 == 2"
    assert "an expression and a text are needed" in refusal(".assert")


def test_an_assertion_about_addresses_is_left_to_the_linker():
    found = made('.data\nx:\n.assert x < 0xc0000000, "too high"').assertions
    assert [(a.text, a.line) for a in found] == [("too high", 3)]


# Lines

def test_every_byte_knows_its_line():
    source = "nop\n\nmov eax, 1\nf: jmp f\n.data\n.byte 1\n.long 2, 3\n.text\nret\n.bss\n.space 5"
    assert made(source).lines == [
        (".data", 0, "t.asm", 6), (".data", 1, "t.asm", 7), (".text", 0, "t.asm", 1), (".text", 1, "t.asm", 3),
        (".text", 6, "t.asm", 4), (".text", 8, "t.asm", 9)]


def test_the_bytes_of_a_macro_belong_to_its_use():
    source = ".macro INNER\nnop\nnop\n.endm\n.macro OUTER\nINNER\nret\n.endm\nOUTER\nhlt"
    assert made(source).lines == [(".text", 0, "t.asm", 9), (".text", 3, "t.asm", 10)]


def test_the_bytes_of_a_repetition_belong_to_its_own_lines():
    assert made(".rept 2\nnop\nret\n.endr").lines == [
        (".text", 0, "t.asm", 2), (".text", 1, "t.asm", 3), (".text", 2, "t.asm", 2), (".text", 3, "t.asm", 3)]


# Errors

def test_all_errors_of_a_file_are_reported():
    with pytest.raises(AssemblyError) as caught:
        made("nop\nbad!\nmov [ebx], 1 ; store\n.byte 256")
    error = caught.value
    assert (error.file, error.line, error.text) == ("t.asm", 2, "bad!")
    assert [e.line for e in error.errors] == [2, 3, 4]
    assert str(error).splitlines() == [
        "t.asm:2: this is no instruction, directive, label or assignment", "    bad!",
        "t.asm:3: operand size unknown: say byte, word or dword ptr", "    mov [ebx], 1 ; store",
        "t.asm:4: the value 0x100 does not fit in a byte", "    .byte 256"]


def test_errors_found_at_the_end_are_reported_together():
    with pytest.raises(AssemblyError) as caught:
        made(".global f\nf: jmp short g\n.space 200\ng: .assert 0\n.global h")
    assert sorted(e.line for e in caught.value.errors) == [2, 2, 4, 5]


def test_no_more_than_twenty_errors_are_reported():
    with pytest.raises(AssemblyError) as caught:
        made("bad!\n" * 100)
    assert len(caught.value.errors) == 20


def test_a_line_that_is_too_long_is_refused():
    assert refusal("nop\n;" + "x" * 5000) == "t.asm:2: the line is longer than 4096 characters"


def test_carriage_returns_at_line_ends_do_no_harm():
    assert data("nop\r\nret\r") == "90 c3"
