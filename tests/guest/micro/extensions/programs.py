"""The programs of this folder: images with one of them as root task, and their memory seen from outside."""

from __future__ import annotations

from pathlib import Path

from emu.machine import Machine
from emu.monitor.inspect.pages import AddressSpace
from guest.abi.memory import Memory
from guest.abi.micro import MicroMemory
from loader.build import build
from loader.image import Image

HERE = Path(__file__).parent


def image(folder: Path, program: str, extensions: int, *, ticks: int = 1000, variant: str = "uls",
          **parameters: int) -> Image:
    """`parameters` are the program's; a kernel with these extensions, and so many ticks a second."""
    manifest = folder / f"{program}-{extensions}.toml"
    manifest.write_text("\n".join([
        "[image]", "description = 'a test'", "[kernel]", f"variant = '{variant}'",
        f"parameters = {{ TICK_HZ = {ticks}, EXTENSIONS = {extensions} }}",
        "[[program]]", f"name = '{program}'", f"base = {MicroMemory.ROOT_BASE:d}",
        f"sources = ['{HERE / program}.asm']",
        f"parameters = {{ {', '.join(f'{name} = {value}' for name, value in parameters.items())} }}"]))
    return build(manifest)


def word(machine: Machine, place: str) -> int:
    """A doubleword of the program's memory: PROGRAM:SYMBOL."""
    assert machine.image is not None
    program, _, symbol = place.partition(":")
    space = AddressSpace(machine, machine.address("root_directory") - Memory.KERNEL_BASE)
    found = space.word(machine.image.programs[program].address(symbol))
    assert found is not None, f"{symbol} is not mapped"
    return found
