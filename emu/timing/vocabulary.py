"""The vocabulary of costs: every class of instructions and every transition, once, with what it covers.

A class is chosen by Capstone's mnemonic and operand kinds: `_rr` reads registers or an immediate, `_rm` reads memory
too, `_mr` changes memory. A class without such an ending also covers a memory operand: that costs a load in addition.
"""

from __future__ import annotations

from emu.timing.figures import Kind, Term, Word
from emu.timing.sections import InstructionCost, StringCost


def _class(phrase: str, feature: str = "") -> Term:
    return Term(phrase, InstructionCost, feature=feature)


CLASSES = {
    # Moves
    "nop": _class("NOP"),
    "mov_rr": _class("MOV between registers"),
    "mov_ri": _class("MOV of an immediate"),
    "mov_load": _class("MOV from memory; prefetches"),
    "mov_store": _class("MOV to memory"),
    "movx_rr": _class("MOVZX, MOVSX between registers"),
    "movx_load": _class("MOVZX, MOVSX from memory"),
    "cmov": _class("CMOVcc", "CMOV"),
    "setcc": _class("SETcc"),
    "xchg_rr": _class("XCHG between registers"),
    "bswap": _class("BSWAP"),
    "extend": _class("CBW, CWDE"),
    "cdq": _class("CWD, CDQ"),
    "lea": _class("LEA of one or two registers, or of an address"),
    "lea_disp": _class("LEA of registers and a displacement"),
    "lea_scaled": _class("LEA with a scaled index"),
    "lea_scaled_disp": _class("LEA with a scaled index and a displacement"),
    # Arithmetic
    "alu_rr": _class("ADD, SUB"),
    "alu_rm": _class("ADD, SUB, AND, OR, XOR of a register with memory"),
    "alu_mr": _class("ADD, SUB, AND, OR, XOR, INC, DEC, NEG, NOT on memory"),
    "logic_rr": _class("AND, OR, XOR"),
    "cmp_rr": _class("CMP of registers"),
    "test_rr": _class("TEST of registers"),
    "cmp_rm": _class("CMP, TEST with memory"),
    "inc_dec": _class("INC, DEC of a register"),
    "neg_not": _class("NEG, NOT of a register"),
    "adc_rr": _class("ADC, SBB"),
    "adc_rm": _class("ADC, SBB of a register with memory"),
    "adc_mr": _class("ADC, SBB on memory"),
    "mul32": _class("MUL, IMUL with one operand"),
    "imul32": _class("IMUL with two or three operands"),
    "div8": _class("DIV by 8 bits"),
    "div16": _class("DIV by 16 bits"),
    "div32": _class("DIV by 32 bits"),
    "idiv8": _class("IDIV by 8 bits"),
    "idiv16": _class("IDIV by 16 bits"),
    "idiv32": _class("IDIV by 32 bits"),
    # Shifts and bits
    "shift_imm": _class("SHL, SHR, SAR by a constant"),
    "shift_cl": _class("SHL, SHR, SAR by CL"),
    "shift_mr": _class("shifts and rotations of memory"),
    "rotate_imm": _class("ROL, ROR by a constant"),
    "rotate_cl": _class("ROL, ROR by CL"),
    "rotate_carry": _class("RCL, RCR by 1"),
    "rotate_carry_cl": _class("RCL, RCR by more"),
    "double_shift": _class("SHLD, SHRD"),
    "bt_rr": _class("BT of a register"),
    "bt_mr": _class("BT of memory by a register"),
    "bts_rr": _class("BTS, BTR, BTC of a register"),
    "bts_mr": _class("BTS, BTR, BTC of memory by a register"),
    "bsf": _class("BSF"),
    "bsr": _class("BSR"),
    # Flags
    "clc": _class("CLC, STC"),
    "cmc": _class("CMC"),
    "cld": _class("CLD"),
    "std": _class("STD"),
    "lahf": _class("LAHF"),
    "sahf": _class("SAHF"),
    # Read, modify, write; locked or not
    "xadd": _class("XADD"),
    "cmpxchg": _class("CMPXCHG"),
    "cmpxchg8b": _class("CMPXCHG8B"),
    "xchg_mem": _class("XCHG with memory: always locked"),
    "lock_rmw": _class("any instruction with LOCK, its line in the cache"),
    # Stack
    "push": _class("PUSH of a register"),
    "push_imm": _class("PUSH of an immediate"),
    "push_mem": _class("PUSH of memory"),
    "push_sreg": _class("PUSH of a segment register"),
    "pop": _class("POP into a register"),
    "pop_mem": _class("POP into memory"),
    "pushad": _class("PUSHA, PUSHAD"),
    "popad": _class("POPA, POPAD"),
    "pushfd": _class("PUSHF, PUSHFD"),
    "enter": _class("ENTER without nesting"),
    "leave": _class("LEAVE"),
    # Branches, predicted right
    "jmp_near": _class("JMP relative"),
    "jmp_indirect": _class("JMP through a register or memory"),
    "jcc": _class("Jcc"),
    "jecxz": _class("JCXZ, JECXZ"),
    "loop": _class("LOOP, LOOPcc"),
    "call_near": _class("CALL relative"),
    "call_indirect": _class("CALL through a register or memory"),
    "ret_near": _class("RET"),
    "ret_imm": _class("RET that drops parameters"),
    # String instructions without REP
    "lods": _class("LODS"),
    "stos": _class("STOS"),
    "movs": _class("MOVS"),
    "cmps": _class("CMPS"),
    "scas": _class("SCAS"),
    # Floating point, and what saves its state
    "fp_move": _class("FLD, FST, FXCH and such"),
    "fp_add": _class("FADD, FSUB, FCOM"),
    "fp_mul": _class("FMUL"),
    "fp_div": _class("FDIV"),
    "fp_sqrt": _class("FSQRT; FSIN, FPREM, FBSTP and such are taken for it"),
    "fnsave": _class("FNSAVE, FNSTENV"),
    "frstor": _class("FRSTOR, FLDENV"),
    "fxsave": _class("FXSAVE", "FXSR"),
    "fxrstor": _class("FXRSTOR", "FXSR"),
    "mmx": _class("arithmetic on MMX registers", "MMX"),
    "emms": _class("EMMS", "MMX"),
    "sse": _class("arithmetic on XMM registers", "SSE"),
    "sfence": _class("SFENCE", "SSE"),
    "lfence": _class("LFENCE", "SSE2"),
    "mfence": _class("MFENCE", "SSE2"),
    "pause": _class("PAUSE; a NOP to processors without SSE2", "SSE2"),
    "other": _class("what has no class of its own"),
}

STRINGS = {
    "rep_movs": Term("REP MOVS", StringCost),
    "rep_stos": Term("REP STOS", StringCost),
    "rep_lods": Term("REP LODS", StringCost),
    "repe_cmps": Term("REPE, REPNE CMPS", StringCost),
    "repne_scas": Term("REPE, REPNE SCAS", StringCost),
}

TRANSITIONS = {
    # Crossings
    "int_outer": Term("INT n from ring 3 to ring 0"),
    "int_same": Term("INT n within a ring"),
    "exception": Term("a fault or trap instead of INT n, in addition"),
    "interrupt": Term("a hardware interrupt instead of INT n, in addition; its bus cycles are ports.inta"),
    "iret_outer": Term("IRET from ring 0 to ring 3"),
    "iret_same": Term("IRET within a ring"),
    "sysenter": Term("SYSENTER", feature="SEP"),
    "sysexit": Term("SYSEXIT", feature="SEP"),
    "call_gate_inner": Term("CALL through a gate to an inner ring, no parameters"),
    "call_gate_same": Term("CALL through a gate within a ring"),
    "call_far": Term("far CALL within a ring"),
    "jmp_far": Term("far JMP within a ring"),
    "ret_far_same": Term("far RET within a ring"),
    "ret_far_outer": Term("far RET to an outer ring"),
    # Segments and tables
    "mov_sreg": Term("load DS, ES, FS or GS: MOV, POP, LDS and such"),
    "mov_ss": Term("load SS: MOV, POP, LSS"),
    "mov_from_sreg": Term("MOV from a segment register"),
    "lgdt": Term("LGDT"),
    "lidt": Term("LIDT"),
    "lldt": Term("LLDT"),
    "ltr": Term("LTR"),
    "sgdt": Term("SGDT, SIDT"),
    "str": Term("STR, SLDT"),
    "lar": Term("LAR, LSL"),
    "verr": Term("VERR, VERW"),
    # Control registers and translations
    "mov_from_cr": Term("MOV from a control register"),
    "mov_cr0": Term("MOV to CR0"),
    "mov_cr2": Term("MOV to CR2"),
    "mov_cr3": Term("MOV to CR3, the refill of the TLBs apart"),
    "mov_cr4": Term("MOV to CR4"),
    "mov_from_dr": Term("MOV from a debug register"),
    "mov_dr": Term("MOV to a debug register"),
    "clts": Term("CLTS"),
    "lmsw": Term("LMSW"),
    "smsw": Term("SMSW"),
    "invlpg": Term("INVLPG"),
    "invd": Term("INVD"),
    "wbinvd": Term("WBINVD, writing the lines back apart", high=100_000_000),
    # Flags and waiting
    "cli": Term("CLI"),
    "sti": Term("STI"),
    "popf": Term("POPF, POPFD"),
    "hlt": Term("HLT, the waiting apart"),
    # Identification, counters, model-specific registers
    "rdtsc": Term("RDTSC", feature="TSC"),
    "cpuid": Term("CPUID"),
    "rdmsr": Term("RDMSR", feature="MSR"),
    "wrmsr": Term("WRMSR", feature="MSR"),
    # Ports: the processor's part; the bus's is in `ports`
    "in": Term("IN, CPL <= IOPL"),
    "in_bitmap": Term("IN allowed by the TSS bitmap"),
    "out": Term("OUT, CPL <= IOPL"),
    "out_bitmap": Term("OUT allowed by the TSS bitmap"),
    "ins": Term("INS, an iteration"),
    "outs": Term("OUTS, an iteration"),
}

# Transitions of which the processor decides at run time which one it is, and how often: family, and what it may be
FAMILIES = {
    "int": ("int_same", "int_outer"),                           # INT n, INT3, INTO
    "iret": ("iret_same", "iret_outer"),
    "far call": ("call_far", "call_gate_same", "call_gate_inner"),
    "far jmp": ("jmp_far",),                                    # into a segment, or through a gate or a TSS
    "far ret": ("ret_far_same", "ret_far_outer"),
    "rep ins": ("ins",),
    "rep outs": ("outs",),
}

PAIRED = ("reg", "rm", "rmw", "branch")         # what an instruction of a pair does; a branch goes second only
PAIRS = {f"{u}_{v}": Term(f"{u} in the U pipe with {v} in the V pipe", kinds=(Kind.P5,), high=100)
         for u in PAIRED[:3] for v in PAIRED}

UOPS = Term("micro-ops (K7: macro-ops)", unit="", low=1, high=1000, whole=True)
PAIRING = Term("which pipe: UV either, PU only U, PV only V, NP alone", Word, choices=("UV", "PU", "PV", "NP"))
