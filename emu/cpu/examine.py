"""Instructions that Unicorn would carry out wrongly: looked at before they run.

All of these are rare, so they are decided in Python: what a program at CPL 3 does to descriptor tables and with far
transfers, port accesses that the I/O permission bitmap decides about, IDIV of the one dividend that would end the host
process, and blocks that reach into a page that cannot be fetched.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import capstone
from capstone import x86 as cs_x86

from emu.cpu import layout, runner
from emu.cpu.delivery import FAULT, TRAP
from emu.cpu.state import Examine, Fill, Mode, Stop
from emu.cpu.x86 import (
    AF,
    CF,
    DESC_C,
    DESC_DPL_SHIFT,
    OF,
    PF,
    SF,
    TSS_BUSY,
    TSS_IO_MAP_BASE,
    TYPE_TSS32_BUSY,
    VM,
    ZF,
    Vector,
)
from emu.decoding import decode
from emu.memory import PAGE

if TYPE_CHECKING:
    from emu.cpu.cpu import Cpu

LONGEST = 15                # bytes of an instruction
TYPE_CALL_GATES = (4, 12)   # 16-bit and 32-bit
HINT_NOP_SIZE = 3           # bytes of 0F 18 with a register, which Capstone does not know
ALLOW_SYSTEM = 2            # see State.step_allow
MSR_TSC = 0x10              # time-stamp counter

# What makes the processor read a descriptor table on a program's behalf, besides loads of segment registers.
FAR_POINTERS = frozenset(("lds", "les", "lfs", "lgs", "lss", "lcall", "ljmp"))
SEGMENT_READERS = FAR_POINTERS | {"retf", "retfq", "iret", "iretd", "lar", "lsl", "verr", "verw"}
SEGMENTS = frozenset(("es", "cs", "ss", "ds", "fs", "gs"))
INDIRECT, CALL_FAR, JUMP_FAR = 0xFF, 3, 5       # opcode FF /3 and /5, which Capstone may call plain CALL and JMP

_decoders: dict[int, Any] = {}
for _width, _mode in ((32, capstone.CS_MODE_32), (16, capstone.CS_MODE_16)):
    _decoders[_width] = capstone.Cs(capstone.CS_ARCH_X86, _mode)
    _decoders[_width].detail = True

_exception, _probe, _read_system = runner.exception.ctypes, runner.probe.ctypes, runner.read_system.ctypes
_step_allowed, _pass_over, _begin_part = runner.step_allowed.ctypes, runner.pass_over.ctypes, runner.begin_part.ctypes
_ask_bitmap = runner.ask_bitmap.ctypes


def look(cpu: Cpu, what: Examine) -> Stop:
    """Decide about the instruction at EIP so that the next run goes on: Stop.NONE, or why the machine cannot."""
    state, user = cpu.state, ctypes.addressof(cpu.state)
    if what == Examine.FETCH_ACROSS:
        return _fetch_across(cpu, user)
    if what == Examine.ILLEGAL:
        return Stop(_exception(user, Vector.UD, 0, FAULT))
    instruction = _decode_one(cpu)
    if what == Examine.IMPLICIT_ACCESS:
        return _implicit_access(cpu, user, instruction)
    if what == Examine.REFUSED:
        return _refused(cpu, user, instruction)
    if instruction is None:
        state.passed = cpu.linear_eip
        return Stop.NONE
    if what == Examine.ICEBP:
        _pass_over(user, instruction.size)
        return Stop(_exception(user, Vector.DB, 0, TRAP))
    if what == Examine.PORT:
        allowed = _port_allowed(cpu, user, instruction)
        if allowed is None:
            return _page_fault(cpu)
        if not allowed:
            return Stop(_exception(user, Vector.GP, 0, FAULT))
        _ask_bitmap(user, 0 if _mnemonic(instruction).startswith("in") else 1)
    if what == Examine.MSR:
        return _model_specific_register(cpu, user, instruction)
    if what == Examine.FAR_TRANSFER and not _stack_allowed(cpu, user, instruction):
        return _page_fault(cpu)
    if what == Examine.DIVISION and _divides_by_minus_one(cpu, user, instruction):
        return Stop(_exception(user, Vector.DE, 0, FAULT))
    state.passed = cpu.linear_eip
    return Stop.NONE


def _page_fault(cpu: Cpu) -> Stop:
    """Deliver the page fault that a failed translation noted."""
    cpu.registers.cr2 = cpu.state.walk_address
    return Stop(_exception(ctypes.addressof(cpu.state), Vector.PF, cpu.state.walk_error, FAULT))


def _bits(cpu: Cpu) -> int:
    return 32 if ctypes.c_uint32.from_address(cpu.state.env + layout.HFLAGS).value & layout.HF_CS32 else 16


def _decode_one(cpu: Cpu) -> Any:
    """The instruction at EIP with its operands, None if Capstone does not know it."""
    pc = cpu.linear_eip
    return next(_decoders[_bits(cpu)].disasm(cpu.read_linear(pc, LONGEST), pc, 1), None)


def _register(cpu: Cpu, instruction: Any, number: int) -> int:
    """The value of a register that Capstone names by number, of any width."""
    name = instruction.reg_name(number)
    if name in _NAMES:
        wide, shift, mask = _NAMES[name]
        return getattr(cpu.registers, wide) >> shift & mask
    return 0


def _names() -> dict[str, tuple[str, int, int]]:
    names = {}
    for wide in ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]:
        names[wide] = (wide, 0, 0xFFFFFFFF)
        names[wide[1:]] = (wide, 0, 0xFFFF)
        if wide.endswith("x"):
            names[wide[1] + "l"] = (wide, 0, 0xFF)
            names[wide[1] + "h"] = (wide, 8, 0xFF)
    return names


_NAMES = _names()


def _address(cpu: Cpu, instruction: Any, operand: Any) -> int:
    """The linear address of a memory operand."""
    memory = operand.mem
    offset = memory.disp
    if memory.base:
        offset += _register(cpu, instruction, memory.base)
    if memory.index:
        offset += _register(cpu, instruction, memory.index) * memory.scale
    offset &= 0xFFFF if instruction.addr_size == 2 else 0xFFFFFFFF
    segment = instruction.reg_name(memory.segment) if memory.segment else None
    if segment is None:
        based = instruction.reg_name(memory.base) if memory.base else ""
        segment = "ss" if based in ("esp", "ebp", "bp", "sp") else "ds"
    return cpu.registers.segment(segment).base + offset & 0xFFFFFFFF


def _stack(cpu: Cpu, offset: int) -> int:
    """The linear address `offset` bytes from the top of the stack."""
    stack = cpu.registers.segment("ss")
    mask = 0xFFFFFFFF if stack.flags >> 22 & 1 else 0xFFFF
    return stack.base + (cpu.registers.esp + offset & mask) & 0xFFFFFFFF


def _implicit_access(cpu: Cpu, user: int, instruction: Any) -> Stop:
    """A read at CPL 3 met a supervisor page: the program's, or the processor's on its behalf?"""
    state = cpu.state
    linear = ctypes.c_uint64.from_address(state.invalid_address).value & 0xFFFFFFFF
    error = state.fill_error
    if instruction is not None and _reads_descriptor(instruction) and _in_system_table(cpu, linear):
        far = _mnemonic(instruction) in FAR_POINTERS
        own = [(_address(cpu, instruction, operand), _operand_width(cpu, instruction) + 2 if far else operand.size)
               for operand in instruction.operands if operand.type == cs_x86.X86_OP_MEM]
        if not all(_probe(user, address, size, 0) for address, size in own):
            return _page_fault(cpu)
        if instruction.mnemonic == "pop" and not _probe(user, _stack(cpu, 0), 2, 0):
            return _page_fault(cpu)
        if _step_allowed(user, ALLOW_SYSTEM):
            return Stop.NONE
    state.walk_address, state.walk_error = linear, error
    return _page_fault(cpu)


def _mnemonic(instruction: Any) -> str:
    """Capstone's, without prefixes; far calls and jumps have names of their own."""
    if instruction.opcode[0] == INDIRECT:
        return {CALL_FAR: "lcall", JUMP_FAR: "ljmp"}.get(instruction.modrm >> 3 & 7, instruction.mnemonic)
    return str(instruction.mnemonic.split()[-1])


def _operand_width(cpu: Cpu, instruction: Any) -> int:
    """Operand size: 2 or 4 bytes."""
    prefixed = instruction.prefix[2] == 0x66
    return 2 if prefixed == (_bits(cpu) == 32) else 4


def _reads_descriptor(instruction: Any) -> bool:
    """True if the instruction makes the processor read a descriptor on its behalf."""
    name = _mnemonic(instruction)
    if name in ("mov", "pop"):
        target = instruction.operands[0]
        return target.type == cs_x86.X86_OP_REG and instruction.reg_name(target.reg) in SEGMENTS
    return name in SEGMENT_READERS


def _in_system_table(cpu: Cpu, linear: int) -> bool:
    """True if `linear` lies in the GDT, the LDT or the TSS."""
    tables = [cpu.registers.table("gdtr")]
    tables += [(cache.base, cache.limit) for cache in map(cpu.registers.segment, ("ldtr", "tr"))]
    return any(base <= linear <= base + limit for base, limit in tables)


def _port_allowed(cpu: Cpu, user: int, instruction: Any) -> bool | None:
    """What the I/O permission bitmap says (Intel manual volume 1, section 12.5.2); None after a page fault."""
    name, size = instruction.mnemonic.split()[-1], 4
    operands = list(instruction.operands)
    if name in ("in", "out"):
        data, port = (operands[0], operands[1]) if name == "in" else (operands[1], operands[0])
        size = data.size
    else:
        size = {"b": 1, "w": 2, "d": 4}[name[-1]]
        port = next(each for each in operands if each.type == cs_x86.X86_OP_REG)
    number = port.imm & 0xFF if port.type == cs_x86.X86_OP_IMM else cpu.registers.edx & 0xFFFF
    task = cpu.registers.segment("tr")
    if task.flags >> 8 & 0xF | TSS_BUSY != TYPE_TSS32_BUSY or task.limit < TSS_IO_MAP_BASE + 1:
        return False
    base = _read_system(user, task.base + TSS_IO_MAP_BASE, 2)
    if base < 0:
        return None
    at = base + number // 8
    if at + 1 > task.limit:
        return False
    bits = _read_system(user, task.base + at, 2)
    if bits < 0:
        return None
    return not bits >> number % 8 & (1 << size) - 1


def _stack_allowed(cpu: Cpu, user: int, instruction: Any) -> bool:
    """A far transfer at CPL 3: may the program itself access the stack that it needs?"""
    name, width = _mnemonic(instruction), _operand_width(cpu, instruction)
    if name.startswith("iret"):
        return bool(_probe(user, _stack(cpu, 0), 3 * width, 0))
    if name.startswith("retf"):
        return bool(_probe(user, _stack(cpu, 0), 2 * width, 0))
    if name != "lcall":
        return True
    parameters = _gate_parameters(cpu, user, instruction, width)
    if parameters is None:
        return bool(_probe(user, _stack(cpu, -2 * width), 2 * width, 1))
    return parameters == 0 or bool(_probe(user, _stack(cpu, 0), parameters, 0))


def _gate_parameters(cpu: Cpu, user: int, instruction: Any, width: int) -> int | None:
    """Bytes of parameters that a far call through a call gate copies to an inner stack; None if the stack stays."""
    operands = list(instruction.operands)
    if operands and operands[0].type == cs_x86.X86_OP_MEM:
        at = _address(cpu, instruction, operands[0]) + width
        selector = int.from_bytes(cpu.read_linear(at, 2), "little") if _probe(user, at, 2, 0) else 0
    else:
        selector = operands[0].imm & 0xFFFF
    low, high = _descriptor(cpu, user, selector)
    kind = high >> 8 & 0x1F
    if cpu.registers.eflags & VM or kind not in TYPE_CALL_GATES:
        return None
    _, code = _descriptor(cpu, user, low >> 16)
    if code & DESC_C or code >> DESC_DPL_SHIFT & 3 == 3:
        return None
    return (high & 0x1F) * (4 if kind & 8 else 2)


def _descriptor(cpu: Cpu, user: int, selector: int) -> tuple[int, int]:
    """The two doublewords of a descriptor; zeros if it lies outside its table or in a missing page."""
    base, limit = cpu.registers.table("gdtr")
    if selector & 4:
        base, limit = cpu.registers.segment("ldtr")[1:3]
    if (selector & ~7) + 7 > limit:
        return 0, 0
    low, high = (_read_system(user, base + (selector & ~7) + offset, 4) for offset in (0, 4))
    return (0, 0) if low < 0 or high < 0 else (low, high)


def _divides_by_minus_one(cpu: Cpu, user: int, instruction: Any) -> bool:
    """IDIV of the most negative dividend by -1: a divide error, which Unicorn would meet as one of its own."""
    operand = instruction.operands[0]
    registers, size = cpu.registers, operand.size
    if (size == 4 and (registers.edx, registers.eax) != (0x80000000, 0)) or size == 1:
        return False
    if operand.type == cs_x86.X86_OP_REG:
        divisor = _register(cpu, instruction, operand.reg)
    else:
        divisor = int.from_bytes(cpu.read_linear(_address(cpu, instruction, operand), size), "little")
    return bool(divisor == (1 << 8 * size) - 1)


def _model_specific_register(cpu: Cpu, user: int, instruction: Any) -> Stop:
    """RDMSR or WRMSR at CPL 0 of what is not one of SYSENTER's: the time-stamp counter, or #GP(0)."""
    registers, state = cpu.registers, cpu.state
    if registers.ecx != MSR_TSC:
        return Stop(_exception(user, Vector.GP, 0, FAULT))
    if instruction.mnemonic == "rdmsr":
        now = state.cycles + state.tsc_offset
        registers.eax, registers.edx = now & 0xFFFFFFFF, now >> 32 & 0xFFFFFFFF
    else:
        state.tsc_offset = (registers.edx << 32 | registers.eax) - state.cycles
    _pass_over(user, instruction.size)
    return Stop.NONE


def _refused(cpu: Cpu, user: int, instruction: Any) -> Stop:
    """What Unicorn takes for invalid: TEST r/m, imm by its second encoding, and hint NOPs (family 6 and later)."""
    if instruction is None or instruction.mnemonic != "test":
        if cpu.profile.family < 6:
            return Stop(_exception(user, Vector.UD, 0, FAULT))
        _pass_over(user, instruction.size if instruction else HINT_NOP_SIZE)
        return Stop.NONE
    operand, size = instruction.operands[0], instruction.operands[0].size
    if operand.type == cs_x86.X86_OP_REG:
        value = _register(cpu, instruction, operand.reg)
    else:
        at = _address(cpu, instruction, operand)
        if cpu.cpl == 3 and not _probe(user, at, size, 0):
            return _page_fault(cpu)
        value = 0
        for i in range(size):
            byte = _read_system(user, at + i, 1)
            if byte < 0:
                return _page_fault(cpu)
            value |= byte << 8 * i
    result = value & instruction.operands[1].imm & (1 << 8 * size) - 1
    flags = cpu.registers.eflags & ~(CF | PF | AF | ZF | SF | OF)
    flags |= 0 if (result & 0xFF).bit_count() & 1 else PF
    flags |= (0 if result else ZF) | (SF if result >> 8 * size - 1 else 0)
    cpu.registers.eflags = flags
    _pass_over(user, instruction.size)
    return Stop.NONE


def _fetch_across(cpu: Cpu, user: int) -> Stop:
    """Run the whole instructions before a page that cannot be fetched; the one that reaches into it faults."""
    state, pc = cpu.state, cpu.linear_eip
    code = cpu.read_linear(pc, PAGE - pc % PAGE)
    instructions = decode(code, pc, _bits(cpu))
    size = sum(each.size for each in instructions)
    if size:
        cpu.enter_part(pc, code[:size], _bits(cpu))
        _begin_part(user)
        return Stop.NONE
    if state.fill != Fill.FAULT:
        state.examine = Mode.PAE if state.fill == Fill.PAE else Mode.CODE_IN_DEVICE
        return Stop.UNSUPPORTED
    state.walk_address = ctypes.c_uint64.from_address(state.invalid_address).value & 0xFFFFFFFF
    state.walk_error = state.fill_error
    return _page_fault(cpu)


