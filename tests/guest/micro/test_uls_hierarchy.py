"""`uls`: chains of preemption messages up the hierarchy of schedulers (the paper's section 3.3.2), against a model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest

from guest.abi.micro import Kind, Label, MicroState, Preemption, ThreadId
from tests.guest.micro.puppets import ANY, PAGE_SIZE, ZERO, Failed, Message, Puppet, Stage, string

LINE = 5
IRQ = LINE << ThreadId.ID_SHIFT | 1


def reason(scheduler: Puppet) -> tuple[Puppet | int, int, int]:
    """The preemption message that a scheduler has received: from whom, why, and who ran instead."""
    got = scheduler.got
    assert isinstance(got, Message) and got.label == Label.LABEL_PREEMPTION
    return got.sender, got.words[2], got.words[3]


def test_figure_4(uls: Stage) -> None:
    t1 = uls.root
    t2 = uls.thread()
    t3, t4 = uls.thread(scheduler=t2), uls.thread(scheduler=t2)
    uls.attach(LINE, t3)
    uls.let(t3).receive(IRQ)
    uls.let(t4)                                             # (1)
    assert uls.interrupt(LINE) is t2                        # (2), and (5)
    assert reason(t2) == (t4, Preemption.PREEMPTED_INTERRUPT, t3.id)                        # (3)
    assert t2.pending == [t3]                               # (4)
    assert t1.field("wait") == ANY and not t1.pending       # nobody else has heard of it
    t2.receive(ANY, receive=ZERO)                           # what else is there? A receive that does not wait
    assert reason(t2) == (t3, Preemption.PREEMPTED_INTERRUPT, t2.id)
    t2.receive(ANY, receive=ZERO)
    assert isinstance(t2.got, Failed)
    assert t2.reply_and_wait(t3) is t3
    assert t3.got == Message(IRQ, Label.LABEL_INTERRUPT)


def test_without_a_common_scheduler_below_it_the_chain_ends_at_the_root_scheduler(uls: Stage) -> None:
    left, right = uls.thread(), uls.thread()
    victim, preempter = uls.thread(scheduler=left), uls.thread(scheduler=right)
    uls.attach(LINE, preempter)
    uls.let(preempter).receive(IRQ)
    uls.let(victim)
    assert uls.interrupt(LINE) is uls.root
    assert reason(uls.root) == (left, Preemption.PREEMPTED_INTERRUPT, preempter.id)
    assert uls.root.pending == [right]
    uls.root.receive(ANY, receive=ZERO)
    assert reason(uls.root) == (right, Preemption.PREEMPTED_INTERRUPT, uls.root.id)
    # Each of both hears of its own one before it hears of itself.
    assert uls.root.reply_and_wait(right) is right
    assert reason(right) == (preempter, Preemption.PREEMPTED_INTERRUPT, uls.root.id)


def test_a_scheduler_that_is_woken_takes_the_processor_from_those_below_it(uls: Stage) -> None:
    upper = uls.thread()
    lower = uls.thread(scheduler=upper)
    victim = uls.thread(scheduler=lower)
    uls.attach(LINE, upper)
    uls.let(victim)
    assert uls.interrupt(LINE) is upper
    assert upper.got == Message(IRQ, Label.LABEL_INTERRUPT)
    assert upper.pending == [lower]
    assert reason(lower)[0] is victim


def test_a_thread_that_is_woken_does_not_take_the_processor_from_its_scheduler(uls: Stage) -> None:
    upper = uls.thread()
    lower = uls.thread(scheduler=upper)
    below = uls.thread(scheduler=lower)
    uls.attach(LINE, below)
    uls.let(below).receive(IRQ)
    # It waits below all of them, so its scheduler, who loses to it, has a scheduler that is above both.
    uls.let(uls.thread(scheduler=lower)).switch()
    assert lower.is_current
    assert uls.interrupt(LINE) is upper
    assert reason(upper) == (lower, Preemption.PREEMPTED_INTERRUPT, below.id)
    assert lower.pending == [below]


def test_the_root_scheduler_never_loses(uls: Stage) -> None:
    thread = uls.thread()
    uls.attach(LINE, thread)
    uls.let(thread).receive(IRQ)
    uls.direct()
    assert uls.interrupt(LINE) is uls.root
    assert uls.root.pending == [thread]
    uls.root.receive(ANY, receive=ZERO)
    assert reason(uls.root) == (thread, Preemption.PREEMPTED_INTERRUPT, uls.root.id)


# Random trees

@dataclass
class Model:
    """The hierarchy, with no idea of levels: who waits, and what each scheduler has heard."""

    above: dict[int, int | None]                            # the scheduler of each
    takes: dict[int, int] = field(default_factory=dict)     # who waits for a message: from whom, or ANY
    heard: dict[int, int] = field(default_factory=dict)     # the message that has set it going: from whom
    pending: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def schedulers(self, name: int) -> list[int]:
        """All above it, the nearest first."""
        above = self.above[name]
        return [] if above is None else [above, *self.schedulers(above)]

    def lose(self, loser: int, winner: int) -> int:
        """Both can run, and one is to. Who does in the end?"""
        scheduler = self.above[loser]
        if scheduler is None:
            return self.lose(winner, loser)
        if self.takes.get(scheduler) not in (loser, ANY):
            self.pending[scheduler].append(loser)
            return winner
        del self.takes[scheduler]
        self.heard[scheduler] = loser
        if scheduler in self.schedulers(winner):
            return self.lose(winner, scheduler)
        return self.lose(scheduler, winner)


LEVELS = 6                      # below the root scheduler, at most


@dataclass
class Play:
    """A hierarchy of puppets, and its model."""

    stage: Stage
    random: Random

    def __post_init__(self) -> None:
        self.puppets = [self.stage.root]
        self.model = Model({0: None})
        depth = {0: 0}
        for name in range(1, self.random.randint(3, 12)):
            above = self.random.choice([one for one in depth if depth[one] < LEVELS][-self.random.randint(1, 6):])
            depth[name] = depth[above] + 1
            self.model.above[name] = above
            self.puppets.append(self.stage.thread(scheduler=self.puppets[above]))

    def name(self, puppet: Puppet) -> int:
        return self.puppets.index(puppet)

    def wait(self, name: int) -> None:
        """The preempter waits for its interrupt, and its schedulers for anybody, or its own one is busy."""
        preempter = self.stage.let(self.puppets[name])
        above = self.model.above[name]
        if above and self.random.random() < 0.3:
            preempter.ipc(self.puppets[above], IRQ)         # a message to it, so that it has the processor
            self.puppets[above].switch()
        else:
            preempter.receive(IRQ)

    def run(self, name: int, preempter: int) -> None:
        """The victim gets the processor. Its schedulers but the preempter may wait for the one below them alone."""
        stage = self.stage
        path = [*reversed(self.model.schedulers(name)), name]
        stage.direct()
        for upper, lower in pairwise(path):
            one, other = self.puppets[upper], self.puppets[lower]
            stage.drain(one)
            if upper != preempter and self.random.random() < 0.25:
                one.call(other)
            else:
                one.ipc(other, ANY)
            assert other.is_current, (one, other)

    def waiting(self) -> dict[int, int]:
        """Who waits for a message, as the kernel has it: from whom."""
        found = {}
        for name, puppet in enumerate(self.puppets):
            if puppet.state == MicroState.IS_RECEIVING and puppet.field("kind") == Kind.KIND_USER:
                source = puppet.field("wait") or puppet.field("kwait")
                partner = self.stage.named(source)
                found[name] = self.name(partner) if isinstance(partner, Puppet) else source
        return found

    def queues(self) -> dict[int, list[int]]:
        """Who waits to send to whom."""
        return {name: [self.name(one) for one in puppet.pending] for name, puppet in enumerate(self.puppets)
                if puppet.pending}


def waiting(model: Model) -> int:
    """How many messages wait for a scheduler."""
    return sum(map(len, model.pending.values()))


@pytest.mark.parametrize("seed", range(60))
def test_random_hierarchies_go_as_in_the_model(uls: Stage, seed: int) -> None:
    play = Play(uls, Random(seed))
    model = play.model
    preempter, victim = play.random.sample(range(1, len(play.puppets)), 2)
    uls.attach(LINE, play.puppets[preempter])
    if preempter not in model.schedulers(victim):
        play.wait(preempter)
    play.run(victim, preempter)
    model.takes = {name: source for name, source in play.waiting().items() if name != preempter}
    model.pending.update(play.queues())
    before = waiting(model)
    listened = {name for name, source in model.takes.items() if source == ANY}

    uls.interrupt(LINE)
    current = uls.current
    assert current is not None
    assert play.name(current) == model.lose(victim, preempter)
    assert play.queues() == {name: senders for name, senders in model.pending.items() if senders}
    assert {name: source for name, source in play.waiting().items()} == model.takes
    for name, sender in model.heard.items():
        assert reason(play.puppets[name])[0] is play.puppets[sender]

    # If everybody listens, the lowest common scheduler runs, and each thread below it on both ways has sent a message.
    ways = [[name, *model.schedulers(name)] for name in (victim, preempter)]
    common = next(name for name in ways[0] if name in ways[1])
    if listened.issuperset(ways[0][1:] + ways[1][1:]) and common not in (victim, preempter):
        assert play.name(current) == common
        assert len(model.heard) + waiting(model) - before == ways[0].index(common) + ways[1].index(common)

    # Nobody is lost: each thread that can run gets the processor.
    uls.direct()
    for puppet in play.puppets[1:]:
        if puppet.can_run:
            path = [play.name(one) for one in (*uls.schedulers(puppet), puppet)]
            if all(play.puppets[name].can_run or play.puppets[name] is uls.root for name in path):
                uls.let(puppet)


# Schedulers amid a string to or from one below them


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_scheduler_does_not_wait_for_a_string_of_one_that_waits_for_its_reply(uls: Stage, levels: int, direction: str
                                                                                ) -> None:
    handler, upper, third = uls.thread(), uls.thread(), uls.thread()
    uls.attach(LINE, handler)
    uls.let(handler).receive(IRQ)
    lower = upper
    for _ in range(levels):
        lower = uls.thread(scheduler=lower)
    sender, receiver = (lower, upper) if direction == "up" else (upper, lower)
    at, to, length = uls.page(0), uls.page(8), 4 * PAGE_SIZE
    sender.write(at, Random(1).randbytes(length))
    receiver.accept(0, string(to, length))
    if direction == "up":
        uls.let(lower)
        uls.amid = "transfer_items", 3, LINE
        lower.call(upper, typed=[string(at, length)])
    else:
        uls.let(lower).receive(third)
        uls.let(upper).call(lower, typed=[string(at, length)])
        uls.let(third).call(lower)
        uls.amid = "transfer_items", 3, LINE
        lower.receive(upper)
    # An interrupt has taken the processor from the lower one, amid the string. The upper one goes on with it.
    assert uls.current is uls.root
    assert upper.can_run and not lower.can_run
    uls.give(upper)
    assert receiver.got == Message(sender, 0, (), string(at, length))
    assert receiver.read(to, length) == Random(1).randbytes(length)
    uls.let(receiver).send(sender, 5)
    assert uls.let(sender).got == Message(receiver, 0, (5,))
