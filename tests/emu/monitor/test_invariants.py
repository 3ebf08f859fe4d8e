"""The invariants of the microkernel: what is broken is found, and what is not is left in peace."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emu.machine import Machine
from emu.monitor.inspect.micro import DTYPE
from emu.monitor.inspect.pages import held
from emu.monitor.inspect.tables import tss
from emu.monitor.inspect.threads import UnknownKernel
from emu.monitor.invariants.checking import BrokenInvariant, Invariants
from emu.monitor.invariants.mappings import Mappings
from emu.monitor.invariants.state import KERNEL_BASE, NOBODY, Mask, State
from emu.snapshot import Snapshot
from guest.abi.micro import KIP, KTCB, Kind, KipFeature, MicroState, Part
from tests.guest.micro import random_callers

CROSSINGS = 3000        # behind which there is something of everything
ENOUGH = 6000           # crossings within which a test finds what it needs
BOTH = ("l4", "uls")


def state_of(machine: Machine) -> tuple[object, ...]:
    """What tells one moment of a machine from another."""
    counters, registers = machine.counters, machine.cpu.registers
    return counters, registers.eip, registers.esp, hashlib.sha256(machine.ram.bytes.tobytes()).hexdigest()


class Bench:
    """A machine that stands where its kernel lets somebody go on, and can be put back there."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.checks = Invariants(machine)
        self.checks.run(CROSSINGS, every=CROSSINGS)
        self._snapshot: Snapshot = machine.snapshot()

    def restore(self) -> None:
        """Back to where it stood."""
        self.machine.restore(self._snapshot)

    @property
    def state(self) -> State:
        """The kernel's objects as they are now."""
        return State(self.machine, dict(self.machine.image.symbols.items()) if self.machine.image else {})

    @property
    def mappings(self) -> Mappings:
        """All pages, as they were when they were checked last."""
        assert self.checks._database.mappings
        return self.checks._database.mappings

    def until(self, wanted: Callable[[State], bool]) -> State:
        """Run on until something is so: the kernel's objects then."""
        for _ in range(ENOUGH):
            state = self.state
            if wanted(state):
                assert not self.checks.broken()
                return state
            self.checks.run(1, every=ENOUGH)
        pytest.fail("it never is so")

    def poke(self, linear: int, value: int) -> None:
        """A word of the window becomes another one."""
        self.machine.ram.write(linear - KERNEL_BASE, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def symbol(self, name: str) -> int:
        """The address of a symbol."""
        return self.machine.address(name)

    def set(self, row: int, field: str, value: int) -> None:
        """A field of a thread's KTCB becomes another one."""
        self.poke(int(self.state.at[row]) + offset(field), value)

    def finds(self, *texts: str) -> None:
        """What is wrong now is found, and said so."""
        with pytest.raises(BrokenInvariant) as caught:
            self.checks.check()
        assert all(text in str(caught.value) for text in texts), str(caught.value)


def offset(field: str) -> int:
    """Where a field of a KTCB lies, or one of the policy, such as l4s_priority."""
    assert DTYPE.fields
    return DTYPE.fields[field][1] if field in DTYPE.fields else KTCB.offsets[field]


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    """One of each variant."""
    folder: Path = tmp_path_factory.mktemp("random")
    return {variant: Bench(random_callers.boot(folder, variant, 7)) for variant in BOTH}


@pytest.fixture(params=BOTH)
def bench(request: pytest.FixtureRequest, benches: dict[str, Bench]) -> Bench:
    """Each variant in turn, where it stood."""
    benches[request.param].restore()
    return benches[request.param]


@pytest.fixture
def l4(benches: dict[str, Bench]) -> Bench:
    """`l4`."""
    benches["l4"].restore()
    return benches["l4"]


@pytest.fixture
def uls(benches: dict[str, Bench]) -> Bench:
    """`uls`."""
    benches["uls"].restore()
    return benches["uls"]


def first(mask: Mask) -> int:
    """The first row in a mask."""
    return int(np.nonzero(mask)[0][0])


def has(field: str, value: int) -> Callable[[State], bool]:
    """Whether some program's thread has a value in a field, and is not the current one."""
    return lambda state: bool(chosen(state, field, value).any())


def chosen(state: State, field: str, value: int) -> Mask:
    """Which threads these are."""
    mask: Mask = state.are_programs & (state.threads[field] == value)
    if state.current >= 0:
        mask[state.current] = False
    return mask


def test_nothing_is_found_where_nothing_is_wrong(bench: Bench) -> None:
    assert bench.checks.broken() == []


def test_looking_changes_nothing(bench: Bench) -> None:
    bench.checks.run(300)
    looked = state_of(bench.machine)
    bench.restore()
    bench.checks.run(300, every=300)
    assert state_of(bench.machine) == looked


def test_checks_are_for_the_microkernel() -> None:
    with pytest.raises(UnknownKernel, match="preempt: the invariants are those of the microkernel"):
        Invariants(Machine.boot("preempt"))
    with pytest.raises(UnknownKernel, match="no image"):
        Invariants(Machine())


# Threads

@pytest.mark.parametrize(("field", "value", "said"), [
    ("id", 77 << 14 | 1, "does not fit its place"), ("state", 99, "state is 0x63"), ("kind", 7, "kind is 0x7"),
    ("transfer", 3, "transfer is 0x3"), ("halted", 2, "halted is 0x2"), ("cs", 0x8, "CS is 0x8"),
    ("ss", 0x10, "SS 0x10"), ("eflags", 0x3202, "EFLAGS is 0x3202"), ("eflags", 0x2, "EFLAGS is 0x2"),
    ("eflags", 0x20202, "EFLAGS is 0x20202"), ("resume", 0xC0100000, "would go on at 0xc0100000"),
    ("utcb_user", 0x1000, "its UTCB is at 0x1000"), ("utcb", 0xC0001000, "the kernel sees its UTCB at"),
    ("scheduler", 0xC0000000, "its scheduler is 0xc0000000"), ("partner", 0xC0000000, "but has the partner")])
def test_a_field_that_is_wrong_is_found(field: str, value: int, said: str, bench: Bench) -> None:
    row = first(chosen(bench.state, "transfer", Part.PART_NONE) & (bench.state.threads["partner"] == 0))
    bench.set(row, field, value)
    bench.finds(f"{bench.state.name(row)}: " if field != "id" else "", said)


def test_a_thread_that_waits_for_nobody_or_for_two_is_found(bench: Bench) -> None:
    row = first(chosen(bench.until(has("state", MicroState.IS_RECEIVING)), "state", MicroState.IS_RECEIVING))
    wait, kwait = (int(bench.state.threads[field][row]) for field in ("wait", "kwait"))
    bench.set(row, "kwait" if wait else "wait", wait | kwait)
    bench.finds(f"{bench.state.name(row)}: waits for {wait | kwait:#x} and for {wait | kwait:#x}")
    bench.set(row, "kwait", 0)
    bench.set(row, "wait", 0)
    bench.finds("receives, but from nobody")


def test_a_thread_that_waits_for_one_who_is_gone_is_found(bench: Bench) -> None:
    state = bench.until(lambda state: bool((state.threads["kwait"] > 0).any()))
    row = first(state.threads["kwait"] > 0)
    bench.set(row, "kwait", int(state.threads["kwait"][row]) ^ 0x40)
    bench.finds("whom there is not")


def test_the_fast_path_is_closed_to_who_is_stopped(bench: Bench) -> None:
    state = bench.until(lambda state: bool((state.threads["wait"] > 0).any()))
    bench.set(first(state.threads["wait"] > 0), "halted", 1)
    bench.finds("can be answered on the fast path")


def test_a_transfer_has_two_ends(bench: Bench) -> None:
    state = bench.until(has("state", MicroState.IS_TRANSFER))
    row = first(chosen(state, "state", MicroState.IS_TRANSFER))
    for field, value, said in (("peer", int(state.at[row]), "which is not in one with it"),
                               ("peer", 0xC0000000, "is in a transfer with 0xc0000000, which is no thread"),
                               ("transfer", Part.PART_NONE, "is IS_TRANSFER, but in no transfer")):
        before = int(state.threads[field][row])
        bench.set(row, field, value)
        bench.finds(said)
        bench.set(row, field, before)
    bench.set(state.row(int(state.threads["peer"][row])), "state", MicroState.IS_TRANSFER)
    bench.finds("both in its transfer wait for the other")


def test_schedulers_in_a_circle_are_found(bench: Bench) -> None:
    state = bench.state
    one, two = np.nonzero(state.are_programs)[0][1:3].tolist()
    bench.set(one, "scheduler", int(state.at[two]))
    bench.set(two, "scheduler", int(state.at[one]))
    bench.finds("is above itself in the hierarchy")


def test_the_empty_thread_stays_empty(bench: Bench) -> None:
    bench.poke(bench.symbol("nil_ktcb") + KTCB.offsets["senders"], 1)
    bench.finds("nil_ktcb is not empty")


# Queues

def test_who_sends_stands_in_the_ring_of_the_one_he_sends_to(bench: Bench) -> None:
    state = bench.until(has("state", MicroState.IS_SENDING))
    row = first(chosen(state, "state", MicroState.IS_SENDING))
    partner = state.row(int(state.threads["partner"][row]))
    other = next(at for at in np.nonzero(state.are_programs)[0].tolist() if at not in (row, partner))
    bench.set(row, "partner", int(state.at[other]))
    bench.finds("the first that waits to send to it is")
    bench.set(row, "partner", 0)
    bench.finds("waits to send to 0x0, which is no thread")
    bench.set(row, "partner", int(state.at[partner]))
    assert not bench.checks.broken()
    bench.set(partner, "senders", 0)
    bench.finds("stands in no ring, and belongs in the ring of those that wait to send to")
    bench.set(partner, "senders", int(state.at[other]))
    bench.finds("the first that waits to send to it")


def test_two_that_wait_for_each_other_in_vain_are_found(bench: Bench) -> None:
    def to_one_at_rest(state: State) -> Mask:
        """Who waits to send to one that does not run and does not send itself."""
        partners = state.rows(state.threads["partner"])
        at_rest = state.among("state", MicroState.IS_RECEIVING, MicroState.IS_HALTED) & state.are_programs
        return chosen(state, "state", MicroState.IS_SENDING) & at_rest[partners]

    state = bench.until(lambda state: bool(to_one_at_rest(state).any()))
    row = first(to_one_at_rest(state))
    partner = state.row(int(state.threads["partner"][row]))
    for field, value in (("state", MicroState.IS_RECEIVING), ("kind", Kind.KIND_USER), ("wait", 0), ("halted", 0),
                         ("kwait", int(state.threads["id"][row]))):
        bench.set(partner, field, value)
    bench.finds(f"{state.name(row)}: waits to send to", "which waits for it")


def test_a_ring_that_is_not_closed_is_found(bench: Bench) -> None:
    state = bench.until(has("state", MicroState.IS_SENDING))
    row = first(chosen(state, "state", MicroState.IS_SENDING))
    bench.set(row, "next", 0)
    bench.finds("KTCB_NEXT is 0x0")


def test_ready_queues_and_their_bits_agree(l4: Bench) -> None:
    state = l4.until(has("l4s_ready", 1))
    row = first(chosen(state, "l4s_ready", 1))
    priority = int(state.threads["l4s_priority"][row])
    words, groups = l4.symbol("ready_words"), l4.symbol("ready_groups")
    for at, value, said in ((words + priority // 32 * 4, 0, f"the bit of priority {priority} is 0"),
                            (groups, 0, "ready_groups is 0x0"), (words, 1, "the bit of priority 0 is 1")):
        before = l4.state.word(at)
        l4.poke(at, value)
        l4.finds(said)
        l4.poke(at, before)
    l4.set(row, "l4s_priority", priority ^ 1)
    l4.finds(f"stands in the ring of those that are ready at priority {priority}")
    l4.set(row, "l4s_priority", priority)
    l4.set(row, "l4s_ready", 0)
    l4.finds("can run, but is neither current nor ready")


def test_timeouts_stand_in_order(l4: Bench) -> None:
    state = l4.until(lambda state: int((state.threads["l4s_pending"] != 0).sum()) >= 2)
    rows = np.nonzero(state.threads["l4s_pending"])[0].tolist()
    latest = max(rows, key=lambda row: int(state.threads["l4s_wake"][row]))
    before = int(state.threads["l4s_wake"][latest])
    l4.set(latest, "l4s_wake", 0)
    l4.finds("its timeout ends before that of")
    l4.set(latest, "l4s_wake", before)
    l4.set(latest, "l4s_pending", 0)
    l4.finds("which the ring of timeouts does not bear out")
    l4.set(latest, "l4s_pending", 1)
    l4.poke(l4.symbol("idle_ktcb") + offset("l4s_wake_next"), int(state.at[0]))
    l4.finds("timeouts")


# Who runs

def test_the_processor_is_the_current_threads(bench: Bench) -> None:
    state = bench.until(lambda state: state.current >= 0)
    bench.poke(bench.symbol("kip") + KIP.offsets["utcb"], 0x1234)
    bench.finds("runs with KIP_UTCB 0x1234")
    bench.restore()
    state = bench.until(lambda state: state.current >= 0)
    bench.set(state.current, "space", int(state.threads["space"][state.current]) + 0x1000)
    bench.finds("runs with CR3")
    bench.restore()
    state = bench.until(lambda state: state.current >= 0)
    bench.set(state.current, "state", MicroState.IS_HALTED)
    bench.finds("runs, but is IS_HALTED")


def test_esp0_is_a_threads(bench: Bench) -> None:
    task = tss(bench.machine)
    assert task
    bench.poke(task.base + 4, bench.state.current_at + 300)
    bench.finds("ESP0 belongs to KTCB", "which is no program's")


def test_in_uls_nobody_can_run_besides(uls: Bench) -> None:
    state = uls.until(has("state", MicroState.IS_HALTED))
    row = first(chosen(state, "state", MicroState.IS_HALTED))
    uls.set(row, "kind", Kind.KIND_USER)
    uls.set(row, "state", MicroState.IS_RUNNING)
    uls.finds(f"{state.name(row)}: can run besides the current thread")


def test_in_uls_levels_count_the_schedulers_above(uls: Bench) -> None:
    row = first(uls.state.are_programs & (uls.state.threads["scheduler"] != 0))
    uls.set(row, "uls_level", 9)
    uls.finds("its level is 0x9")


def test_the_idle_thread_waits_for_nobody(bench: Bench) -> None:
    bench.poke(bench.symbol("idle_ktcb") + KTCB.offsets["wait"], 0xFFFFFFFF)
    bench.finds("the idle thread waits")


# Interrupts

def test_masks_are_those_of_the_chips(bench: Bench) -> None:
    bench.poke(bench.symbol("lines_masked"), 0)
    bench.finds("lines_masked is 0x0000")


def test_a_handler_that_is_gone_is_found(bench: Bench) -> None:
    bench.poke(bench.symbol("interrupt_handlers") + 4 * 6, 99 << 14 | 1)
    bench.finds("interrupt line 6: its handler 0x18c001 does not exist")


# Spaces and pages

def test_a_space_counts_its_threads(bench: Bench) -> None:
    state = bench.state
    directory = int(state.threads["space"][first(state.are_programs)])
    at = state.variable("frame_table") + (directory >> 12) * 4
    bench.poke(at, state.word(at) + 1)
    bench.finds(f"space {directory:#x} counts")


def test_every_space_has_the_same_kernel(bench: Bench) -> None:
    directory = int(bench.mappings.directories[-1])
    bench.poke(directory + 4 * 0x310, 0x83)
    bench.finds("has another kernel part")


@pytest.mark.parametrize(("word", "value", "said"), [
    (0, 0xC0000000, "the next node in the list"), (1, 0xC0000000, "does not know it as its predecessor"),
    (2, 0xC0000000, "its parent's node is no page's"), (3, 0xC0000000, "its node stands for another entry")])
def test_a_node_that_is_wrong_is_found(word: int, value: int, said: str, bench: Bench) -> None:
    bench.checks.check()
    row = first((bench.mappings.nodes[:, 2] != 0) & (bench.mappings.nodes[:, 0] != 0))
    bench.poke(int(bench.mappings.node[row]) + 4 * word, value)
    bench.finds(said)


def test_a_list_out_of_order_is_found(bench: Bench) -> None:
    bench.checks.check()
    mappings = bench.mappings
    up = mappings.rows(mappings.nodes[:, 2])
    after, before = (mappings.rows(mappings.nodes[:, word]) for word in (0, 1))
    row = first((up != NOBODY) & (before == up) & (after != NOBODY))
    behind = int(mappings.nodes[row, 0])        # its brother's parent becomes a page of another frame
    stranger = first(mappings.value & np.uint32(0xFFFFF000) != mappings.value[row] & np.uint32(0xFFFFF000))
    bench.poke(behind + 8, int(mappings.node[stranger]))
    bench.finds("its parent shows another frame", "not in preorder")


def test_more_rights_than_the_parent_has_are_found(bench: Bench) -> None:
    bench.checks.check()
    mappings = bench.mappings
    up = mappings.rows(mappings.nodes[:, 2])
    row = first((up != NOBODY) & (mappings.value[up] & np.uint32(2) == 0))
    bench.poke(int(mappings.entry[row]), int(mappings.value[row]) | 2)
    bench.finds("it may be written, its parent not")


def test_a_page_that_shows_the_kernel_is_found(bench: Bench) -> None:
    bench.checks.check()
    mappings = bench.mappings
    for kernels in (KERNEL_BASE + 0x100000, int(mappings.directories[-1]), int(mappings.node[0]) & ~0xFFF):
        bench.poke(int(mappings.entry[0]), kernels - KERNEL_BASE | 7)
        bench.finds("shows memory of the kernel")


@pytest.mark.parametrize(("entry", "said"), [
    (0xFC00_0017, "the root task has a device from the kernel where another one is"),
    (0xFC00_0007, "a device that is cached, or memory that is not"), (0x8000_0007, "shows what is neither")])
def test_a_device_that_is_not_mapped_as_such_is_found(entry: int, said: str, bench: Bench) -> None:
    bench.checks.check()
    mappings = bench.mappings
    root = np.searchsorted(mappings.directories, np.uint32(bench.symbol("root_directory")))
    row = first((mappings.space == root) & (mappings.nodes[:, 2] == 0))
    bench.poke(int(mappings.entry[row]), entry)
    bench.finds(said)


def test_an_entry_without_a_node_is_found(bench: Bench) -> None:
    bench.checks.check()
    bench.poke(int(bench.mappings.entry[0]), 0)
    bench.finds("entry 0x0, but in the shadow 0x")


def test_a_translation_that_should_be_gone_is_found(bench: Bench) -> None:
    def mine(_: State) -> Mask:
        """The pages of the current space that the TLB holds."""
        space = bench.mappings.directories[bench.mappings.space] - np.uint32(KERNEL_BASE)
        found: Mask = (
            (space == bench.machine.cpu.registers.cr3) & (held(bench.machine, bench.mappings.linear) != 0))
        return found

    bench.checks.check()
    row = first(mine(bench.until(lambda state: bool(mine(state).any()))))
    bench.poke(int(bench.mappings.entry[row]), int(bench.mappings.value[row]) & ~4)
    bench.finds("the TLB still holds page")


def test_a_frame_that_is_lost_is_found(bench: Bench) -> None:
    bench.checks.check()
    used = bench.symbol("frames_used")
    bench.poke(used, bench.state.word(used) + 1)
    bench.finds("1 frames of the pool are nobody's")
    bench.poke(used, bench.state.word(used) - 2)
    bench.finds("1 frames of the pool are in use that were never handed out")


def test_a_free_frame_in_use_is_found(bench: Bench) -> None:
    bench.checks.check()
    table = int(bench.mappings.tables[0])
    bench.poke(bench.symbol("frames_list"), table)
    bench.finds("frames_list")


def test_a_run_stops_where_something_broke(bench: Bench) -> None:
    bench.set(first(chosen(bench.state, "transfer", Part.PART_NONE)), "transfer", 3)
    with pytest.raises(BrokenInvariant, match=r"^at \S+, cycle [\d,]+, instruction [\d,]+\n  .*transfer is 0x3"):
        bench.checks.run(1000)


def test_uls_and_l4_are_told_apart(benches: dict[str, Bench]) -> None:
    assert [bool(benches[name].state.kip.features & KipFeature.KIP_ULS) for name in BOTH] == [False, True]
