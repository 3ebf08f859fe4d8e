"""Whatever the source says: an object or an AssemblyError, and Keystone sees only what is safe."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader.assembler import AssemblyError, assemble, check, encoder
from loader.assembler.encoder import SAFE

_WORDS = """
    mov add push pop lea jmp call ret int lock rep repne movsd lgdt lar far near short ptr byte word dword fword qword
    tbyte xmmword offset eax ax al esp cr0 dr7 ds fs st st(0) mm0 xmm0 rax label .Llocal . .. .text .data .bss .section
    .long .byte .space .align .equ .global .macro .endm .rept .endr .irp .if .else .endif .ifdef .include .incbin .ascii
    .asciz .fill .assert .error .set .quad \\@ \\() \\a + - * / % << >> & | ^ ~ ! == != < > <= >= && || ( ) [ ] , : = ;
    # // " ' "text" 'c' '\\n' 0 1 4 8 255 0x10 0b1 010 0xffffffff 99999999999999999999 1b $ $$ @ ? { } %eax %1
"""
WORDS = st.sampled_from(_WORDS.split())
GARBAGE = st.text(st.characters(codec="utf-8"), max_size=30)
LINES = st.one_of(GARBAGE, st.lists(WORDS, max_size=10).map(" ".join), st.lists(WORDS, max_size=8).map("".join))
OPERANDS = st.sampled_from([
    "eax", "bx", "cl", "ds", "cr0", "dr0", "mm0", "xmm0", "st(1)", "5", "0x12345678", "label", "[eax]",
    "byte ptr [eax]", "word ptr [label]", "dword ptr fs:[ebx + ecx*4 + 8]", "qword ptr [eax]", "tbyte ptr [eax]",
    "xmmword ptr [eax]", "fword ptr [eax]", "far [eax]", "8:label"])

hostile = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def survives(source):
    """Assemble; an AssemblyError with a place is the only way to fail."""
    try:
        assemble(source, name="hostile.asm")
    except AssemblyError as error:
        assert error.file and str(error)


@hostile
@given(st.lists(LINES, max_size=12).map("\n".join))
def test_no_text_brings_the_assembler_down(source):
    survives(source)


@hostile
@given(st.sampled_from(sorted(check.mnemonics())), st.lists(OPERANDS, max_size=3))
def test_no_mnemonic_with_any_operands_brings_the_assembler_down(mnemonic, operands):
    survives(f"{mnemonic} {', '.join(operands)}\nlabel:\n")


@hostile
@given(st.binary(max_size=200))
def test_no_bytes_in_a_file_bring_the_assembler_down(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("hostile") / "x.asm"
    path.write_bytes(content)
    try:
        assemble(path)
    except AssemblyError as error:
        assert error.file == str(path)


@given(st.one_of(GARBAGE, st.lists(WORDS, max_size=6).map(" ".join)))
def test_what_is_not_one_plain_instruction_is_kept_from_keystone(text):
    if not SAFE.fullmatch(text):
        with pytest.raises(Exception, match="is not an instruction"):
            encoder.encode(text)


@pytest.mark.parametrize("text", [
    ".text", ".section .data", "nop; nop", "nop\nnop", "1: nop", "rep", "repne 0x5", "data16", "lock", "mov eax, 100",
    "mov eax, label", "jmp $", "nop # x", "", " nop", "mov eax,ebx", "mov eax, [eax]]", "mov eax, 0x123456789"])
def test_dangerous_text_never_reaches_keystone(text):
    assert not SAFE.fullmatch(text)


def test_every_instruction_that_reaches_keystone_is_in_the_safe_grammar(monkeypatch):
    seen = []
    original = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda text: seen.append(text) or original(text))
    assemble("mov dword ptr fs:[ebx + ecx*4 + label], other - 1\nlgdt [label]\nrep movsd\nfadd st(0), st(1)\nlabel:\n")
    assert seen and all(SAFE.fullmatch(text) for text in seen)


@pytest.mark.parametrize("source", [
    "x = 1\n" + "x = x * 0x10000\n" * 10,
    "x = label\n" + "x = x & x\n" * 200,
    "x = label\n" + "x = x + label * 3\n" * 200,
    ".irp n, " + ", ".join(map(str, range(700))) + "\n.equ name\\n, later\\n + 1\n.endr\n",
    "".join(f".equ a{i}, a{i + 1}\n" for i in range(3000)) + ".long a0\n",
    ".space 0x7fffffff\n",
    ".bss\n.space 0x7fffffff\n.space 0x7fffffff\n",
    ".data\n.space 0x3ffffff\n" * 3,
    ".align 0x400000\nnop\n" * 40,
    ".rept 249999\n.endr\n",
    ".if 1\n" * 5000,
    ".macro A\n" * 300,
    "(" * 4000,
    ".long " + "-" * 4000 + "1",
    ".long " + "(" * 2000 + "1" + ")" * 2000,
    ".long " + "1+" * 2000 + "1",
    ".long " + "1||1&&1|1^1&1==1<1<<1+1*(" * 160,
    "\"" * 4000 + "\n" + "\\\"" * 2000,
    "a:" * 2000,
    "mov eax, [" + "eax+" * 900 + "eax]",
    "nop\0\0", "\x7fELF", "\ud800", "é: nop", "٣: nop", "mov eax, ٣",
])
def test_sources_that_try_to_exhaust_something_end_quickly(source):
    survives(source)
