"""Map and grant items in IPC, and page faults: what the two threads and the pager see. What mapping means is in
test_mapping.py.
"""

from __future__ import annotations

import pytest

from guest.abi.micro import Flexpage, IpcError, Label, MicroMemory, Tag
from tests.guest.micro.puppets import (
    ALL,
    ANY,
    NIL,
    PAGE_SIZE,
    ZERO,
    Failed,
    Message,
    Puppet,
    Stage,
    fpage,
    map_item,
    string,
)

WHOLE = int(Flexpage.FPAGE_COMPLETE) | ALL
THERE = 0x0050_0000
RECEIVE = IpcError.IPC_RECEIVE_PHASE
OVERFLOW = IpcError.IPC_OVERFLOW
END = int(MicroMemory.UTCB_BASE)
READ, WRITE = Label.FAULT_READ, Label.FAULT_WRITE


@pytest.fixture
def near(stage: Stage) -> Puppet:
    """A thread in the root task's space."""
    return stage.thread()


@pytest.fixture
def far(stage: Stage) -> Puppet:
    """One in a space of its own."""
    return stage.thread(space=True)


def send(stage: Stage, sender: Puppet, receiver: Puppet, *items: tuple[int, int], window: int = WHOLE) -> None:
    """A message of map items, which has arrived then."""
    stage.let(receiver).accept(window)
    receiver.receive(sender)
    stage.let(sender).send(receiver, 6, typed=items)
    assert sender.got == Message(0)
    assert receiver.got == Message(sender, 0, (6,), tuple(word for item in items for word in item))


def frame(thread: Puppet, address: int) -> int:
    """Which frame a page of a thread's space is."""
    return thread.physical(address) & ~0xFFF


def test_a_page_goes_where_the_receiver_takes_it(stage: Stage, near: Puppet, far: Puppet) -> None:
    near.write(stage.page(0), b"here")
    send(stage, near, far, map_item(fpage(stage.page(0)), THERE))
    assert frame(far, THERE) == frame(near, stage.page(0))
    assert far.read(THERE, 4) == b"here"
    assert stage.let(far).reads(THERE) is far and far.register("eax") == int.from_bytes(b"here", "little")
    far.writes(THERE, 0x1234)
    assert near.read(stage.page(0), 2) == b"\x34\x12"


@pytest.mark.parametrize("window", [0, WHOLE & ~7, fpage(THERE, 12, 0)])
def test_a_window_that_is_none_takes_nothing(stage: Stage, near: Puppet, far: Puppet, window: int) -> None:
    send(stage, near, far, map_item(fpage(stage.page(0)), THERE), window=window)
    assert far.has_page(THERE) == bool(window & ~7)         # a window has no rights of its own


def test_several_items_each_go_to_their_place(stage: Stage, near: Puppet, far: Puppet) -> None:
    items = [map_item(fpage(stage.page(number), rights=4), THERE + number * 0x40_0000) for number in range(16)]
    send(stage, near, far, *items)
    for number in range(16):
        assert frame(far, THERE + number * 0x40_0000) == frame(near, stage.page(number))


def test_a_grant_takes_the_page_from_the_sender(stage: Stage, near: Puppet, far: Puppet) -> None:
    other = stage.thread(space=True)
    send(stage, near, far, map_item(fpage(stage.page(0)), THERE))
    send(stage, far, other, map_item(fpage(THERE), THERE + PAGE_SIZE, grant=True))
    assert not far.has_page(THERE)
    assert frame(other, THERE + PAGE_SIZE) == frame(near, stage.page(0))


def test_maps_and_strings_travel_together(stage: Stage, near: Puppet, far: Puppet) -> None:
    near.write(stage.page(0), b"first")
    near.write(stage.page(1), b"second")
    send(stage, near, far, map_item(fpage(stage.page(5)), THERE))       # where the strings go
    stage.let(far).accept(WHOLE & ~1, string(THERE, 8, True), string(THERE + 8, 8))
    far.receive(near)
    items = [string(stage.page(0), 5), map_item(fpage(stage.page(2)), THERE + PAGE_SIZE), string(stage.page(1), 6),
             map_item(fpage(stage.page(3)), THERE + 2 * PAGE_SIZE)]
    stage.let(near).send(far, 1, 2, typed=items)
    assert far.got == Message(near, 0, (1, 2), tuple(word for item in items for word in item))
    assert far.read(THERE, 14) == b"first\0\0\0second"
    assert frame(far, THERE + PAGE_SIZE) == frame(near, stage.page(2))
    assert frame(far, THERE + 2 * PAGE_SIZE) == frame(near, stage.page(3))


def test_what_was_mapped_before_an_item_that_does_not_fit_stays(stage: Stage, near: Puppet, far: Puppet) -> None:
    stage.let(far).accept(WHOLE & ~1)
    far.receive(near)
    stage.let(near).send(far, typed=[map_item(fpage(stage.page(0)), THERE), string(stage.page(0), 1)])
    assert near.got == Failed(OVERFLOW) and far.got == Failed(OVERFLOW | RECEIVE)
    assert far.has_page(THERE)


@pytest.mark.parametrize("base", [END, END + 0x1000, 0xBFFF_E000, 0xC000_0000, 0xFFFF_F000])
def test_nothing_can_be_mapped_from_or_to_where_the_utcbs_are(stage: Stage, near: Puppet, far: Puppet, base: int
                                                             ) -> None:
    at = END // 0x40_0000 * 4                               # where that begins in a page directory
    tables = stage.machine.ram.read(far.field("space") + at, PAGE_SIZE - at)
    send(stage, near, far, map_item(fpage(base), THERE), map_item(fpage(stage.page(0)), base))
    assert not far.has_page(THERE)
    assert stage.machine.ram.read(far.field("space") + at, PAGE_SIZE - at) == tables


def test_one_cannot_map_what_one_does_not_have(stage: Stage, near: Puppet, far: Puppet) -> None:
    other = stage.thread(space=True)
    send(stage, far, other, map_item(fpage(THERE), THERE), map_item(fpage(0x10_0000), THERE))
    assert not other.has_page(THERE)


def test_when_the_kernels_memory_is_used_up_the_ipc_says_so_and_nothing_is_lost(stage: Stage) -> None:
    near = stage.thread()

    def fill() -> int:
        """Pages as far apart as they can be, until no more fit: how many messages that were."""
        far = stage.thread(space=True)
        places = [number * 0x40_0000 for number in range(1, END // 0x40_0000) if number not in range(0x100, 0x108)]
        for count in range(0, len(places), 30):
            stage.let(far).accept(WHOLE)
            far.receive(near)
            stage.let(near).send(far, typed=[map_item(fpage(stage.page(0)), at) for at in places[count:count + 30]])
            if isinstance(near.got, Failed):
                assert near.got == Failed(OVERFLOW) and far.got == Failed(OVERFLOW | RECEIVE)
                stage.direct().delete(far)
                return count
        raise AssertionError("it is never used up")

    assert fill() == fill() > 100


# Page faults


@pytest.fixture
def pager(stage: Stage, far: Puppet) -> Puppet:
    """A pager of `far`, which waits for a fault."""
    thread = stage.thread()
    far.set_utcb("pager", thread.id)
    stage.let(thread).receive(ANY)
    return thread


@pytest.mark.parametrize("access", [READ, WRITE])
def test_a_fault_reaches_the_pager_and_its_answer_lets_the_thread_go_on(stage: Stage, far: Puppet, pager: Puppet,
                                                                       gate: str, access: int) -> None:
    stage.gate = gate
    place = "puppet_read" if access == READ else "puppet_write"
    assert stage.let(far).goes_on(place, ebx=THERE + 0x123, eax=0x55, ecx=0x1111) is pager
    assert pager.got == Message(far, Label.LABEL_PAGE_FAULT | access, (THERE + 0x123, stage.place(place)))
    assert pager.reply_and_wait(far, typed=[map_item(fpage(stage.page(0)), THERE)]) is far
    assert far.register("ecx") == 0x1111
    assert far.read(THERE + 0x123, 4) == (b"\x55\0\0\0" if access == WRITE else bytes(4))


def test_a_write_to_a_page_that_may_only_be_read_is_a_fault(stage: Stage, near: Puppet, far: Puppet, pager: Puppet
                                                            ) -> None:
    send(stage, near, far, map_item(fpage(stage.page(0), rights=4), THERE))
    assert stage.let(far).reads(THERE) is far
    assert far.writes(THERE, 7) is pager
    assert pager.got == Message(far, Label.LABEL_PAGE_FAULT | WRITE, (THERE, stage.place("puppet_write")))
    pager.reply_and_wait(far, typed=[map_item(fpage(stage.page(0)), THERE)])
    assert far.is_current and near.read(stage.page(0), 1) == b"\7"


def test_an_answer_that_maps_nothing_brings_the_same_fault_again(stage: Stage, far: Puppet, pager: Puppet) -> None:
    stage.let(far).reads(THERE)
    for items in ([], [map_item(fpage(stage.page(0)), THERE + PAGE_SIZE)], [string(stage.page(0), 5)], [(6, 7)]):
        assert pager.reply_and_wait(far, typed=items) is pager
        assert pager.got == Message(far, Label.LABEL_PAGE_FAULT | READ, (THERE, stage.place("puppet_read")))
    pager.reply_and_wait(far, 1, 2, typed=[*map_item(fpage(stage.page(1)), THERE + PAGE_SIZE),
                                           *map_item(fpage(stage.page(0)), THERE), 0x18])
    assert far.is_current


def test_only_the_pagers_answer_counts(stage: Stage, near: Puppet, far: Puppet, pager: Puppet) -> None:
    stage.let(far).reads(THERE)
    stage.let(near).send(far, typed=[map_item(fpage(stage.page(0)), THERE)], send=ZERO)
    assert near.got == Failed(IpcError.IPC_TIMEOUT)
    assert not far.can_run


def test_an_answer_whose_tag_lies_is_none(stage: Stage, far: Puppet, pager: Puppet) -> None:
    stage.let(far).reads(THERE)
    pager.ipc(far, tag=63 << Tag.TAG_TYPED_SHIFT | 63)
    assert pager.got == Failed(OVERFLOW)
    assert not far.can_run
    pager.reply_and_wait(far, typed=[map_item(fpage(stage.page(0)), THERE)])
    assert far.is_current


def test_a_fault_waits_for_a_pager_that_is_busy(stage: Stage, far: Puppet, near: Puppet, pager: Puppet) -> None:
    stage.let(near).call(pager, 1)
    pager.receive(near, receive=ZERO)
    stage.let(far).reads(THERE)
    assert not far.can_run and pager.pending == [far]
    stage.let(pager).receive(ANY)
    assert pager.got == Message(far, Label.LABEL_PAGE_FAULT | READ, (THERE, stage.place("puppet_read")))


@pytest.mark.parametrize("which", ["nil", "deleted", "oneself"])
def test_without_a_pager_the_thread_stops_with_a_line(stage: Stage, far: Puppet, pager: Puppet, which: str) -> None:
    if which == "deleted":
        stage.direct().delete(pager)
    else:
        far.set_utcb("pager", NIL if which == "nil" else far.id)
    stage.let(far).reads(THERE)
    assert not far.can_run
    assert stage.console == [f"thread {far.number}.1: page fault (#PF), error code 0x4, address {THERE:#x}, "
                             f"at {stage.place('puppet_read'):#x}: no pager"]


def test_a_pager_that_is_deleted_while_it_is_asked_leaves_the_thread_stopped(stage: Stage, far: Puppet, pager: Puppet
                                                                            ) -> None:
    helper = stage.thread(space=far)
    stage.let(far).reads(THERE)
    stage.direct().delete(pager)
    assert not far.can_run
    # Another thread of its space can give it a new pager, and set it going: it faults again.
    other = stage.thread()
    stage.let(other).receive(ANY)
    far.set_utcb("pager", other.id)
    stage.let(helper).unhalt(far)
    stage.give(far)
    assert other.got == Message(far, Label.LABEL_PAGE_FAULT | READ, (THERE, stage.place("puppet_read")))


@pytest.mark.parametrize("address", [END, END + 0x2000, 0xBFFF_D000, 0xC010_0000, 0xFFFF_FFFC])
def test_where_nothing_can_be_mapped_a_fault_is_an_exception(stage: Stage, far: Puppet, pager: Puppet, address: int
                                                             ) -> None:
    far.set_utcb("handler", pager.id)
    stage.let(far).writes(address, 1)
    got = pager.got
    assert isinstance(got, Message) and (got.sender, got.label) == (far, Label.LABEL_EXCEPTION)
    assert got.words[2] == 14
