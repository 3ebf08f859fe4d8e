"""Address spaces of the microkernel: how memory is divided, what a space has from the start, its UTCBs, and its end."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).with_name("spaces")))

from mapping_model import COMPLETE, EXECUTE, PAGE, READ, WRITE, fpage
from space_machine import BASE, PageFault, SpaceMachine, U, W, image

from emu.machine import Machine
from emu.result import Reason
from guest.abi.kernel import ExitCode
from guest.abi.micro import MicroMemory, MicroParameter, MicroSize
from loader.image import Image, Module

ALL = READ | WRITE | EXECUTE
WHOLE = fpage(0, COMPLETE)
ROOT_BASE, UTCB_BASE, KIP_BASE = int(MicroMemory.ROOT_BASE), int(MicroMemory.UTCB_BASE), int(MicroMemory.KIP_BASE)
DEVICES, DEVICES_END = int(MicroMemory.ROOT_DEVICES), int(MicroMemory.ROOT_DEVICES_END)


@pytest.fixture
def machine() -> SpaceMachine:
    """A booted harness."""
    return SpaceMachine()


def with_module(size: int) -> Image:
    """The harness, without its table of sections, and a module of so many bytes."""
    return replace(image(), modules=[Module("module", bytes(size))], sections=None)


def mapping(machine: SpaceMachine, space: int, address: int, rights: int = ALL) -> int:
    """Give a space a page of the root task's memory; the frame."""
    frame = machine.symbol("memory_start")
    assert machine.map(machine.root, space, fpage(frame, 12, rights), WHOLE, address)
    return frame


@pytest.mark.parametrize(("memory", "usable"), [(4 << 20, 4 << 20), (16 << 20, 16 << 20), (960 << 20, 960 << 20),
                                                (1 << 30, 960 << 20)])
def test_free_memory_is_divided_between_kernel_and_programs(memory: int, usable: int) -> None:
    machine = SpaceMachine(memory)
    table, left = machine.symbol("frame_table") - BASE, machine.symbol("boot_limit")
    start, limit = machine.symbol("memory_start"), machine.symbol("memory_limit")
    pool = machine.symbol("frames_next") - BASE
    assert table == left and limit == usable
    assert pool - table == usable // PAGE * 4
    assert machine.symbol("frames_end") - BASE == start
    share = (limit - pool) >> MicroParameter.POOL_SHIFT
    assert share <= start - pool < share + PAGE
    assert not machine.call("space_root_fault", limit - 1, 1).carry
    machine.check()


def test_the_kernels_share_is_a_parameter() -> None:
    assert SpaceMachine(4 << 20, image(pool_shift=1)).symbol("memory_start") > 2 << 20


def test_memory_that_is_not_zero_at_the_start_makes_no_difference() -> None:
    machine = Machine.boot(image())
    machine.ram.write(4 << 20, b"\xA5" * (12 << 20))
    begin = image().symbols.address("__bss_end") - BASE + (16 << 10)          # behind what the boot loader has left
    machine.ram.write(begin, b"\xA5" * ((4 << 20) - begin))
    machine.run(until="harness_rest")
    table = (machine.address("frame_table") - BASE) >> 2
    words = machine.ram.bytes.view(np.uint32)
    at = (int(words[table]) - BASE) >> 2
    assert not words[at:at + machine.ram.size // PAGE].any()


def test_a_boot_loader_that_leaves_no_memory_is_a_panic() -> None:
    room = (4 << 20) - SpaceMachine(4 << 20, with_module(PAGE)).symbol("boot_limit")
    machine = Machine.boot(with_module(room), memory=4 << 20)           # so that one page remains
    result = machine.run(max_cycles=10_000_000)
    assert machine.console.decode() == "kernel panic: no memory is left for the kernel behind its modules\n"
    assert (result.reason, result.exit_code) == (Reason.EXIT, ExitCode.EXIT_PANIC)


@pytest.mark.parametrize(("place", "offset", "read", "write"), [
    ("memory_start", 0, True, True), ("memory_start", -1, False, False), ("memory_limit", 0, False, False),
    ("boot_limit", -1, True, False), ("boot_limit", 0, False, False), ("frame_table", -BASE, False, False)])
def test_the_root_task_gets_its_memory_and_may_read_what_the_boot_loader_left(
        place: str, offset: int, read: bool, write: bool) -> None:
    machine = SpaceMachine(booted=with_module(5 * PAGE))
    address = machine.symbol(place) + offset
    for is_write, served in ((1, write), (0, read)):
        assert machine.call("space_root_fault", address, is_write).carry != served
    assert machine.pages(machine.root) == ({address & -PAGE: (address & -PAGE, write)} if read else {})


@pytest.mark.parametrize(("address", "frame"), [
    (DEVICES - 1, None), (DEVICES, 0xFC00_0000), (0xB2EB_8004, 0xFEEB_8000), (DEVICES_END - 1, 0xFFFF_F000),
    (DEVICES_END, None)])
def test_the_root_task_gets_devices_at_addresses_of_their_own(address: int, frame: int | None, machine: SpaceMachine
                                                              ) -> None:
    for is_write in (1, 0):
        assert machine.call("space_root_fault", address, is_write).carry == (frame is None)
    assert machine.pages(machine.root) == ({} if frame is None else {address & -PAGE: (frame, True)})
    machine.check()


def test_the_root_task_sees_nothing_of_the_kernel(machine: SpaceMachine) -> None:
    for symbol in ("__text_start", "__bss_start", "root_directory"):
        assert machine.call("space_root_fault", machine.machine.address(symbol) - BASE, 0).carry
    assert machine.call("space_root_fault", 0, 0).carry


def test_a_space_begins_with_the_kernel_and_the_kip_page(machine: SpaceMachine) -> None:
    space = machine.new_space()
    machine.store(machine.machine.address("kip"), 0x1234_5678)
    machine.go(space)
    assert machine.call("harness_read", KIP_BASE).eax == 0x1234_5678
    for address in (KIP_BASE, KIP_BASE + PAGE - 4):
        with pytest.raises(PageFault):
            machine.call("harness_write", address)
    for address in (KIP_BASE - PAGE, KIP_BASE + PAGE, UTCB_BASE, 0, ROOT_BASE):
        with pytest.raises(PageFault):
            machine.call("harness_read", address)
    kernel = machine.machine.address("kernel_directory")
    assert np.array_equal(machine.table(space)[BASE >> 22:], machine.table(kernel)[BASE >> 22:])


def test_utcbs_share_pages_and_are_seen_at_both_their_addresses(machine: SpaceMachine) -> None:
    space, other = machine.new_space(), machine.new_space()
    area = int(MicroSize.UTCB_AREA)
    places = {n: machine.call("space_utcb", space, UTCB_BASE + n * area).done for n in (0, 7, 8, 8191, 1)}
    assert places[1] == places[0] + area and places[7] == places[0] + 7 * area
    assert len({place & -PAGE for place in places.values()}) == 3
    assert machine.call("space_utcb", other, UTCB_BASE).done & -PAGE not in {place & -PAGE for place in places.values()}
    machine.go(space)
    for number, place in places.items():
        machine.call("harness_write", UTCB_BASE + number * area, number + 1)
        assert machine.word(place) == number + 1
    machine.check()


def test_a_page_for_a_segment_is_new_and_zero_and_gains_rights(machine: SpaceMachine) -> None:
    first = machine.call("space_map", machine.root, ROOT_BASE + 5, U).done
    assert not machine.table(first).any()
    assert machine.pages(machine.root) == {ROOT_BASE: (first - BASE, False)}
    assert machine.call("space_map", machine.root, ROOT_BASE, U | W).done == first
    assert machine.call("space_map", machine.root, ROOT_BASE, U).done == first
    assert machine.pages(machine.root) == {ROOT_BASE: (first - BASE, True)}
    assert machine.call("space_map", machine.root, ROOT_BASE + PAGE, U).done != first


def test_a_page_of_a_segment_can_be_mapped_on(machine: SpaceMachine) -> None:
    space = machine.new_space()
    frame = machine.call("space_map", machine.root, ROOT_BASE, U | W).done - BASE
    assert machine.map(machine.root, space, fpage(ROOT_BASE, 12, ALL), WHOLE)
    assert machine.pages(space) == {0: (frame, True)}
    machine.unmap(machine.root, fpage(ROOT_BASE, 12, ALL))
    assert not machine.pages(space)


@pytest.mark.parametrize("rights", [READ, ALL])
def test_a_byte_of_a_program_is_found_if_the_program_has_the_rights(rights: int, machine: SpaceMachine) -> None:
    space = machine.new_space()
    frame = mapping(machine, space, 0x0804_8000, rights)
    for offset in (0, 5, PAGE - 1):
        assert machine.call("space_find_page", space, 0x0804_8000 + offset, U).done == frame + BASE + offset
        found = machine.call("space_find_page", space, 0x0804_8000 + offset, U | W)
        assert found.carry if rights == READ else found.done == frame + BASE + offset


def test_no_byte_is_found_where_no_program_has_mapped_one(machine: SpaceMachine) -> None:
    space = machine.new_space()
    mapping(machine, space, 0x0804_8000)
    machine.call("space_utcb", space, UTCB_BASE)
    for address in (0x0804_7FFF, 0x0804_9000, 0, 0x0840_0000, UTCB_BASE - 1, UTCB_BASE, KIP_BASE, BASE,
                    BASE + (1 << 20), 0xFFFF_FFFF):
        assert machine.call("space_find_page", space, address, U).carry


@pytest.mark.parametrize("page", [DEVICES, DEVICES_END - PAGE])
def test_no_byte_of_a_device_is_found_in_the_window(page: int, machine: SpaceMachine) -> None:
    space = machine.new_space()
    assert machine.map(machine.root, space, fpage(page, 12, READ), WHOLE, 0x0804_8000)
    for needed, is_missing in ((U, False), (U | W, True)):
        found = machine.call("space_find_page", space, 0x0804_8005, needed)
        assert found.carry and (found.eax == 0) == is_missing
    assert machine.unmap(machine.root, fpage(page, 12)) == [fpage(page, 12)]         # nobody has touched it


@pytest.mark.parametrize(("needed", "news"), [(U, READ | EXECUTE), (U | W, ALL)])
def test_what_the_kernel_does_for_a_program_counts_as_the_programs_doing(needed: int, news: int,
                                                                         machine: SpaceMachine) -> None:
    space = machine.new_space()
    frame = mapping(machine, space, 0)
    machine.call("space_find_page", space, 0, needed)
    assert machine.unmap(machine.root, fpage(frame, 12)) == [fpage(frame, 12, news)]


def test_the_last_thread_takes_the_space_with_it(machine: SpaceMachine) -> None:
    before, space = machine.symbol("frames_used"), machine.new_space()
    machine.call("space_enter", space)
    mapping(machine, space, 0)
    mapping(machine, space, UTCB_BASE - PAGE)
    for number in (0, 8, 100):
        machine.call("space_utcb", space, UTCB_BASE + number * MicroSize.UTCB_AREA)
    machine.call("space_leave", space)
    assert len(machine.pages(space)) == 2
    machine.end_space(space)
    assert len(machine.check()) == 1                                # the root task's page
    machine.unmap(machine.root, WHOLE | ALL, flush=True)
    roots = 2 * len(list(machine.tables(machine.root))) + 2         # its UTCB and the table of that
    assert machine.symbol("frames_used") == before + roots + 1      # and a frame of nodes


def test_what_a_space_had_passed_on_goes_with_it(machine: SpaceMachine) -> None:
    space, heir = machine.new_space(), machine.new_space()
    mapping(machine, space, 0)
    assert machine.map(space, heir, fpage(0, 12, ALL), WHOLE, 0x0804_8000)
    assert machine.pages(heir)
    machine.end_space(space)
    assert not machine.pages(heir)
    machine.check()


def test_what_a_space_had_granted_stays(machine: SpaceMachine) -> None:
    space, heir = machine.new_space(), machine.new_space()
    frame = mapping(machine, space, 0)
    assert machine.map(space, heir, fpage(0, 12, ALL), WHOLE, 0x0804_8000, grant=True)
    machine.end_space(space)
    assert machine.pages(heir) == {0x0804_8000: (frame, True)}
    machine.check()


def test_the_kernel_leaves_a_space_that_ends(machine: SpaceMachine) -> None:
    space, other = machine.new_space(), machine.new_space()
    for current, wanted in ((other, other), (space, machine.machine.address("kernel_directory"))):
        machine.go(current)
        if current == space:
            machine.end_space(space)
        assert machine.machine.cpu.registers.cr3 == wanted - BASE


@pytest.mark.parametrize("room", range(5))
@pytest.mark.parametrize(("routine", "frames"), [("space_map", 4), ("space_utcb", 2), ("space_create", 1)])
def test_when_the_pool_is_used_up_a_routine_says_so_and_loses_nothing(routine: str, frames: int, room: int,
                                                                      machine: SpaceMachine) -> None:
    space = machine.new_space()                       # space_map needs a page table, its shadow, the page and nodes
    machine.store(machine.machine.address("frames_end"), machine.symbol("frames_next") + room * PAGE)
    address = UTCB_BASE if routine == "space_utcb" else ROOT_BASE
    answer = machine.call(routine, machine.root if routine == "space_map" else space, address, U)
    assert answer.carry == (room < frames)
    if routine == "space_create" and not answer.carry:
        machine.spaces.append(answer.eax)
    machine.check()
