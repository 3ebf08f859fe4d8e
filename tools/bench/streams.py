"""Loops of one long block: where the mix jumps every six instructions, these show what a jump costs the model.

Four of ten instructions access memory, all of it in the first cache: two vectors are added up and changed.
"""

from __future__ import annotations

from tools.bench.rig import Race

LENGTHS = {12: 1, 27: 4, 52: 9}     # instructions in a block: words that it adds
INSTRUCTIONS = 1_000_000            # of one run: some milliseconds
VECTOR = 0x1000                     # size of a vector, bytes; they lie one behind the other
VECTORS = 0x200000                  # address of the first

WORD = """
mov eax, [esi + {at}]
add eax, ebx
mov [esi + {at} + {vector}], eax
xor ebx, eax
rol ebx, 5
"""


def source(length: int) -> str:
    """A loop of one block of so many instructions, one of LENGTHS."""
    words = LENGTHS[length]
    body = "".join(WORD.format(at=4 * index, vector=VECTOR) for index in range(words))
    return f"""
.text
; _start: the benchmark.
.global _start
_start:
start:
mov esi, {VECTORS}
mov ebx, 1
mov ecx, {INSTRUCTIONS // length}
.Lagain:
{body}
mov edx, [esi]
add [esi + {VECTOR}], ebx
mov edi, [esi + 4]
add esi, {4 * words}
and esi, {VECTORS | VECTOR - 1}
dec ecx
jnz .Lagain
stop:
hlt
"""


def ratios(profile: str, quick: bool) -> dict[str, dict[str, float]]:
    """The race of every length, under `profile`."""
    return {str(length): Race(source(length), profile=profile).run(quick) for length in LENGTHS}
