"""The state of caches, TLBs, store buffer and branch predictor: one record, and tables behind it, made from a profile.

`hierarchy`, `translations` and `branches` are the native code over it. The record is a ctypes structure like that of
the processor (`emu.cpu.state`): every field a signed 64-bit integer, tables by their address.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
from typing import Any

import numpy as np
from numba import carray

from emu.native import inlined, pointer_to
from emu.timing.errors import refuse
from emu.timing.figures import Kind, Number
from emu.timing.profile import Profile
from emu.timing.sections import Cache, Tlb
from emu.timing.timing import Timing

COUNTERS = (
    "loads",                # reads by instructions
    "stores",               # writes by instructions
    "l1d_misses",           # lines that reads, writes and page walks did not find in the first data cache
    "l1i_misses",           # lines of code not found in the first code cache
    "trace_misses",         # lines not found in the trace cache
    "l2_misses",            # lines not found in L2 by any of these
    "memory_accesses",      # reads of memory, and writes that no cache takes
    "writebacks",           # dirty lines written to memory
    "dtlb_misses",          # data translations not in the first TLB
    "itlb_misses",          # code translations not in the first TLB
    "walks",                # page walks
    "branches",             # branches of all kinds
    "mispredictions",       # those predicted wrong
    "misfetches",           # those predicted right, but only by the decoder
    "load_stalls",          # cycles that reads waited
    "store_stalls",         # cycles that writes waited for the store buffer
    "fetch_stalls",         # cycles that code was waited for
    "walk_stalls",          # cycles that page walks took
    "branch_stalls",        # cycles lost to branches
)

STATE = (
    "changes",              # how often contents changed: see `associative`
    "last_memory",          # what memory was read last, in units of `memory_shift`
    "buffer_next",          # offset of the store buffer's oldest entry
    "buffer_empty",         # the cycle at which the store buffer will be empty
    "buffer_seen",          # the cycle at which the last store had its entry
    "history",              # GLOBAL: outcomes of the last conditional branches, the last one in bit 0
    "returns_top",          # offset of the return stack's top
)

TABLES = ("l1d", "l1i", "l2", "trace", "data", "data_large", "data_l2", "code", "code_large", "code_l2", "btb")

FIGURES = (
    "l1d_shift",            # a line of the first data cache is 2 to the power of this bytes
    "l1i_shift",            # ... of the first code cache
    "l2_shift",             # ... of L2
    "memory_shift",         # ... what is read from memory at once: a line, or a sector of L2
    "sector_mask",          # lines of L2 in that, less one
    "l1d_through",          # 1: stores go through to what is behind the first data cache
    "l1d_allocates",        # 1: a store that misses brings the line in
    "l1d_store",            # a store that misses and brings no line in; 0: as long as a load from there
    "l2_through",           # as l1d_through
    "l2_allocates",         # as l1d_allocates
    "l2_stall",             # a miss of the first cache that hits L2
    "linear_stall",         # a miss of all caches, next to the last one
    "random_stall",         # a miss of all caches, elsewhere
    "misaligned",           # an access to two lines, in addition
    "decode",               # each instruction that comes into the trace cache
    "buffer",               # address of the store buffer: cycles at which its entries will be written
    "buffer_size",          # bytes of it
    "walk",                 # a page walk, its entries in the first data cache
    "data_l2_stall",        # a hit in the second data TLB
    "code_l2_stall",        # a hit in the second code TLB
    "cr3_spares_global",    # 1: a load of CR3 leaves global pages in the TLBs
    "cr3_empties_trace",    # 1: a load of CR3 empties the trace cache
    "predictor",            # BIMODAL, LOCAL or GLOBAL
    "static_backward",      # 1: a branch not in the BTB is predicted taken if it goes backward; 0: never
    "btb_shift",            # branches in 2 to the power of this bytes share a set of the BTB
    "targets",              # address of the BTB's targets
    "histories",            # address of its entries' own histories
    "history_mask",         # what a history holds, all taken
    "history_place",        # GLOBAL: the bit of a counter's number at which the history begins
    "address_mask",         # ... and the bits of the branch's address that go into it
    "counters",             # address of the two-bit counters, a byte each
    "returns",              # address of the return stack
    "returns_size",         # bytes of it
    "mispredict",           # a branch predicted wrong
    "misfetch",             # a taken branch whose target only the decoder finds
)


BIMODAL, LOCAL, GLOBAL = 1, 2, 3        # in `predictor`
PREDICTORS = ("bimodal", "local history", "global history")     # in the profile
CHASED_TABLES = 16                      # KiB of page tables that map 16 MiB, the buffer behind `memory.random`
MOST_COUNTERS = 1 << 22                 # of a predictor; real ones have thousands
WEAKLY_TAKEN = 2                        # a counter: 0 and 1 predict not taken, 2 and 3 taken


class Model(ctypes.Structure):
    """See the comment at each field. Stalls are cycles beyond hits in the first caches and TLBs.

    Of each table: its address (0: the processor has none), how many sets less one, how many words a set has.
    """

    _fields_ = [(name, ctypes.c_int64) for name in (
        *COUNTERS, *STATE, *FIGURES, *(f"{name}{part}" for name in TABLES for part in ("", "_mask", "_ways")))]


DTYPE = np.dtype(Model)
VERSION = 1                                             # of what `save` writes
KEPT = ctypes.sizeof(ctypes.c_int64) * len(COUNTERS + STATE)    # bytes of the record that are state


@inlined
def model_at(address: int) -> Any:
    """The record at an address, for native code."""
    return carray(pointer_to(address), (1,), DTYPE)[0]  # type: ignore[call-arg]


class TimingModel:
    """Caches, TLBs, store buffer and branch predictor of a profile, all of them empty.

    Figures are the profile's typical ones, rounded to whole cycles (`Profile.at` gives a profile of the others).
    Raises ProfileError if the profile has no figures or one that cannot be modelled.
    """

    def __init__(self, profile: Profile) -> None:
        if profile.timing is None:
            refuse(profile.name, "pipeline.kind", "'unit': has no memory system; choose another profile")
        timing = profile.timing
        self.record = Model()
        self.address = ctypes.addressof(self.record)
        self._profile = profile
        self._geometry(timing)
        self._penalties(timing)
        self._branches(timing)
        figures = repr(Model._fields_).encode() + bytes(self.record)    # before there are addresses in it
        self._digest = hashlib.sha256(figures).digest()
        self._allocate(timing)
        self._bounds(timing)

    def _cycles(self, figure: Number | None) -> int:
        return int(figure.typical + 0.5) if figure else 0

    def _in_cycles(self, nanoseconds: Number) -> float:
        return nanoseconds.typical * self._profile.clock / 1e9

    def _latency(self, name: str, cache: Cache) -> float:
        if not cache.latency:
            refuse(self._profile.name, f"caches.{name}.latency", "missing: a cache of data has one")
        return cache.latency.typical

    def _geometry(self, timing: Timing) -> None:
        """Sets, ways and line sizes."""
        r, caches, tlbs = self.record, timing.caches, timing.tlbs
        for name in ("l1d", "l1i", "l2"):
            cache: Cache | None = getattr(caches, name)
            if cache:
                line = int(cache.line.typical)
                self._table(name, int(cache.size.typical) * 1024 // line, int(cache.ways.typical))
                setattr(r, f"{name}_shift", line.bit_length() - 1)
        if caches.trace:
            self._table("trace", int(caches.trace.uops.typical / caches.trace.line.typical),
                        int(caches.trace.ways.typical))
        for name in ("data", "data_large", "data_l2", "code", "code_large", "code_l2"):
            tlb: Tlb | None = getattr(tlbs, name)
            if tlb:
                self._table(name, int(tlb.entries.typical), int(tlb.ways.typical))
        name, last = ("l2", caches.l2) if caches.l2 else ("l1d", caches.l1d)
        unit, line = int((last.sector or last.line).typical), int(last.line.typical)
        if last.line.typical < caches.l1d.line.typical:
            refuse(self._profile.name, "caches.l2.line", f"{line}: must be at least that of l1d")
        if unit < line or unit.bit_count() != 1:
            refuse(self._profile.name, f"caches.{name}.sector", f"{unit}: must be {line} times a power of two")
        r.memory_shift = unit.bit_length() - 1
        r.sector_mask = unit // line - 1
        r.buffer_size = 8 * int(timing.pipeline.store_buffer.typical)

    def _table(self, name: str, words: int, ways: int) -> None:
        setattr(self.record, f"{name}_mask", words // ways - 1)
        setattr(self.record, f"{name}_ways", ways)

    def _penalties(self, timing: Timing) -> None:
        """What misses cost.

        `latency` and `linear` are from address to data, so what the first cache costs is taken off. `random` is
        measured by chasing pointers through 16 MiB, page walks included; the model adds those, so a walk is taken off,
        its entry in L1 if that has room for twice the page tables of the buffer, else in L2. But no access is faster
        than that to the next line.
        """
        r, caches, memory, tlbs = self.record, timing.caches, timing.memory, timing.tlbs
        for level, cache in (("l1d", caches.l1d), ("l2", caches.l2)):
            if cache:
                setattr(r, f"{level}_through", int(cache.write.value.startswith("through")))
                setattr(r, f"{level}_allocates", int(not cache.write.value.endswith("no-allocate")))
        first = self._latency("l1d", caches.l1d)
        second = max(self._latency("l2", caches.l2) - first, 0) if caches.l2 else 0
        linear = self._in_cycles(memory.linear) - first
        entry = 0 if caches.l1d.size.typical > 2 * CHASED_TABLES else second
        random = self._in_cycles(memory.random) - first - tlbs.walk.typical - entry
        r.l2_stall = int(second + 0.5)
        r.linear_stall = max(int(linear + 0.5), r.l2_stall)
        r.random_stall = max(int(random + 0.5), r.linear_stall)
        r.l1d_store = self._cycles(caches.l1d.store)
        r.misaligned = self._cycles(timing.pipeline.misaligned)
        r.decode = self._cycles(caches.trace.decode) if caches.trace else 0
        r.walk = self._cycles(tlbs.walk)
        r.data_l2_stall = self._cycles(tlbs.data_l2.latency) if tlbs.data_l2 else 0
        r.code_l2_stall = self._cycles(tlbs.code_l2.latency) if tlbs.code_l2 else 0
        r.cr3_spares_global = int(tlbs.cr3_load.value != "all")
        r.cr3_empties_trace = int(tlbs.cr3_load.value.endswith("trace cache"))

    def _branches(self, timing: Timing) -> None:
        """The predictor: see `branches` for which processor has which."""
        r, branch, kind = self.record, timing.branch, self._profile.kind
        bits = int(branch.history.typical)
        if bits > 16:
            refuse(self._profile.name, "branch.history", f"{bits}: this model looks back on at most 16 branches")
        self._table("btb", int(branch.entries.typical), int(branch.ways.typical))
        r.predictor = PREDICTORS.index(branch.predictor.value) + 1
        r.static_backward = int(kind in (Kind.P6, Kind.NETBURST))
        r.btb_shift = 2 if kind is Kind.P5 else 4
        r.history_mask = (1 << bits) - 1
        r.history_place = max(12 - bits, 0)
        r.address_mask = (1 << (r.history_place or bits)) - 1
        r.returns_size = 8 * int(branch.return_stack.typical)
        r.mispredict = self._cycles(branch.mispredict)
        r.misfetch = self._cycles(branch.misfetch) if branch.misfetch else r.mispredict

    def _allocate(self, timing: Timing) -> None:
        """One buffer for all tables; it begins with what the record holds of the model's state."""
        r = self.record
        entries = int(timing.branch.entries.typical)
        counters = {BIMODAL: entries, LOCAL: entries * (r.history_mask + 1),
                    GLOBAL: (r.history_mask + 1) << r.history_place}[r.predictor]
        if counters > MOST_COUNTERS:
            refuse(self._profile.name, "branch.history", f"{r.history_mask.bit_length()}: {entries} entries of so long "
                                                         f"a history make more than {MOST_COUNTERS} counters")
        words = {name: (getattr(r, f"{name}_mask") + 1) * getattr(r, f"{name}_ways") for name in TABLES}
        words |= {"buffer": r.buffer_size // 8, "targets": entries, "histories": entries,
                  "counters": (counters + 7) // 8, "returns": r.returns_size // 8}
        self._buffer = np.zeros(sum(words.values()), np.int64)
        address = int(self._buffer.ctypes.data)
        for name, size in words.items():
            setattr(r, name, address if size else 0)
            address += 8 * size
        at = (r.counters - int(self._buffer.ctypes.data)) // 8
        self._buffer[at:at + words["counters"]] = WEAKLY_TAKEN * 0x0101010101010101
        r.last_memory = -2                                              # next to nothing

    def _bounds(self, timing: Timing) -> None:
        """The longest stalls that a single access can meet, for whoever plans ahead."""
        r = self.record
        line = max(r.l2_stall, r.random_stall, r.l1d_store)
        walk = max(r.walk + 2 * line, r.data_l2_stall, r.code_l2_stall)
        instructions = int(timing.caches.trace.line.typical) if timing.caches.trace else 0
        self.worst_access = 2 * (walk + line) + r.misaligned    # data: two pages, two lines, nothing found, buffer full
        self.worst_fetch = walk + line + r.decode * instructions    # a line of code
        self.worst_branch = max(r.mispredict, r.misfetch)
        lines = sum((getattr(r, f"{name}_mask") + 1) * getattr(r, f"{name}_ways") for name in ("l1d", "l2"))
        self.worst_empty = lines * r.linear_stall           # WBINVD, every line dirty

    def counters(self) -> dict[str, int]:
        """What has been counted since the model was made, by the names in COUNTERS."""
        return {name: getattr(self.record, name) for name in COUNTERS}

    def save(self) -> bytes:
        """All state, for `load` of a model of the same profile."""
        return (struct.pack("<4sI", b"TRAP", VERSION) + self._digest
                + ctypes.string_at(self.address, KEPT) + self._buffer.tobytes())

    def load(self, saved: bytes) -> None:
        """Go back to what `save` returned. Raises ValueError if it is of another profile, version, or damaged."""
        head = struct.pack("<4sI", b"TRAP", VERSION)
        if saved[:len(head)] != head:
            raise ValueError("saved timing model: made by another version; make the snapshot anew")
        start = len(head) + len(self._digest)
        if saved[len(head):start] != self._digest:
            raise ValueError(f"saved timing model: made under other figures than those of {self._profile.name}")
        if len(saved) != start + KEPT + self._buffer.nbytes:
            raise ValueError("saved timing model: cut short; make the snapshot anew")
        ctypes.memmove(self.address, saved[start:start + KEPT], KEPT)
        self._buffer[:] = np.frombuffer(saved, np.int64, offset=start + KEPT)
