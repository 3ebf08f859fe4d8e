"""Random traffic: puppets that do whatever comes into their heads, with a root scheduler that is no better.

Everything that changes who has the processor occurs: every kind of IPC with either choice, calls with budgets, faults,
ThreadSwitch, cancelling, stopping, new schedulers, threads that end and begin, ticks and other interrupts.
"""

from __future__ import annotations

from random import Random

from guest.abi.micro import Exreg, Kind, Label, MicroSize, MicroState, ThreadId
from tests.guest.micro.puppets import ANY, NIL, ZERO, Failed, Puppet, Stage

LINE = 5                    # an interrupt line of the root scheduler's, besides the timer's
TIMER = 0
LINES = [line << ThreadId.ID_SHIFT | 1 for line in (TIMER, LINE)]
NOWHERE = 0x3000_0000       # an address where nothing is
LEAST, MOST = 4, 7           # threads besides the root scheduler
LONGEST = 3000              # instructions that somebody works


class Traffic:
    """A stage on which something happens at each `step`."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = Random(seed)
        for line in LINES:
            stage.direct().control(line, line, NIL, stage.root)
            assert stage.root.refused is None
        self.threads = [stage.thread(space=False) for _ in range(4)]
        self.threads += [stage.thread(scheduler=self.threads[0]) for _ in range(2)]
        self.threads += [stage.thread(scheduler=self.threads[4])]

    def step(self) -> None:
        """Whoever has the processor does something; if nobody has it, time passes and a line fires."""
        stage, random = self.stage, self.random
        if stage.current is None:
            stage.machine.run(max_cycles=random.randrange(1, LONGEST))
            stage.interrupt(LINE)
            return
        self._work()
        current = stage.current
        if current is None:
            return
        if current is stage.root:
            self._direct()
        else:
            self._act(current)

    def _work(self) -> None:
        self.stage.machine.run(max_instructions=self.random.randrange(1, LONGEST))
        self.stage.run()

    def _someone(self) -> Puppet:
        """Rather one who waits for a message."""
        ready = [each for each in self.threads if each.field("wait")]
        return self.random.choice([*self.threads, *ready * 3, self.stage.root])

    def _scheduler(self) -> Puppet:
        return self.random.choice([*self.threads, *[self.stage.root] * len(self.threads)])

    def _act(self, puppet: Puppet) -> None:
        """What a thread does: it hears who waits, answers whom it has heard, or does something else."""
        random, other = self.random, self._someone()
        words = [random.getrandbits(32) for _ in range(random.choice([0, 1, 2, 5]))]      # too few for a state
        grant, send, receive = random.random() < 0.5, random.choice([0, ZERO]), random.choice([0, 0, 0, ZERO])
        puppet.set_utcb("budget", random.choice([0, 0, 1, 100, random.randrange(1 << 12), 1 << 14, 0xFFFF_FFFF]))
        puppet.set_utcb("ceiling", random.choice([0, 0, 0, 3, 8]))
        heard, what = puppet.register("eax"), random.randrange(32)
        if what < 8 and puppet.field("senders"):
            puppet.receive(ANY, grant=grant)
        elif what < 16 and heard in [each.id for each in self.threads]:
            puppet.ipc(heard, ANY, *words, grant=grant, send=ZERO, receive=receive)
        elif what < 22:
            puppet.call(other, *words, grant=grant, send=send, receive=receive)
        elif what < 25:
            puppet.ipc(other, self._someone(), *words, grant=grant, send=send, receive=receive)
        elif what == 25:
            puppet.send(other, *words, grant=grant, send=send)
        elif what < 28:
            puppet.receive(random.choice([ANY, ANY, other]), grant=grant, receive=receive)
        elif what == 28:
            puppet.switch()
        elif what == 29:
            puppet.exchange(random.choice(self.threads), random.choice([
                Exreg.EXREG_SET_HALT | Exreg.EXREG_HALT, Exreg.EXREG_SET_HALT, Exreg.EXREG_SET_HALT,
                Exreg.EXREG_CANCEL_SEND | Exreg.EXREG_CANCEL_RECEIVE]) | (Exreg.EXREG_GRANT if grant else 0))
        elif what == 30:
            puppet.reads(NOWHERE)
        else:
            self._control(puppet)

    def _direct(self) -> None:
        """What the root scheduler does: it hears all there is, and lets one go on. It never waits for one alone."""
        random, root = self.random, self.stage.root
        preempted = [each for each in self.threads if each.state == MicroState.IS_RECEIVING and each.field("kind")]
        what = random.randrange(32)
        if root.register("eax") in LINES:
            root.send(root.register("eax"), send=ZERO)  # so that it can fire again
        elif what == 0:
            self._control(root)
        elif what == 1:
            root.set_utcb("budget", random.choice([0, 100, 5000]))
            root.set_utcb("ceiling", random.choice([0, 0, 5]))
        elif what < 16 or not preempted:
            root.receive(ANY, receive=ZERO)
            self._reply()
        else:
            root.ipc(random.choice(preempted), ANY, send=ZERO)

    def _reply(self) -> None:
        """To what it has just heard: a preempted thread gets its state as it was, and is so urgent from now on."""
        root = self.stage.root
        got = root.got
        if isinstance(got, Failed):
            self._rescue(self.random.choice(self.threads))
        elif got.label == Label.LABEL_PREEMPTION and len(got.words) == MicroSize.STATE_WORDS:
            root.ipc(got.sender, ANY, *got.words, self.random.randrange(10), send=ZERO)
        else:
            root.ipc(got.sender, ANY, send=ZERO)

    def _rescue(self, thread: Puppet) -> None:
        """A thread that may wait in vain, or is stopped, goes on."""
        if thread.field("kind") == Kind.KIND_PREEMPTION:
            self.stage.root.control(thread, thread, self.stage.root)
        else:
            self.stage.root.exchange(thread, Exreg.EXREG_SET_HALT | Exreg.EXREG_CANCEL_SEND
                                     | Exreg.EXREG_CANCEL_RECEIVE | Exreg.EXREG_GRANT)

    def _control(self, puppet: Puppet) -> None:
        """ThreadControl: a thread ends, one is made, or one gets another scheduler."""
        random = self.random
        thread, scheduler = random.choice(self.threads), self._scheduler()
        what = random.randrange(3)
        if what == 0 and len(self.threads) > LEAST:
            self.threads.remove(thread)
            puppet.delete(thread)
        elif what == 1 and len(self.threads) < MOST and puppet is self.stage.root:
            self._make(scheduler)
        else:
            puppet.control(thread, thread, scheduler, NIL)

    def _make(self, scheduler: Puppet) -> None:
        """The root scheduler makes a thread, with a number that was another one's, and starts it."""
        stage = self.stage
        free = [each for each in stage.threads.values() if each not in self.threads and each is not stage.root]
        new = Puppet(stage, self.random.choice(free).id + 1)
        stage.threads[new.number] = new
        stage.root.control(new, stage.root, scheduler, stage.root)
        if stage.root.refused is None:
            self.threads.append(new)
            stage.root.send(new, stage.place("puppet_stands"), stage.stack(new), send=ZERO)
