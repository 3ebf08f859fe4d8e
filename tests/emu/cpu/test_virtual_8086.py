"""Virtual-8086 mode: entered by IRET, left by interrupts and exceptions with a frame that holds every segment register.

Source: Intel manual volume 3 (1999), sections 16.2 and 16.3.
"""

from __future__ import annotations

import pytest
from machine_code import CAUGHT, CODE, RING0_STACK, BareMachine

from emu.cpu.x86 import IOPL_SHIFT, VM, Vector

IOPL = 3 << IOPL_SHIFT
SEGMENT = CODE >> 4         # in real-mode units: linear CODE is SEGMENT:0
ES, DS, FS, GS = 0x1111, 0x2222, 0x3333, 0x4444
STACK = 0xFF00              # SP; SS is SEGMENT as well


def virtual(code: str, flags: int = IOPL, after: str = "nop") -> BareMachine:
    """A machine that enters virtual-8086 mode at `code` (bytes); `after` is what ring 0 does upon INT 81h."""
    frame = "; ".join(f"push {value}" for value in (GS, FS, DS, ES, SEGMENT, STACK, VM | 2 | flags, SEGMENT))
    return BareMachine(f"{frame}; push v86 - {CODE:#x}; iretd\nv86: .byte {code}\nback: {after}", paging=True,
                       handlers={0x81: "back"})


def frame_of(bare: BareMachine) -> list[int]:
    """Behind the vector and the error code, if there is one: EIP CS EFLAGS ESP SS ES DS FS GS."""
    bare.run(until=CAUGHT)
    words = bare.stack((RING0_STACK - bare.registers.esp) // 4)
    return words[-9:]


def test_an_interrupt_pushes_every_segment_register_and_empties_the_data_segments() -> None:
    bare = virtual("0xb8, 0x34, 0x12, 0xcd, 0x80, 0x90")            # mov ax, 0x1234; int 0x80
    bare.registers.eax = 0xAAAA0000
    eip = bare.address("v86") - CODE + 5
    assert frame_of(bare) == [eip, SEGMENT, VM | IOPL | 2, STACK, SEGMENT, ES, DS, FS, GS]
    registers = bare.registers
    assert registers.eax == 0xAAAA1234
    assert (registers.ds, registers.es, registers.fs, registers.gs) == (0, 0, 0, 0)
    assert not registers.eflags & VM and registers.cpl == 0


@pytest.mark.parametrize("iopl", [0, 2])
@pytest.mark.parametrize("code", ["0xcd, 0x80", "0xfa", "0xfb", "0x9c", "0x9d", "0xcf"])
def test_what_changes_if_needs_iopl_3(code: str, iopl: int) -> None:
    """INT n, CLI, STI, PUSHF, POPF, IRET."""
    bare = virtual(code, iopl << IOPL_SHIFT)
    frame = frame_of(bare)
    assert bare.stack(2) == [Vector.GP, 0]
    assert frame[:2] == [bare.address("v86") - CODE, SEGMENT]


def test_int3_is_not_up_to_iopl() -> None:
    bare = virtual("0xcc", 0)
    frame_of(bare)
    assert bare.stack(1) == [Vector.BP]


@pytest.mark.parametrize("code", ["0xf4", "0x0f, 0x20, 0xc0", "0x0f, 0x09"])
def test_privileged_instructions_are_refused(code: str) -> None:
    bare = virtual(code)
    frame_of(bare)
    assert bare.stack(2) == [Vector.GP, 0]


@pytest.mark.parametrize("code", ["0x0f, 0x00, 0xc8", "0x0f, 0x02, 0xc1", "0x63, 0xc8"])
def test_protected_mode_instructions_do_not_exist(code: str) -> None:
    """STR, LAR and ARPL."""
    bare = virtual(code)
    frame_of(bare)
    assert bare.stack(1) == [Vector.UD]


@pytest.mark.parametrize("flags", [0, IOPL])
def test_ports_are_up_to_the_bitmap_whatever_iopl_is(flags: int) -> None:
    bare = virtual("0xe4, 0x77, 0xcd, 0x80", flags)
    frame_of(bare)
    assert bare.stack(2) == [Vector.GP, 0]
    allowed = virtual("0xe4, 0x77, 0xcc", flags)
    allowed.allow_port(0x77)
    frame_of(allowed)
    assert allowed.stack(1) == [Vector.BP]


def test_iret_goes_back() -> None:
    bare = virtual("0xcd, 0x81, 0x40, 0xcd, 0x80", after="mov ebx, [esp + 4]; iretd")   # int 0x81; inc ax; int 0x80
    frame = frame_of(bare)
    assert (bare.registers.ebx, bare.registers.eax & 0xFFFF) == (SEGMENT, 1)
    assert frame[5:] == [ES, DS, FS, GS]


def test_a_page_fault_reports_a_user_access() -> None:
    bare = virtual("0x8c, 0xd0, 0x8e, 0xd8, 0xa1, 0, 0, 0x31, 0xc0, 0x8e, 0xd8, 0xa1, 0, 0")      # ..., mov ax, [0:0]
    frame_of(bare)
    assert bare.stack(2) == [Vector.PF, 5]
    assert bare.registers.cr2 == 0


@pytest.mark.parametrize("code", ["0x9a, 0x00, 0x00, 0x00, 0x10", "0xcb", "0xcf", "0x50", "0x58"])
def test_the_stack_of_a_far_transfer_may_not_lie_in_a_kernel_page(code: str) -> None:
    """CALL far, RETF, IRET, PUSH and POP with SS:SP at 0:9008h; xor ax, ax; mov ss, ax; mov sp, 9008h comes first."""
    bare = virtual(f"0x31, 0xc0, 0x8e, 0xd0, 0xbc, 0x08, 0x90, {code}, 0xcc")
    before = bare.machine.ram.read(0x9000, 16)
    frame_of(bare)
    assert bare.stack(2) in ([Vector.PF, 5], [Vector.PF, 7])
    assert bare.machine.ram.read(0x9000, 16) == before
