"""What each instruction does to memory, to the stack and to the registers, in the terms of a `Derivation`.

One function per kind of instruction, in `data_effects`, `stack_effects` and `system_effects`; `EFFECTS` has them by
Capstone's mnemonic. An instruction without an entry reads or writes its memory operands as Capstone says and leaves
nothing known in the registers that it writes.
"""

from __future__ import annotations

from collections.abc import Sequence

from capstone import x86 as cs

from emu.cpu.data_effects import (
    READ,
    WRITE,
    arithmetic,
    bit_scan,
    bit_string,
    change_memory,
    cmpxchg,
    divide,
    exchange,
    extend,
    far_pointer,
    imul,
    lea,
    mov,
    negate,
    nothing,
    plain,
    reads,
    registers,
    shift,
    sign_of_eax,
    step_by,
    translate,
    widen_eax,
    write_unknown,
    xadd,
)
from emu.cpu.derivation import Derivation, Effect, Op, Step, useful
from emu.cpu.stack_effects import (
    call,
    direction,
    enter,
    far,
    jump,
    leave,
    pop,
    pop_all,
    pop_flags,
    push,
    push_all,
    push_flags,
    ret,
    return_far,
    string,
)
from emu.cpu.system_effects import (
    descriptor_table,
    empty_caches,
    floating,
    interrupt_flag,
    invalidate_page,
    load_status_word,
    may_fault,
    privileged,
    table_register,
    verify,
)
from emu.decoding import Instruction

EFFECTS: dict[str, Effect] = {
    "mov": mov, "movzx": extend, "movsx": extend, "lea": lea, "xchg": exchange, "xlatb": translate,
    "add": arithmetic(Op.ADD), "sub": arithmetic(Op.SUB), "and": arithmetic(Op.AND), "or": arithmetic(Op.OR),
    "xor": arithmetic(Op.XOR), "inc": step_by(1), "dec": step_by(-1), "neg": negate, "not": negate,
    "adc": change_memory, "sbb": change_memory, "cmpxchg": cmpxchg, "cmpxchg8b": cmpxchg, "xadd": xadd,
    "shl": shift(Op.SHL), "sal": shift(Op.SHL), "shr": shift(Op.SHR), "sar": shift(Op.SAR),
    "imul": imul, "div": divide, "idiv": divide,
    "rol": change_memory, "ror": change_memory, "rcl": change_memory, "rcr": change_memory,
    "shld": change_memory, "shrd": change_memory,
    "cdq": sign_of_eax, "cwd": sign_of_eax, "cwde": widen_eax, "cbw": widen_eax,
    "bsf": bit_scan, "bsr": bit_scan, "bt": bit_string, "bts": bit_string, "btr": bit_string, "btc": bit_string,
    "cmp": reads, "test": reads, "nop": nothing, "prefetchnta": nothing, "prefetcht0": nothing, "prefetcht1": nothing,
    "prefetcht2": nothing, "prefetchw": nothing, "prefetch": nothing,
    "push": push, "pop": pop, "pushal": push_all, "pushaw": push_all, "popal": pop_all, "popaw": pop_all,
    "pushfd": push_flags, "pushf": push_flags, "popfd": pop_flags, "popf": pop_flags, "enter": enter, "leave": leave,
    "call": call, "jmp": jump, "ret": ret, "retf": return_far, "iret": return_far, "iretd": return_far,
    "lcall": far(Op.CALL_FAR), "ljmp": far(Op.JUMP_FAR),
    "lds": far_pointer, "les": far_pointer, "lfs": far_pointer, "lgs": far_pointer, "lss": far_pointer,
    "cld": direction(1), "std": direction(-1),
    "lgdt": descriptor_table(READ), "lidt": descriptor_table(READ),
    "sgdt": descriptor_table(WRITE), "sidt": descriptor_table(WRITE),
    "lldt": table_register, "ltr": table_register, "sldt": write_unknown, "str": write_unknown, "smsw": write_unknown,
    "lmsw": load_status_word, "lar": verify, "lsl": verify, "verr": verify, "verw": verify, "arpl": change_memory,
    "invlpg": invalidate_page, "clts": privileged, "invd": empty_caches, "wbinvd": empty_caches, "hlt": privileged,
    "rdmsr": privileged, "wrmsr": privileged, "cli": interrupt_flag, "sti": interrupt_flag,
    "bound": may_fault, "into": may_fault, "aam": may_fault,
    "cpuid": registers, "rdtsc": registers, "fwait": floating, "wait": floating,
    "fxsave": floating, "fxrstor": floating,
}
for _name in ("movs", "stos", "lods", "cmps", "scas", "ins", "outs"):
    EFFECTS |= {_name + suffix: string for suffix in "bwd"}
for _condition in ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"):
    EFFECTS["set" + _condition] = write_unknown
    EFFECTS["j" + _condition] = nothing
EFFECTS |= dict.fromkeys(("jcxz", "jecxz", "clc", "stc", "cmc", "sahf", "int3"), nothing)


def effect_of(instruction: Instruction) -> Effect:
    """The function for an instruction."""
    if instruction.detail.opcode[0] == 0x0F and instruction.name in ("movsd", "cmpsd"):
        return plain                            # SSE2, not strings
    effect = EFFECTS.get(instruction.name)
    if effect is None:
        floats = instruction.name.startswith("f") and instruction.detail.group(cs.X86_GRP_FPU)
        effect = floating if floats else plain
    return effect


def derive(instructions: Sequence[Instruction], bits: int) -> list[Step]:
    """The program of a block, decoded with detail: what to compute, what is accessed. The last step is END or STOP."""
    d = Derivation(bits)
    for d.at, instruction in enumerate(instructions):
        if instruction.detail is None:
            d.stop()
        else:
            effect_of(instruction)(d, instruction, list(instruction.detail.operands))
        if d.stopped:
            break
    else:
        d.add(Step(Op.END, len(instructions)))
    return useful(d.steps)
