"""Files that gdb finds at the target: the kernel and the programs of an image that was built from a manifest.

They are what `trapline build` writes, with source lines and call frames; gdb reads the kernel by itself when it
connects. Debugging with GDB, appendix E, "Host I/O Packets".
"""

from __future__ import annotations

import struct
from functools import cache

from loader.image import Image
from loader.manifest import GUEST
from tools.gdb.code import Code
from tools.gdb.dwarf import source_sections, with_sections
from tools.gdb.frames import debug_frame
from tools.gdb.packets import LONGEST, escape

NO_FILE, BAD_NUMBER = b"F-1,2", b"F-1,9"        # ENOENT, EBADF
STAT = struct.Struct(">7I3Q3I")                 # as File-I/O has it: device, inode, mode, links, owner, group, ...
REGULAR = 0o100444                              # mode of a file that can be read


class Files:
    """The files of an image, and which of them gdb has opened."""

    def __init__(self, image: Image | None) -> None:
        self._image = image
        self._open: dict[int, bytes] = {}
        self._content = cache(self._made)

    @property
    def kernel(self) -> str:
        """The name of the kernel, "" if there is no file of it."""
        return f"/{self._image.name}.elf" if self._image and "" in self._image.files else ""

    @property
    def names(self) -> dict[str, str]:
        """The programs that have files, by the names of these, which are those of `trapline build`."""
        image = self._image
        return {f"/{image.name}/{program}.elf": program for program in image.files if program} if image else {}

    def open(self, name: str) -> bytes:
        """vFile:open"""
        if name != self.kernel and name not in self.names:
            return NO_FILE
        number = max(self._open, default=2) + 1
        self._open[number] = self._content(self.names.get(name, ""))
        return b"F%x" % number

    def close(self, number: str) -> bytes:
        """vFile:close"""
        return BAD_NUMBER if self._open.pop(int(number, 16), None) is None else b"F0"

    def read(self, number: str, size: str, offset: str) -> bytes:
        """vFile:pread"""
        data = self._open.get(int(number, 16))
        if data is None:
            return BAD_NUMBER
        start = int(offset, 16)
        part = data[start:start + min(int(size, 16), LONGEST // 2)]
        return b"F%x;" % len(part) + escape(part)

    def describe(self, number: str) -> bytes:
        """vFile:fstat"""
        data = self._open.get(int(number, 16))
        if data is None:
            return BAD_NUMBER
        return b"F%x;" % STAT.size + escape(STAT.pack(0, 0, REGULAR, 1, 0, 0, 0, len(data), 512, 0, 0, 0, 0))

    def _made(self, program: str) -> bytes:
        assert self._image
        image = self._image
        lines = image.program_lines[program] if program else image.lines
        elf = image.files[program]
        code = Code(elf)
        return with_sections(elf, source_sections(lines, code.functions(), str(GUEST))
                             | {".debug_frame": debug_frame(code)})
