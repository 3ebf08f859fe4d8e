"""The processor's state taken and put back: registers, translations, the block under way, counters.

What lives at an address of this process is not taken: a block is named by its key and its code, and entered again where
the table does not hold it. The block table and what Unicorn has translated are not state: they are made anew. Our TLB
is, as an entry stays until it is flushed, whatever the page tables say by then.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import unicorn.unicorn_py3.unicorn as binding
from numpy.typing import NDArray

from emu.cpu.blocks import CODE, COUNT, FLAGS, KEY, POOL, Special
from emu.cpu.charging import PART
from emu.cpu.debug_registers import POINTERS, load_breakpoints
from emu.cpu.layout import UnicornLayoutError
from emu.cpu.records import RECORD_SIZE
from emu.cpu.state import Frame
from emu.memory import PAGE

if TYPE_CHECKING:
    from emu.cpu.cpu import Cpu

REGISTERS = 0x15B8          # bytes of Unicorn's CPU state that a context of its own would hold, a host address less
_CONTEXT = 0x28 + REGISTERS + 8     # bytes of such a context: a head, the registers, that address

# The fields of State that are saved as they are ...
FIELDS = (
    "cycles", "instructions", "block_cycles", "block_instructions", "intr", "step_allow", "io_cycle", "passed",
    "resumed", "repeating", "repeat_count", "repeat_left", "repeat_index", "charged", "rest_from", "flush_tlb",
    "paging_mode", "ring", "flush_page", "skipped", "record_count", "record_next", "last_page", "last_code_page",
    "derived", "derived_cut", "split_at", "remap_frame", "opened", "tlb_cr3", "a20_mask", "walk_pae", "interrupts",
    "io_accesses", "transition_cycles", "cache_cycles", "tlb_cycles", "branch_cycles", "bus_cycles", "uops",
    "tsc_offset", "returning", "vector",
)
ARRAYS = ("traps", "crossings")                         # ... as lists ...
BLOCKS = ("block", "rest_slot", "branch_slot")          # ... and as blocks, for they are entries of the block table.


class Block(NamedTuple):
    """An entry of the block table."""

    key: int                # see emu.cpu.blocks
    code: str               # its bytes as they were decoded, hexadecimal
    compare: bool           # they are checked at each run
    part: int               # PART, if it runs in part


class Processor(NamedTuple):
    """What `save` takes."""

    fields: dict[str, int]              # of State
    thread: int                         # physical address of what tells threads apart in records, -1 if nothing does
    arrays: dict[str, list[int]]        # of State
    blocks: dict[str, Block]            # of State, where there is one
    flips: dict[int, int]               # how often page frames have changed between code and data
    frames: bytes                       # what page frames are used for, a Frame each
    registers: bytes                    # as Unicorn keeps them
    translations: bytes                 # our TLB: linear page, word without epoch; u32 each
    accesses: bytes                     # the records of the current block
    model: bytes                        # caches, TLBs and predictor; empty under a `unit` profile


def save(cpu: Cpu) -> Processor:
    """The state of a processor between two runs. Nothing changes."""
    state = cpu.state
    if binding.uclib.uc_context_size(cpu.uc._uch) != _CONTEXT:
        raise UnicornLayoutError("the size of a context")
    return Processor(
        {name: getattr(state, name) for name in FIELDS},
        state.thread_at - state.ram if state.thread_at != state.no_thread else -1,
        {name: list(getattr(state, name)) for name in ARRAYS},
        {name: _block(cpu, getattr(state, name)) for name in BLOCKS if getattr(state, name)},
        dict(cpu._flips), cpu._frames.tobytes(), ctypes.string_at(state.env, REGISTERS), _translations(cpu),
        ctypes.string_at(state.records, state.record_count * RECORD_SIZE) if state.records else b"",
        cpu.costs.model.save() if cpu.costs.model else b"")


def load_model(cpu: Cpu, saved: Processor) -> None:
    """The first part of `load`. Raises ValueError for a model of another version or other figures: nothing changed."""
    if cpu.costs.model:
        cpu.costs.model.load(saved.model)


def load(cpu: Cpu, saved: Processor) -> None:
    """Go back to what `save` took; RAM and timing model are as they were then already."""
    state = cpu.state
    _load_uses(cpu, np.frombuffer(saved.frames, np.uint8))
    cpu._flips = dict(saved.flips)
    _load_registers(cpu, saved.registers)
    for name, value in saved.fields.items():
        setattr(state, name, value)
    state.thread_at = state.ram + saved.thread if saved.thread >= 0 else state.no_thread
    for name, values in saved.arrays.items():
        getattr(state, name)[:] = values
    if state.records:
        ctypes.memmove(state.records, saved.accesses, len(saved.accesses))
    _load_translations(cpu, saved.translations)
    slots = _enter(cpu, saved.blocks)
    for name in BLOCKS:
        setattr(state, name, slots.get(name, 0))
    cpu._flush()


def _load_registers(cpu: Cpu, registers: bytes) -> None:
    """All but the pointers to Unicorn's own breakpoints, which follow the debug registers."""
    env, behind = cpu.state.env, POINTERS.stop
    load_breakpoints(cpu, registers)
    ctypes.memmove(env, registers, POINTERS.start)
    ctypes.memmove(env + behind, registers[behind:], REGISTERS - behind)


# Translations

def _load_uses(cpu: Cpu, frames: NDArray[np.uint8]) -> None:
    """Make page frames of code what they were: a block that goes on in its middle has been derived with that."""
    code = Frame.FETCHED | Frame.MIXED
    lost = cpu._frames & code & ~frames
    for frame in np.flatnonzero(lost).tolist():
        cpu._drop_code(frame, int(lost[frame]))
    if (lost & Frame.FETCHED).any():
        cpu.blocks.clear()
    cpu._frames[:] = frames


def _translations(cpu: Cpu) -> bytes:
    words, epoch = cpu._tlb, cpu.state.epoch
    pages = np.flatnonzero(words >= epoch << 32)            # no epoch is later than the current one
    return np.column_stack([pages, words[pages] & 0xFFFFFFFF]).astype(np.uint32).tobytes()


def _load_translations(cpu: Cpu, translations: bytes) -> None:
    cpu.state.epoch += 1                                    # what is there is stale
    rows = np.frombuffer(translations, np.uint32).reshape(-1, 2).astype(np.int64)
    cpu._tlb[rows[:, 0]] = rows[:, 1] | cpu.state.epoch << 32


# Blocks

def _block(cpu: Cpu, tagged: int) -> Block:
    slot, part = tagged & ~PART, tagged & PART
    key = ctypes.c_int64.from_address(slot + KEY).value
    return Block(key, _code(cpu, slot).hex(), _is_compared(slot), part)


def _is_compared(slot: int) -> bool:
    return bool(ctypes.c_uint16.from_address(slot + FLAGS).value & Special.COMPARE)


def _code(cpu: Cpu, slot: int) -> bytes:
    """The bytes of a block as they were decoded: kept if they are compared, else still in RAM, within one page."""
    state, key = cpu.state, ctypes.c_int64.from_address(slot + KEY).value
    behind = ctypes.c_int32.from_address(slot + POOL).value + ctypes.c_uint16.from_address(slot + COUNT).value
    size = ctypes.c_int32.from_address(state.starts + behind * 4).value
    if _is_compared(slot):
        return ctypes.string_at(state.code_bytes + ctypes.c_int32.from_address(slot + CODE).value, size)
    return cpu.ram.read((key >> 32 & 0x3FFFF) * PAGE + key % PAGE, size)


def _enter(cpu: Cpu, blocks: dict[str, Block]) -> dict[str, int]:
    """See to it that the table holds these blocks: their entries' addresses, tagged as they were."""
    cleared = -1
    while cleared != cpu.state.tables:                      # when the table is full, entering one clears it
        cleared = cpu.state.tables
        slots = {name: _slot(cpu, block) | block.part for name, block in blocks.items()}
    return slots


def _slot(cpu: Cpu, block: Block) -> int:
    slot = cpu.state.table + cpu.blocks._free_slot(block.key)
    code = bytes.fromhex(block.code)
    there = ctypes.c_int64.from_address(slot + KEY).value == block.key
    if there and _is_compared(slot) == block.compare and _code(cpu, slot) == code:
        return slot
    cpu.blocks.add(block.key, code, block.compare)
    return cpu.state.table + cpu.blocks._free_slot(block.key)
