"""Other emulators on the mix, where they are installed: Bochs, and QEMU counting instructions (-icount).

Neither has a cycle model. Each boots the mix by itself and without a display, with few passes and with many; the
difference in CPU time is what the difference in passes took, so that starting, the BIOS and the disk do not count.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loader.assembler import assemble
from loader.elf_writer import write_elf
from loader.linker import Program, link
from tools.bench import disk, mix
from tools.bench.rig import BASE

PASSES = 5, 205             # few and many; 200 passes are 80 million instructions
QUICK_PASSES = 5, 45        # in a hurry
REPETITIONS = 3             # the best counts
SECONDS = 300               # after which an emulator that has not ended is given up
EXIT_CODE = 21              # what the guest ends QEMU with, which makes 2 * 21 + 1 of it
BOCHS_END = b"shutdown requested"           # what Bochs prints when the guest ends it

MULTIBOOT = """
.align 4
    .long 0x1BADB002, 0, -0x1BADB002        ; magic, flags, checksum
; _start: the boot loader comes here.
.global _start
_start:
"""
FROM_DISK = f"""
; _start: the boot sector comes here.
.global _start
_start:
    mov eax, {disk.DATA}
    mov ds, eax
    mov es, eax
    mov ss, eax
"""
# QEMU's isa-debug-exit is asked first; where it is missing nothing happens. Bochs listens at 8900h.
END = f"""
    mov eax, {EXIT_CODE}
    out 0xF4, al
    mov edx, 0x8900
    mov esi, bye
    mov ecx, 8
    rep outsb
.data
bye:
    .ascii "Shutdown"
.text
"""

BOCHSRC = """\
memory: guest=16, host=16
floppya: 1_44="{disk}", status=inserted
boot: floppy
display_library: nogui
clock: sync=none
log: "{log}"
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""


class Failed(Exception):
    """An emulator is not there or did not run the mix; the text says why, in a few words."""


@dataclass(frozen=True)
class Emulator:
    """How one emulator boots the mix."""

    name: str                                           # of its executable
    prepare: Callable[[int, Path], list[str]]           # given passes and a folder, its arguments
    has_ended: Callable[[int, bytes], bool]             # whether the guest ended it: exit code, output


def qemu_image(passes: int, iterations: int = mix.ITERATIONS) -> bytes:
    """The mix as an ELF file with a Multiboot header."""
    return write_elf(_linked(mix.repeated(passes, iterations, MULTIBOOT, END), BASE))


def disk_image(passes: int, iterations: int = mix.ITERATIONS) -> bytes:
    """The mix as a floppy disk."""
    program = _linked(mix.repeated(passes, iterations, FROM_DISK, END), disk.LOADED)
    code = bytearray()
    for segment in sorted(program.segments, key=lambda each: each.physical):
        code = code.ljust(segment.physical - disk.LOADED, b"\0") + segment.data
    return disk.floppy(bytes(code))


def _linked(source: str, base: int) -> Program:
    return link([assemble(source, name="mix")], base=base, entry="_start", name="mix")


def _prepare_qemu(passes: int, folder: Path) -> list[str]:
    image = folder / "mix.elf"
    image.write_bytes(qemu_image(passes))
    return ["-M", "pc", "-cpu", "pentium3", "-m", "16", "-accel", "tcg", "-icount", "shift=0", "-display", "none",
            "-nodefaults", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", str(image)]


def _prepare_bochs(passes: int, folder: Path) -> list[str]:
    image, settings = folder / "mix.img", folder / "bochsrc"
    image.write_bytes(disk_image(passes))
    settings.write_text(BOCHSRC.format(disk=image, log=folder / "bochs.log"))
    return ["-q", "-f", str(settings)]


QEMU = Emulator("qemu-system-i386", _prepare_qemu, lambda status, output: status == 2 * EXIT_CODE + 1)
BOCHS = Emulator("bochs", _prepare_bochs, lambda status, output: BOCHS_END in output)


def mips(emulator: Emulator, instructions: int, quick: bool) -> float:
    """Million instructions a second, one pass being so many `instructions`. Raises Failed."""
    path = shutil.which(emulator.name)
    if path is None:
        raise Failed("not installed")
    few, many = QUICK_PASSES if quick else PASSES
    with tempfile.TemporaryDirectory(prefix="trapline-bench-") as folder:
        repetitions = 1 if quick else REPETITIONS
        short, long = (min(_cpu_seconds(emulator, path, passes, Path(folder)) for _ in range(repetitions))
                       for passes in (few, many))
    if long <= short:
        raise Failed(f"{many} passes took no longer than {few}")
    return (many - few) * instructions / (long - short) / 1e6


def _cpu_seconds(emulator: Emulator, path: str, passes: int, folder: Path) -> float:
    """CPU seconds, user and system, of one run."""
    arguments = [path, *emulator.prepare(passes, folder)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:                                                    # a Bochs with a debugger asks before it begins
        done = subprocess.run(arguments, input=b"c\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=SECONDS, cwd=folder)
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {SECONDS} seconds") from None
    except OSError as error:
        raise Failed(f"cannot be run: {(error.strerror or str(error)).lower()}") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not emulator.has_ended(done.returncode, done.stdout):
        raise Failed(f"ended with exit code {done.returncode}" + _said(done.stdout.decode(errors="replace")))
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _said(output: str) -> str:
    """The line of an emulator's output that says why it ended: Bochs goes on after its own, others do not."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return ": " + next((line for line in lines if "PANIC" in line), lines[-1]) if lines else ""
