"""The numbers of the IA-32 architecture that the machine needs, in Intel's names.

Source: Intel Architecture Software Developer's Manual, volume 3, 1999 (245190): chapters 2 (registers),
3 (descriptors, paging), 5 (interrupts and exceptions), 6 (task management).
"""

from __future__ import annotations

from enum import IntEnum

# EFLAGS (section 2.3)
CF = 1 << 0             # carry
PF = 1 << 2             # parity of the low byte
AF = 1 << 4             # carry out of bit 3
ZF = 1 << 6             # zero
SF = 1 << 7             # sign
TF = 1 << 8             # trap: single step
IF = 1 << 9             # interrupts enabled
DF = 1 << 10            # direction of string instructions
OF = 1 << 11            # overflow
IOPL_SHIFT = 12         # two bits: the lowest privilege that may do I/O
NT = 1 << 14            # nested task
RF = 1 << 16            # resume: no instruction breakpoint on the next instruction
VM = 1 << 17            # virtual-8086 mode
EFLAGS_FIXED = 1 << 1   # always reads as one

# Control registers (section 2.5)
CR0_PE = 1 << 0         # protected mode
CR0_EM = 1 << 2         # no x87
CR0_TS = 1 << 3         # task switched: x87 faults once
CR0_WP = 1 << 16        # supervisor writes honour read-only pages
CR0_PG = 1 << 31        # paging
CR4_PSE = 1 << 4        # 4 MiB pages
CR4_PAE = 1 << 5        # physical address extension: not modelled
CR4_PGE = 1 << 7        # global pages

DR6_BS = 1 << 14       # debug status: a single step (section 15.2)

# Page-directory and page-table entries (section 3.6.4)
PTE_P = 1 << 0          # present
PTE_W = 1 << 1          # writable
PTE_U = 1 << 2          # user
PTE_A = 1 << 5          # accessed
PTE_D = 1 << 6          # dirty
PTE_G = 1 << 8          # global: stays in the TLB when CR3 is loaded
PDE_PS = 1 << 7         # 4 MiB page

# Page-fault error code (section 5.12, interrupt 14)
PF_P = 1 << 0           # a protection violation, not a missing page
PF_W = 1 << 1           # the access was a write
PF_U = 1 << 2           # the access came from CPL 3

# Segment descriptor, high doubleword (section 3.4.3)
DESC_A = 1 << 8         # accessed (code and data)
DESC_RW = 1 << 9        # data: writable; code: readable
DESC_C = 1 << 10        # code: conforming; data: expand-down
DESC_CODE = 1 << 11     # code, not data
DESC_S = 1 << 12        # code or data, not a system descriptor
DESC_DPL_SHIFT = 13     # two bits: descriptor privilege level
DESC_P = 1 << 15        # present
DESC_B = 1 << 22        # 32-bit segment
DESC_G = 1 << 23        # limit counts 4 KiB units

# System-descriptor and gate types (section 3.5)
TYPE_TSS16_BUSY = 3     # 286 TSS, busy
TSS_BUSY = 2            # what makes either of them a busy one
TYPE_CALL_GATE16 = 4
TYPE_TASK_GATE = 5
TYPE_INT_GATE16 = 6
TYPE_TRAP_GATE16 = 7
TYPE_TSS32_BUSY = 11    # 32-bit TSS, busy
TYPE_CALL_GATE32 = 12
TYPE_INT_GATE32 = 14
TYPE_TRAP_GATE32 = 15

# Error codes that name a selector (section 5.11)
ERROR_EXT = 1 << 0      # caused by an event outside the program
ERROR_IDT = 1 << 1      # the index refers to the IDT

# 32-bit TSS (section 6.2.1): byte offsets
TSS_ESP0 = 4            # ESP of ring 0; SS0 follows, then ESP1, SS1, ...
TSS_IO_MAP_BASE = 0x66  # offset of the I/O permission bitmap


class Vector(IntEnum):
    """The processor's own exceptions (section 5.12)."""

    DE = 0              # divide error
    DB = 1              # debug
    NMI = 2             # non-maskable interrupt
    BP = 3              # breakpoint
    OF = 4              # overflow
    BR = 5              # BOUND range exceeded
    UD = 6              # invalid opcode
    NM = 7              # device not available
    DF = 8              # double fault
    TS = 10             # invalid TSS
    NP = 11             # segment not present
    SS = 12             # stack-segment fault
    GP = 13             # general protection
    PF = 14             # page fault
    MF = 16             # floating-point error
    AC = 17             # alignment check
    MC = 18             # machine check
    XM = 19             # SIMD floating-point


HAS_ERROR_CODE = sum(1 << v for v in (Vector.DF, Vector.TS, Vector.NP, Vector.SS, Vector.GP, Vector.PF, Vector.AC))
CONTRIBUTORY = sum(1 << v for v in (Vector.DE, Vector.TS, Vector.NP, Vector.SS, Vector.GP))  # table 5-3


class Segment(IntEnum):
    """Segment registers in the encoding order, which is also Unicorn's."""

    ES = 0
    CS = 1
    SS = 2
    DS = 3
    FS = 4
    GS = 5


class Register(IntEnum):
    """General registers in the encoding order, which is also Unicorn's."""

    EAX = 0
    ECX = 1
    EDX = 2
    EBX = 3
    ESP = 4
    EBP = 5
    ESI = 6
    EDI = 7
