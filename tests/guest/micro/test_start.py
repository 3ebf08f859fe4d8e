"""Start-up of the microkernel: the banner, the kernel interface page, the root task or why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine
from guest.abi.cpu import Vector
from guest.abi.kernel import ExitCode
from guest.abi.memory import Memory, Parameter
from guest.abi.micro import KIP, KipFeature, KipValue, MicroParameter
from loader.build import build
from loader.image import Image, ImageError, Module

Boot = Callable[..., Any]              # the fixture `micro`
ImageMaker = Callable[..., Image]      # the fixture `micro_image`

BANNER = r"trapline: (\w+), (\d+) KiB for programs, (\d+) KiB for the kernel, IPC by INT 81h( and SYSENTER)?"


def kip(machine: Machine) -> Any:
    """The kernel interface page."""
    physical = machine.address("kip") - Memory.KERNEL_BASE
    return KIP.decode(bytes(machine.ram.read(physical, KIP.size)))


@pytest.mark.parametrize("cpu", ["unit", "p5-166", "p3-500", "pd-3000"])
def test_the_root_task_says_hello_on_every_kind_of_processor(cpu: str, variant: str, micro: Boot) -> None:
    done = micro("hello", cpu=cpu)
    banner = re.fullmatch(BANNER, done.console.splitlines()[0])
    assert banner and banner[1] == variant
    assert bool(banner[4]) == (cpu != "p5-166")
    assert done.lines == ["hello from the root task"]
    uls = KipFeature.KIP_ULS if variant == "uls" else 0
    assert done.result.exit_code == uls | (KipFeature.KIP_SYSENTER if banner[4] else 0)


@pytest.mark.parametrize(("memory", "usable"), [(4 << 20, 4 << 20), (64 << 20, 64 << 20), (1 << 30, 960 << 20)])
def test_memory_is_divided_whatever_its_size(memory: int, usable: int, micro: Boot) -> None:
    done = micro("hello", memory=memory)
    page = kip(done.machine)
    assert page.memory_end == usable
    table = usable >> 12 << 2                             # a word for each frame
    pool = usable - page.boot_end - table >> MicroParameter.POOL_SHIFT
    pages = 3 << 12                                       # what rounding may do
    assert abs(page.memory - page.boot_end - table - pool) <= pages
    programs, kernel = (int(number) << 10 for number in re.findall(r"(\d+) KiB", done.console))
    assert programs == page.memory_end - page.memory
    assert abs(kernel - pool) <= pages


def test_the_kernel_interface_page_tells_what_there_is(variant: str, micro: Boot) -> None:
    page = kip(micro("hello").machine)
    assert page.signature == KipValue.KIP_MAGIC and page.threads == MicroParameter.MAX_THREADS
    assert page.modules_count == 1 and 0 < page.modules < page.boot_end <= page.memory
    assert page.tick_us == 1_000_000 // Parameter.TICK_HZ
    assert bool(page.features & KipFeature.KIP_ULS) == (variant == "uls")


def test_the_tick_and_the_number_of_threads_are_parameters(micro: Boot) -> None:
    page = kip(micro("hello", parameters={"TICK_HZ": 500, "MAX_THREADS": 64, "POOL_SHIFT": 2}).machine)
    assert (page.tick_us, page.threads) == (2000, 64)
    assert page.memory - page.boot_end > page.memory_end // 5


@pytest.mark.parametrize(("parameters", "message"), [
    ({"MAX_THREADS": 100}, "MAX_THREADS must be a power of two, 64 to 8192"),
    ({"MAX_THREADS": 16384}, "MAX_THREADS must be a power of two, 64 to 8192"),
    ({"TICK_HZ": 18}, "TICK_HZ must be 19 to 100000"),
    ({"EXTENSIONS": 1}, "EXTENSIONS is a sum of"),
])
def test_a_parameter_that_makes_no_sense_is_refused_at_build_time(
        parameters: dict[str, int], message: str, micro_image: ImageMaker) -> None:
    with pytest.raises(ImageError, match=message):
        micro_image("hello", parameters)


@pytest.mark.parametrize("variant", ["l4"])
def test_l4_refuses_extensions_that_are_for_uls(micro_image: ImageMaker) -> None:
    with pytest.raises(ImageError, match="KIP_BUDGET and KIP_CEILING are extensions of `uls`"):
        micro_image("hello", {"EXTENSIONS": int(KipFeature.KIP_CEILING)})


def test_without_a_program_the_kernel_says_so(variant: str, tmp_path: Path) -> None:
    manifest = tmp_path / "empty.toml"
    manifest.write_text(f"[image]\ndescription = 'empty'\nkernel = '{variant}'\n")
    machine = Machine.boot(build(manifest))
    result = machine.run(max_cycles=10_000_000)
    assert machine.console.decode().splitlines()[1] == "root task: not started: the image has no program"
    assert result.exit_code == ExitCode.EXIT_NOT_STARTED


def test_a_module_that_is_no_program_is_refused(variant: str, micro_image: ImageMaker) -> None:
    image = micro_image("hello")
    image.modules[0] = Module("root", b"MZ" + bytes(200))
    machine = Machine.boot(image)
    result = machine.run(max_cycles=10_000_000)
    assert machine.console.decode().splitlines()[1] == "root task: not started: not an ELF file"
    assert result.exit_code == ExitCode.EXIT_NOT_STARTED


def test_two_runs_are_the_same_to_the_cycle(micro: Boot) -> None:
    first, second = micro("exregs_halt"), micro("exregs_halt")
    assert first.result == second.result and first.console == second.console
    assert bytes(first.machine.ram.read(0, 16 << 20)) == bytes(second.machine.ram.read(0, 16 << 20))


def test_a_fault_of_the_root_task_ends_the_machine(micro: Boot) -> None:
    done = micro("read_null")
    assert done.lines == ["thread 32.1: page fault (#PF), error code 0x4, address 0x0, at 0x40000000: no pager"]
    assert done.result.exit_code == ExitCode.EXIT_FAULT + Vector.EXC_PF
