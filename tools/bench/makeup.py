"""What benchmark code consists of: its instructions, blocks and accesses to memory, counted on bare Unicorn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import unicorn
from unicorn import unicorn_const as uc_const

from emu.decoding import Instruction, decode

NO_ACCESS = ("lea", "nop", "invlpg")                # they have an address and do not use it
STACK = ("push", "pop", "call", "lcall", "ret", "retf", "leave", "pushal", "popal", "pushfd", "popfd", "iretd")


@dataclass(frozen=True)
class Makeup:
    """Counts of what has run."""

    instructions: int
    accessing: int          # instructions that load or store, the stack included
    blocks: int             # as Unicorn sees them: from where a branch leads to the next branch

    @property
    def memory_share(self) -> float:
        """Instructions that access memory, of all."""
        return self.accessing / self.instructions

    @property
    def block_length(self) -> float:
        """Instructions in a block, on average."""
        return self.instructions / self.blocks


def accesses_memory(instruction: Instruction) -> bool:
    """True if it loads or stores."""
    name = instruction.name
    return name in STACK or ("[" in instruction.operands and name not in NO_ACCESS)


def blocks(bare: unicorn.Uc, start: int, stop: int) -> Counter[tuple[int, int]]:
    """Run `bare` from `start` to `stop`: how often which block (address, bytes) ran."""
    ran: Counter[tuple[int, int]] = Counter()
    hook = bare.hook_add(uc_const.UC_HOOK_BLOCK, lambda uc, address, size, user: ran.update(((address, size),)))
    bare.emu_start(start, stop)
    bare.hook_del(hook)
    return ran


def makeup(bare: unicorn.Uc, start: int, stop: int) -> Makeup:
    """Run `bare` from `start` to `stop`, which must not fault or repeat string instructions, and count."""
    ran = blocks(bare, start, stop)
    instructions = accessing = 0
    for (address, size), times in ran.items():
        block = decode(bytes(bare.mem_read(address, size)), address)
        instructions += times * len(block)
        accessing += times * sum(map(accesses_memory, block))
    return Makeup(instructions, accessing, ran.total())
