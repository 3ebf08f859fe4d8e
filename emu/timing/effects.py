"""What an instruction reads and writes: registers, flags, memory, the stack.

Parts of a register count as the register: what writes AL reads EAX too, for it keeps the rest. "flags" stands for all
arithmetic flags. Segment registers, the direction flag and x87 control are left out: what sets them is a transition, or
takes so long that nothing else decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from emu.decoding import Instruction
from emu.timing.classes import class_of
from emu.timing.operands import Operand, Register, operands

FLAGS = "flags"
ALL = ("eax", "ecx", "edx", "ebx", "ebp", "esi", "edi")     # but ESP
VALUES = {Register.GENERAL, Register.X87, Register.MMX, Register.XMM}       # registers that hold what is computed


@dataclass(frozen=True, slots=True)
class Effects:
    """What one instruction reads and writes."""

    reads: tuple[str, ...]              # registers and flags whose values the operation needs
    address: tuple[str, ...]            # registers of the memory operand's address
    writes: tuple[str, ...]             # registers and flags that hold a result
    load: Operand | None = None         # memory that is read
    store: Operand | None = None        # memory that is written
    pushed: int = 0                     # bytes that it pushes; it stores them below ESP
    popped: int = 0                     # bytes that it pops; it loads them from ESP
    idiom: bool = False                 # the result is 0 whatever the register held: XOR or SUB of it with itself


# What is in no operand: registers and flags read, and written
IMPLICIT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cbw": (("eax",), ("eax",)), "cwde": (("eax",), ("eax",)), "cwd": (("eax",), ("edx",)),
    "cdq": (("eax",), ("edx",)), "lahf": ((FLAGS,), ("eax",)), "sahf": (("eax",), ()),
    "cmpxchg": (("eax",), ()), "cmpxchg8b": (("eax", "ebx", "ecx", "edx"), ()),     # if they find what they expect
    "xlatb": (("eax", "ebx"), ("eax",)), "loop": (("ecx",), ("ecx",)), "loope": (("ecx", FLAGS), ("ecx",)),
    "loopne": (("ecx", FLAGS), ("ecx",)), "jecxz": (("ecx",), ()), "jcxz": (("ecx",), ()),
    "leave": (("ebp",), ("esp", "ebp")), "enter": (("ebp", "esp"), ("esp", "ebp")), "pushal": (ALL, ()),
    "pushaw": (ALL, ()), "popal": ((), ALL), "popaw": ((), ALL),
}
POINTERS = {"lods": ("esi",), "stos": ("edi",), "scas": ("edi",), "movs": ("esi", "edi"), "cmps": ("esi", "edi")}
IMPLICIT |= {stem + size: ((), pointers) for stem, pointers in POINTERS.items() for size in "bwd"}
OPERANDS = {"leave": "dword ptr [ebp]", "nop": ""}          # where Capstone has another idea of them
STACK = {"pushal": (32, 0), "pushaw": (16, 0), "popal": (0, 32), "popaw": (0, 16), "pushfd": (4, 0), "pushf": (2, 0),
         "call": (4, 0), "ret": (0, 4), "enter": (4, 0), "leave": (0, 4)}       # bytes pushed and popped

# What the first operand is, if not both read and written
WRITTEN = {"mov", "movnti", "movzx", "movsx", "lea", "pop", "bsf", "bsr", "tzcnt", "lzcnt", "lodsb", "lodsw", "lodsd",
           "stosb", "stosw", "stosd", "movsb", "movsw", "movsd", "fst", "fstp", "fist", "fistp", "fnstsw", "fnstcw",
           "fnsave", "fnstenv", "fxsave", "movd", "movq", "movntq", "movaps", "movups", "movdqa", "movdqu"}
READ = {"cmp", "test", "bt", "push", "jmp", "call", "mul", "div", "idiv", "ret", "scasb", "scasw", "scasd", "cmpsb",
        "cmpsw", "cmpsd", "bound", "leave", "fld", "fild", "fldcw", "frstor", "fldenv", "fxrstor"}

WRITES_FLAGS = {"alu_rr", "alu_rm", "alu_mr", "logic_rr", "cmp_rr", "test_rr", "cmp_rm", "inc_dec", "neg_not", "adc_rr",
                "adc_rm", "adc_mr", "mul32", "imul32", "shift_imm", "shift_cl", "shift_mr", "rotate_imm", "rotate_cl",
                "rotate_carry", "rotate_carry_cl", "double_shift", "bt_rr", "bt_mr", "bts_rr", "bts_mr", "bsf", "bsr",
                "clc", "cmc", "sahf", "xadd", "cmpxchg", "cmpxchg8b", "scas", "cmps", "lock_rmw"}
READS_FLAGS = {"adc_rr", "adc_rm", "adc_mr", "rotate_carry", "rotate_carry_cl", "jcc", "setcc", "cmov", "cmc", "pushfd"}


def effects_of(instruction: Instruction) -> Effects:
    """What `instruction` reads and writes, without what REP adds to it."""
    return _effects(instruction.mnemonic, instruction.operands)


@lru_cache(maxsize=1 << 14)
def _effects(mnemonic: str, text: str) -> Effects:
    instruction = Instruction(0, 0, mnemonic, text)
    name, kind = instruction.name, class_of(instruction)
    given = operands(OPERANDS.get(name, text))
    reads, writes = (list(registers) for registers in IMPLICIT.get(name, ((), ())))
    if name in ("mul", "div", "idiv") or (name == "imul" and len(given) == 1):
        wide = ["eax", "edx"] if given[0].bits != 8 else ["eax"]
        reads, writes = list(wide) if name.endswith("div") else ["eax"], list(wide)
    if kind in READS_FLAGS:
        reads.append(FLAGS)
    if kind in WRITES_FLAGS and name != "not":
        writes.append(FLAGS)
    load = store = None
    for place, each in enumerate(given):
        read, written = _role(name, given, place)
        if each.memory and name != "lea":
            load, store = each if read else load, each if written else store
        elif each.register in VALUES:
            reads += [each.name] * (read or (written and each.bits in (8, 16)))
            writes += [each.name] * written
    if name.startswith("f") and name != "femms" and not any(each.register is Register.X87 for each in given):
        reads += ["st(0)"] * (kind != "fp_move" or name in ("fchs", "fabs"))
        writes += ["st(0)"]
    pushed, popped = _stack(name, given)
    address = tuple(register for each in given if each.memory for register in each.address)
    idiom = name in ("xor", "sub") and given[0].text == given[1].text and given[0].bits == 32
    return Effects(tuple(dict.fromkeys(reads)), address, tuple(dict.fromkeys(writes)), load, store, pushed, popped,
                   idiom)


def _role(name: str, given: tuple[Operand, ...], place: int) -> tuple[bool, bool]:
    """Whether the operand at `place` is read, and whether it is written."""
    if name in ("xchg", "xadd", "fxch"):
        return True, True
    if place > 0:
        return True, False
    if name in READ or (name == "imul" and len(given) == 1):
        return True, False
    if name in WRITTEN or (name == "imul" and len(given) == 3) or name.startswith("set"):
        return False, True
    if name.startswith("f") and len(given) == 1:        # its result goes to st(0)
        return True, given[0].register is Register.X87
    return True, True


def _stack(name: str, given: tuple[Operand, ...]) -> tuple[int, int]:
    """Bytes that are pushed, and popped."""
    if name in ("push", "pop"):
        size = 2 if given[0].bits == 16 else 4
        return (size, 0) if name == "push" else (0, size)
    return STACK.get(name, (0, 0))
