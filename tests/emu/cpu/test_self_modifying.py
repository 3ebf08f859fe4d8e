"""Code that changes: every store, push, walk or DMA into what was executed is seen by the next fetch of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cutting import difference, state
from machine_code import DATA, KERNEL_DATA, PAGE_TABLE, USER_PAGE, BareMachine

from emu.result import Reason

INC, DEC, RET = 0x40, 0x48, 0xC3         # inc eax; dec eax; ret
FUNCTION = 0x32000                       # a page of its own, for code that tests replace


def with_function(source: str, at: int = FUNCTION, **options: object) -> BareMachine:
    """A snippet beside a function `inc eax; ret`."""
    bare = BareMachine(source, **options)                    # type: ignore[arg-type]
    bare.machine.ram.write(at, bytes([INC, RET]))
    return bare


def agree(make: Callable[[], BareMachine]) -> BareMachine:
    """Run at one go, by single steps and by three; all must end alike."""
    whole = make()
    whole.run()
    for size in (1, 3):
        stepped = make().machine
        while stepped.step(size).reason == "instruction limit":
            pass
        assert not difference(state(whole.machine), state(stepped))
    return whole


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("paging", [False, True])
def test_a_store_into_code_of_another_page_is_seen(ring: int, paging: bool) -> None:
    bare = with_function(f"mov edi, {FUNCTION}; call edi; mov byte ptr [edi], {DEC}; "
                         "call edi; call edi; done: jmp done",
                         ring=ring, paging=paging)
    bare.run(until="done")
    assert bare.registers.eax == 0xFFFFFFFF


def test_a_store_into_the_next_block_of_the_page_is_seen() -> None:
    bare = agree(lambda: BareMachine(f"mov byte ptr [there], {DEC}; jmp there; there: inc eax; hlt"))
    assert bare.registers.eax == 0xFFFFFFFF


def test_a_store_into_the_running_block_is_seen() -> None:
    bare = agree(lambda: BareMachine(f"mov byte ptr [there], {DEC}; there: inc eax; hlt"))
    assert bare.registers.eax == 0xFFFFFFFF


def test_a_loop_may_change_its_own_operand_each_time_round() -> None:
    bare = agree(lambda: BareMachine(
        "mov ecx, 20; again: mov byte ptr [there + 1], cl; there: mov al, 0; add ebx, eax; dec ecx; jnz again; hlt"))
    assert (bare.registers.ebx, bare.machine.cpu.state.instructions) == (210, 124)


@pytest.mark.parametrize("target", [0x11000, 0x11001, 0x10FFE, 0x10F50])
@pytest.mark.parametrize("tail", ["0f0b", "f4", "40f4", "eb00f4"])
def test_a_store_into_a_block_across_two_pages_is_charged_once(target: int, tail: str) -> None:
    def make() -> BareMachine:
        bare = BareMachine(f"""
            mov ebp, 6
            again: call ready; mov byte ptr [0x11800], 1; dec ebp; jnz again
            mov eax, {target}; xor ecx, ecx; jmp 0x10f00
            ready: mov edi, 0x11a00; jmp edi
            done: hlt""", handlers={6: "done"})
        bare.machine.ram.write(0x11A00, bytes([RET]))
        bare.machine.ram.write(0x10F00, b"\x90" * 0xFE + b"\x00\x08" + bytes.fromhex(tail))      # add [eax], cl
        return bare

    agree(make)


def test_a_store_that_hits_no_code_does_not_hide_the_next_one_that_does() -> None:
    bare = agree(lambda: with_function(f"""
        mov edi, {FUNCTION}; mov ecx, 6
        again: call edi; mov byte ptr [edi + 0x800], 1; loop again
        mov eax, 5; mov byte ptr [edi], {DEC}; call edi; mov byte ptr [edi], {INC}; call edi; call edi; hlt"""))
    assert bare.registers.eax == 6


def test_code_that_is_overwritten_and_run_many_times_is_always_the_last() -> None:
    bare = agree(lambda: with_function(f"""
        mov edi, {FUNCTION}; mov ecx, 30
        again: mov byte ptr [edi], {INC}; call edi; call edi; mov byte ptr [edi], {DEC}; call edi; dec ecx; jnz again
        hlt"""))
    assert bare.registers.eax == 30


def test_code_that_is_copied_away_run_and_copied_again_is_the_copy() -> None:
    bare = BareMachine(f"""
        mov ebx, 10
        again: mov esi, one; mov edi, {FUNCTION}; mov ecx, 4; rep movsb; mov edx, {FUNCTION}; call edx
        mov esi, two; mov edi, {FUNCTION}; mov ecx, 4; rep movsb; call edx; dec ebx; jnz again; hlt
        one: add eax, 3; ret
        two: sub eax, 1; ret""")
    bare.run()
    assert bare.registers.eax == 20


def test_code_and_data_may_share_a_page() -> None:
    bare = agree(lambda: BareMachine(
        "mov ecx, 50; again: inc dword ptr [count]; call f; loop again; hlt; f: add eax, [count]; ret; count: .long 0"))
    assert (bare.registers.eax, bare.read(bare.address("count"))) == (50 * 51 // 2, 50)


def test_the_frame_of_a_trap_may_overwrite_code() -> None:
    bare = with_function(f"""
        mov edi, {FUNCTION + 0x80}; mov byte ptr [edi], {INC}; mov byte ptr [edi + 1], {RET}; call edi
        mov esp, {FUNCTION + 0x8C}; int 0x40; back: mov esp, 0xc000; mov ebx, [{FUNCTION + 0x80}]
        mov ebp, eax; jmp stop; h: iretd; stop: hlt""", handlers={0x40: "h"})
    bare.run()
    assert bare.registers.ebx == bare.address("back")        # EIP lies where the function was
    bare = with_function(f"""
        mov ecx, 3
        again: mov edi, {FUNCTION + 0x80}; mov dword ptr [edi], 0xc340c340; call edi
        mov esp, {FUNCTION + 0x88}; push 0xc348c348; push 0xc348c348; mov esp, 0xc000; call edi; loop again; hlt""")
    bare.run()
    assert bare.registers.eax == 0


def test_dma_into_executed_code_is_seen() -> None:
    bare = with_function(f"mov edi, {FUNCTION}; call edi; wait: nop; call edi; hlt")
    bare.run(until="wait")
    bare.machine.ram.write(FUNCTION, bytes([DEC]))
    bare.run()
    assert bare.registers.eax == 0


def test_dma_into_code_of_a_page_that_is_also_written_is_seen() -> None:
    bare = with_function(f"""
        mov edi, {FUNCTION}; mov ecx, 10; again: call edi; mov [edi + 0x800], ecx; loop again
        wait: nop; call edi; hlt""")
    bare.run(until="wait")
    bare.machine.ram.write(FUNCTION, bytes([DEC]))
    bare.run()
    assert bare.registers.eax == 9


def test_dma_by_a_device_in_the_middle_of_a_run_is_seen() -> None:
    bare = with_function(f"mov edi, {FUNCTION}; call edi; mov ecx, 100; again: loop again; call edi; hlt")
    clock = bare.machine.clock
    clock.event("dma", lambda: bare.machine.ram.write(FUNCTION, bytes([DEC]))).schedule(clock.now + 50)
    bare.run()
    assert bare.registers.eax == 0


def test_the_accessed_bit_of_a_page_table_is_written_over_code() -> None:
    entry = PAGE_TABLE + 0x200 * 4                           # of 200000h; as code: 05 40 20 00 00 c3
    bare = BareMachine(f"""
        mov edi, {entry}; mov dword ptr [edi], 0x00204005; mov dword ptr [edi + 4], 0xc300
        call edi; mov ebx, eax
        mov esi, [0x200000]                                  # 05 (add eax, 2040h) becomes 25 (and eax, 2040h)
        mov eax, 0xffff; call edi; hlt""", paging=True)
    bare.run()
    assert (bare.registers.ebx, bare.registers.eax) == (0x2040, 0x2040)


def test_one_address_is_different_code_in_two_address_spaces() -> None:
    bare = BareMachine(f"""
        mov edi, {FUNCTION}; mov ecx, 10; mov esi, 0x41000
        again: call edi; mov [{PAGE_TABLE + (FUNCTION >> 12) * 4}], ebx; mov edx, cr3; mov cr3, edx; call edi
        mov [{PAGE_TABLE + (FUNCTION >> 12) * 4}], ebp; mov cr3, edx; loop again; hlt""", paging=True,
                       ebx=0x34000 | USER_PAGE, ebp=FUNCTION | USER_PAGE)
    bare.machine.ram.write(FUNCTION, bytes.fromhex("83c003c3"))      # add eax, 3; ret
    bare.machine.ram.write(0x34000, bytes.fromhex("83e801c3"))       # sub eax, 1; ret
    bare.run()
    assert bare.registers.eax == 20


def test_one_frame_at_two_addresses_is_one_code() -> None:
    bare = BareMachine(f"""
        mov edi, {FUNCTION}; mov esi, 0x35000; call edi; call esi
        mov byte ptr [esi], {DEC}; call edi; call esi; hlt""", paging=True)
    bare.machine.ram.write(FUNCTION, bytes([INC, RET]))
    bare.write(PAGE_TABLE + 0x35 * 4, FUNCTION | USER_PAGE)
    bare.run()
    assert bare.registers.eax == 0


def test_rep_stos_may_overwrite_what_follows_it() -> None:
    bare = agree(lambda: BareMachine(
        f"mov ecx, 8; mov edi, target; mov al, 0x90; rep stosb; target: .fill 12, 1, {INC}; hlt"))
    assert bare.registers.eax == 0x94


@pytest.mark.parametrize("distance", [0, 4, 8, 10, 12, 16])
def test_a_call_may_push_onto_the_code_around_it(distance: int) -> None:
    bare = agree(lambda: BareMachine(f"""
        mov ecx, 6; again: mov [count], ecx; loop again
        mov esp, top; sub esp, {distance}; call f
        .fill 4, 1, {INC}
        top: nop; f: hlt; count: .long 0"""))
    assert bare.registers.eip == bare.address("f") + 1


def test_a_page_of_the_kernels_data_can_become_code() -> None:
    bare = BareMachine(f"mov dword ptr [{KERNEL_DATA}], 0xc3404040; mov edi, {KERNEL_DATA}; call edi; hlt", paging=True)
    bare.run()
    assert bare.registers.eax == 3
    assert bare.read(DATA) == 0


def test_a_run_that_begins_with_a_store_into_code_goes_on_from_its_breakpoint() -> None:
    bare = BareMachine("mov ecx, 3; again: mov byte ptr [changed + 1], cl; changed: mov al, 0; loop again; hlt")
    for count in (3, 2, 1):
        bare.run(until="again")
        assert bare.registers.ecx == count
    assert bare.run().reason == Reason.HALTED
