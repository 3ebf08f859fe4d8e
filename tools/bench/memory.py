"""Memory: a loop of which every other instruction loads or stores, on the machine and on bare Unicorn."""

from __future__ import annotations

from tools.bench.rig import Figure, Group, Race

GOAL = 3.0                          # times bare Unicorn's speed
ITERATIONS = 20_000                 # of one run: some milliseconds
WORDS = 5                           # words that one iteration adds
PER_WORD, PER_LOOP = 5, 5           # instructions
VECTOR = 0x4000                     # size of each of the three vectors, bytes; they lie one behind the other
VECTORS = 0x200000                  # address of the first

WORD = """
mov eax, [esi + {at}]
add eax, [esi + {at} + {vector}]
mov [esi + {at} + 2 * {vector}], eax
xor ebx, eax
rol ebx, 5
"""


def source() -> str:
    """Add two vectors into a third, over and over, with a checksum in EBX."""
    body = "".join(WORD.format(at=4 * index, vector=VECTOR) for index in range(WORDS))
    return f"""
.text
; _start: the benchmark.
.global _start
_start:
start:
mov esi, {VECTORS}
mov ebx, 1
mov ecx, {ITERATIONS}
.Lagain:
{body}
add esi, {4 * WORDS}
and esi, {VECTOR // 2 - 1 & ~3}
or esi, {VECTORS}
dec ecx
jnz .Lagain
stop:
hlt
"""


def measure(quick: bool) -> Group:
    """Race it."""
    length = WORDS * PER_WORD + PER_LOOP
    result = Race(source(), 3 + length * ITERATIONS).run(quick)
    return Group("memory", f"adding two vectors into a third: {3 * WORDS} of {length} instructions load or store",
                 [Figure("ratio_to_unicorn", result.pop("ratio_to_unicorn"), GOAL)], dict(result))
