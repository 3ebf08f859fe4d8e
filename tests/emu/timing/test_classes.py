"""Every instruction has one class or one transition, and a sensible one."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest
from snippets import code

from emu.decoding import UNKNOWN, Instruction, decode
from emu.timing.classes import class_of, string_of, transition_of
from emu.timing.vocabulary import CLASSES, FAMILIES, STRINGS, TRANSITIONS

PREFIXES = (b"", b"\x66", b"\xf3", b"\xf0")
MODRM = [value for value in range(256) if value >= 0xC0 or (value & 7 in (3, 4) and value < 0x80)]
TAIL = bytes.fromhex("4b 08000000 00000000 0000")       # behind opcode and ModRM: SIB, displacement, immediates

# What IA-32 through the Pentium 4 has that is no work of a kernel's, and what came later
RARE = ("aaa aad aam aas daa das salc xlatb bound arpl ud0 ud1 ud2 rsm syscall sysret ldmxcsr stmxcsr clflush "
        "xabort xbegin")


@cache
def instructions() -> tuple[Instruction, ...]:
    """What Capstone makes of every opcode of one and two bytes, with some prefixes and ModRM bytes."""
    found = {}
    for prefix in PREFIXES:
        for escape in (b"", b"\x0f"):
            for opcode in range(256):
                for modrm in MODRM:
                    for each in decode(prefix + escape + bytes((opcode, modrm)) + TAIL, 0x1000)[:1]:
                        found[each.mnemonic, each.operands] = each
    return tuple(found.values())


def only(text: str) -> Instruction:
    (instruction,) = code(text)
    return instruction


def test_every_opcode_has_a_class_or_a_transition_and_not_both() -> None:
    assert len(instructions()) > 10_000
    for each in instructions():
        assert (class_of(each) in CLASSES) != (transition_of(each) in {*TRANSITIONS, *FAMILIES}), each


def test_what_a_kernel_runs_has_a_class_of_its_own() -> None:
    """Of all one-byte opcodes, only what is rare is "other"."""
    others = {each.name for opcode in range(256) for modrm in range(256) if opcode != 0x0F
              for each in decode(bytes((opcode, modrm)) + TAIL, 0x1000)[:1] if class_of(each) == "other"}
    assert others <= set(RARE.split())


def test_of_the_two_byte_opcodes_of_the_pentium_4_only_the_rare_are_other() -> None:
    later = {each.name for each in instructions() if class_of(each) == "other"}
    old = ("bt bts btr btc bsf bsr shld shrd movzx movsx xadd cmpxchg cmpxchg8b bswap imul lar lsl verr verw lss lfs "
           "lgs push pop sete setne cmove cmovne je jne rdtsc rdmsr wrmsr cpuid invlpg wbinvd invd clts lgdt sysenter "
           "sysexit fxsave fxrstor sfence lfence mfence movntq movnti paddd pxor movd emms addps movaps nop pause")
    assert not later & set(old.split())


def test_every_class_and_every_transition_is_met_by_some_opcode() -> None:
    met: dict[str, set[str]] = defaultdict(set)
    for each in instructions():
        met[class_of(each) or transition_of(each) or ""].add(each.name)
    decided_at_run_time = {name for family in FAMILIES.values() for name in family} - {"ins", "outs"}
    assert set(CLASSES) - set(met) == {"lea_disp"}          # the same opcode and ModRM byte, another SIB
    assert set(FAMILIES) - set(met) == set()
    no_opcode = {"exception", "interrupt", "in_bitmap", "out_bitmap"}
    assert set(TRANSITIONS) - set(met) == decided_at_run_time | no_opcode


@pytest.mark.parametrize(("text", "expected"), [
    ("mov eax, ebx", "mov_rr"), ("mov eax, 5", "mov_ri"), ("mov eax, [ebx]", "mov_load"),
    ("mov [ebx], eax", "mov_store"), ("mov dword ptr [ebx], 5", "mov_store"), ("movzx eax, bl", "movx_rr"),
    ("movsx eax, word ptr [ebx]", "movx_load"), ("add eax, [ebx]", "alu_rm"), ("add [ebx], eax", "alu_mr"),
    ("xor eax, ebx", "logic_rr"), ("xor eax, [ebx]", "alu_rm"), ("sub esp, 8", "alu_rr"), ("cmp eax, 5", "cmp_rr"),
    ("test eax, eax", "test_rr"), ("test dword ptr [ebx], 5", "cmp_rm"), ("inc eax", "inc_dec"),
    ("dec dword ptr [ebx]", "alu_mr"), ("neg eax", "neg_not"), ("adc eax, ebx", "adc_rr"), ("sbb [ebx], eax", "adc_mr"),
    ("mul ebx", "mul32"), ("imul ebx", "mul32"), ("imul eax, ebx", "imul32"), ("imul eax, ebx, 5", "imul32"),
    ("div bl", "div8"), ("div bx", "div16"), ("idiv dword ptr [ebx]", "idiv32"), ("lea eax, [ebx]", "lea"),
    ("lea eax, [ebx + 4]", "lea"), ("lea eax, [ebx + ecx]", "lea"), ("lea eax, [ebx + ecx + 4]", "lea_disp"),
    ("lea eax, [ebx + ecx*4]", "lea_scaled"), ("lea eax, [ebx + ecx*4 + 4]", "lea_scaled_disp"),
    ("shl eax, 1", "shift_imm"), ("sar eax, 5", "shift_imm"), ("shr eax, cl", "shift_cl"),
    ("shl dword ptr [ebx], 1", "shift_mr"), ("rol eax, 5", "rotate_imm"), ("rcl eax, 1", "rotate_carry"),
    ("rcr eax, 5", "rotate_carry_cl"), ("shld eax, ebx, cl", "double_shift"), ("bt eax, 5", "bt_rr"),
    ("bt [ebx], eax", "bt_mr"), ("bts dword ptr [ebx], 5", "alu_mr"), ("btr eax, ebx", "bts_rr"),
    ("xchg eax, ebx", "xchg_rr"), ("xchg [ebx], eax", "xchg_mem"), ("lock xadd [ebx], eax", "lock_rmw"),
    ("lock cmpxchg [ebx], eax", "lock_rmw"), ("push eax", "push"), ("push 5", "push_imm"),
    ("push dword ptr [ebx]", "push_mem"), ("push es", "push_sreg"), ("pop eax", "pop"),
    ("pop dword ptr [ebx]", "pop_mem"), ("ret", "ret_near"), ("ret 8", "ret_imm"), ("call eax", "call_indirect"),
    ("jmp [ebx + eax*4]", "jmp_indirect"), ("start: call start", "call_near"), ("start: jmp start", "jmp_near"),
    ("start: jnz start", "jcc"), ("start: loop start", "loop"), ("start: jecxz start", "jecxz"), ("setz al", "setcc"),
    ("cmovz eax, ebx", "cmov"), ("movsd", "movs"), ("rep movsd", "movs"), ("pushad", "pushad"), ("stc", "clc"),
    ("cwd", "cdq"), ("nop", "nop"), ("pause", "pause")])
def test_an_instruction_has_its_class(text: str, expected: str) -> None:
    assert (class_of(only(text)), transition_of(only(text))) == (expected, None)


@pytest.mark.parametrize(("text", "expected"), [
    ("mov ds, ax", "mov_sreg"), ("pop fs", "mov_sreg"), ("mov ss, ax", "mov_ss"), ("mov ax, ds", "mov_from_sreg"),
    ("mov eax, cr0", "mov_from_cr"), ("mov cr3, eax", "mov_cr3"), ("mov cr4, eax", "mov_cr4"),
    ("mov dr7, eax", "mov_dr"), ("lgdt [ebx]", "lgdt"), ("sidt [ebx]", "sgdt"), ("ltr ax", "ltr"),
    ("invlpg [ebx]", "invlpg"), ("cli", "cli"), ("popfd", "popf"), ("hlt", "hlt"), ("rdtsc", "rdtsc"),
    ("in al, dx", "in"), ("out 0x20, al", "out"), ("outsb", "outs"), ("sysenter", "sysenter"), ("int 0x80", "int"),
    ("int3", "int"), ("iretd", "iret"), ("retf", "far ret"), ("rep insd", "rep ins")])
def test_an_instruction_has_its_transition(text: str, expected: str) -> None:
    assert (class_of(only(text)), transition_of(only(text))) == (None, expected)


@pytest.mark.parametrize(("text", "expected"), [
    ("rep movsd", ("rep_movs", 4)), ("rep stosb", ("rep_stos", 1)), ("repne scasw", ("repne_scas", 2)),
    ("repe cmpsb", ("repe_cmps", 1)), ("movsd", None), ("rep outsb", None), ("pause", None)])
def test_a_string_with_rep_has_its_name_and_the_size_of_an_element(text: str, expected: tuple[str, int] | None) -> None:
    assert string_of(only(text)) == expected
    assert expected is None or expected[0] in STRINGS


def test_what_a_family_may_be_is_a_transition() -> None:
    assert all(name in TRANSITIONS for names in FAMILIES.values() for name in names)


def test_what_capstone_does_not_know_is_other() -> None:
    assert class_of(Instruction(0, 2, UNKNOWN, "")) == "other"
