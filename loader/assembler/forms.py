"""Instructions encoded by hand, because Keystone refuses them or gets them wrong in 32-bit code.

The table reads like the opcode tables of the Intel SDM, volume 2 (the page named is the one of the instruction).
Operand patterns: r16 r32 m m16 m32 sreg far (a far pointer in the instruction) mfar (one in memory). Encodings: bytes,
/digit or /r for ModR/M, cp for a far pointer.
"""

from __future__ import annotations

from dataclasses import dataclass

from loader.assembler import registers
from loader.assembler.operands import FarPointer, Memory, Operand, Register

_TABLE = """
iret    |            | CF           | IRET/IRETD: 32-bit operand size
iretd   |            | CF           | IRET/IRETD
iretw   |            | 66 CF        | IRET, 16-bit operand size
movsb   |            | A4           | MOVS/MOVSB/MOVSW/MOVSD
movsw   |            | 66 A5        |
movsd   |            | A5           |
stosb   |            | AA           | STOS/STOSB/STOSW/STOSD
stosw   |            | 66 AB        |
stosd   |            | AB           |
lodsb   |            | AC           | LODS/LODSB/LODSW/LODSD
lodsw   |            | 66 AD        |
lodsd   |            | AD           |
scasb   |            | AE           | SCAS/SCASB/SCASW/SCASD
scasw   |            | 66 AF        |
scasd   |            | AF           |
cmpsb   |            | A6           | CMPS/CMPSB/CMPSW/CMPSD
cmpsw   |            | 66 A7        |
cmpsd   |            | A7           |
insb    |            | 6C           | INS/INSB/INSW/INSD
insw    |            | 66 6D        |
insd    |            | 6D           |
outsb   |            | 6E           | OUTS/OUTSB/OUTSW/OUTSD
outsw   |            | 66 6F        |
outsd   |            | 6F           |
pushf   |            | 9C           | PUSHF/PUSHFD: 32-bit operand size
pushfd  |            | 9C           | PUSHF/PUSHFD
pushfw  |            | 66 9C        | PUSHF, 16-bit operand size
popf    |            | 9D           | POPF/POPFD: 32-bit operand size
popfd   |            | 9D           | POPF/POPFD
popfw   |            | 66 9D        | POPF, 16-bit operand size
xlat    |            | D7           | XLAT/XLATB
int3    |            | CC           | INT n/INTO/INT3
lgdt    | m          | 0F 01 /2     | LGDT/LIDT
lidt    | m          | 0F 01 /3     | LGDT/LIDT
sgdt    | m          | 0F 01 /0     | SGDT
sidt    | m          | 0F 01 /1     | SIDT
lar     | r32 r32    | 0F 02 /r     | LAR: the upper half of the source is ignored
lar     | r32 r16    | 0F 02 /r     |
lar     | r32 m16    | 0F 02 /r     |
lsl     | r32 r32    | 0F 03 /r     | LSL: the upper half of the source is ignored
lsl     | r32 r16    | 0F 03 /r     |
lsl     | r32 m16    | 0F 03 /r     |
mov     | sreg r16   | 8E /r        | MOV: no operand-size prefix is needed
mov     | sreg r32   | 8E /r        |
mov     | sreg m16   | 8E /r        |
mov     | r16 sreg   | 66 8C /r     |
mov     | r32 sreg   | 8C /r        |
mov     | m16 sreg   | 8C /r        |
nop     | m16        | 66 0F 1F /0  | NOP
nop     | m32        | 0F 1F /0     |
jmp     | mfar       | FF /5        | JMP m16:32
call    | mfar       | FF /3        | CALL m16:32
jmp     | far        | EA cp        | JMP ptr16:32
call    | far        | 9A cp        | CALL ptr16:32
"""

_SEGMENT_STACK = {          # PUSH and POP of segment registers; Keystone adds an operand-size prefix to some
    ("push", "es"): "06", ("push", "cs"): "0E", ("push", "ss"): "16", ("push", "ds"): "1E",
    ("push", "fs"): "0F A0", ("push", "gs"): "0F A8",
    ("pop", "es"): "07", ("pop", "ss"): "17", ("pop", "ds"): "1F", ("pop", "fs"): "0F A1", ("pop", "gs"): "0F A9",
}

STRING = frozenset(f"{name}{width}" for name in ("movs", "stos", "lods", "scas", "cmps", "ins", "outs")
                   for width in "bwd")
PREFIX = {"lock": 0xF0, "rep": 0xF3, "repe": 0xF3, "repz": 0xF3, "repne": 0xF2, "repnz": 0xF2}      # SDM 2.1.1
LOCKABLE = frozenset((      # SDM volume 2, LOCK
    "add", "adc", "and", "btc", "btr", "bts", "cmpxchg", "cmpxchg8b", "dec", "inc", "neg", "not", "or", "sbb", "sub",
    "xor", "xadd", "xchg"))


@dataclass(frozen=True, slots=True)
class Form:
    """One encoding of an instruction."""

    opcode: bytes           # prefixes and opcode
    reg: int | None         # the reg field of ModR/M; None: no ModR/M
    rm: Operand | None      # what ModR/M addresses
    far: FarPointer | None  # follows the opcode: offset, then selector


def find(mnemonic: str, operands: tuple[Operand, ...]) -> Form | None:
    """The form of the table that fits, None if there is none."""
    if len(operands) == 1 and isinstance(operands[0], Register):
        code = _SEGMENT_STACK.get((mnemonic, operands[0].name))
        if code:
            return Form(bytes.fromhex(code), None, None, None)
    for patterns, encoding in _FORMS.get(mnemonic, ()):
        if len(patterns) == len(operands) and all(map(_fits, patterns, operands)):
            return _form(encoding, operands)
    return None


def _form(encoding: str, operands: tuple[Operand, ...]) -> Form:
    opcode, slash, field = encoding.partition(" /")
    if not slash:
        far = operands[0] if operands and isinstance(operands[0], FarPointer) else None
        return Form(bytes.fromhex(opcode.removesuffix(" cp")), None, None, far)
    code = bytes.fromhex(opcode)
    if field != "r":
        return Form(code, int(field), operands[0], None)
    reg, rm = operands
    if isinstance(reg, Memory) or (isinstance(rm, Register) and rm.name in registers.SEGMENT):
        reg, rm = rm, reg                                           # MOV r/m, Sreg
    assert isinstance(reg, Register)
    return Form(code, number(reg.name), rm, None)


def number(register: str) -> int:
    """The number by which ModR/M names a register."""
    for bank in (registers.GENERAL_32, registers.GENERAL_16, registers.GENERAL_8, registers.SEGMENT):
        if register in bank:
            return bank.index(register)
    raise ValueError(f"{register} is not in ModR/M")


def _fits(pattern: str, operand: Operand) -> bool:
    match operand:
        case Register(name):
            bank = {"r16": registers.GENERAL_16, "r32": registers.GENERAL_32, "sreg": registers.SEGMENT}.get(pattern)
            return bank is not None and name in bank
        case Memory(size=size, far=far):
            wanted = {"m": size in (0, 6), "m16": size == 2, "m32": size == 4, "mfar": far}
            return wanted.get(pattern, False)
        case FarPointer():
            return pattern == "far"
    return False


def _parse() -> dict[str, list[tuple[list[str], str]]]:
    found: dict[str, list[tuple[list[str], str]]] = {}
    for row in _TABLE.strip().splitlines():
        mnemonic, patterns, encoding, _ = (column.strip() for column in row.split("|"))
        found.setdefault(mnemonic, []).append((patterns.split(), encoding))
    return found


_FORMS = _parse()           # by mnemonic: operand patterns and encoding
