"""The words of a recording: events in the order in which they happened, 64 bits each, some of them two.

The kind is in the lowest four bits. Whatever depends on the processor that was recorded on (prices, lines of caches,
what hit and what missed) is left out; what remains is what software and devices made it do.
"""

from __future__ import annotations

# kind                      # further bits: what stands there
OPENED = 1                  # 4: number of the block that begins, 32: up to which instruction its accesses are known
CHARGED = 2                 # 4: the first of its instructions that ran, 16: behind the last, 32: FIRST, COUNTED
ACCESSED = 3                # 4: KIND of `emu.cpu.addresses`, 8: PAGE_KIND, 16: LENGTH, 32: WHERE; then linear, physical
TOUCHED = 4                 # the same, by the processor itself
SETTLED = 5                 # 4: linear address to which the branch of the last block led
FLUSHED = 6                 # 4: blocks.Flush, 8: linear address of the page
DELIVERED = 7               # 4: kind of event (`emu.cpu.delivery`), 8: 1 if to an inner ring
ON_BUS = 8                  # 4: state.Bus, 16: instruction
REWOUND = 9                 # 4: instruction at which the block was left, 16: how many of it had been charged
IDLE = 10                   # 4: cycles of the recorded clock for which the processor was halted
DIRECTORY = 11              # 4: CR3 is this now
ENTRY = 12                  # then: physical address of a page-directory entry, and what it holds now
CODE_PAGE = 13              # 4: PAGE_KIND, 8: a linear page of code, 32: the frame that it is fetched from
BITMAP = 14                 # 4: 1 if the I/O permission bitmap was asked about an OUT
WRITTEN = 15                # by a device: 4: physical address, 36: bytes

FIRST, COUNTED = 1, 2       # of CHARGED: REP begins here; and iterates
LONG = 1 << ACCESSED | 1 << TOUCHED | 1 << ENTRY        # kinds with a second word: two numbers of 32 bits
