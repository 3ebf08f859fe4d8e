"""Random strings between two threads, with pages that are missing, and interrupts while they are copied: all arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from guest.abi.micro import Label, Part, ThreadId
from tests.guest.micro.puppets import ANY, PAGE_SIZE, ZERO, Message, Puppet, Stage, fpage, map_item, string

LINE = 5
IRQ = LINE << ThreadId.ID_SHIFT | 1
TURNS = 6
APART = 0x10_0000               # bytes between strings


@dataclass(frozen=True)
class Text:
    """A string: where it is, where it goes, and what it says."""

    source: int
    target: int
    data: bytes


@dataclass
class Traffic:
    """Two threads in spaces of their own, their pager, and the handler of an interrupt."""

    stage: Stage
    random: Random
    frames: Iterator[int] = field(default_factory=lambda: count(100))       # pages of the root task's memory

    def __post_init__(self) -> None:
        stage = self.stage
        self.pager, self.handler = stage.thread(), stage.thread()
        self.sender = stage.thread(space=True, pager=self.pager)
        self.receiver = stage.thread(space=True, pager=self.pager)
        stage.attach(LINE, self.handler)
        stage.prefer(self.handler)
        stage.let(self.handler).receive(ANY)
        stage.let(self.pager).receive(ANY)

    def texts(self, turn: int) -> list[Text]:
        """Up to three of them, at addresses where nothing was before."""
        made = []
        for number in range(self.random.randint(1, 3)):
            base = (turn * 4 + number + 1) * APART
            length = self.random.choice([1, 100, PAGE_SIZE, self.random.randrange(3 * PAGE_SIZE)])
            made.append(Text(base + self.random.randrange(PAGE_SIZE), base + self.random.randrange(PAGE_SIZE),
                             self.random.randbytes(length)))
        return made

    def interrupts(self, likely: float, pieces: int) -> None:
        """An interrupt may come among the next pieces."""
        if self.random.random() < likely:
            self.stage.amid = "transfer_items", self.random.randint(1, pieces), LINE

    def exchange(self, texts: list[Text]) -> None:
        """The sender calls and the receiver receives, either first; until it has the message."""
        sender, receiver, last = self.sender, self.receiver, len(texts) - 1
        strings = [string(text.source, len(text.data), number < last) for number, text in enumerate(texts)]
        receiver.accept(0, *(string(text.target, len(text.data) + self.random.randrange(100), number < last)
                             for number, text in enumerate(texts)))
        for thread in self.random.sample([sender, receiver], 2):
            self.stage.let(thread)
            self.interrupts(0.5, 2)
            if thread is sender:
                thread.call(receiver, typed=strings)
            else:
                thread.receive(sender)
        while not (receiver.can_run and receiver.field("transfer") == Part.PART_NONE):
            if self.handler.can_run:
                self.stage.let(self.handler).send(IRQ, send=ZERO)
                self.handler.receive(ANY)
            elif self.pager.can_run:
                self.bring(texts)
            else:
                self.stage.give(sender if sender.can_run else receiver)
        self.stage.amid = None

    def bring(self, texts: list[Text]) -> None:
        """The pager answers a fault with a page; for the sender it has what the strings say."""
        got = self.stage.let(self.pager).got
        assert isinstance(got, Message) and isinstance(got.sender, Puppet) and got.label > Label.LABEL_PAGE_FAULT
        page, frame = got.words[0] & ~(PAGE_SIZE - 1), self.stage.memory(next(self.frames))
        self.pager.reads(frame)                 # so that the root task has it
        for text in texts if got.sender is self.sender else ():
            start, end = max(text.source, page), min(text.source + len(text.data), page + PAGE_SIZE)
            if start < end:
                self.pager.write(frame + start - page, text.data[start - text.source:end - text.source])
        self.interrupts(0.5, 1)
        self.pager.ipc(got.sender, ANY, typed=[map_item(fpage(frame), page)])


@pytest.mark.parametrize("seed", range(6))
def test_random_strings_arrive_whatever_happens_on_the_way(stage: Stage, seed: int) -> None:
    traffic = Traffic(stage, Random(seed))
    for turn in range(TURNS):
        texts = traffic.texts(turn)
        traffic.exchange(texts)
        for text in texts:
            assert traffic.receiver.read(text.target, len(text.data)) == text.data
        stage.let(traffic.receiver).send(traffic.sender, turn)
        assert stage.let(traffic.sender).got == Message(traffic.receiver, 0, (turn,))
