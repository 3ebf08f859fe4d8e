"""The mix: what a compiler's output looks like to a simulator, as one small program.

Forty of a hundred instructions access memory. That is the share of loads and stores in SPECint2006, commercial and
Python programs (J. E. Moreira, Load/Store Characteristics for a Set of POWER Systems Benchmarks, IBM RC25126, 2011);
there are two loads for each store there, three for two here. A block has six instructions, the last of which is a
branch, a call or a return: of all instructions 15 to 25 % are branches, three to six others lie between two of them
(Hennessy and Patterson, Computer Architecture, chapter on instruction-level parallelism). `makeup` counts both.
Of all branches `p3-500` predicts 13 % wrong and `k7-550` 5 %; a buffer of 4096 two-bit counters has 11 % of SPEC89's
integer programs wrong (the same book, figure C.19, after Pan, So and Rameh, 1992). `p3-500` misses its first data cache
in 2 % of the accesses.

The program looks random keys up in a hash table, of which one in four is not there, and logs what it finds: a walk
along chains, calls with frames, a string hashed byte by byte, a structure copied and counters updated.
"""

from __future__ import annotations

ITERATIONS = 4_000                      # keys that one pass looks up: 400,000 instructions, some milliseconds

# Where the program keeps its data. The log is larger than the first data cache of most processors, so that every new
# entry misses it: two of a hundred accesses.
PLACES = """
BUCKETS  = 0x200000                     ; 64 lists
NODES    = 0x201000                     ; 192 nodes: key, next, count, text, three more words
NODE     = 32                           ; size of one, bytes
KEYS     = 192                          ; of the 256 that are looked up
LOG      = 0x203000                     ; a ring of 1024 entries as large as a node
TEXT     = 0x20B000                     ; the text that all nodes share
STACK    = 0x210000                     ; its top
"""

# Before the first pass; free to use every register.
SETUP = """
    mov esp, STACK
    cld
    mov edi, BUCKETS
    mov ecx, (STACK - BUCKETS) / 4
    xor eax, eax
    rep stosd
    mov dword ptr [TEXT], 0x6B726F77
    mov dword ptr [TEXT + 4], 0x00007265
.Lbuild:
    mov edx, ecx
    shl edx, 5
    add edx, NODES
    mov [edx], ecx
    mov eax, ecx
    and eax, 63
    mov ebx, [BUCKETS + eax * 4]
    mov [edx + 4], ebx
    mov [BUCKETS + eax * 4], edx
    mov dword ptr [edx + 12], TEXT
    inc ecx
    cmp ecx, KEYS
    jb .Lbuild
"""

# From `start` to `stop`: ESI is the key before the last, EDI counts the keys that are left, EBX is the checksum.
PASS = """
start:
    mov esp, STACK
    mov esi, 2463534242
    mov edi, {iterations}
    xor ebx, ebx
.Lagain:
    mov eax, esi                        ; the next number of a generator (xorshift32), and a key from it
    shl eax, 13
    xor esi, eax
    mov eax, esi
    shr eax, 17
    xor esi, eax
    mov eax, esi
    shl eax, 5
    xor esi, eax
    mov eax, esi
    shr eax, 24
    push eax
    call find
    add esp, 4
    test eax, eax
    jz .Lmissing
    mov edx, edi
    and edx, 1023
    shl edx, 5
    add edx, LOG
    push eax
    push edx
    call note
    add esp, 8
    add ebx, eax
.Lmissing:
    dec edi
    jnz .Lagain
stop:
"""

ROUTINES = """
; find: the node with key [ESP + 4], or 0.
find:
    push ebp
    mov ebp, esp
    mov ecx, [ebp + 8]
    mov edx, ecx
    and edx, 63
    mov eax, [BUCKETS + edx * 4]
    test eax, eax
    jz .Lfound
.Lwalk:
    cmp [eax], ecx
    je .Lfound
    mov eax, [eax + 4]
    test eax, eax
    jnz .Lwalk
.Lfound:
    pop ebp
    ret

; note: counts node [ESP + 8] and writes it to log entry [ESP + 4]; the hash of its text.
note:
    push ebp
    mov ebp, esp
    push esi
    push edi
    mov edi, [ebp + 8]
    mov esi, [ebp + 12]
    mov eax, [esi + 8]
    inc eax
    mov [esi + 8], eax
    mov edx, [esi]
    mov ecx, [esi + 12]
    mov [edi], edx
    mov [edi + 8], eax
    lea eax, [edx + edx * 2]
    shl edx, 4
    sub edx, eax
    add [esi + 20], edx
    mov eax, [esi + 24]
    lea eax, [eax + edx + 1]
    mov [esi + 24], eax
    mov edx, [esi + 28]
    mov [edi + 24], eax
    mov [edi + 28], edx
    movzx edx, byte ptr [ecx]           ; through a pointer that was loaded just now
    add [esi + 16], edx
    mov eax, [esi + 16]
    mov [edi + 16], eax
    push ecx
    call hash
    add esp, 4
    mov [edi + 20], eax
    pop edi
    pop esi
    pop ebp
    ret

; hash: of text [ESP + 4], byte by byte.
hash:
    mov edx, [esp + 4]
    mov eax, 5381
    movzx ecx, byte ptr [edx]
    test ecx, ecx
    jz .Lhashed
.Lbyte:
    imul eax, eax, 33
    inc edx
    xor eax, ecx
    movzx ecx, byte ptr [edx]
    test ecx, ecx
    jnz .Lbyte
.Lhashed:
    ret
"""


def source(iterations: int = ITERATIONS) -> str:
    """One pass over the mix, from `start` to `stop`, for a machine and for bare Unicorn."""
    return f"""{PLACES}
.text
; _start: the benchmark.
.global _start
_start:
{SETUP}
{PASS.format(iterations=iterations)}
    hlt
{ROUTINES}"""


def repeated(passes: int, iterations: int, entry: str, end: str) -> str:
    """As many passes over the mix, for an emulator that boots it: `entry` comes first of all, `end` last."""
    return f"""{PLACES}
.text
{entry}
{SETUP}
    mov dword ptr [passes], {passes}
{PASS.format(iterations=iterations)}
    dec dword ptr [passes]
    jnz start
{end}
.Lend:
    hlt
    jmp .Lend
{ROUTINES}
.data
.align 4
passes:
    .long 0
"""
