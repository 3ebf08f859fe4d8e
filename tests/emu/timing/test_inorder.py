"""The Pentium's pipeline: which instructions pair, what an address waits for, what takes longer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snippets import code, cycles, each, pricer

P5 = "p5-166"


def cost(text: str) -> int:
    return cycles(P5, text)[-1]


@pytest.mark.parametrize("text", [
    "mov eax, ebx; add ecx, edx", "mov eax, [ebx]; mov ecx, [edx + 4]",
    "mov [ebx], eax; inc ecx", "shl eax, 3; add ecx, edx", "adc eax, ebx; mov ecx, edx", "push eax; push ebx",
    "pop eax; pop ebx", "lea eax, [ebx + 4]; sub ecx, edx", "start: dec ecx; jnz start",
    "start: cmp eax, ebx; jmp start",
    "start: push eax; call start", "test eax, 5; inc ebx", "test ecx, edx; inc ebx", "mov eax, ecx; inc ecx",
    "nop; nop", "mov eax, 5; inc ecx"])
def test_two_that_pair_take_a_cycle(text: str) -> None:
    assert cost(text) == 1


@pytest.mark.parametrize("text", [
    "mov eax, ebx; mov ecx, eax",                               # the second reads what the first writes
    "mov eax, ebx; mov eax, ecx",                               # both write the same
    "mov al, bl; mov ah, bh",                                   # to the pipes, parts are the register
    "add ecx, edx; shl eax, 3", "mov ecx, edx; adc eax, ebx",   # only U shifts and carries
    "neg eax; inc ecx", "inc ecx; not eax",                     # NEG and NOT go alone
    "test ecx, 5; inc ebx",                                     # TEST with a constant pairs for EAX only
    "push eax; pop ebx", "pop eax; push ebx",
    "pop eax; mov ebx, esp", "push eax; mov ebx, [ecx + esp]",
    "mov dword ptr [ebx + 4], 5; inc ecx", "inc ecx; mov dword ptr [ebx + 4], 5",       # displacement and immediate
    "mov eax, 0x12345678; mov ecx, 0x12345678"])                # ten bytes
def test_two_that_do_not_pair_take_two(text: str) -> None:
    assert cost(text) == 2


def test_displacement_or_immediate_alone_pairs() -> None:
    assert (cost("mov dword ptr [ebx], 5; inc ecx"), cost("mov [ebx + 4], eax; inc ecx")) == (1, 1)


@pytest.mark.parametrize(("text", "expected"), [
    ("add eax, [ebx]; inc ecx", 2), ("inc ecx; add eax, [ebx]", 2), ("add eax, [ebx]; add ecx, [edx]", 2),
    ("add [ebx], eax; inc ecx", 3), ("add [ebx], eax; add [edx], ecx", 5), ("add eax, [ebx]; add [edx], ecx", 3),
    ("add [ebx], eax; add ecx, [edx]", 4), ("start: add eax, [ebx]; jnz start", 2)])
def test_a_pair_with_memory_operands_takes_what_the_matrix_says(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_a_pair_that_meets_in_one_bank_takes_a_cycle_more() -> None:
    assert cost("mov eax, [ebx]; mov ecx, [ebx + 32]") == 2
    assert cost("mov eax, [ebx]; mov ecx, [ebx + 36]") == 1
    assert cost("mov eax, [ebx]; mov ecx, [edx + 32]") == 1


@pytest.mark.parametrize(("text", "expected"), [
    ("mov ebx, ecx; nop; mov eax, [ebx]", 3),                   # written in the cycle before
    ("mov ebx, ecx; mov eax, [ebx]", 3),
    ("mov ebx, ecx; nop; nop; nop; mov eax, [ebx]", 3),         # a cycle between them
    ("mov bl, cl; nop; mov eax, [ebx]", 3),
    ("mov ebx, ecx; nop; lea eax, [edx + ebx*4]", 3),
    ("mov ebx, ecx; nop; mov eax, ebx", 2),                     # not an address
    ("add esp, 8; nop; pop eax", 3), ("mov esp, ebp; nop; ret", 4), ("sub esp, 8; nop; push eax", 3),
    ("pop ecx; nop; pop ebx", 2), ("push ecx; nop; mov eax, [esp]", 2), ("pop ecx; nop; ret", 3),
    ("pop ebx; nop; mov eax, [ebx]", 3)])
def test_an_address_waits_a_cycle_for_what_was_written_by_name_in_the_cycle_before(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_a_chain_of_loads_takes_two_cycles_each() -> None:
    assert each(P5, "mov eax, [eax]") == 2


def test_a_loop_waits_for_what_its_end_wrote() -> None:
    assert cost("start: mov eax, [ebx]; nop; add ebx, ecx; jmp start") == 3
    assert cost("start: mov eax, [ebx]; nop; add edx, ecx; jmp start") == 2


@pytest.mark.parametrize(("text", "expected"), [
    ("mov ax, bx; inc ecx", 2),             # a prefix, decoded first; it may lead a pair
    ("inc ecx; mov ax, bx", 3),             # but not follow in one
    ("mov eax, fs:[ebx]", 2), ("cwd", 3), ("cwde", 3)])
def test_a_prefix_costs_a_cycle(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_prefixes_are_decoded_behind_a_long_instruction() -> None:
    assert cost("mul ebx; mov cx, si") == cost("mul ebx; mov ecx, esi") == 11


@pytest.mark.parametrize(("text", "expected"), [
    ("div ecx", 41), ("div dword ptr [ebx]", 42), ("imul eax, ebx", 9), ("pushad", 5), ("bsf eax, ebx", 6),
    ("xchg eax, ebx", 3), ("leave", 3), ("ret", 2), ("ret 8", 3), ("movzx eax, bl", 3), ("setz al", 2), ("lodsb", 2),
    ("leave; ret", 5), ("call [ebx]", 2), ("movsb; movsb", 8), ("shl eax, cl", 4), ("rol eax, 5", 1),
    ("add eax, [ebx]", 2), ("add [ebx], eax", 3)])
def test_what_goes_alone_takes_its_own_time(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_a_rotation_by_more_than_one_goes_alone() -> None:
    assert (cost("rol eax, 1; inc ecx"), cost("rol eax, 5; inc ecx")) == (1, 2)


def test_an_addition_waits_for_the_one_before_it_in_floating_point() -> None:
    assert (each(P5, "fadd st(1), st(0)"), each(P5, "fadd st(1), st(0); fadd st(2), st(0)")) == (3, 3)
    assert each(P5, "fadd st(1), st(0); fadd st(2), st(0); fadd st(3), st(0)") == 3


def test_the_second_of_a_pair_ends_with_the_pair() -> None:
    assert cycles(P5, "inc eax; inc ebx; inc ecx; add [edx], esi; add [edi], ebp") == (1, 1, 2, 4, 7)


def test_no_micro_ops_are_counted() -> None:
    assert pricer(P5).price(code("push eax; mul ebx; cli")).uops == (0, 0, 0)


# An oracle: instructions on registers alone pair two by two where neither writes what the other has to do with

OPERATIONS = st.tuples(st.sampled_from(["mov", "add", "adc", "shl"]), st.sampled_from(["eax", "ebx", "ecx", "edx"]),
                       st.sampled_from(["esi", "edi", "eax", "ebx"]))


def pairs(operations: list[tuple[str, str, str]]) -> int:
    """Cycles of register instructions."""
    count, rest = 0, list(operations)
    while rest:
        count += 1
        _, written, _ = rest.pop(0)
        if rest:
            name, target, source = rest[0]
            needs = {target} if name == "shl" else {target, source}
            if name in ("mov", "add") and written not in needs:
                rest.pop(0)
    return count


@settings(max_examples=150, deadline=None)
@given(st.lists(OPERATIONS, min_size=1, max_size=12))
def test_register_instructions_pair_as_a_simple_model_pairs_them(operations: list[tuple[str, str, str]]) -> None:
    text = "; ".join(f"shl {target}, 3" if name == "shl" else f"{name} {target}, {source}"
                     for name, target, source in operations)
    assert cost(text) == pairs(operations)
