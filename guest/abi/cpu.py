"""Numbers and structures of the processor, in Intel's names (Software Developer's Manual, volume 3A)."""

from __future__ import annotations

from guest.abi.layout import Layout, gap, group, u8, u16, u32
from guest.abi.words import Word


class Vector(Word):
    """Interrupt vectors (volume 3A, table 6-1, and this kernel's own)"""

    EXC_DE = 0, "divide error (#DE)"
    EXC_DB = 1, "debug (#DB)"
    EXC_NMI = 2, "non-maskable interrupt (NMI)"
    EXC_BP = 3, "breakpoint (#BP)"
    EXC_OF = 4, "overflow (#OF)"
    EXC_BR = 5, "bound range exceeded (#BR)"
    EXC_UD = 6, "invalid opcode (#UD)"
    EXC_NM = 7, "device not available (#NM)"
    EXC_DF = 8, "double fault (#DF)"
    EXC_CSO = 9, "coprocessor segment overrun"
    EXC_TS = 10, "invalid TSS (#TS)"
    EXC_NP = 11, "segment not present (#NP)"
    EXC_SS = 12, "stack fault (#SS)"
    EXC_GP = 13, "general protection (#GP)"
    EXC_PF = 14, "page fault (#PF)"
    EXC_15 = 15, "reserved exception 15"
    EXC_MF = 16, "floating-point error (#MF)"
    EXC_AC = 17, "alignment check (#AC)"
    EXC_MC = 18, "machine check (#MC)"
    EXC_XM = 19, "SIMD floating-point error (#XM)"
    VECTOR_IRQ0 = 0x20, "the first of the 16 interrupt lines"
    VECTOR_COUNT = 0x30, "exceptions and interrupt lines: what the vector stubs cover"
    VECTOR_SYSCALL = 0x80, "system call (INT 80h)"
    VECTOR_GUEST = 0x82, "system call by exception: there is no gate, so INT 82h raises #GP"


ERROR_CODES = (Vector.EXC_DF, Vector.EXC_TS, Vector.EXC_NP, Vector.EXC_SS, Vector.EXC_GP, Vector.EXC_PF, Vector.EXC_AC)
NOT_A_PROGRAMS = (Vector.EXC_NMI, Vector.EXC_DF, Vector.EXC_MC)


class VectorSet(Word):
    """Sets of vectors: bit n stands for vector n"""

    VECTORS_WITH_ERROR_CODE = sum(1 << v for v in ERROR_CODES), "the processor pushes an error code (6.13)"
    VECTORS_OF_THE_MACHINE = sum(1 << v for v in NOT_A_PROGRAMS), "no program can be blamed: the kernel panics"


class Selector(Word):
    """Segment selectors; the order is the one that SYSENTER and SYSEXIT demand (volume 3A, 5.8.7)"""

    SEL_KCODE = 0x08, "kernel code, ring 0, flat"
    SEL_KDATA = 0x10, "kernel data and stack, ring 0, flat"
    SEL_UCODE = 0x1B, "user code, ring 3, flat"
    SEL_UDATA = 0x23, "user data and stack, ring 3, flat"
    SEL_TSS = 0x28, "the one task-state segment"
    SEL_RPL = 0x03, "the bits of a selector that hold the ring"


class Access(Word):
    """Access bytes of segment descriptors and gates (volume 3A, 3.4.5 and 3.5)"""

    ACCESS_KCODE = 0x9B, "present, ring 0, execute and read, accessed"
    ACCESS_KDATA = 0x93, "present, ring 0, read and write, accessed"
    ACCESS_UCODE = 0xFB, "present, ring 3, execute and read, accessed"
    ACCESS_UDATA = 0xF3, "present, ring 3, read and write, accessed"
    ACCESS_TSS = 0x89, "present, ring 0, 32-bit TSS, not busy"
    ACCESS_FLAT = 0xCF, "the byte after: 4 KiB granularity, 32-bit, limit bits 16-19 all ones"
    GATE_KERNEL = 0x8E, "present interrupt gate that only hardware and ring 0 may use"
    GATE_USER = 0xEE, "present interrupt gate that ring 3 may call with INT"


class Flags(Word):
    """EFLAGS (volume 1, 3.4.3)"""

    FLAGS_KERNEL = 0x002, "as the kernel runs: interrupts off, everything else clear (bit 1 is always set)"
    FLAGS_USER = 0x202, "as a program starts: interrupts on, everything else clear"
    FLAGS_PROGRAM = 0x24_0DD5, "what a program may set itself: CF PF AF ZF SF TF DF OF, AC and ID"
    FLAGS_TF = 0x100, "single step"
    FLAGS_IF = 0x200, "interrupts on"
    FLAGS_DF = 0x400, "string instructions go down"
    FLAGS_NT = 0x4000, "IRET returns to another task"
    FLAGS_ID = 0x20_0000, "can be changed: the processor has CPUID"


class Control(Word):
    """Control register values (volume 3A, 2.5)"""

    CR0_KERNEL = 0x8001_0035, "PG, WP, NE, ET, EM and PE: paging, read-only pages hold in ring 0, no floating point"
    CR4_PSE = 0x10, "4 MiB pages"
    CR4_PGE = 0x80, "global pages"


class Feature(Word):
    """CPUID: leaf 0, EBX (the vendor), and leaf 1, EDX (features)"""

    CPUID_INTEL = 0x756E_6547, "Genu, the beginning of GenuineIntel"

    CPUID_PSE = 1 << 3, "4 MiB pages"
    CPUID_TSC = 1 << 4, "RDTSC"
    CPUID_SEP = 1 << 11, "SYSENTER and SYSEXIT"
    CPUID_PGE = 1 << 13, "global pages"


class Msr(Word):
    """Model-specific registers (volume 4)"""

    MSR_SYSENTER_CS = 0x174, "kernel code selector; the three others follow it in the GDT"
    MSR_SYSENTER_ESP = 0x175, "ESP after SYSENTER"
    MSR_SYSENTER_EIP = 0x176, "EIP after SYSENTER"
    SYSENTER_FIRST = 0x633, "Intel's first family, model, stepping whose SEP bit is true (volume 2, SYSENTER)"


class Paging(Word):
    """Page directory and page table entries (volume 3A, 4.3)"""

    PTE_P = 0x01, "present"
    PTE_W = 0x02, "writable"
    PTE_U = 0x04, "user"
    PTE_PCD = 0x10, "not cached: what a device answers is not memory"
    PTE_PS = 0x80, "in a directory entry: a 4 MiB page"
    PTE_G = 0x100, "global: a load of CR3 leaves it in the TLB"
    PTE_FRAME = 0xFFFF_F000, "the frame's physical address"


class Page(Word):
    """Sizes of paging structures (volume 3A, 4.3)"""

    PTE_COUNT = 1024, "entries of a table or directory"
    PTE_SIZE = 4, "bytes of an entry"
    PAGE_SIZE = 0x1000, "bytes of a page or frame"
    PAGE_SHIFT = 12, "address bits within a page"
    PAGE_MASK = 0xFFFF_F000, "the page of an address"
    TABLE_SPAN = 0x40_0000, "bytes that one directory entry maps"
    TABLE_SHIFT = 22, "address bits within that span"


GATE = Layout(
    "GATE", "Interrupt gate (volume 3A, 6.11)",
    u16("offset_low", "handler, bits 0-15"),
    u16("selector", "code segment of the handler"),
    u8("zero", "always 0"),
    u8("type", "GATE_KERNEL or GATE_USER"),
    u16("offset_high", "handler, bits 16-31"),
)

TSS = Layout(
    "TSS", "Task-state segment (volume 3A, 7.2.1); the kernel uses three of its fields",
    u32("link", "previous task: unused"),
    u32("esp0", "stack for entering ring 0: the top of the running thread's kernel stack"),
    u32("ss0", "its segment, SEL_KDATA"),
    gap("unused", 90, "rings 1 and 2, registers, LDT, debug trap: hardware task switching is not used"),
    u16("iomap", "offset of the I/O permission bitmap: TSS_SIZE, that is, none, so ring 3 may touch no port"),
)

FRAME = Layout(
    "FRAME", "Trap frame, in the order in which it is popped",
    group("ours: POPAD, then two segment registers"),
    u32("edi", "user register; third argument of a system call"),
    u32("esi", "user register; second argument of a system call"),
    u32("ebp", "user register"),
    u32("pushad_esp", "what PUSHAD stores and POPAD skips"),
    u32("ebx", "user register; first argument of a system call and second result"),
    u32("edx", "user register"),
    u32("ecx", "user register"),
    u32("eax", "user register; number of a system call and its result"),
    u32("es", "user segment register"),
    u32("ds", "user segment register"),
    group("vector and error code: pushed by the stub, or the error code by the processor"),
    u32("vector", "a vector; VECTOR_SYSCALL also for SYSENTER", Vector),
    u32("error", "error code, 0 where the processor pushes none"),
    group("the processor's: popped by IRET"),
    u32("eip", "where to go on"),
    u32("cs", "code segment: its low two bits are the ring that was interrupted"),
    u32("eflags", "flags"),
    u32("esp", "user stack pointer; only there if the trap came from ring 3"),
    u32("ss", "user stack segment; likewise"),
)
