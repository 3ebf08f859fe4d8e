"""Which program of an image runs in an address space: the one whose code lies there.

A kernel that leaves the loading of programs to a program knows no names, so what the pages hold is compared with the
files. Of programs with the same code the argument string decides, which begins with the name, where our root task puts
it. Pages that nobody has touched yet are not there; until the first one is, the space is nobody's.
"""

from __future__ import annotations

from functools import lru_cache

from emu.machine import Machine
from emu.memory import PAGE
from emu.monitor.inspect.code import text
from emu.monitor.inspect.pages import AddressSpace
from guest.abi.root import ProgramMemory
from loader import elf
from loader.image import ImageError, Segment


def program_of(machine: Machine, directory: int) -> str:
    """The program whose read-only segments a space holds as far as they are there; alternatives that cannot be told
    apart joined by " or "; "" if there is none.
    """
    space = AddressSpace(machine, directory)
    modules = machine.image.modules if machine.image else []
    found = list(dict.fromkeys(each.name for each in modules if _is_there(space, _segments(each.data))))
    named = text(space, ProgramMemory.ARGUMENTS).split(" ", 1)[0] if len(found) > 1 else ""
    return named if named in found else " or ".join(found)


@lru_cache(maxsize=256)
def _segments(data: bytes) -> tuple[Segment, ...]:
    """What a file loads; nothing if it is no executable."""
    try:
        return tuple(elf.read(data, "").segments)
    except ImageError:
        return ()


def _is_there(space: AddressSpace, segments: tuple[Segment, ...]) -> bool:
    """Whether the read-only pages that are there hold what the segments say, and at least one is."""
    seen = False
    for segment in segments:
        for at in range(segment.physical & -PAGE, segment.physical + len(segment.data), PAGE):
            walk = space.walk(at)
            if walk.physical is None or walk.writable:
                continue
            first = max(at, segment.physical)
            wanted = segment.data[first - segment.physical:at + PAGE - segment.physical]
            if space.read(first, len(wanted)) != wanted:
                return False
            seen = True
    return seen
