"""Instructions: every form against the bytes that the Intel SDM (volume 2) gives it."""

import pytest

from loader.assembler import AssemblyError, assemble
from loader.assembler import check as checking
from loader.assembler.fields import Encoded
from loader.errors import Mistake
from loader.expression import name

FORMS = """
iret                                    | cf
iretd                                   | cf
iretw                                   | 66 cf
movsb                                   | a4
movsw                                   | 66 a5
movsd                                   | a5
stosb                                   | aa
stosw                                   | 66 ab
stosd                                   | ab
lodsb                                   | ac
lodsw                                   | 66 ad
lodsd                                   | ad
scasb                                   | ae
scasw                                   | 66 af
scasd                                   | af
cmpsb                                   | a6
cmpsw                                   | 66 a7
cmpsd                                   | a7
insb                                    | 6c
insw                                    | 66 6d
insd                                    | 6d
outsb                                   | 6e
outsw                                   | 66 6f
outsd                                   | 6f
rep movsb                               | f3 a4
rep movsd                               | f3 a5
rep movsw                               | f3 66 a5
rep stosd                               | f3 ab
rep lodsb                               | f3 ac
rep insw                                | f3 66 6d
rep outsd                               | f3 6f
repe cmpsb                              | f3 a6
repz cmpsd                              | f3 a7
repne scasb                             | f2 ae
repnz scasd                             | f2 af
jmp 0x8:0x100000                        | ea 00 00 10 00 08 00
call 0x1b:0x12345678                    | 9a 78 56 34 12 1b 00
jmp far [eax]                           | ff 28
jmp far ptr [eax + 4]                   | ff 68 04
jmp fword ptr [ebx + ecx*4]             | ff 2c 8b
call far [0x1000]                       | ff 1d 00 10 00 00
call far dword ptr [eax]                | ff 18
retf                                    | cb
retf 8                                  | ca 08 00
ret                                     | c3
retn                                    | c3
ret 8                                   | c2 08 00
lgdt [0x4000]                           | 0f 01 15 00 40 00 00
lidt [eax]                              | 0f 01 18
lgdt fword ptr [ebp - 6]                | 0f 01 55 fa
sgdt [esp + 2]                          | 0f 01 44 24 02
sidt gs:[eax]                           | 65 0f 01 08
lar eax, ecx                            | 0f 02 c1
lar eax, cx                             | 0f 02 c1
lar eax, word ptr [ecx]                 | 0f 02 01
lar eax, [ecx]                          | 0f 02 01
lsl edx, ecx                            | 0f 03 d1
lsl edx, cx                             | 0f 03 d1
lsl edx, word ptr [ebx]                 | 0f 03 13
int3                                    | cc
int 3                                   | cd 03
int 0x80                                | cd 80
into                                    | ce
hlt                                     | f4
sysenter                                | 0f 34
sysexit                                 | 0f 35
rdmsr                                   | 0f 32
wrmsr                                   | 0f 30
rdtsc                                   | 0f 31
rdpmc                                   | 0f 33
cpuid                                   | 0f a2
ud2                                     | 0f 0b
invlpg [eax]                            | 0f 01 38
invlpg byte ptr [eax]                   | 0f 01 38
clts                                    | 0f 06
lmsw ax                                 | 0f 01 f0
smsw ax                                 | 66 0f 01 e0
ltr ax                                  | 0f 00 d8
ltr [eax]                               | 0f 00 18
str ax                                  | 66 0f 00 c8
str eax                                 | 0f 00 c8
str [eax]                               | 0f 00 08
sldt ax                                 | 66 0f 00 c0
lldt ax                                 | 0f 00 d0
lldt word ptr [eax]                     | 0f 00 10
verr ax                                 | 0f 00 e0
verw [eax]                              | 0f 00 28
pushad                                  | 60
popad                                   | 61
pusha                                   | 60
popa                                    | 61
pushfd                                  | 9c
popfd                                   | 9d
pushf                                   | 9c
popf                                    | 9d
pushfw                                  | 66 9c
popfw                                   | 66 9d
wbinvd                                  | 0f 09
invd                                    | 0f 08
mov cr0, eax                            | 0f 22 c0
mov eax, cr2                            | 0f 20 d0
mov cr3, ecx                            | 0f 22 d9
mov eax, cr4                            | 0f 20 e0
mov dr7, eax                            | 0f 23 f8
mov ebx, dr6                            | 0f 21 f3
mov ds, ax                              | 8e d8
mov ds, eax                             | 8e d8
mov ss, word ptr [ebx]                  | 8e 13
mov es, [ebx]                           | 8e 03
mov ax, ds                              | 66 8c d8
mov eax, gs                             | 8c e8
mov word ptr [eax], cs                  | 8c 08
push ds                                 | 1e
push es                                 | 06
push ss                                 | 16
push cs                                 | 0e
push fs                                 | 0f a0
push gs                                 | 0f a8
pop ds                                  | 1f
pop es                                  | 07
pop ss                                  | 17
pop fs                                  | 0f a1
pop gs                                  | 0f a9
cmpxchg dword ptr [eax], ecx            | 0f b1 08
lock cmpxchg [eax], ecx                 | f0 0f b1 08
lock cmpxchg8b [edi]                    | f0 0f c7 0f
lock inc dword ptr [eax]                | f0 ff 00
lock xadd fs:[ebx], al                  | f0 64 0f c0 03
lock bts dword ptr [eax], 5             | f0 0f ba 28 05
push 0x12                               | 6a 12
push dword 0x12                         | 6a 12
push 0x80                               | 68 80 00 00 00
push -1                                 | 6a ff
push dword ptr [eax]                    | ff 30
push word ptr [eax]                     | 66 ff 30
push ax                                 | 66 50
pop dword ptr [esp + 4]                 | 8f 44 24 04
mov eax, 1                              | b8 01 00 00 00
mov al, 'a'                             | b0 61
mov ax, -2                              | 66 b8 fe ff
mov dword [ebx], 1                      | c7 03 01 00 00 00
mov byte ptr [ebx], -1                  | c6 03 ff
mov eax, [0x12345678]                   | a1 78 56 34 12
mov [0x12345678], al                    | a2 78 56 34 12
mov ebx, [0x10]                         | 8b 1d 10 00 00 00
mov eax, fs:[0]                         | 64 a1 00 00 00 00
mov eax, [fs:0]                         | 64 a1 00 00 00 00
mov eax, gs:[eax + 8]                   | 65 8b 40 08
mov eax, ds:[ebp]                       | 3e 8b 45 00
mov eax, ss:[ebp]                       | 8b 45 00
mov eax, ss:[eax]                       | 36 8b 00
mov eax, ds:[eax]                       | 8b 00
mov eax, [ebp]                          | 8b 45 00
mov eax, [esp]                          | 8b 04 24
mov eax, [eax + esp]                    | 8b 04 04
mov eax, [ebx + ecx*8 - 4]              | 8b 44 cb fc
mov eax, [4 + ecx*2 + ebx]              | 8b 44 4b 04
mov eax, [ecx*4]                        | 8b 04 8d 00 00 00 00
mov eax, [2*ecx + ebx]                  | 8b 04 4b
mov eax, [ecx*5]                        | 8b 04 89
mov eax, [ebx - 128]                    | 8b 43 80
mov eax, [ebx - 129]                    | 8b 83 7f ff ff ff
mov eax, [ebx + (3 * 4) - 4]            | 8b 43 08
lea eax, [ebx + ecx*4 + 0x12345678]     | 8d 84 8b 78 56 34 12
lea esi, [esp + 8]                      | 8d 74 24 08
add eax, 1                              | 83 c0 01
add eax, -8                             | 83 c0 f8
add eax, 0x12345678                     | 05 78 56 34 12
and eax, ~0xfff                         | 25 00 f0 ff ff
cmp byte ptr [eax], 0xff                | 80 38 ff
or word ptr [eax], 0x8000               | 66 81 08 00 80
test eax, ecx                           | 85 c8
test ecx, [ebx]                         | 85 0b
test byte ptr [eax], 1                  | f6 00 01
xchg eax, ebx                           | 93
xchg ecx, [ebx]                         | 87 0b
imul eax, ebx                           | 0f af c3
imul eax, 5                             | 6b c0 05
imul eax, [ebx], 1000                   | 69 03 e8 03 00 00
mul ebx                                 | f7 e3
div dword ptr [eax]                     | f7 30
shl eax, 4                              | c1 e0 04
shl eax, 1                              | d1 e0
sal eax, cl                             | d3 e0
shr byte ptr [eax], 1                   | d0 28
shld eax, ebx, 4                        | 0f a4 d8 04
shrd [eax], ebx, cl                     | 0f ad 18
bsf eax, ebx                            | 0f bc c3
bsr eax, [ebx]                          | 0f bd 03
bt eax, 4                               | 0f ba e0 04
bts [eax], ebx                          | 0f ab 18
bswap esi                               | 0f ce
movzx eax, byte ptr [ebx]               | 0f b6 03
movsx eax, cx                           | 0f bf c1
setz al                                 | 0f 94 c0
setnae [eax]                            | 0f 92 00
cmovz eax, ebx                          | 0f 44 c3
in al, 0x20                             | e4 20
in eax, dx                              | ed
out 0x20, al                            | e6 20
out dx, ax                              | 66 ef
enter 16, 0                             | c8 10 00 00
leave                                   | c9
cbw                                     | 66 98
cwde                                    | 98
cdq                                     | 99
cld                                     | fc
sti                                     | fb
cli                                     | fa
xlat                                    | d7
xlatb                                   | d7
bound eax, [ebx]                        | 62 03
lss esp, [ebx]                          | 0f b2 23
lds eax, fword ptr [ebx]                | c5 03
arpl ax, bx                             | 63 d8
aam                                     | d4 0a
call eax                                | ff d0
jmp [eax]                               | ff 20
call [ecx*4 + 0x1000]                   | ff 14 8d 00 10 00 00
jmp dword ptr ds:[ebp + 1]              | 3e ff 65 01
nop                                     | 90
nop dword ptr [eax]                     | 0f 1f 00
pause                                   | f3 90
fwait                                   | 9b
fninit                                  | db e3
fnsave [eax]                            | dd 30
frstor [eax]                            | dd 20
fldcw [eax]                             | d9 28
fnstsw ax                               | df e0
fxsave [eax]                            | 0f ae 00
fxrstor [eax]                           | 0f ae 08
fld qword ptr [eax]                     | dd 00
fadd st(0), st(1)                       | d8 c1
fadd st, st(3)                          | d8 c3
faddp st(1), st(0)                      | de c1
fxch                                    | d9 c9
movsd xmm0, [eax]                       | f2 0f 10 00
movaps xmm1, xmm2                       | 0f 28 ca
movups [eax], xmm3                      | 0f 11 18
movq mm0, [eax]                         | 0f 6f 00
ldmxcsr [eax]                           | 0f ae 10
mfence                                  | 0f ae f0
"""


def code(source, **options):
    """The bytes of .text."""
    return assemble(source + "\n", **options).sections[".text"].data.hex(" ")


def refusal(source, **options):
    """The message of the only error."""
    with pytest.raises(AssemblyError) as caught:
        code(source, **options)
    assert len(caught.value.errors) == 1
    return caught.value.message


@pytest.mark.parametrize("row", FORMS.strip().splitlines(), ids=lambda row: row.partition("|")[0].strip())
def test_a_form_has_the_bytes_of_the_manual(row):
    source, expected = (column.strip() for column in row.split("|"))
    assert code(source) == expected


def test_upper_case_is_understood():
    assert code("MOV EAX, DWORD PTR [EBX + Ecx*4]") == code("mov eax, dword ptr [ebx + ecx*4]")


# Symbols in operands

@pytest.mark.parametrize(("source", "expected"), [
    ("push label", "68 00 00 00 00"),
    ("mov eax, label", "b8 00 00 00 00"),
    ("mov eax, offset label", "b8 00 00 00 00"),
    ("mov eax, [label]", "a1 00 00 00 00"),
    ("mov ecx, [label + 4]", "8b 0d 00 00 00 00"),
    ("mov ecx, [ebx + label]", "8b 8b 00 00 00 00"),
    ("add eax, label", "05 00 00 00 00"),
    ("add ecx, label", "81 c1 00 00 00 00"),
    ("cmp dword ptr [ebx], label", "81 3b 00 00 00 00"),
    ("mov dword ptr [label], other", "c7 05 00 00 00 00 00 00 00 00"),
    ("mov byte ptr [label], 7", "c6 05 00 00 00 00 07"),
    ("lea eax, [label + ecx*4]", "8d 04 8d 00 00 00 00"),
    ("lgdt [label]", "0f 01 15 00 00 00 00"),
    ("jmp 8:label", "ea 00 00 00 00 08 00"),
    ("jmp SELECTOR:label", "ea 00 00 00 00 00 00"),
    ("call far [label]", "ff 1d 00 00 00 00"),
    ("call [label + eax*4]", "ff 14 85 00 00 00 00"),
    ("mov eax, fs:[label]", "64 a1 00 00 00 00"),
    ("lock inc dword ptr fs:[label]", "f0 64 ff 05 00 00 00 00"),
    ("call label", "e8 00 00 00 00"),
    ("jmp label", "e9 00 00 00 00"),
    ("jz label", "0f 84 00 00 00 00"),
])
def test_a_symbol_of_another_file_takes_a_field_of_32_bits(source, expected):
    assert code(source).replace("fc ff ff ff", "00 00 00 00") == expected


def test_a_symbol_that_stands_twice_gets_two_relocations():
    made = assemble("mov dword ptr [label + 8], other - 1\n")
    assert [(r.offset, r.kind, r.symbol, r.addend) for r in made.relocations] == [
        (2, "R_386_32", "label", 8), (6, "R_386_32", "other", -1)]


def test_a_branch_to_another_file_is_relative_to_its_end():
    made = assemble("nop\ncall label + 2\n")
    assert [(r.offset, r.kind, r.symbol, r.addend) for r in made.relocations] == [(2, "R_386_PC32", "label", -2)]


def test_a_symbol_defined_further_down_still_takes_32_bits():
    assert code("add eax, LATER\n.equ LATER, 1") == "05 01 00 00 00"
    assert code(".equ EARLIER, 1\nadd eax, EARLIER") == "83 c0 01"


def test_the_distance_of_two_labels_can_be_an_operand():
    assert code("start: mov ecx, (end - start) / 2\nend:") == "b9 02 00 00 00"
    assert code("start: mov cl, end - start\nend:") == "b1 02"
    assert code("start: shl eax, end - start\nend:") == "c1 e0 03"
    assert code("start: mov word ptr [eax], end - start\nend:") == "66 c7 00 05 00"
    assert code("start: mov eax, 1 << (end - start)\nend:") == "b8 20 00 00 00"
    assert code("start: ret end - start\nend:") == "c2 03 00"


# What is refused

@pytest.mark.parametrize(("source", "message"), [
    ("mov [ebx], 1", "operand size unknown: say byte, word or dword ptr"),
    ("inc [ebx]", "operand size unknown: say byte, word or dword ptr"),
    ("movzx eax, [ebx]", "operand size unknown: say byte, word or dword ptr"),
    ("shl [ebx], cl", "operand size unknown: say byte, word or dword ptr"),
    ("push [ebx]", "operand size unknown: say byte, word or dword ptr"),
    ("fld [ebx]", "operand size unknown: say byte, word or dword ptr"),
    ("mov [label], 1", "operand size unknown: say byte, word or dword ptr"),
    ("frobnicate eax", "unknown instruction 'frobnicate'"),
    ("push dword label word", "'word' is not expected here"),
    ("mov al, 256", "the value 0x100 does not fit in a byte"),
    ("mov ax, -32769", "the value -0x8001 does not fit in a word"),
    ("mov eax, 0x100000000", "the value 0x100000000 does not fit in a doubleword"),
    ("ret 0x10000", "the value 0x10000 does not fit in a word"),
    ("mov eax, [ebx + 0x100000000]", "the displacement 0x100000000 does not fit in a doubleword"),
    ("int 256", "no such form of int: int 0x100 (invalid operand)"),
    ("mov cs, eax, ebx", "no such form of mov: mov cs, eax, ebx (invalid operand)"),
    ("mov eax, bx", "no such form of mov: mov eax, bx (invalid operand)"),
    ("lea eax, ebx", "no such form of lea: lea eax, ebx (invalid operand)"),
    ("mov eax, [ebx + ecx*3]", "no address form fits: at most base + index*scale + number, scale 1, 2, 4 or 8"),
    ("mov eax, [ebx + ecx + edx]", "no address form fits: at most base + index*scale + number, scale 1, 2, 4 or 8"),
    ("mov eax, [-ebx]", "no address form fits: at most base + index*scale + number, scale 1, 2, 4 or 8"),
    ("mov eax, [ebx + esp*2]", "esp cannot be an index (SDM volume 2, table 2-3)"),
    ("mov eax, [ebx << 2]", "registers in an address can only be added, and multiplied by 1, 2, 4 or 8"),
    ("mov eax, [bx + si]", "bx cannot be used in an address"),
    ("mov eax, label[ebx]", "put the whole address into the brackets: [label + register]"),
    ("mov eax, [ebx][ecx]", "put the whole address into one pair of brackets"),
    ("mov eax, [ebx", "']' is missing"),
    ("mov eax,", "a value is missing"),
    ("mov eax ebx", "'ebx' is not expected here"),
    ("mov eax, ebx + 1", "'+' is not expected here"),
    ("mov eax, 1 + ebx", "ebx cannot be used in an expression"),
    ("mov dword ptr eax, 1", "a size keyword does not belong to the register eax"),
    ("mov eax, dword 5", "a size keyword belongs to a memory operand"),
    ("mov eax, fs:5", "write fs:[address]"),
    ("mov eax, fs:[gs:5]", "two segment overrides"),
    ("lock mov [eax], ebx", "lock mov: lock needs an instruction that reads and writes memory (SDM 2, LOCK)"),
    ("lock add eax, ebx", "lock add: lock needs an instruction that reads and writes memory (SDM 2, LOCK)"),
    ("lock", "lock needs an instruction behind it"),
    ("rep", "rep needs an instruction behind it"),
    ("repz 5", "repz needs an instruction behind it"),
    ("rep nop", "rep belongs to a string instruction without operands, such as rep movsd"),
    ("rep movsd dword ptr es:[edi], dword ptr [esi]",
     "rep belongs to a string instruction without operands, such as rep movsd"),
    ("stosd [edi], eax", "stosd is written without operands: it uses fixed registers and what they point to"),
    ("jmp far label", "far needs an address in brackets, or selector:offset"),
    ("call short label", "call has no short form"),
    ("loop near label", "loop has no near form"),
    ("mov eax, short label", "short and near belong to branches"),
    ("jz 8:label", "jz takes no far pointer"),
    ("jmp byte ptr label", "a branch to a label takes no size keyword"),
    ("fadd st(8), st(0)", "floating-point registers are st(0) to st(7)"),
    ("mov rax, 5", "rax cannot be used in an expression"),
    ("finit", "finit is two instructions: write wait and fninit"),
    ("5", "this is no instruction, directive, label or assignment"),
])
def test_what_cannot_be_encoded_is_refused(source, message):
    assert refusal(source) == message


# What Keystone fails at or lies about: each is right here or refused

KEYSTONE_TRAPS = """
push label                 | 68 00 00 00 00             Keystone: a 16-bit push
iret                       | cf                         a 16-bit return
lgdt [0x4000]              | 0f 01 15 00 40 00 00       an operand-size prefix, so a 24-bit base
lidt [0x4000]              | 0f 01 1d 00 40 00 00       likewise
sgdt [0x4000]              | 0f 01 05 00 40 00 00       likewise
jmp 8:0x1000               | ea 00 10 00 00 08 00       refused, or success with no bytes
call 8:0x1000              | 9a 00 10 00 00 08 00       likewise
jmp far ptr [eax]          | ff 28                      refused
rep movsd                  | f3 a5                      refused
movsd                      | a5                         refused
retn                       | c3                         refused
jmp short label            | eb 00                      refused
mov eax, offset label      | b8 00 00 00 00             refused
lar eax, cx                | 0f 02 c1                   refused
lsl eax, cx                | 0f 03 c1                   refused
mov eax, 100               | b8 64 00 00 00             0x100, once an option was set
mov eax, [eax + esp]       | 8b 04 04                   [eax]: ESP is lost
mov eax, ds:[ebp]          | 3e 8b 45 00                ss: the override is lost
push ds                    | 1e                         a 16-bit push
mov ax, 0x12345            | the value 0x12345 does not fit in a word     cut off to 0x2345
"""


@pytest.mark.parametrize("row", KEYSTONE_TRAPS.strip().splitlines(), ids=lambda row: row.partition("|")[0].strip())
def test_what_keystone_gets_wrong_is_right(row):
    source, result = (column.strip() for column in row.split("|"))
    expected = result.split("   ")[0]
    if "fit" in expected:
        assert refusal(source) == expected
    else:
        assert code(source + "\nlabel:").startswith(expected)


@pytest.mark.parametrize(("source", "expected"), [
    (".text\nnop", "90"),
    (".section .text\nnop", "90"),
    ("jmp .", "eb fe"),
    (".rept 10\nnop\n.endr", " ".join(["90"] * 10)),
    ("nop\n.balign 4\nnop", "90 8d 76 00 90"),
    ("nop ; a comment", "90"),
    ("nop # a comment", "90"),
    ("nop // a comment", "90"),
    (".data\n.long 1\n.text\nlabel: nop\n.data\n.text\njmp label", "90 eb fd"),
    (".fill end - start, 1, 0x90\nstart: nop\nend:", None),
])
def test_directives_that_crash_keystone_or_are_ignored_by_it_work(source, expected):
    if expected is None:
        assert refusal(source) == "the value must be known here, and end is not"
    else:
        assert code(source) == expected


def test_numeric_labels_are_refused():
    assert refusal("1: nop") == "this is no instruction, directive, label or assignment"
    assert "is not a number" in refusal("jmp 1b")


# The second opinion

def agrees(words, operands, encoding):
    """Whether the check accepts `encoding` (hexadecimal) for an instruction."""
    try:
        checking.verify(words.split(), operands, Encoded(bytes.fromhex(encoding)), name)
    except Mistake as mistake:
        assert "the encoding cannot be trusted" in str(mistake)
        return False
    return True


@pytest.mark.parametrize(("words", "operands", "right", "wrong"), [
    ("mov", "eax, ebx", "89 d8", "89 c3"),                                  # operands exchanged
    ("mov", "eax, 5", "b8 05 00 00 00", "b8 06 00 00 00"),                  # another value
    ("mov", "eax, 5", "b8 05 00 00 00", "66 b8 05 00"),                     # another size
    ("mov", "eax, [ebx + 4]", "8b 43 04", "8b 43 08"),                      # another displacement
    ("mov", "eax, [ebx + ecx*4]", "8b 04 8b", "8b 04 4b"),                  # another scale
    ("mov", "eax, [eax + esp]", "8b 04 04", "8b 04 20"),                    # no index
    ("mov", "eax, ds:[ebp]", "3e 8b 45 00", "8b 45 00"),                    # another segment
    ("mov", "dword ptr [ebx], 1", "c7 03 01 00 00 00", "66 c7 03 01 00"),   # another size
    ("jmp", "far [eax]", "ff 28", "ff 20"),                                 # near instead of far
    ("jmp", "[eax]", "ff 20", "ff 28"),                                     # far instead of near
    ("jmp", "8:4", "ea 04 00 00 00 08 00", "ea 08 00 00 00 04 00"),         # selector and offset exchanged
    ("iretd", "", "cf", "66 cf"),
    ("iretw", "", "66 cf", "cf"),
    ("pushfd", "", "9c", "66 9c"),
    ("movsd", "", "a5", "66 a5"),
    ("rep movsd", "", "f3 a5", "a5"),
    ("repne scasb", "", "f2 ae", "f3 ae"),
    ("lock inc", "dword ptr [eax]", "f0 ff 00", "ff 00"),
    ("ret", "", "c3", "cb"),
    ("nop", "", "90", "90 90"),                                             # more than one instruction
    ("nop", "", "90", "0f"),                                                # no instruction
    ("setz", "al", "0f 94 c0", "0f 95 c0"),
    ("fsub", "st(1), st(0)", "dc e9", "dc e1"),                             # reversed
    ("ret", "8", "c2 08 00", "c2 09 00"),
    ("push", "-1", "6a ff", "68 ff 00 00 00"),
])
def test_the_check_tells_right_from_wrong(words, operands, right, wrong):
    assert agrees(words, operands, right)
    assert not agrees(words, operands, wrong)


def test_a_wrong_encoding_is_an_error_with_bytes_and_reading(monkeypatch):
    monkeypatch.setattr("loader.assembler.instructions._seen", {})
    monkeypatch.setattr("loader.assembler.encoder.encode", lambda text: bytes.fromhex("89c3"))
    assert refusal("mov eax, ebx") == "the encoding cannot be trusted: 89 c3 reads as 'mov ebx, eax'"


def test_a_branch_with_the_wrong_opcode_is_an_error():
    with pytest.raises(Mistake, match="the encoding cannot be trusted"):
        checking.verify_branch("jz", bytes.fromhex("7500"), 0, 2)
    with pytest.raises(Mistake, match="the encoding cannot be trusted"):
        checking.verify_branch("jz", bytes.fromhex("7400"), 0, 3)
    checking.verify_branch("jz", bytes.fromhex("7400"), 0, 2)


def test_an_instruction_is_what_its_names_mean_where_it_stands():
    source = "mov al, N\nmov al, M\nM = 5\nmov al, M\nM = 6\nmov al, M"
    for number in (1, 2):
        code = assemble(f"M = 4\n{source}", constants={"N": number}).sections[".text"].data
        assert code == bytes([0xB0, number, 0xB0, 4, 0xB0, 5, 0xB0, 6])
