"""Where things lie in an address space, and the parameters that an image may change."""

from __future__ import annotations

from guest.abi.words import Word

PICTURE = """\
                                                     kernel  user
    FFFFFFFF +--------------------------------------+
             | left free for device registers       |   -     -
    FC000000 +--------------------------------------+ DEVICE_BASE
             | the window: physical memory from 0,  |
             | one to one                           |   RW    -
             |   kernel data and bss                |   RW    -
             |   kernel text and read-only data     |   R     -
    C0100000 |   kernel image (KERNEL_IMAGE)        |
    C0000000 +--------------------------------------+ KERNEL_BASE
             | one page that stays unmapped         |   -     -
    BFFFF000 +--------------------------------------+ USER_STACK_TOP
             | argument string                      |   RW    RW
    BFFFEF00 +--------------------------------------+ USER_ARGUMENTS
             | stack of the program, growing down   |   RW    RW
    BFFFB000 +--------------------------------------+ USER_STACK_BASE
             | unmapped: an overflow faults         |   -     -
    BF000000 +--------------------------------------+ USER_LIMIT
             | segments of the program, usually     |
             | from 08048000                        |   RW/R  RW/R
    00001000 +--------------------------------------+ USER_BASE
             | unmapped: a null pointer faults      |   -     -
    00000000 +--------------------------------------+
"""


class Memory(Word):
    """Address space, from the bottom up"""

    USER_BASE = 0x0000_1000, "first address that a program's segment may use"
    USER_LIMIT = 0xBF00_0000, "first address above the program's segments"
    USER_STACK_BASE = 0xBFFF_B000, "lowest address of a program's stack"
    USER_ARGUMENTS = 0xBFFF_EF00, "the argument string, at the top of the stack"
    USER_STACK_TOP = 0xBFFF_F000, "first address above a program's stack"
    KERNEL_BASE = 0xC000_0000, "physical address 0 in the window; programs end below"
    KERNEL_IMAGE = 0xC010_0000, "where the kernel is linked: 1 MiB in the window"
    DEVICE_BASE = 0xFC00_0000, "end of the window"


class Window(Word):
    """The window onto physical memory"""

    WINDOW_TABLES = 16, "page tables set aside for a processor without 4 MiB pages, which can use 64 MiB then"
    WINDOW_SPANS = (Memory.DEVICE_BASE - Memory.KERNEL_BASE) >> 22, "directory entries of the window: 960 MiB"


class Area(Word):
    """Sizes"""

    WRITE_MAX = 256, "bytes that one SYS_WRITE takes at most"
    TCB_AREA = 4096, "a thread control block and, above it, the thread's kernel stack"


class Parameter(Word):
    """Parameters: an image's manifest may set them under [kernel] parameters"""

    GLOBAL_PAGES = 0, ("1: the kernel's pages stay in the TLB when the address space changes, on a processor that has "
                       "global pages")
    TICK_HZ = 1000, "timer ticks a second, 19 to 100000: how often a program can be preempted"
