"""String items: what arrives, what is refused, and what becomes of both sides when pages or partners are missing."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from guest.abi.micro import Exreg, IpcError, Label, MicroCall, MicroMemory, MicroState, ThreadId
from tests.guest.micro.puppets import (
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

RECEIVE = IpcError.IPC_RECEIVE_PHASE
OVERFLOW, ABORTED = IpcError.IPC_OVERFLOW, IpcError.IPC_ABORTED
MINE, PARTNER = IpcError.IPC_FAULT_MINE, IpcError.IPC_FAULT_PARTNER
END = int(MicroMemory.UTCB_BASE)
LENGTHS = (0, 1, 3, 4, 4095, 4096, 4097, 3 * 4096 + 5)


def some(length: int, seed: int = 1) -> bytes:
    return Random(seed).randbytes(length)


@dataclass
class Pair:
    """A sender, and a receiver that waits for it."""

    stage: Stage
    sender: Puppet
    receiver: Puppet

    def send(self, *strings: tuple[int, int], words: tuple[int, ...] = ()) -> None:
        """The receiver waits and the sender sends; it may have to wait for a page."""
        self.stage.let(self.receiver).receive(self.sender)
        self.stage.let(self.sender).send(self.receiver, *words, typed=strings)

    def ended(self, sender: IpcError | None = None, receiver: IpcError | None = None) -> None:
        """Both can run, and their IPC ended so: None is good."""
        assert self.sender.can_run and self.receiver.can_run
        assert self.sender.got == (Message(0) if sender is None else Failed(sender))
        got = self.receiver.got
        assert isinstance(got, Message) and got.sender is self.sender if receiver is None else got == Failed(receiver)


@pytest.fixture
def pair(stage: Stage) -> Pair:
    """Both in the root task's space."""
    return Pair(stage, stage.thread(), stage.thread())


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("source, target", [(0, 0), (0, 1), (3, 0), (4095, 4094), (1, 2048)])
def test_a_string_arrives_byte_for_byte(pair: Pair, length: int, source: int, target: int) -> None:
    at, to = pair.stage.page(0) + source, pair.stage.page(6) + target
    pair.sender.write(at, some(length))
    pair.sender.write(to - 1 if target else to, bytes([0xEE]) * (length + 2))
    pair.receiver.accept(0, string(to, length))
    pair.send(string(at, length), words=(1, 2, 3))
    pair.ended()
    assert pair.receiver.got == Message(pair.sender, 0, (1, 2, 3), string(at, length))
    assert pair.receiver.read(to, length + 1) == some(length) + b"\xEE"


def test_a_string_may_be_shorter_than_its_buffer(pair: Pair) -> None:
    at, to = pair.stage.page(0), pair.stage.page(6)
    pair.sender.write(at, some(1000))
    pair.receiver.accept(0, string(to, 4000))
    pair.send(string(at, 1000))
    pair.ended()
    assert pair.receiver.read(to, 1001) == some(1000) + b"\0"


def test_strings_go_to_buffers_in_their_order(pair: Pair) -> None:
    pages = [pair.stage.page(number) for number in range(12)]
    lengths = [5000, 0, 1, 4096, 7]
    for number, length in enumerate(lengths[:4]):
        pair.sender.write(pages[2 * number] + number, some(length, number))
    pair.receiver.accept(0, *(string(pages[8] + 0x30 * number if length < 100 else pages[9 + number // 3 * 2], 8000,
                                     number < 4) for number, length in enumerate(lengths)))
    pair.send(*(string(pages[2 * number] + number, length, number < 3) for number, length in enumerate(lengths[:4])))
    pair.ended()
    assert pair.receiver.read(pages[9], 5000) == some(5000, 0)
    assert pair.receiver.read(pages[8] + 0x60, 1) == some(1, 2)
    assert pair.receiver.read(pages[11], 4096) == some(4096, 3)


@pytest.mark.parametrize("count", [1, 15, 16])
def test_as_many_strings_as_there_are_buffers(pair: Pair, count: int) -> None:
    at, to = pair.stage.page(0), pair.stage.page(1)
    pair.sender.write(at, some(16 * count))
    pair.receiver.accept(0, *(string(to + 16 * number, 16, number < count - 1) for number in range(count)))
    pair.send(*(string(at + 16 * number, 16) for number in range(count)))
    pair.ended()
    assert pair.receiver.read(to, 16 * count) == some(16 * count)


@pytest.mark.parametrize("count", [1, 2, 16])
def test_a_string_more_than_there_are_buffers_does_not_fit(pair: Pair, count: int) -> None:
    at, to = pair.stage.page(0), pair.stage.page(1)
    more = count == 16                                      # behind the last one there is no place for a buffer
    pair.receiver.accept(0, *(string(to, 16, more or number < count - 1) for number in range(count)))
    pair.send(*(string(at, 16) for number in range(count + 1)))
    pair.ended(OVERFLOW, OVERFLOW | RECEIVE)


@pytest.mark.parametrize("buffer", [15, 0])
def test_a_string_that_is_longer_than_its_buffer_does_not_fit(pair: Pair, buffer: int) -> None:
    to = pair.stage.page(1)
    pair.receiver.accept(0, string(to, buffer))
    pair.send(string(pair.stage.page(0), 16))
    pair.ended(OVERFLOW, OVERFLOW | RECEIVE)
    assert pair.receiver.read(to, 16) == bytes(16)


@pytest.mark.parametrize("length", [0, 1])
def test_who_takes_no_strings_gets_none(pair: Pair, length: int) -> None:
    pair.receiver.set_utcb("br0", 0, *string(pair.stage.page(1), 100))
    pair.send(string(pair.stage.page(0), length))
    pair.ended(OVERFLOW, OVERFLOW | RECEIVE)


def test_a_buffer_of_another_kind_is_none(pair: Pair) -> None:
    length, address = string(pair.stage.page(1), 100)
    pair.receiver.accept(0, (length | 8, address))
    pair.send(string(pair.stage.page(0), 1))
    pair.ended(OVERFLOW, OVERFLOW | RECEIVE)


@pytest.mark.parametrize("address", [END, END + 0x1000, MicroMemory.KIP_BASE, 0xC010_0000, 0xFFFF_FFFF, 0xFFFF_F000])
@pytest.mark.parametrize("side", ["source", "target"])
def test_nothing_from_the_utcbs_on_is_copied(pair: Pair, address: int, side: str) -> None:
    good = pair.stage.page(0)
    at, to = (address, good) if side == "source" else (good, address)
    pair.receiver.accept(0, string(to, 0x3000))
    pair.send(string(at, 0x2000))
    pair.ended(OVERFLOW, OVERFLOW | RECEIVE)
    pair.send(string(at, 0))                                # of nothing, it does not matter where it is
    pair.ended()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_string_that_reaches_into_the_utcbs_does_not_arrive(stage: Stage, side: str) -> None:
    good, last = stage.page(0), END - PAGE_SIZE
    far, near = stage.thread(space=True), stage.thread()
    stage.pages(far, [map_item(fpage(good), last)])
    pair = Pair(stage, far, near) if side == "source" else Pair(stage, near, far)
    near.write(good, some(PAGE_SIZE))
    at, to = (last, stage.page(2)) if side == "source" else (good, last)
    pair.receiver.accept(0, string(to, 2 * PAGE_SIZE))
    pair.send(string(at, PAGE_SIZE))
    pair.ended()
    assert pair.receiver.read(to, PAGE_SIZE) == some(PAGE_SIZE)
    pair.send(string(at, PAGE_SIZE + 1))
    pair.ended(OVERFLOW, OVERFLOW | RECEIVE)


def test_a_page_that_is_read_only_is_no_buffer(stage: Stage) -> None:
    receiver, sender = stage.thread(space=True), stage.thread()
    stage.pages(receiver, [map_item(fpage(stage.page(3), rights=4), 0x10000)])
    receiver.set_utcb("pager", NIL)
    receiver.accept(0, string(0x10000, 100))
    sender.write(stage.page(0), some(100))
    pair = Pair(stage, sender, receiver)
    pair.send(string(stage.page(0), 100))
    pair.ended(PARTNER, MINE | RECEIVE)
    assert sender.read(stage.page(3), 100) == bytes(100)


# Pages that are missing. The one who faults is in a space of its own, with a pager in the root task's

HOLE = 0x0030_0FF0              # 16 bytes before a page
LENGTH = 2 * PAGE_SIZE + 100    # four pages of it


@dataclass
class Faulting(Pair):
    """One of both has no page where the string begins or is to go, and its pager has been asked."""

    pager: Puppet
    faults: Puppet

    @classmethod
    def make(cls, stage: Stage, side: str) -> Faulting:
        """A string is to go from HOLE, or to there."""
        pager = stage.thread()
        far, near = stage.thread(space=True, pager=pager), stage.thread()
        pair = cls(stage, *((far, near) if side == "source" else (near, far)), pager, far)
        stage.let(pager).receive(ANY)
        near.write(stage.page(0), some(LENGTH))
        pair.receiver.accept(0, string(HOLE if side == "target" else stage.page(4), LENGTH))
        pair.send(string(HOLE if side == "source" else stage.page(0), LENGTH), words=(1,))
        return pair

    def asked(self, address: int) -> None:
        """The pager has a message."""
        write = self.faults is self.receiver
        assert self.stage.current is self.pager
        got = self.pager.got
        assert isinstance(got, Message)
        assert (got.sender, got.label) == (self.faults, Label.LABEL_PAGE_FAULT | (2 if write else 4))
        assert got.words[0] == address and len(got.words) == 2 and not got.typed

    def brings(self, number: int, address: int) -> None:
        """The pager answers with one of the root task's pages."""
        self.pager.reply_and_wait(self.faults, typed=[map_item(fpage(self.stage.page(number)), address)])


@pytest.fixture(params=["source", "target"])
def faulting(request: pytest.FixtureRequest, stage: Stage) -> Faulting:
    """Who has no page where the string begins or is to go; its pager has been asked."""
    pair = Faulting.make(stage, request.param)
    pair.asked(HOLE)
    return pair


def pages_of_hole() -> list[int]:
    return [HOLE & ~0xFFF, *range((HOLE | 0xFFF) + 1, HOLE + LENGTH, PAGE_SIZE)]


def test_every_page_that_is_missing_is_asked_for_once(faulting: Faulting) -> None:
    stage, pager = faulting.stage, faulting.pager
    if faulting.faults is faulting.sender:
        pager.write(stage.page(4), bytes(0x4000))
        pager.write(stage.page(0) + (HOLE & 0xFFF), some(LENGTH))
    for number, page in enumerate(pages_of_hole()):
        faulting.asked(max(page, HOLE))
        assert not faulting.sender.can_run and not faulting.receiver.can_run
        faulting.brings(number + (0 if faulting.faults is faulting.sender else 8), page)
    faulting.ended()
    got = faulting.receiver.got
    assert isinstance(got, Message) and got.words == (1,)
    assert faulting.receiver.read(faulting.receiver.utcb("br0", 2), LENGTH) == some(LENGTH)
    assert not pager.can_run


def test_a_pager_that_brings_nothing_is_asked_again(faulting: Faulting) -> None:
    for _ in range(3):
        faulting.pager.reply_and_wait(faulting.faults)
        faulting.asked(HOLE)
    faulting.brings(8, HOLE & ~0xFFF)
    faulting.asked((HOLE | 0xFFF) + 1)


def test_a_page_that_goes_before_it_is_used_is_asked_for_again(faulting: Faulting) -> None:
    stage, pager, page = faulting.stage, faulting.pager, faulting.stage.page(8)
    pager.send(faulting.faults, typed=[map_item(fpage(page), HOLE & ~0xFFF)])
    assert faulting.faults.has_page(HOLE)
    stage.let(pager).set_utcb("mr0", fpage(page))
    pager.system(MicroCall.L4_UNMAP, ebx=0)
    assert not faulting.faults.has_page(HOLE)
    pager.receive(ANY)
    stage.give(faulting.faults)
    faulting.asked(HOLE)


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("pager", ["nil", "nobody", "oneself", "the other one"])
def test_without_a_pager_both_hear_whose_page_it_was(stage: Stage, side: str, pager: str) -> None:
    far, near = stage.thread(space=True), stage.thread()
    far.set_utcb("pager", {"nil": NIL, "nobody": near.id + 1, "oneself": far.id, "the other one": near.id}[pager])
    pair = Pair(stage, *((far, near) if side == "source" else (near, far)))
    pair.receiver.accept(0, string(HOLE if side == "target" else stage.page(4), LENGTH))
    pair.send(string(HOLE if side == "source" else stage.page(0), LENGTH))
    if side == "source":
        pair.ended(MINE, PARTNER | RECEIVE)
    else:
        pair.ended(PARTNER, MINE | RECEIVE)


def test_the_root_tasks_memory_needs_no_pager(stage: Stage) -> None:
    pair = Pair(stage, stage.thread(), stage.thread())
    at, to = stage.memory(5) + 100, stage.memory(50) + 4000
    pair.receiver.accept(0, string(to, 6000))
    pair.send(string(at, 6000))
    pair.ended()
    assert pair.receiver.has_page(at) and pair.receiver.has_page(to + 5999)


def test_a_pager_that_goes_is_no_pager_any_more(faulting: Faulting) -> None:
    faulting.stage.direct().delete(faulting.pager)
    if faulting.faults is faulting.sender:
        faulting.ended(MINE, PARTNER | RECEIVE)
    else:
        faulting.ended(PARTNER, MINE | RECEIVE)


@pytest.mark.parametrize("goes", ["sender", "receiver"])
def test_who_is_deleted_in_mid_transfer_leaves_the_other_one_aborted(faulting: Faulting, goes: str) -> None:
    stage, pager = faulting.stage, faulting.pager
    other = faulting.receiver if goes == "sender" else faulting.sender
    stage.direct().delete(getattr(faulting, goes))
    assert other.can_run
    assert other.got == Failed(ABORTED | (RECEIVE if goes == "sender" else 0))
    stage.let(other).receive(ANY, receive=ZERO)
    assert other.got == Failed(IpcError.IPC_TIMEOUT | RECEIVE)
    # The pager's answer comes too late.
    stage.let(pager).send(faulting.faults, send=ZERO)
    assert isinstance(pager.got, Failed)


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_who_is_cancelled_in_mid_transfer_aborts_both(faulting: Faulting, who: str) -> None:
    stage, thread = faulting.stage, getattr(faulting, who)
    helper = stage.thread(space=thread)
    sending, receiving = Exreg.EXREG_CANCEL_SEND, Exreg.EXREG_CANCEL_RECEIVE
    stage.let(helper).cancel(thread, receiving if who == "sender" else sending)
    assert not faulting.sender.can_run and not faulting.receiver.can_run
    stage.let(helper).cancel(thread, sending if who == "sender" else receiving)
    faulting.ended(ABORTED, ABORTED | RECEIVE)
    # The pager's answer comes too late.
    stage.let(faulting.pager).send(faulting.faults, send=ZERO)
    assert faulting.pager.got == Failed(IpcError.IPC_TIMEOUT)


# Interrupts between two pieces

LINE = 5
LONG = 5 * PAGE_SIZE


@dataclass
class Interrupted(Pair):
    """An interrupt comes in the middle of a string, and its handler runs."""

    handler: Puppet

    @classmethod
    def make(cls, stage: Stage, drives: str, pieces: int) -> Interrupted:
        """Who of both has the processor and copies; how often it looks for the next piece before that."""
        handler = stage.thread()
        stage.attach(LINE, handler)
        stage.prefer(handler)
        stage.let(handler).receive(LINE << ThreadId.ID_SHIFT | 1)
        pair = cls(stage, stage.thread(space=True), stage.thread(), handler)
        stage.pages(pair.sender, [map_item(fpage(stage.page(n)), stage.page(n)) for n in range(6)])
        pair.sender.write(stage.page(0), some(LONG))
        pair.receiver.accept(0, string(stage.page(7), LONG))
        if drives == "sender":
            stage.let(pair.receiver).receive(ANY)
            stage.let(pair.sender)
            stage.amid = "transfer_items", pieces, LINE
            pair.sender.call(pair.receiver, typed=[string(stage.page(0), LONG)])
        else:
            stage.let(pair.sender).call(pair.receiver, typed=[string(stage.page(0), LONG)])
            stage.let(pair.receiver)
            stage.amid = "transfer_items", pieces, LINE
            pair.receiver.receive(pair.sender)
        return pair


@pytest.fixture(params=["sender", "receiver"])
def interrupted(request: pytest.FixtureRequest, stage: Stage) -> Interrupted:
    """Which of both has copied two pieces when the interrupt comes."""
    pair = Interrupted.make(stage, request.param, 3)
    drives, other = (pair.sender, pair.receiver) if request.param == "sender" else (pair.receiver, pair.sender)
    assert drives.can_run and not drives.is_current and not other.can_run
    assert other.state == MicroState.IS_TRANSFER
    assert pair.receiver.read(stage.page(7) + 2 * PAGE_SIZE, 4) != bytes(4)
    assert pair.receiver.read(stage.page(7) + 4 * PAGE_SIZE, PAGE_SIZE) == bytes(PAGE_SIZE)
    assert pair.handler.got == Message(LINE << ThreadId.ID_SHIFT | 1, Label.LABEL_INTERRUPT)
    return pair


def test_an_interrupted_string_goes_on(interrupted: Interrupted) -> None:
    stage, sender, receiver = interrupted.stage, interrupted.sender, interrupted.receiver
    stage.give(sender if sender.can_run else receiver)
    assert receiver.got == Message(sender, 0, (), string(stage.page(0), LONG))
    assert receiver.read(stage.page(7), LONG) == some(LONG)
    assert receiver.can_run and not sender.can_run
    stage.let(receiver).send(sender, 9)
    assert sender.got == Message(receiver, 0, (9,))


@pytest.mark.parametrize("way", ["deleted", "cancelled"])
@pytest.mark.parametrize("who", ["the one who copies", "the other one"])
def test_an_interrupted_string_can_end(interrupted: Interrupted, way: str, who: str) -> None:
    stage, sender, receiver = interrupted.stage, interrupted.sender, interrupted.receiver
    drives, other = (sender, receiver) if sender.can_run else (receiver, sender)
    thread, rest = (drives, other) if who == "the one who copies" else (other, drives)
    if way == "deleted":
        stage.direct().delete(thread)
    else:
        stage.let(stage.thread(space=thread)).cancel(thread)
    for one in [rest] if way == "deleted" else [sender, receiver]:
        assert stage.let(one).got == Failed(ABORTED | (RECEIVE if one is receiver else 0))
        one.receive(ANY, receive=ZERO)
        assert one.got == Failed(IpcError.IPC_TIMEOUT | RECEIVE)
