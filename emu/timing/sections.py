"""The sections of a profile: what each of its keys is, in which unit, and what it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from emu.timing.figures import NS, OUT_OF_ORDER, Kind, Number, Word, count, number, part, word

P5, P6, K7, NETBURST = (Kind.P5,), (Kind.P6,), (Kind.K7,), (Kind.NETBURST,)
DECODING = (Kind.P6, Kind.K7)           # what decodes instructions each time that they run
DECODED_EARLY = (Kind.P5, Kind.P6, Kind.K7)     # what has a cache of instructions, not of their micro-ops


@dataclass(frozen=True)
class Pipeline:
    """How many instructions or micro-ops pass per cycle."""

    issue_width: Annotated[Number, count("instructions (P5) or micro-ops begun in a cycle", 1, 16)]
    fetch_bytes: Annotated[Number | None, count("code bytes fetched in a cycle", 1, 64, "bytes", kinds=DECODED_EARLY)]
    prefix: Annotated[Number | None, number("decoding each prefix; a class has its 0F in its figures", high=16,
                                            kinds=P5)]
    agi: Annotated[Number | None, number("waiting for an address register that the cycle before wrote", high=16,
                                         kinds=P5)]
    pair_bytes: Annotated[Number | None, count("length of two instructions that pair", 2, 30, "bytes", kinds=P5)]
    decode_width: Annotated[Number | None, count("instructions decoded in a cycle", 1, 16, kinds=DECODING)]
    complex_uops: Annotated[Number | None, count("micro-ops of an instruction that needs no microcode", 1, 16,
                                                 kinds=OUT_OF_ORDER)]
    simple_uops: Annotated[Number | None, count("micro-ops that the other decoders make of one", 1, 16, kinds=P6)]
    retire_width: Annotated[Number | None, count("micro-ops retired in a cycle", 1, 16, kinds=OUT_OF_ORDER)]
    window: Annotated[Number | None, count("micro-ops in flight", 1, 1024, kinds=OUT_OF_ORDER)]
    scheduler: Annotated[Number | None, count("integer micro-ops that wait for operands", 1, 1024,
                                              kinds=OUT_OF_ORDER, optional=True)]
    alu_ports: Annotated[Number | None, number("integer operations in a cycle", "", 1, 16, kinds=OUT_OF_ORDER)]
    load_ports: Annotated[Number | None, count("loads in a cycle", 1, 8, kinds=OUT_OF_ORDER)]
    store_ports: Annotated[Number | None, count("stores in a cycle", 1, 8, kinds=OUT_OF_ORDER)]
    store_forward: Annotated[Number | None, number("a load that takes its value from an earlier store", high=100,
                                                   kinds=OUT_OF_ORDER)]
    store_buffer: Annotated[Number, count("stores that wait to be written", 1, 1024)]
    misaligned: Annotated[Number, number("an access that crosses a cache line, in addition", high=1000)]


@dataclass(frozen=True)
class InstructionCost:
    """A class of instructions. All operands ready, code and data in the first caches."""

    latency: Annotated[Number | None, number("from operands to result", high=10_000, optional=True)]
    throughput: Annotated[Number, number("from one to the next that does not depend on it", high=10_000)]


@dataclass(frozen=True)
class StringCost:
    """A string instruction with a REP prefix, data in the first cache."""

    setup: Annotated[Number, number("once, before the first iteration")]
    byte: Annotated[Number, number("each iteration on bytes")]
    word: Annotated[Number, number("each iteration on words")]
    dword: Annotated[Number, number("each iteration on doublewords")]


@dataclass(frozen=True)
class Cache:
    """One cache."""

    size: Annotated[Number, count("capacity", 1, 1 << 16, "KiB")]
    ways: Annotated[Number, count("lines of a set", 1, 4096)]
    line: Annotated[Number, count("line", 8, 256, "bytes")]
    sector: Annotated[Number | None, count("bytes read from memory at a miss, if more than a line", 8, 512, "bytes",
                                           optional=True)]
    latency: Annotated[Number | None, number("from address to data at a hit", high=1000, optional=True)]
    store: Annotated[Number | None, number("a store that misses and brings no line in, from one to the next", high=1000,
                                           optional=True)]
    write: Annotated[Word, word("what a store does", "back", "back-no-allocate", "through", "through-no-allocate",
                                "read-only")]


@dataclass(frozen=True)
class TraceCache:
    """NetBurst's first cache of code: micro-ops in the order in which they ran."""

    uops: Annotated[Number, count("capacity", 1, 1 << 20, "micro-ops")]
    ways: Annotated[Number, count("lines of a set", 1, 64)]
    line: Annotated[Number, count("line", 1, 64, "micro-ops")]
    decode: Annotated[Number, number("decoding an instruction that is not in it", high=100)]


@dataclass(frozen=True)
class Caches:
    """The caches, first to last."""

    trace: Annotated[TraceCache | None, part("code, decoded", TraceCache, kinds=NETBURST)]
    l1i: Annotated[Cache | None, part("code", Cache, kinds=DECODED_EARLY)]
    l1d: Annotated[Cache, part("data", Cache)]
    l2: Annotated[Cache | None, part("code and data", Cache, optional=True)]


@dataclass(frozen=True)
class Memory:
    """RAM behind the last cache. Chipset and modules decide: these are of the machine that was measured."""

    linear: Annotated[Number, number("from address to data, next line of an open row", NS, 1, 10_000)]
    random: Annotated[Number, number("from address to data, anywhere", NS, 1, 10_000)]
    bus: Annotated[Number, number("front-side bus clock", "MHz", 1, 10_000)]


@dataclass(frozen=True)
class Tlb:
    """One translation look-aside buffer; as many ways as entries is fully associative."""

    entries: Annotated[Number, count("translations held", 1, 1 << 16)]
    ways: Annotated[Number, count("entries of a set", 1, 1 << 16)]
    latency: Annotated[Number | None, number("a hit, in addition to the miss of the first", high=1000, optional=True)]


@dataclass(frozen=True)
class Tlbs:
    """Translation look-aside buffers and page walks. Without a `_large` one, 4 MiB pages share that of 4 KiB pages."""

    code: Annotated[Tlb, part("code, 4 KiB pages", Tlb)]
    code_large: Annotated[Tlb | None, part("code, 4 MiB pages", Tlb, optional=True)]
    code_l2: Annotated[Tlb | None, part("code, 4 KiB pages, behind the first", Tlb, optional=True)]
    data: Annotated[Tlb, part("data, 4 KiB pages", Tlb)]
    data_large: Annotated[Tlb | None, part("data, 4 MiB pages", Tlb, optional=True)]
    data_l2: Annotated[Tlb | None, part("data, 4 KiB pages, behind the first", Tlb, optional=True)]
    walk: Annotated[Number, number("a page walk, its entries in the first cache; what they miss comes on top",
                                   high=10_000)]
    cr3_load: Annotated[Word, word("what a load of CR3 empties", "all", "all but global",
                                   "all but global, and trace cache")]


@dataclass(frozen=True)
class Branch:
    """The branch predictor."""

    predictor: Annotated[Word, word("how a direction is predicted", "bimodal", "local history", "global history")]
    entries: Annotated[Number, count("branch target buffer", 1, 1 << 20, "entries")]
    ways: Annotated[Number, count("entries of a set", 1, 1 << 20)]
    trace_entries: Annotated[Number | None, count("branch target buffer of the trace cache", 1, 1 << 20, "entries",
                                                  kinds=NETBURST)]
    history: Annotated[Number, count("branches that a prediction looks back on", 0, 64)]
    return_stack: Annotated[Number, count("return addresses held; 0: none", 0, 1024, "entries")]
    mispredict: Annotated[Number, number("a branch predicted wrong", high=1000)]
    misfetch: Annotated[Number | None, number("a taken branch outside the target buffer, predicted by the decoders",
                                              high=1000, kinds=OUT_OF_ORDER, optional=True)]


@dataclass(frozen=True)
class Ports:
    """Bus time of port I/O and of interrupt acknowledge, in addition to the processor's own."""

    isa_read: Annotated[Number, number("IN, 8 bits, from a device on the ISA bus", NS, high=100_000)]
    isa_write: Annotated[Number, number("OUT, 8 bits, to one", NS, high=100_000)]
    pci_read: Annotated[Number, number("IN from a PCI device or the chipset", NS, high=100_000)]
    pci_write: Annotated[Number, number("OUT to one", NS, high=100_000)]
    inta: Annotated[Number, number("both interrupt acknowledge cycles", NS, high=100_000)]
