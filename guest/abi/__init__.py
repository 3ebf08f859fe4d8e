"""The one definition of every constant and structure that kernel, user programs and host share.

It is rendered three ways: `constants()` for the assembler, `Layout.decode` for the host, and the reference page
docs/guest-abi.md (`python -m guest.abi`). It imports nothing but the standard library.
"""

from __future__ import annotations

from guest.abi import boot, cpu, hardware, kernel, memory
from guest.abi.layout import Layout
from guest.abi.words import Word

WORDS: tuple[type[Word], ...] = (
    kernel.Syscall, kernel.SyscallCount, kernel.Error, kernel.ExitCode, kernel.KernelFeature,
    memory.Parameter, memory.Memory, memory.Window, memory.Area,
    kernel.ThreadState,
    cpu.Vector, cpu.VectorSet, cpu.Selector, cpu.Access, cpu.Flags, cpu.Control, cpu.Feature, cpu.Msr,
    cpu.Paging, cpu.Page,
    hardware.Port, hardware.Pic, hardware.Pit, hardware.Uart, hardware.UartValue,
    boot.Multiboot, boot.MbiFlag, boot.MmapType, boot.Elf, boot.ElfType, boot.ElfFlag,
)

LAYOUTS: tuple[Layout, ...] = (
    cpu.FRAME, kernel.SWITCH, kernel.TCB, cpu.GATE, cpu.TSS,
    boot.MBI, boot.MMAP, boot.MODULE, boot.EHDR, boot.PHDR, boot.SHDR, boot.SYM,
)

PARAMETERS = tuple(memory.Parameter.__members__)     # the constants that an image's manifest may set


def constants() -> dict[str, int]:
    """Every number of the ABI by its assembler name. Raises ValueError if a name is defined twice."""
    names: dict[str, int] = {}
    for words in WORDS:
        if len(words.__members__) != len(words):
            raise ValueError(f"{words.__name__}: two names have the same value, so one loses its phrase")
        _add(names, {name: int(word) for name, word in words.__members__.items()})
    for layout in LAYOUTS:
        _add(names, layout.constants())
    return names


def _add(names: dict[str, int], more: dict[str, int]) -> None:
    twice = sorted(names.keys() & more.keys())
    if twice:
        raise ValueError(f"defined twice: {', '.join(twice)}")
    names.update(more)
