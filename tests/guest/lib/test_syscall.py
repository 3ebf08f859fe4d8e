"""The library's way into the kernel is the one that the program is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.machine import Machine
from guest import abi
from guest.abi.kernel import KernelFeature
from loader.assembler import assemble
from loader.linker import link

SOURCE = Path(abi.__file__).parents[1] / "lib" / "syscall.asm"
SYSENTER, EXCEPTION = KernelFeature.FEATURE_SYSENTER, KernelFeature.FEATURE_EXCEPTION
STACK = 0x8000


@pytest.mark.parametrize(("features", "way"), [
    (0, "syscall_by_int"), (SYSENTER, "syscall_by_sysenter"), (EXCEPTION, "syscall_by_exception"),
    (SYSENTER | EXCEPTION, "syscall_by_exception"), (~(SYSENTER | EXCEPTION) & 0xFFFF_FFFF, "syscall_by_int")])
def test_the_way_into_the_kernel_is_chosen_by_features(features: int, way: str) -> None:
    program = link([assemble(SOURCE, constants=abi.constants())], base=0x100000, entry="syscall_init")
    machine = Machine()
    for segment in program.segments:
        machine.ram.write(segment.physical, segment.data)
    registers = machine.cpu.registers
    registers.eip, registers.eax, registers.esp = program.entry, features, STACK
    machine.ram.write(STACK, bytes(4))                  # where it returns to
    machine.run(until=0, max_instructions=100)
    assert registers.eip == 0 and registers.eax == features
    chosen = int.from_bytes(bytes(machine.ram.read(program.symbols["syscall"], 4)), "little")
    assert chosen == program.symbols[way]
