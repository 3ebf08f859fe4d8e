"""What an instruction is to an out-of-order pipeline: micro-ops, units it occupies, latencies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from emu.decoding import Instruction
from emu.timing.classes import WITH_OPERAND, class_of, priced_as
from emu.timing.effects import Effects, effects_of
from emu.timing.figures import Kind
from emu.timing.sections import InstructionCost
from emu.timing.ticks import TICKS, ticks
from emu.timing.timing import Timing

# The unit that a class occupies for its throughput; all others the arithmetic units
LOADS = {"mov_load", "movx_load", "alu_rm", "cmp_rm", "adc_rm", "pop", "popad", "lods", "leave"}
STORES = {"mov_store", "alu_mr", "adc_mr", "shift_mr", "push", "push_imm", "push_mem", "push_sreg", "pop_mem", "pushad",
          "pushfd", "stos"}
BRANCHES = {"jmp_near", "jmp_indirect", "jcc", "jecxz", "loop", "call_near", "call_indirect", "ret_near", "ret_imm"}
VECTORS = {"fp_move", "fp_add", "fp_mul", "fp_div", "fp_sqrt", "mmx", "sse"}
DIVISIONS = {"div8", "div16", "div32", "idiv8", "idiv16", "idiv32"}
CHANGING = {"alu_mr": "alu_rr", "adc_mr": "adc_rr", "shift_mr": "shift_imm"}       # memory; and the same on registers
COMPUTING = {"alu_rm", "cmp_rm", "adc_rm", *CHANGING}       # that also take an arithmetic unit

ZERO_IDIOMS = (Kind.K7, Kind.NETBURST)      # XOR r, r: 0.4 cycles on K7 and 0.5 on Smithfield, but 1 on P6 (InstLatx64)


@dataclass(frozen=True, slots=True)
class Operation:
    """One instruction; times in ticks."""

    uops: int
    size: int                           # bytes
    complex: bool                       # only the first decoder makes it
    microcode: int                      # time for which the front end does nothing else; 0: it needs no microcode
    units: tuple[tuple[str, int], ...]  # those it occupies, and for how long
    reads: tuple[str, ...]              # registers and flags that its result waits for
    address: tuple[str, ...]            # registers that its memory access waits for
    load: int                           # from the address to the operand in memory; 0 without one
    forwarded: int                      # from the data of an earlier store to the same place to that operand
    latency: int                        # from the operands to the result
    stack: int                          # from ESP to the next ESP, of what pushes or pops; 0: it does not
    effects: Effects


class Operations:
    """Makes the operations of one profile. Equal instructions are made once."""

    def __init__(self, timing: Timing, kind: Kind) -> None:
        self._timing = timing
        self._kind = kind
        self._made = lru_cache(maxsize=1 << 14)(self._make)

    def of(self, instruction: Instruction) -> Operation:
        """The operation of `instruction`. A transition is taken for microcode of the class "other"."""
        return self._made(instruction.mnemonic, instruction.operands, instruction.size)

    def _make(self, mnemonic: str, text: str, size: int) -> Operation:
        instruction = Instruction(0, size, mnemonic, text)
        effects = effects_of(instruction)
        name = priced_as(class_of(instruction) or "other", self._timing.instructions)
        cost, pipeline = self._timing.instructions[name], self._timing.pipeline
        assert self._timing.uops is not None
        uops = round(self._timing.uops[name].typical)
        if name in WITH_OPERAND and self._kind is not Kind.K7:  # a K7 macro-op has its load in it
            uops += bool(effects.load) + 2 * bool(effects.store)
        load, forwarded, latency = self._latencies(name, cost, effects)
        broken = effects.idiom and self._kind in ZERO_IDIOMS
        return Operation(
            uops, size, bool(pipeline.simple_uops) and uops > ticks(pipeline.simple_uops) // TICKS,
            self._microcode(name, uops, cost), self._units(name, uops, cost, effects), () if broken else effects.reads,
            effects.address, load, forwarded, latency,
            ticks(self._timing.instructions["alu_rr"].latency) if effects.pushed or effects.popped else 0, effects)

    def _latencies(self, name: str, cost: InstructionCost, effects: Effects) -> tuple[int, int, int]:
        """From the address to the operand in memory, from an earlier store to that, and from there to the result."""
        classes = self._timing.instructions
        access, forward = ticks(classes["mov_load"].latency), ticks(self._timing.pipeline.store_forward)
        if name in ("mov_store", "push", "push_imm", "pushfd", "call_near"):
            return 0, 0, 0
        if name in ("pop", "popad", "leave", "ret_near", "ret_imm", "push_mem", "pop_mem"):
            return access, forward, 0
        total = ticks(cost.latency if cost.latency is not None else classes["alu_rr"].latency)
        if name in ("mov_load", "movx_load") or name.endswith("_rm"):
            return access, forward, max(0, total - access)
        if name in CHANGING:                        # its figure is that of a chain through memory
            operation = min(total, ticks(classes[CHANGING[name]].latency))
            return access, total - operation, operation
        return (access, forward, total) if name in WITH_OPERAND and effects.load else (0, 0, total)

    def _microcode(self, name: str, uops: int, cost: InstructionCost) -> int:
        """How long the front end is at it; a division leaves it when its micro-ops are out."""
        pipeline = self._timing.pipeline
        if uops <= ticks(pipeline.complex_uops) // TICKS:
            return 0
        issue = uops * TICKS // (ticks(pipeline.issue_width) // TICKS)
        return issue if name in DIVISIONS else max(issue, ticks(cost.throughput))

    def _units(self, name: str, uops: int, cost: InstructionCost, effects: Effects) -> tuple[tuple[str, int], ...]:
        """The units it occupies: that of its class for its throughput, others for one operation."""
        pipeline = self._timing.pipeline
        one = {"alu": TICKS * TICKS // ticks(pipeline.alu_ports), "load": TICKS * TICKS // ticks(pipeline.load_ports),
               "store": TICKS * TICKS // ticks(pipeline.store_ports)}
        found = {}
        if effects.load or effects.popped:
            found["load"] = one["load"]
        if effects.store or effects.pushed:
            found["store"] = one["store"]
        if name in COMPUTING:
            found["alu"] = one["alu"]
        time = ticks(cost.throughput)
        for unit, names in (("load", LOADS), ("store", STORES), ("branch", BRANCHES), ("vector", VECTORS),
                            ("divider", DIVISIONS)):
            if name in names:
                found[unit] = time
                break
        else:
            found["alu"] = min(time, uops * one["alu"])
            if 2 * time > 3 * uops * one["alu"]:        # not every port can do it
                found["port"] = time
            else:
                found["alu"] = time
        return tuple(found.items())
