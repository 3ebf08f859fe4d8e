"""What kind of instruction it is: its class, or its transition, in the words of the vocabulary.

Every instruction has exactly one of the two. A class has its price in the pipeline; a transition has a published cost
of its own. Transitions of which the processor decides at run time what they are (which gate, which ring, how often) are
families: names of vocabulary.FAMILIES, which has what each may turn out to be.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import lru_cache

from emu.decoding import Instruction
from emu.timing.operands import Operand, Register, operands

REPEATS = {"rep", "repe", "repz", "repne", "repnz"}     # as Capstone writes prefixes
ELEMENTS = {"b": 1, "w": 2, "d": 4}                     # bytes, by the last letter of a string instruction
STRINGS = {"movs": "rep_movs", "stos": "rep_stos", "lods": "rep_lods", "cmps": "repe_cmps", "scas": "repne_scas"}

# Classes to which a memory operand adds an access; all others have theirs in their figures
WITH_OPERAND = {"cmov", "setcc", "mul32", "imul32", "div8", "div16", "div32", "idiv8", "idiv16", "idiv32",
                "double_shift", "bsf", "bsr", "xadd", "cmpxchg", "fp_move", "fp_add", "fp_mul", "fp_div", "fp_sqrt",
                "mmx", "sse"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an instruction is: a class or a transition, the other empty."""

    name: str = ""                                      # of vocabulary.CLASSES
    transition: str = ""                                # of vocabulary.TRANSITIONS or FAMILIES
    string: tuple[str, int] | None = None               # with REP: name in vocabulary.STRINGS, bytes of an element


def class_of(instruction: Instruction) -> str | None:
    """The class that prices `instruction`, a name of vocabulary.CLASSES; None for a transition.

    What the processor refuses or Capstone does not know is "other". A string instruction has the class that it has
    without REP: with REP it is priced by `string_of`.
    """
    return _meaning(instruction.mnemonic, instruction.operands).name or None


def transition_of(instruction: Instruction) -> str | None:
    """The transition that prices `instruction`: a name of vocabulary.TRANSITIONS; one of vocabulary.FAMILIES if the
    processor decides at run time which it is; None if it has a class.
    """
    return _meaning(instruction.mnemonic, instruction.operands).transition or None


def string_of(instruction: Instruction) -> tuple[str, int] | None:
    """The name in vocabulary.STRINGS and the bytes of an element, of MOVS, STOS, LODS, CMPS or SCAS with REP."""
    return _meaning(instruction.mnemonic, instruction.operands).string


def priced_as(name: str, known: Container[str]) -> str:
    """Class `name` on a processor with the classes `known`: PAUSE is a NOP without SSE2, the rest refused."""
    return name if name in known else "nop" if name == "pause" else "other"


@lru_cache(maxsize=1 << 14)
def _meaning(mnemonic: str, text: str) -> Meaning:
    *prefixes, name = mnemonic.split(" ")
    stem, size, repeats = name[:-1], ELEMENTS.get(name[-1]), bool(REPEATS.intersection(prefixes))
    if stem in ("ins", "outs") and size and repeats:
        return Meaning(transition=f"rep {stem}")
    if "lock" in prefixes:
        return Meaning("lock_rmw")
    given = operands(text)
    moved = _transition(name, given)
    if moved:
        return Meaning(transition=moved)
    found = _class(name, given)
    return Meaning(found, string=(STRINGS[stem], size) if found == stem and size and repeats else None)


def _transition(name: str, given: tuple[Operand, ...]) -> str:
    if name in SEGMENT_LOADS or (name == "mov" and any(each.register is Register.SEGMENT for each in given)):
        return _segment(name, given)
    if name == "mov" and (special := [each for each in given if each.register in (Register.CONTROL, Register.DEBUG)]):
        return _special(special[0], written=special[0] is given[0])
    if name == "pop" and given[0].register is Register.SEGMENT:
        return "mov_ss" if given[0].name == "ss" else "mov_sreg"
    if name in ("call", "jmp") and given[0].memory and not given[0].bits:       # Capstone gives far pointers no size
        return f"far {name}"
    return TRANSITION_OF.get(name, "")


def _segment(name: str, given: tuple[Operand, ...]) -> str:
    """The transition of LDS and such, or of MOV with a segment register."""
    if name == "mov" and given[0].register is not Register.SEGMENT:
        return "mov_from_sreg"
    return "mov_ss" if name == "lss" or given[0].name == "ss" else "mov_sreg"


def _special(register: Operand, written: bool) -> str:
    """The transition of MOV with a control or debug register."""
    if register.register is Register.DEBUG:
        return "mov_dr" if written else "mov_from_dr"
    if not written:
        return "mov_from_cr"
    return f"mov_{register.name}" if register.name in ("cr0", "cr2", "cr3", "cr4") else "mov_cr0"


def _class(name: str, given: tuple[Operand, ...]) -> str:
    if any(each.register is Register.XMM for each in given):
        return "sse"
    if name in BY_OPERANDS and given:
        return BY_OPERANDS[name](name, given)
    if name in CLASS_OF:
        return CLASS_OF[name]
    if any(each.register is Register.MMX for each in given):
        return "mmx"
    for prefix, found in (("cmov", "cmov"), ("set", "setcc"), ("j", "jcc"), ("f", "fp_move")):
        if name.startswith(prefix):
            return found
    return "other"


# Classes by operands

def _form(stem: str) -> Callable[[str, tuple[Operand, ...]], str]:
    """Chooses `stem`_mr, _rm or _rr by where the memory operand is."""
    def choose(_: str, given: tuple[Operand, ...]) -> str:
        return stem + ("_mr" if given[0].memory else "_rm" if given[-1].memory else "_rr")
    return choose


def _logic(_: str, given: tuple[Operand, ...]) -> str:
    return "alu_mr" if given[0].memory else "alu_rm" if given[1].memory else "logic_rr"


def _compare(name: str, given: tuple[Operand, ...]) -> str:
    return "cmp_rm" if any(each.memory for each in given) else f"{name}_rr"


def _unary(name: str, given: tuple[Operand, ...]) -> str:
    return "alu_mr" if given[0].memory else "inc_dec" if name in ("inc", "dec") else "neg_not"


def _move(_: str, given: tuple[Operand, ...]) -> str:
    if given[0].memory:
        return "mov_store"
    return "mov_load" if given[1].memory else "mov_ri" if given[1].immediate else "mov_rr"


def _extend(_: str, given: tuple[Operand, ...]) -> str:
    return "movx_load" if given[1].memory else "movx_rr"


def _lea(_: str, given: tuple[Operand, ...]) -> str:
    place = given[1]
    scaled = place.scale > 1
    displaced = bool(place.displacement) and (scaled or len(place.address) == 2)
    return "lea" + "_scaled" * scaled + "_disp" * displaced


def _multiply(_: str, given: tuple[Operand, ...]) -> str:
    return "mul32" if len(given) == 1 else "imul32"


def _divide(name: str, given: tuple[Operand, ...]) -> str:
    return f"{name}{given[0].bits or 32}"


def _shift(name: str, given: tuple[Operand, ...]) -> str:
    if given[0].memory:
        return "shift_mr"
    by_cl = len(given) > 1 and given[1].register is not None
    return ("shift" if name.startswith("s") else "rotate") + ("_cl" if by_cl else "_imm")


def _rotate_carry(_: str, given: tuple[Operand, ...]) -> str:
    if given[0].memory:
        return "shift_mr"
    return "rotate_carry" if len(given) == 1 or given[1].text == "1" else "rotate_carry_cl"


def _bit(name: str, given: tuple[Operand, ...]) -> str:
    """BT and such. With the bit's number as a constant, memory is read as by any other instruction."""
    stem = "bt" if name == "bt" else "bts"
    if not given[0].memory:
        return f"{stem}_rr"
    return f"{stem}_mr" if given[1].register else "cmp_rm" if stem == "bt" else "alu_mr"


def _exchange(_: str, given: tuple[Operand, ...]) -> str:
    return "xchg_mem" if any(each.memory for each in given) else "xchg_rr"


def _push(_: str, given: tuple[Operand, ...]) -> str:
    if given[0].memory:
        return "push_mem"
    return "push_sreg" if given[0].register is Register.SEGMENT else "push_imm" if given[0].immediate else "push"


def _pop(_: str, given: tuple[Operand, ...]) -> str:
    return "pop_mem" if given[0].memory else "pop"


def _branch(relative: str, indirect: str) -> Callable[[str, tuple[Operand, ...]], str]:
    def choose(_: str, given: tuple[Operand, ...]) -> str:
        return relative if given[0].immediate else indirect
    return choose


BY_OPERANDS: dict[str, Callable[[str, tuple[Operand, ...]], str]] = {
    **dict.fromkeys(("add", "sub"), _form("alu")), **dict.fromkeys(("adc", "sbb"), _form("adc")),
    **dict.fromkeys(("and", "or", "xor"), _logic), **dict.fromkeys(("cmp", "test"), _compare),
    **dict.fromkeys(("inc", "dec", "neg", "not"), _unary), "mov": _move, "movnti": _move,
    **dict.fromkeys(("movzx", "movsx"), _extend), "lea": _lea, **dict.fromkeys(("mul", "imul"), _multiply),
    **dict.fromkeys(("div", "idiv"), _divide), **dict.fromkeys(("shl", "sal", "shr", "sar", "rol", "ror"), _shift),
    **dict.fromkeys(("rcl", "rcr"), _rotate_carry), **dict.fromkeys(("bt", "bts", "btr", "btc"), _bit),
    "xchg": _exchange, "push": _push, "pop": _pop, "jmp": _branch("jmp_near", "jmp_indirect"),
    "call": _branch("call_near", "call_indirect"), "ret": lambda _, given: "ret_imm"}

# Classes by name alone
_SAME = ("nop", "bswap", "cdq", "shld", "bsf", "bsr", "clc", "cmc", "cld", "std", "lahf", "sahf", "xadd", "cmpxchg",
         "cmpxchg8b", "enter", "leave", "loop", "fnsave", "frstor", "fxsave", "fxrstor", "emms", "sfence", "lfence",
         "mfence", "pause")
_GROUPS = {
    "extend": "cbw cwde", "cdq": "cwd", "double_shift": "shld shrd", "clc": "stc", "emms": "femms",
    "pushad": "pushal pushaw", "popad": "popal popaw", "pushfd": "pushf pushfd", "jecxz": "jecxz jcxz",
    "loop": "loope loopne", "ret_near": "ret", "fnsave": "fnstenv", "frstor": "fldenv", "fp_move": "wait",
    "nop": "endbr32", "bsf": "tzcnt", "bsr": "lzcnt",           # what older processors take these for
    "mov_load": "prefetch prefetchw prefetchnta prefetcht0 prefetcht1 prefetcht2",
    "fp_add": "fadd faddp fiadd fsub fsubp fsubr fsubrp fisub fisubr fcom fcomp fcompp fcomi fcompi ficom ficomp "
              "fucom fucomp fucompp fucomi fucompi ftst fxam",
    "fp_mul": "fmul fmulp fimul", "fp_div": "fdiv fdivp fdivr fdivrp fidiv fidivr",
    "fp_sqrt": "fsqrt fsin fcos fsincos fptan fpatan fyl2x fyl2xp1 f2xm1 fscale fprem fprem1 frndint fxtract fbld "
               "fbstp",
}
CLASS_OF = {name: name for name in _SAME} | {name: key for key, names in _GROUPS.items() for name in names.split()}
for _stem in STRINGS:
    CLASS_OF |= {_stem + _size: _stem for _size in ELEMENTS}

# Transitions by name
SEGMENT_LOADS = {"lds", "les", "lfs", "lgs", "lss"}
TRANSITION_OF = {name: name for name in (
    "sysenter", "sysexit", "lgdt", "lidt", "lldt", "ltr", "sgdt", "str", "lar", "verr", "clts", "lmsw", "smsw",
    "invlpg", "invd", "wbinvd", "cli", "sti", "popf", "hlt", "rdtsc", "cpuid", "rdmsr", "wrmsr", "in", "out")}
TRANSITION_OF |= {"sidt": "sgdt", "sldt": "str", "lsl": "lar", "verw": "verr", "popfd": "popf", "rdpmc": "rdmsr",
                  "insb": "ins", "insw": "ins", "insd": "ins", "outsb": "outs", "outsw": "outs", "outsd": "outs"}
TRANSITION_OF |= {"int": "int", "int3": "int", "int1": "int", "into": "int", "iret": "iret", "iretd": "iret",
                  "lcall": "far call", "ljmp": "far jmp", "retf": "far ret"}       # families
