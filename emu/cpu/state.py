"""The one record that native code and Python share.

Declared once, as a ctypes structure: Python reads and writes its fields, numba sees the same memory as a record.
Every field is a signed 64-bit integer.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numba import carray

from emu.native import call_part, compiled, inlined, load64


class Stop(IntEnum):
    """Why native execution came back, in `State.reason`."""

    NONE = 0            # still running
    SPLIT = 1           # a block must be run in part: `step_count` instructions (handled natively)
    EVENT = 2           # the deadline has come
    INTERRUPT = 3       # INTR is high and interrupts are enabled
    LIMIT = 4           # the instruction limit has come
    BREAK = 5           # in front of a breakpoint
    NEW_BLOCK = 6       # a block never seen before: decode it
    HALT = 7            # HLT was executed
    EXAMINE = 8         # an instruction that must be looked at first: see Examine in `examine`
    TRIPLE_FAULT = 9    # a fault while a double fault was being delivered: shutdown
    TASK_GATE = 10      # a task gate in the IDT: not supported
    UNSUPPORTED = 11    # a processor mode that is not modelled: see `examine`
    PYTHON = 12         # a Python callback raised
    ENGINE = 13         # Unicorn gave up: error code in `examine`
    REMAP = 14          # a page changes its use: see `fill_frame`
    VECTOR = 15         # behind the delivery of an exception or interrupt that somebody waits for


class Examine(IntEnum):
    """What Python has to look at, in `State.examine` after Stop.EXAMINE."""

    IMPLICIT_ACCESS = 1     # a supervisor page refused at CPL 3: was it the processor reading a descriptor table?
    FAR_TRANSFER = 2        # a far call or return at CPL 3: its stack accesses are the program's own
    DIVISION = 3            # IDIV of the most negative dividend
    FETCH_ACROSS = 4        # translation ran into a page that cannot be fetched
    PORT = 5                # a port access that needs the I/O permission bitmap
    ICEBP = 6               # the opcode F1: a debug trap
    REFUSED = 7             # an opcode that exists, but not for Unicorn
    ILLEGAL = 8             # an opcode that exists only for Unicorn
    MSR = 9                 # a model-specific register that is not one of SYSENTER's


class Crossing(IntEnum):
    """How the privilege level changed without an exception or interrupt, in `State.crossings`."""

    OTHER = 0
    SYSENTER = 1
    SYSEXIT = 2
    IRET = 3                # to an outer ring
    RETF = 4                # to an outer ring
    CALL_GATE = 5           # to an inner ring


class Mode(IntEnum):
    """What is not modelled, in `State.examine` after Stop.UNSUPPORTED."""

    REAL = 1                # an event while protected mode is off
    PAE = 2                 # paging with physical address extension
    CODE_IN_DEVICE = 3      # instructions fetched from outside RAM


class Fill(IntEnum):
    """What the TLB-fill hook made of its last request, in `State.fill`."""

    GRANTED = 0
    FAULT = 1               # a page fault: error code in `fill_error`
    DEVICE = 2              # outside RAM: the instruction must be run alone
    FETCH_WRITTEN = 3       # code is fetched from a page that may be being written
    WRITE_FETCHED = 4       # a page that holds code is written
    CODE_IN_DEVICE = 5      # code is fetched from outside RAM
    PAE = 6                 # PAE paging is on


class Note(IntEnum):
    """What a recording must hear of, besides blocks and their accesses; the two numbers that go with it."""

    REWOUND = 1             # the running block was left at an instruction; how many of it had been charged
    BUS = 2                 # Bus; the instruction that accessed a device
    DELIVERED = 3           # an event of this kind (see `delivery`); 1 if to an inner ring
    BITMAP = 4              # the I/O permission bitmap was asked about a port: 1 for OUT; 0
    DMA = 5                 # a device has written memory: physical address; bytes


class Bus(IntEnum):
    """What a bus cycle is, in the order of the prices from `State.bus_isa_read` on."""

    ISA_READ = 0
    ISA_WRITE = 1
    PCI_READ = 2
    PCI_WRITE = 3


class Transition(IntEnum):
    """What a far transfer is, in the order of the prices from `State.cost_iret_outer` on."""

    IRET_OUTER = 0
    IRET_SAME = 1
    RETF_OUTER = 2
    RETF_SAME = 3
    CALL_FAR = 4
    JMP_FAR = 5
    GATE_INNER = 6
    GATE_SAME = 7


class Frame(IntFlag):
    """What a page frame is used for, bits of one byte per frame (`State.frames`)."""

    WRITTEN = 1             # Unicorn may hold a writable translation
    FETCHED = 2             # code was fetched: data sees it read-only
    MIXED = 4               # code and written data: the slow, exact alias


class State(ctypes.Structure):
    """See the comment at each field; "address" means an address in this process."""

    _fields_ = [(name, ctypes.c_int64) for name in (
        # what a block costs: read and written at every block
        "cycles",               # the clock: cycles since power-on
        "instructions",         # instructions retired
        "deadline",             # the block hook looks closer when the clock reaches this; 0: at once
        "limit",                # ... or the instruction count this
        "block",                # address of the table entry of the current block, plus 1 if it runs in part
        "block_cycles",         # the clock when it began, if it runs in part
        "block_instructions",   # the instruction count then
        "table",                # address of the block table (blocks.ENTRY)
        "code_frames",          # address of u32[2^20]: linear page -> frame it was fetched from
        "env",                  # address of the registers (layout)
        # running
        "reason",               # Stop
        "examine",              # more about the reason
        "event_deadline",       # the cycle of the next event or limit
        "intr",                 # 1 while the PIC drives INTR
        "step_slot",            # the block of which a part is to be run
        "step_from",            # ... from which instruction on
        "step_count",           # ... and how many of them
        "stepping",             # 1: the next block is that part
        "step_allow",           # what that part may do: 1 device access, 2 implicit supervisor access
        "new_key",              # of the block to decode, after Stop.NEW_BLOCK
        "new_size",             # its bytes
        "io_cycle",             # the clock at which the device access under way happens
        "passed",               # linear address of an examined instruction that may run, once; -1
        "resumed",              # linear address of the instruction that a run begins with: no breakpoint there; -1
        "repeating",            # linear address of a REP string instruction that has begun and may go on; -1
        "repeat_count",         # its count register before the last iteration
        "repeat_left",          # its count when the block has come to it, as derived
        "repeat_index",         # how many iterations have been charged
        "charged",              # 1: the part that is asked for has been charged
        "rest_slot",            # the block of which a part has run and the rest follows; 0 if none
        "rest_from",            # ... from which instruction on
        "flush_tlb",            # what the block just run does to translations: blocks.Flush
        "paging_mode",          # the bits of CR0 and CR4 that change translations, as they were last
        "ring",                 # CPL, as it was last
        "flush_page",           # the linear address of the last INVLPG
        "starts",               # address of i32: offset of each instruction in its block
        "costs",                # address of i32: cycles from the start of the block to each instruction
        "transitions",          # address of i32: how many of these are published costs of transitions
        "uop_counts",           # address of i32: micro-ops from the start of the block
        "programs",             # address of the address programs of blocks
        "code_bytes",           # address of the bytes of blocks that are compared at each run
        "breakpoints",          # address of u32: linear addresses of breakpoints and marks
        "breakpoint_count",     # how many
        "stop_count",           # how many of them, the first, are breakpoints
        # fast-forward; see `spinning`
        "fast_forward",         # 1: spins may be skipped
        "spin_slot",            # the spin that may be going on
        "spin_turns",           # how many of its turns were alike
        "spin_cycles", "spin_instructions", "spin_uops", "spin_transitions", "spin_loads", "spin_branches",
        "spin_changes", "spin_history", "spin_stalls", "spin_io",       # counters as the last one began
        "turn_cycles", "turn_instructions", "turn_uops", "turn_transitions", "turn_loads", "turn_branches",     # of one
        "skipped",              # instructions that were not run but counted
        # the timing model; see `addresses` and `charging`
        "model",                # address of its record (emu.timing.model), 0 under a `unit` profile
        "records",              # address of what the current block accesses
        "record_count",         # how many there are
        "record_next",          # the first that has not been charged
        "temporaries",          # address of what address programs compute, u64 each; the first is always zero
        "kept",                 # address of the stores that a later load of the block may find
        "kept_count",           # how many there are
        "last_page",            # linear page of the last access to data, if it is first in its set for sure; or -1
        "last_code_page",       # linear page of the last fetch, likewise
        "rights",               # what a word of our TLB must have for a read at this CPL
        "front_page", "from_behind",        # addresses of the machine code of glance.routines
        "hot_after",            # how often a block runs before machine code is asked for: see `glance`
        "hot",                  # address of the programs for which it is asked, plus 1 if with paging
        "hot_count",            # how many there are
        "moved",                # address of the words that moved to the front of their sets: see `hits`
        "moved_count",          # how many there are
        "missed",               # the only step of the block's program that does not hit, 0 if none: see `hits`
        "missed_set",           # address of the set in which its line belongs, of which nothing is found meanwhile
        "missed_physical",      # the address that it accesses
        "missed_kept",          # `kept_count` before it
        "derived",              # up to which instruction of the block the records are complete
        "derived_cut",          # 1: the block must be left there
        "split_at",             # at which instruction it must be left at the latest, as it stores into code
        "remap_frame",          # the frame that must change its use before it runs; -1
        "opened",               # 1: the block has been opened, and nothing of it charged
        "branch_slot",          # the block whose branch has not been settled; 0 if none
        "string_costs",         # address of the prices of REP string instructions
        "recording",            # address of what `emu.recording` keeps, 0 if the run is not recorded
        "tables",               # how often the block table has been cleared
        "note",                 # address of the function that hears of a Note, while it is
        "stream",               # address to which records of accesses to data are copied, 0 if nobody wants them
        "stream_count",         # how many have been
        "stream_size",          # how many there is room for
        # the rings of crossings and blocks; see `rings`
        "crossing_ring",        # address of the records (emu.crossings.CROSSING), 0 if nobody wants them
        "crossing_next",        # where the next one goes
        "crossing_room",        # how many there is room for
        "crossing_total",       # how many have been written
        "block_ring",           # the same of blocks (emu.crossings.BLOCK)
        "block_next", "block_room", "block_total",
        "note_block",           # address of rings.note_block
        "ring_full",            # address of the function that empties a ring; 0: the oldest records are overwritten
        "want_levels",          # bit n: what happens at CPL n is written
        "want_space",           # ... and in this address space (CR3), -1: in any
        "want_first", "want_last",      # ... and in this range of linear addresses
        "thread_at",            # address of u32: ESP0 in the TSS, as it was found at the last crossing
        "thread_epoch", "thread_tss",       # the epoch of the TLB and the base of the TSS then
        "no_thread",            # address of a zero
        "returning",            # 1: the last block ended with IRET, which has not been written
        "vector",               # the last exception or interrupt delivered
        "irq_line",             # of the external interrupt that is being delivered
        "irq_waited",           # cycles since its line was asserted
        # translation
        "tlb",                  # address of i64[2^20]: our TLB, see paging
        "epoch",                # entries of another epoch are stale
        "tlb_cr3",              # the CR3 under which they were made
        "frames",               # address of u8 per frame: Frame
        "ram",                  # address of RAM
        "ram_size",             # bytes
        "a20_mask",             # physical addresses are ANDed with this
        "dropping",             # what the fill hook answers while translations are being dropped; 0 otherwise
        "fill",                 # Fill
        "fill_kind",            # the access that was refused: Unicorn's 16 read, 17 write, 18 fetch
        "fill_frame",           # its frame
        "fill_error",           # its page-fault error code
        "walk_error",           # page-fault error code of the last failed translation
        "walk_address",         # and its linear address
        "walk_pae",             # 1 if PAE was found on
        # counters
        "interrupts",           # external interrupts delivered
        "io_accesses",          # port and device-memory accesses
        "transition_cycles",    # cycles by cause, the pipeline has the rest: transitions at their published cost
        "cache_cycles",         # ... misses of caches, and the store buffer
        "tlb_cycles",           # ... misses of TLBs
        "branch_cycles",        # ... mispredicted branches
        "bus_cycles",           # ... bus time of device accesses and interrupt acknowledge
        "uops",                 # micro-ops of instructions retired
        # prices of transitions, cycles
        "cost_int_outer",       # INT n, and what is like it, to an inner ring
        "cost_int_same",        # ... within a ring
        "cost_exception",       # an exception instead of INT n
        "cost_interrupt",       # an external interrupt instead of INT n
        "cost_iret_outer", "cost_iret_same", "cost_retf_outer", "cost_retf_same",      # returns by ring
        "cost_call_far", "cost_jmp_far", "cost_gate_inner", "cost_gate_same",          # far transfers
        "cost_in_bitmap", "cost_out_bitmap",    # port accesses by the TSS bitmap, in addition to those by IOPL
        "bus_inta",             # both interrupt acknowledge cycles
        "bus_isa_read", "bus_isa_write", "bus_pci_read", "bus_pci_write",              # device accesses
        # Unicorn
        "uc",                   # the engine's handle
        "cpu",                  # address of its CPU object
        "invalid_address",      # address of u64: the linear address of a refused access
        "emu_start", "emu_stop", "reg_read", "ctl",    # addresses of its functions
        "self",                 # address of this record
        "attend",               # address of account.attend
        "deliver",              # address of delivery.deliver_event
        "open_block", "charge_part", "charge_from", "touch", "flush_model",   # addresses of functions in `modelled`
        "hits",                 # address of hits.hits
        "port_callback",        # address of the Python function for port accesses
        "scratch",              # 8 bytes to pass by address
        "tsc_offset",           # RDTSC reads cycles plus this
        "has_sep",              # 1 if the model has SYSENTER
        "cpuid_leaves",         # how many basic leaves `cpuid` holds
        "cpuid_extended",       # how many extended leaves (80000000h on) follow them
    )] + [
        ("traps", ctypes.c_int64 * 256),        # exceptions, software and external interrupts delivered, by vector
        ("crossings", ctypes.c_int64 * 8),      # changes of the privilege level without a trap, by Crossing
        ("cpuid", ctypes.c_int64 * 64),         # EAX EBX ECX EDX of each leaf
        ("stop_vectors", ctypes.c_int64 * 8),   # 32 bits each: vectors whose delivery ends a run
    ]


DTYPE = np.dtype(State)
BUS_PRICES, TRANSITION_PRICES = State.bus_isa_read.offset, State.cost_iret_outer.offset     # in the record


@inlined
def record(user: Any) -> Any:
    """The record, in a hook, from the pointer that the hook was added with."""
    return carray(user, (1,), DTYPE)[0]


@compiled
def bus_price(s: Any, which: int) -> int:
    """Cycles of a Bus access."""
    price: int = load64(s.self + BUS_PRICES + which * 8)
    return price


@compiled
def transition_price(s: Any, which: int) -> int:
    """Cycles of a Transition."""
    price: int = load64(s.self + TRANSITION_PRICES + which * 8)
    return price


@compiled
def note(s: Any, what: int, first: int, second: int) -> None:
    """Tell a recording, if there is one, of a Note."""
    if s.recording:
        call_part(s.note, s.self, what, first, second)
