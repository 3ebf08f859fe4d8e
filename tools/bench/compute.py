"""Computation: one block over and over, without memory, on the machine and on bare Unicorn.

What the machine adds is a call at every block, so the shorter the block, the more it weighs. The figure is that of one
length of block; the others stand beside it.
"""

from __future__ import annotations

from tools.bench.rig import Figure, Group, Race

LENGTHS = (7, 14, 28, 56)           # instructions in a block
HEADLINE = 28                       # the length that the goal is about
GOAL = 0.8                          # of bare Unicorn's speed
INSTRUCTIONS = 8_000_000            # of one run: some milliseconds

# A round of a random number generator (xorshift32, EAX) and of a hash over its numbers (FNV-1 with a rotation, EBX).
ROUND = ("mov edx, eax", "shl edx, 13", "xor eax, edx", "mov edx, eax", "shr edx, 17", "xor eax, edx",
         "mov edx, eax", "shl edx, 5", "xor eax, edx", "xor ebx, eax", "imul ebx, ebx, 16777619", "rol ebx, 7")


def source(length: int, iterations: int) -> str:
    """A loop of `length` instructions, the last two of which count its iterations."""
    body = "\n".join(ROUND[index % len(ROUND)] for index in range(length - 2))
    return f"""
.text
; _start: the benchmark.
.global _start
_start:
start:
mov eax, 2463534242
mov ebx, 2166136261
mov ecx, {iterations}
.Lagain:
{body}
dec ecx
jnz .Lagain
stop:
hlt
"""


def measure(quick: bool) -> Group:
    """Race every length."""
    lengths = {}
    for length in LENGTHS:
        iterations = INSTRUCTIONS // length
        lengths[length] = Race(source(length, iterations), 3 + length * iterations).run(quick)
    headline = dict(lengths[HEADLINE])
    return Group("compute", f"xorshift and FNV mixing in registers, a loop of {HEADLINE} instructions",
                 [Figure("ratio_to_unicorn", headline.pop("ratio_to_unicorn"), GOAL)],
                 headline | {"by_block_length": {str(length): values for length, values in lengths.items()}})
