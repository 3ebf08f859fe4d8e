"""Opcodes that exist on the chip and that Unicorn refuses, and opcodes that Capstone does not know."""

from __future__ import annotations

import pytest

from emu.cpu.x86 import CF, OF, PF, SF, ZF
from emu.machine import Machine

CODE, DATA = 0x1000, 0x8000
HLT = b"\xf4"


def run(code: str, cpu: str = "unit", **registers: int) -> Machine:
    """A machine that has run these bytes (hexadecimal) up to the HLT behind them, all flags set before."""
    machine = Machine(cpu=cpu)
    machine.ram.write(CODE, bytes.fromhex(code) + HLT)
    machine.cpu.registers.eip = CODE
    machine.cpu.registers.eflags = CF | OF | PF | SF | ZF
    for name, value in registers.items():
        setattr(machine.cpu.registers, name, value)
    result = machine.run(max_cycles=1000)
    assert result.reason == "halted", result
    return machine


@pytest.mark.parametrize(("code", "eax", "flags"), [
    ("f6c8 80", 0x00000080, SF),                        # test al, 80h
    ("f6c8 0f", 0x000000F0, ZF | PF),                   # test al, 0fh
    ("f6cc 03", 0x00000300, PF),                        # test ah, 3
    ("f7c8 00000080", 0x80000001, SF | PF),             # test eax, 80000000h
    ("66f7c8 0180", 0xFFFF8001, SF),                    # test ax, 8001h
    ("f60d 00800000 01", 0, 0),                         # test byte [8000h], 1
    ("f70d 00800000 00000080", 0, ZF | PF),             # test dword [8000h], 80000000h
])
def test_the_second_encoding_of_test_sets_the_flags(code: str, eax: int, flags: int) -> None:
    machine = Machine()
    machine.ram.write(CODE, bytes.fromhex(code) + HLT)
    machine.ram.write(DATA, b"\x01\x00\x00\x00")
    machine.cpu.registers.eip, machine.cpu.registers.eax = CODE, eax
    machine.cpu.registers.eflags = CF | OF | PF | SF | ZF
    result = machine.run(max_cycles=100)
    assert (result.reason, result.instructions, result.cycles) == ("halted", 2, 2)
    assert machine.cpu.registers.eflags & (CF | OF | PF | SF | ZF) == flags
    assert machine.cpu.registers.eax == eax


def test_a_hint_nop_does_nothing_on_family_6() -> None:
    machine = run("40 0f18c0 40", cpu="p3-500", eax=7)
    assert machine.cpu.registers.eax == 9


def test_a_hint_nop_is_an_invalid_opcode_on_the_pentium() -> None:
    machine = Machine(cpu="p5-166")
    machine.ram.write(CODE, bytes.fromhex("0f18c0"))
    machine.cpu.registers.eip = CODE
    assert machine.run(max_cycles=100).reason == "triple fault"      # #UD without an IDT


@pytest.mark.parametrize("nop", ["0f1dc0", "0f1ac0", "0f1f00", "0f19c0"])
def test_an_opcode_unknown_to_the_decoder_counts_as_one_instruction(nop: str) -> None:
    machine = run(f"40 {nop} 40 40", eax=0)
    assert machine.cpu.registers.eax == 3
    assert machine.cpu.state.instructions == 5 and machine.cpu.state.cycles == 5
