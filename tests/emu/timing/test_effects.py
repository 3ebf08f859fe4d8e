"""What instructions read and write: as Capstone has it, and what it has not."""

from __future__ import annotations

import pytest
from snippets import code

from emu.decoding import Instruction, decode_detail
from emu.timing.classes import class_of
from emu.timing.effects import FLAGS, effects_of
from emu.timing.operands import GENERAL

TAIL = bytes.fromhex("4b 08000000 00000000 0000")       # behind opcode and ModRM: SIB, displacement, immediates
PARENT = {name: parent for name, (parent, _) in GENERAL.items()}

# Where we differ: Capstone has CDQ write EAX, TEST with memory read no register, PUSH of a segment register leave ESP
# alone, BSWAP of 16 bits do nothing, NOP read registers; we take CMPXCHG8B to find what it expects, and ENTER
# to keep ESP in EBP
DIFFERENT = {"cdq", "cwd", "test", "push", "bswap", "nop", "cmpxchg8b", "enter"}


def only(text: str) -> Instruction:
    (instruction,) = code(text)
    return instruction


def general(instruction: Instruction, registers: list[int]) -> set[str]:
    """The general registers among Capstone's, as 32-bit ones."""
    return {PARENT[name] for name in map(instruction.detail.reg_name, registers) if name in PARENT}


@pytest.mark.parametrize("prefix", [b"", b"\x66"])
@pytest.mark.parametrize("escape", [b"", b"\x0f"])
def test_general_registers_are_those_that_capstone_has(prefix: bytes, escape: bytes) -> None:
    compared = 0
    for opcode in range(256):
        for modrm in (*range(0x03, 0x40, 8), *range(0x04, 0x40, 8), *range(0xC3, 0x100, 8), *range(0xC1, 0x100, 8)):
            for each in decode_detail(prefix + escape + bytes((opcode, modrm)) + TAIL, 0x1000)[:1]:
                name = class_of(each) or "other"
                if name in ("other", "mmx", "sse") or name.startswith("f") or each.name in DIFFERENT:
                    continue
                ours = effects_of(each)
                read, written = (general(each, registers) for registers in each.detail.regs_access())
                stack = {"esp"} if ours.pushed or ours.popped else set()
                assert {*ours.writes, *stack} - {FLAGS} == written, each
                assert read <= {*ours.reads, *ours.address, *stack}, each.detail
                compared += 1
    assert compared > 1000


@pytest.mark.parametrize(("text", "reads", "writes"), [
    ("add eax, ebx", {"eax", "ebx"}, {"eax", FLAGS}), ("mov eax, ebx", {"ebx"}, {"eax"}),
    ("mov al, bl", {"eax", "ebx"}, {"eax"}),
    ("cmp eax, ebx", {"eax", "ebx"}, {FLAGS}), ("adc eax, ebx", {"eax", "ebx", FLAGS}, {"eax", FLAGS}),
    ("not eax", {"eax"}, {"eax"}), ("inc eax", {"eax"}, {"eax", FLAGS}), ("setz al", {"eax", FLAGS}, {"eax"}),
    ("cmovz eax, ebx", {"eax", "ebx", FLAGS}, {"eax"}), ("imul eax, ebx, 3", {"ebx"}, {"eax", FLAGS}),
    ("mul ebx", {"eax", "ebx"}, {"eax", "edx", FLAGS}), ("div bl", {"eax", "ebx"}, {"eax"}), ("cdq", {"eax"}, {"edx"}),
    ("xchg eax, ebx", {"eax", "ebx"}, {"eax", "ebx"}), ("movsd", set(), {"esi", "edi"}),
    ("fld dword ptr [ebx]", set(), {"st(0)"}), ("fadd st(1), st(0)", {"st(0)", "st(1)"}, {"st(1)"}),
    ("fsqrt", {"st(0)"}, {"st(0)"}), ("nop", set(), set())])
def test_an_instruction_reads_and_writes_registers_and_flags(text: str, reads: set[str], writes: set[str]) -> None:
    found = effects_of(only(text))
    assert (set(found.reads), set(found.writes)) == (reads, writes)


@pytest.mark.parametrize(("text", "loads", "stores"), [
    ("mov eax, [ebx]", "ebx", ""), ("mov [ebx], eax", "", "ebx"), ("add [ebx], eax", "ebx", "ebx"),
    ("cmp [ebx], eax", "ebx", ""), ("lea eax, [ebx]", "", ""), ("movsd", "esi", "edi"), ("stosd", "", "edi"),
    ("push dword ptr [ebx]", "ebx", ""), ("pop dword ptr [ebx]", "", "ebx"), ("leave", "ebp", ""),
    ("fst dword ptr [ebx]", "", "ebx"), ("setz byte ptr [ebx]", "", "ebx"), ("div dword ptr [ebx]", "ebx", ""),
    ("xchg [ebx], eax", "ebx", "ebx"), ("nop", "", "")])
def test_an_instruction_loads_and_stores_at_its_memory_operand(text: str, loads: str, stores: str) -> None:
    found = effects_of(only(text))
    assert (found.load.base if found.load else "", found.store.base if found.store else "") == (loads, stores)


@pytest.mark.parametrize(("text", "pushed", "popped"), [
    ("push eax", 4, 0), ("push ax", 2, 0), ("pop eax", 0, 4), ("pushad", 32, 0), ("popad", 0, 32), ("call eax", 4, 0),
    ("ret", 0, 4), ("pushfd", 4, 0), ("leave", 0, 4), ("mov esp, eax", 0, 0)])
def test_pushes_and_pops_are_counted_in_bytes(text: str, pushed: int, popped: int) -> None:
    found = effects_of(only(text))
    assert (found.pushed, found.popped) == (pushed, popped)
