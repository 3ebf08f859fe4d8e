"""A floppy disk that a PC's BIOS boots flat 32-bit code from.

The BIOS loads sector 1 to 7C00h and enters it in real mode, DL being the drive. It reads what follows by INT 13h to
LOADED, switches to protected mode with flat segments and jumps there.
"""

from __future__ import annotations

import struct

LOADED = 0x8000             # where the code is read to, and entered: CS 8, interrupts off, all else undefined
DATA = 0x10                 # selector of flat data
SECTOR = 512                # bytes
MOST_SECTORS = 17           # what is left of the first track of a disk of 1.44 MB: one call of the BIOS reads no more
SIZE = 1_474_560            # of the disk, bytes
SIGNATURE = 0xAA55          # at the end of a sector that the BIOS boots
GDT = 0x7C40                # its register image, in the first descriptor, which the processor never uses

# The assembler of Trapline knows 32-bit code only. One line for each instruction.
_CODE = (
    ("31C0", "xor ax, ax"),
    ("8ED8", "mov ds, ax"),
    ("8EC0", "mov es, ax"),
    ("8ED0", "mov ss, ax"),
    ("BC007C", "mov sp, 0x7c00"),
    ("BB0080", "mov bx, 0x8000"),
    ("B8{sectors:02X}02", "mov ax, 0x2{sectors:02x}"),         # read that many sectors
    ("B90200", "mov cx, 2"),                                   # from cylinder 0, sector 2
    ("B600", "mov dh, 0"),                                     # of the first side
    ("CD13", "int 0x13"),
    ("72FE", "jb 0x7c18"),                                     # to itself: an error is for ever
    ("FA", "cli"),
    ("0F0116407C", "lgdt [0x7c40]"),
    ("0F20C0", "mov eax, cr0"),
    ("0C01", "or al, 1"),
    ("0F22C0", "mov cr0, eax"),
    ("66EA008000000800", "ljmp 8:0x8000"),
)
_GDT = struct.pack("<HIxxQQ", 3 * 8 - 1, GDT, 0x00CF9B000000FFFF, 0x00CF93000000FFFF)      # code, data


def floppy(code: bytes) -> bytes:
    """The disk. Raises ValueError if `code`, which is linked at LOADED, is too long."""
    sectors = -(-len(code) // SECTOR)
    if sectors > MOST_SECTORS:
        raise ValueError(f"{len(code)} bytes of code: a disk boots at most {MOST_SECTORS * SECTOR}")
    boot = bytes.fromhex("".join(encoding for encoding, _ in _CODE).format(sectors=sectors))
    boot = boot.ljust(GDT - 0x7C00, b"\0") + _GDT
    boot = boot.ljust(SECTOR - 2, b"\0") + struct.pack("<H", SIGNATURE)
    return (boot + code).ljust(SIZE, b"\0")
