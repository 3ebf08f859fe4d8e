"""The kernel that comes with Trapline: its system calls and its thread switches, in instructions a second.

Bare Unicorn cannot boot it, so it is compared with the speed at which bare Unicorn runs the mix.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from emu.machine import Machine
from emu.result import Reason
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST
from tools.bench.rig import best

INSTRUCTIONS = 300_000      # of one run: some milliseconds

PROGRAM = """
.text
; main: asks for the same thing for ever.
.global main
main:
    mov eax, {argument}
    call {routine}
    jmp main
"""
MANIFEST = """
[image]
description = "a benchmark"
kernel = "basic"
"""
ENTRY = """
[[program]]
name = "{name}"
sources = ["program.asm", "{guest}/lib/start.asm", "{guest}/lib/syscall.asm"]
"""


def calling() -> Image:
    """One program that asks over and over who it is: the shortest way through the kernel."""
    return _image(PROGRAM.format(routine="sys_self", argument=0), ["first"])


def switching() -> Image:
    """Two programs that yield to each other, in an address space each: a load of CR3 every time."""
    return _image(PROGRAM.format(routine="sys_yield", argument=0), ["first", "second"])


def sleeping() -> Image:
    """One program that sleeps: the kernel idles, and the timer interrupts it."""
    return _image(PROGRAM.format(routine="sys_sleep", argument=1_000_000), ["first"])


def _image(program: str, names: list[str]) -> Image:
    with tempfile.TemporaryDirectory(prefix="trapline-bench-") as folder:
        (Path(folder) / "program.asm").write_text(program)
        manifest = Path(folder) / "kernel.toml"
        manifest.write_text(MANIFEST + "".join(ENTRY.format(name=name, guest=GUEST.as_posix()) for name in names))
        return build(manifest)


def booted(image: Image, profile: str) -> Machine:
    """A machine on which all programs of `image` have begun."""
    machine = Machine.boot(image, cpu=profile)
    for _ in image.programs:                                # they lie at the same address
        machine.run(until=image.programs["first"].address("main"))
    return machine


def mips(image: Image, profile: str, quick: bool) -> float:
    """Million instructions a second that `image` runs at, once its programs have begun."""
    machine = booted(image, profile)

    def run() -> None:
        result = machine.run(max_instructions=INSTRUCTIONS)
        if result.reason != Reason.INSTRUCTIONS:
            raise RuntimeError(f"the benchmark ended otherwise: {result}")

    return INSTRUCTIONS / best([run], quick)[0] / 1e6
