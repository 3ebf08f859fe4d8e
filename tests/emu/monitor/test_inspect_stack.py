"""Stack traces beside a shadow of the stacks, kept by stepping: every call and trap puts a word on it, every return
takes it off again.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from emu.decoding import Instruction, decode_detail
from emu.machine import Machine
from emu.monitor.inspect import stack, tables
from emu.monitor.inspect.tables import thread_key
from guest.abi.cpu import Selector
from guest.abi.kernel import TCB
from guest.abi.memory import Area
from loader.build import build
from loader.image import Image

LIBRARY = Path(__file__).parents[3] / "guest" / "lib"
PROGRAM = """
; A program that calls deeply, waits, yields, prints and takes its time, so that ticks come everywhere.
.text
; main: all of it.
.global main
main:
    push ebx
    mov ebx, 2
.Lround:
    mov eax, 5
    call deeper
    mov eax, 4
    call framed
    call sys_yield
    mov eax, 1
    call sys_sleep
    mov eax, text
    call print_string
    mov ecx, 300
.Lwork:
    dec ecx
    jnz .Lwork
    dec ebx
    jnz .Lround
    mov eax, {code}
    pop ebx
    ret
; deeper: calls itself EAX times, with something on the stack each time that is no return address.
deeper:
    dec eax
    js .Lbottom
    push eax
    push main
    call deeper
    add esp, 4
    pop eax
.Lbottom:
    ret
; framed: as compilers write it, with a stack pointer that cannot be followed.
framed:
    push ebp
    mov ebp, esp
    push esi
    and esp, 0xFFFFFFF0
    sub esp, 32
    mov esi, eax
    test esi, esi
    jz .Ldone
    lea eax, [esi - 1]
    call framed
    call [indirect]
.Ldone:
    lea esp, [ebp - 4]
    pop esi
    pop ebp
    ret
; leaf: called through a pointer.
leaf:
    push ecx
    mov ecx, 40
.Lturn:
    dec ecx
    jnz .Lturn
    pop ecx
    ret
.data
.align 4
indirect:
    .long leaf
text:
    .asciz "a line\\n"
"""
FAULTS = """
; A program that ends by a fault, some calls deep.
.text
; main: the fault.
.global main
main:
    call wrong
    ret
wrong:
    xor ecx, ecx
    mov eax, [ecx]
    ret
"""
CODE = (Selector.SEL_KCODE, Selector.SEL_UCODE)
SKIPPED = ("console_", "frame_alloc", "segment_load", "elf_", "space_free", "space_create", "symbol_find", "pic_init")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Two busy programs and one that faults, with a tick every few hundred instructions."""
    directory = tmp_path_factory.mktemp("image")
    lines = ["[image]", "description = 'a test'", "[kernel]", "variant = 'basic'", "parameters = { TICK_HZ = 100000 }"]
    sources = {"one": PROGRAM.replace("{code}", "0"), "two": PROGRAM.replace("{code}", "3"), "wrong": FAULTS}
    for name, source in sources.items():
        (directory / f"{name}.asm").write_text(source)
        files = [f"{name}.asm", *(str(LIBRARY / f"{each}.asm") for each in ("start", "syscall", "print"))]
        lines += ["[[program]]", f"name = '{name}'", f"sources = {files}"]
    (directory / "test.toml").write_text("\n".join(lines))
    return build(directory / "test.toml")


class Shadow:
    """Steps a machine and knows what its stacks hold."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.calls: dict[tuple[int, int], int] = {}         # (directory, or 0 in the kernel; place) -> return address
        self.traps: dict[int, int] = {}                     # place of EIP -> EIP
        self.entering = False                               # by SYSENTER, and the user's frame is not yet built
        self._gates: set[int] = set()                       # where handlers begin
        self._decoded: dict[tuple[int, int], Instruction] = {}

    @property
    def key(self) -> int:
        """The end of the kernel stack: of the area that ESP points into, but SYSENTER comes in on the TSS."""
        machine = self.machine
        esp, tss = machine.cpu.registers.esp, machine.address("tss")
        if machine.cpu.cpl or tss - 256 <= esp <= tss + 104:
            return thread_key(machine)
        return (esp - 1 & ~(Area.TCB_AREA - 1)) + Area.TCB_AREA

    @property
    def directory(self) -> int:
        """The page directory of the thread whose stack is in use."""
        return self._word(self.key - Area.TCB_AREA + TCB.offsets["space"])

    def here(self) -> Instruction:
        """The instruction at EIP."""
        cpu = self.machine.cpu
        key = cpu.registers.cr3 if cpu.cpl else 0, cpu.linear_eip
        if key not in self._decoded:
            self._decoded[key] = decode_detail(cpu.read_linear(key[1], 15), key[1])[0]
        return self._decoded[key]

    def step(self) -> None:
        """One instruction, or one long and uninteresting routine."""
        machine, cpu = self.machine, self.machine.cpu
        instruction, registers = self.here(), cpu.registers
        esp, eip, cpl, traps, key = registers.esp, cpu.linear_eip, cpu.cpl, cpu.traps.sum(), self.key
        space = registers.cr3 if cpl else 0
        if instruction.name == "call" and not cpl and self._is_dull(instruction):
            machine.run(until=eip + instruction.size)
            return
        machine.step(1)
        trapped = cpu.traps.sum() != traps
        if trapped and not self._gates:
            self._gates = {slot.entry.offset for slot in tables.idt(machine) if isinstance(slot.entry, tables.Gate)}
        behind = cpu.linear_eip in self._gates
        if not trapped or behind:                           # else it was not this one that ran, but the handler's first
            self._note(instruction, space, esp, eip, key)
        if trapped:
            place = next(at for at in range(registers.esp, registers.esp + 12, 4) if self._word(at + 4) in CODE)
            self.traps[place] = self._word(place)           # at most an error code and a vector lie below it

    def _word(self, at: int) -> int:
        return int.from_bytes(self.machine.cpu.read_linear(at, 4), "little")

    def _note(self, instruction: Instruction, space: int, esp: int, eip: int, key: int) -> None:
        """What an instruction has done, given where it stood and the stack in front of it."""
        if instruction.name == "call":
            self.calls[space, esp - 4] = eip + instruction.size
        elif instruction.name == "ret":
            self.calls.pop((space, esp), None)
        elif instruction.name == "iretd":
            self.traps.pop(esp, None)
        elif instruction.name == "sysenter":
            self.traps[key - 20] = self.machine.cpu.registers.edx
            self.entering = True
        elif instruction.name == "sysexit":
            self.traps.pop(key - 20, None)
        if instruction.name == "mov" and instruction.operands == "esp, dword ptr [esp]":
            self.entering = False

    def trace(self) -> list[int]:
        """Return addresses and interrupted places, innermost first."""
        registers, key = self.machine.cpu.registers, self.key
        esp, cpl = registers.esp, self.machine.cpu.cpl
        found: list[int] = []
        if not cpl:
            building = key - 20 in self.traps and (self.entering or esp > key - 20)
            kernel = {place: word for (space, place), word in self.calls.items() if not space} | self.traps
            inside = [key - 20] if building else sorted(place for place in kernel if esp <= place < key)
            found = [kernel[place] for place in inside]
            if key - 20 not in inside or key - 20 not in self.traps:
                return found
            esp = registers.ecx if building else self._word(key - 8)
        mine = {place: word for (space, place), word in self.calls.items() if space == self.directory}
        return found + [mine[place] for place in sorted(mine) if place >= esp]

    def _is_dull(self, instruction: Instruction) -> bool:
        if not instruction.operands.startswith("0x"):
            return False
        return self.machine.where(int(instruction.operands, 16)).startswith(SKIPPED)


def traced(machine: Machine, tracer: stack.Tracer) -> tuple[list[int], bool]:
    """What the trace says, without the two frames that a new thread is made with; and whether all of it is sure."""
    frames = tracer.where()
    if frames[-1].how == "start":
        del frames[-2:]
    return [each.address for each in frames[1:]], all(each.sure for each in frames)


@pytest.mark.parametrize("cpu", ["unit", pytest.param("p3-500", marks=pytest.mark.long)])
def test_a_trace_is_what_was_called_and_interrupted(image: Image, cpu: str) -> None:
    machine = Machine.boot(image, cpu=cpu)
    machine.run(until="start")
    shadow, seen = Shadow(machine), Counter[str]()
    tracer = stack.Tracer(machine)
    depths: Counter[int] = Counter()
    while not machine._end and sum(seen.values()) < 40_000:
        shadow.step()
        where = machine.where()
        seen[where] += 1
        if seen[where] > 3:
            continue
        found, is_sure = traced(machine, tracer)
        expected = shadow.trace()
        if machine.cpu.registers.cr3 != shadow.directory:   # the program is being taken apart, its stack may be gone
            found, expected = found[:1], expected[:1]
        assert found == expected, f"{where}: {[hex(each) for each in found]}"
        assert is_sure, where
        depths[len(found)] += 1
    assert machine._end, "the guest has not come to its end"
    assert max(depths) >= 8
