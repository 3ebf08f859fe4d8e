"""The kernel on machines of different sizes and makes, its images, and its ways to end."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import emu.timing
from emu.machine import Machine
from emu.result import Reason
from guest.abi.boot import MBI, MbiFlag
from guest.abi.cpu import Control, Page, Paging, Vector
from guest.abi.hardware import Port
from guest.abi.kernel import ExitCode
from guest.abi.memory import Memory
from guest.abi.reference import reference
from loader.build import build
from loader.image import Image, ImageError

ImageMaker = Callable[..., Image]      # the fixture `image`
Boot = Callable[..., Any]              # the fixture `run`

PROFILES = Path(emu.timing.__file__).with_name("profiles")


def processor(directory: Path, *, without: str) -> Path:
    """A profile like `unit` that lacks a CPUID feature."""
    text = (PROFILES / "unit.toml").read_text()
    assert without in tomllib.loads(text)["features"]
    path = directory / "processor.toml"
    path.write_text(re.sub(rf'"{without}",? ?', "", text))
    return path


def banner(machine: Machine) -> str:
    """The first line on the console."""
    return machine.console.decode().splitlines()[0]


def entry_of(machine: Machine, program: str) -> int:
    """Where a program starts."""
    assert machine.image is not None
    return machine.image.programs[program].address("_start")


def test_hello_prints_its_line_and_ends_with_0(run: Boot) -> None:
    done = run(build("hello"))
    assert done.lines == ["hello, world"]
    assert done.result.exit_code == 0


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.toml")))
def test_preempt_interleaves_two_programs_and_survives_a_third_on_every_processor(profile: str, run: Boot) -> None:
    done = run(build("preempt"), cpu=profile)
    ping = [f"ping: {n} of 5" for n in range(1, 6)]
    pong = [f"pong: {n} of 5" for n in range(1, 6)]
    assert [line for line in done.lines if line in ping] == ping
    assert [line for line in done.lines if line in pong] == pong
    assert done.lines.index(pong[0]) < done.lines.index(ping[-1])
    assert done.lines.index(ping[0]) < done.lines.index(pong[-1])
    assert "crash: page fault (#PF), error code 0x4, address 0x0, at count_members+0x2" in done.lines
    assert len(done.lines) == 11
    assert done.result.exit_code == 0


def test_two_runs_are_the_same_to_the_cycle(run: Boot) -> None:
    first, second = run(build("preempt")), run(build("preempt"))
    assert first.result == second.result
    assert first.machine.console == second.machine.console
    assert bytes(first.machine.ram.read(0, 16 << 20)) == bytes(second.machine.ram.read(0, 16 << 20))


def test_a_processor_without_sysenter_is_served_by_int(tmp_path: Path, image: ImageMaker, run: Boot) -> None:
    done = run(image(["sysenter_write"]), cpu=processor(tmp_path, without="SEP"))
    assert done.lines == ["no SYSENTER here"]
    assert banner(done.machine).endswith("system calls by INT 80h")


def test_a_processor_without_4_mib_pages_gets_page_tables(tmp_path: Path, image: ImageMaker, run: Boot) -> None:
    done = run(image(["write_kernel", "witness"]), cpu=processor(tmp_path, without="PSE"), memory=128 << 20)
    assert done.lines == ["write_kernel: page fault (#PF), error code 0x7, address 0xc0100000, at _start+0x0",
                          "witness: still here"]
    assert done.word("frames_end") == Memory.KERNEL_BASE + (64 << 20)


@pytest.mark.parametrize(("memory", "usable"), [(4 << 20, 4 << 20), (16 << 20, 16 << 20), (1 << 30, 960 << 20)])
def test_memory_up_to_the_end_of_the_window_is_used(memory: int, usable: int, run: Boot) -> None:
    done = run(build("hello"), memory=memory)
    assert done.word("frames_end") == Memory.KERNEL_BASE + usable
    free = int(banner(done.machine).split()[1])
    assert usable - (2 << 20) < free << 10 < usable - (1 << 20)


def test_the_tick_is_a_parameter_of_the_image(image: ImageMaker, run: Boot) -> None:
    done = run(image(["naps"], kernel="parameters = { TICK_HZ = 50 }"))
    assert "50 ticks a second" in banner(done.machine)
    assert done.result.cycles > 5 * done.machine.clock.frequency // 50


@pytest.mark.parametrize("rate", [18, 100_001])
def test_a_tick_that_the_8254_cannot_make_is_refused_at_build_time(rate: int, image: ImageMaker) -> None:
    with pytest.raises(ImageError, match="TICK_HZ must be 19 to 100000"):
        image(["naps"], kernel=f"parameters = {{ TICK_HZ = {rate} }}")


def test_an_image_without_programs_says_so(image: ImageMaker, run: Boot) -> None:
    done = run(image([]))
    assert done.lines == ["no program could be started"]
    assert done.result.exit_code == ExitCode.EXIT_NOT_STARTED


def test_the_exit_code_is_that_of_the_first_program_whoever_ends_last(image: ImageMaker, run: Boot) -> None:
    done = run(image(["witness", "exit_code"]))
    assert done.lines == ["exit_code: exit code 3", "witness: still here"]
    assert done.result.exit_code == 0


def test_a_fault_in_the_kernel_is_a_panic() -> None:
    machine = Machine.boot("hello")
    assert machine.run(until="start_banner").reason == Reason.UNTIL
    machine.cpu.registers.eip = 0xFE00_0000
    result = machine.run(max_cycles=10_000_000)
    assert machine.console.decode() == ("kernel panic: page fault (#PF), error code 0x0, address 0xfe000000, "
                                        "at 0xfe000000\n")
    assert (result.reason, result.exit_code) == (Reason.EXIT, ExitCode.EXIT_PANIC)


def test_a_loader_that_passes_no_memory_map_is_a_panic() -> None:
    machine = Machine.boot("hello")
    at = machine.cpu.registers.ebx + MBI.offsets["flags"]
    flags = int.from_bytes(bytes(machine.ram.read(at, 4)), "little")
    machine.ram.write(at, (flags & ~MbiFlag.MBI_HAS_MMAP).to_bytes(4, "little"))
    result = machine.run(max_cycles=10_000_000)
    assert machine.console.decode() == "kernel panic: the boot loader passed no memory map\n"
    assert result.exit_code == ExitCode.EXIT_PANIC


def test_a_loader_that_is_no_multiboot_loader_ends_the_machine() -> None:
    machine = Machine.boot("hello")
    machine.cpu.registers.eax = 0
    assert machine.run(max_cycles=1000).exit_code == ExitCode.EXIT_PANIC


@pytest.mark.parametrize("line", [7, 15])
def test_a_spurious_interrupt_changes_nothing(line: int, image: ImageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.boot(image(["hog"]))
    machine.run(max_cycles=2_000_000)
    chip = machine.pic.slave if line > 7 else machine.pic.master
    acknowledge = chip.acknowledge

    def too_late() -> int:
        machine.pic.irq[line].set(0)                        # the request goes away as the processor answers it
        return acknowledge()

    monkeypatch.setattr(chip, "acknowledge", too_late)
    machine.run(until=entry_of(machine, "hog"))
    for port in (Port.PIC1_DATA, Port.PIC2_DATA):
        machine.bus.ports.write(port, 0, 1)                 # nothing masked
    machine.pic.irq[line].set(1)
    before = machine.run(max_cycles=1000)
    assert before.traps[Vector.VECTOR_IRQ0 + line] == 1
    after = machine.run(max_cycles=2_000_000)
    assert after.reason == Reason.CYCLES
    assert after.traps[Vector.VECTOR_IRQ0] > before.traps[Vector.VECTOR_IRQ0] + 10


def test_the_example_of_the_reference_page_works(tmp_path: Path, run: Boot) -> None:
    page = reference()
    for kind, name in (("asm", "mine.asm"), ("toml", "mine.toml")):
        (tmp_path / name).write_text(page.split(f"```{kind}\n")[1].split("```")[0])
    assert run(build(tmp_path / "mine.toml")).lines == ["hello from mine"]


def test_the_kernel_is_read_only_where_it_can_be_and_no_programs_at_all() -> None:
    machine = Machine.boot("hello")
    machine.run(until=entry_of(machine, "hello"))

    def entry(table: int, index: int) -> int:
        return int.from_bytes(bytes(machine.ram.read((table & Paging.PTE_FRAME) + 4 * index, 4)), "little")

    directory = machine.cpu.registers.cr3
    for index in range(Memory.KERNEL_BASE >> Page.TABLE_SHIFT, Page.PTE_COUNT):
        assert not entry(directory, index) & Paging.PTE_U
    table = entry(directory, Memory.KERNEL_BASE >> Page.TABLE_SHIFT)
    read_only = range(machine.address("__text_start"), machine.address("__rodata_end"))
    for frame in range(Page.PTE_COUNT):
        writable = bool(entry(table, frame) & Paging.PTE_W)
        assert writable == (Memory.KERNEL_BASE + (frame << Page.PAGE_SHIFT) not in read_only)
    assert machine.cpu.registers.cr0 == Control.CR0_KERNEL
