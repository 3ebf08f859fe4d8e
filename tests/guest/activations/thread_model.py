"""A model of the thread library: policies as lists, threads as generators that stop where another thread runs."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Generator
from enum import IntEnum
from typing import NamedTuple


class Step(IntEnum):
    """What threads/script.asm does, in the order of its table."""

    YIELD = 1
    CREATE = 2
    JOIN = 3
    LOCK = 4
    TRY_LOCK = 5
    UNLOCK = 6
    WAIT = 7
    SIGNAL = 8
    BROADCAST = 9
    DOWN = 10
    UP = 11


class Done(IntEnum):
    """What has become of a step."""

    DID = 1
    LEFT_OUT = 2
    FAILED = 3


class Attributes(NamedTuple):
    """Of a thread."""

    priority: int
    deadline: int


Script = list[list[tuple[Step, int]]]               # of each thread
Log = list[tuple[int, int, Done]]                   # thread, step from 1, what has become of it
Run = Generator[None, None, Done]                   # a step; it stops where another thread runs


class Policy:
    """The threads that are ready, those that run earlier in front: round robin, and what the others have in common."""

    def __init__(self, attributes: list[Attributes]) -> None:
        """`attributes` of the threads, by number."""
        self.attributes = attributes
        self.queue: list[int] = []

    def ready(self, thread: int, *, is_running: bool = False) -> None:
        """It can run; `is_running`: it lets others go first."""
        self.queue.append(thread)

    def preempted(self, thread: int) -> None:
        """It could go on, but another was more urgent."""
        self.queue.insert(0, thread)

    def preempts(self, running: int) -> bool:
        """Is somebody who is ready more urgent?"""
        return False


class Lifo(Policy):
    """Last in, first out."""

    def ready(self, thread: int, *, is_running: bool = False) -> None:
        self.queue.insert(len(self.queue) if is_running else 0, thread)


class Sorted(Policy):
    """By a key, the lowest first."""

    def key(self, thread: int) -> int:
        """The key."""
        raise NotImplementedError

    def ready(self, thread: int, *, is_running: bool = False) -> None:
        self.queue.append(thread)
        self.queue.sort(key=self.key)               # it keeps the order of equals

    def preempted(self, thread: int) -> None:
        self.queue.insert(0, thread)
        self.queue.sort(key=self.key)

    def preempts(self, running: int) -> bool:
        return bool(self.queue) and self.key(self.queue[0]) < self.key(running)


class FixedPriority(Sorted):
    """The highest priority first."""

    def key(self, thread: int) -> int:
        return -self.attributes[thread].priority


class EarliestDeadline(Sorted):
    """The lowest deadline first."""

    def key(self, thread: int) -> int:
        return self.attributes[thread].deadline


POLICIES: dict[str, type[Policy]] = {"round_robin": Policy, "lifo": Lifo, "fixed_priority": FixedPriority,
                                     "earliest_deadline": EarliestDeadline}


class Model:
    """What threads do by a script. `deadlock` says, after `run`, whether all threads waited in the end."""

    def __init__(self, script: Script, policy: Policy) -> None:
        self.script, self.policy = script, policy
        self.log: Log = []
        self.deadlock = False
        self.current = 0
        self.runs = {0: self._thread(0)}
        self.made, self.joined, self.done = {0}, set[int](), set[int]()
        self.joiner: dict[int, int] = {}
        self.owner: dict[int, int] = {}
        self.count: defaultdict[int, int] = defaultdict(int)
        self.waiters: defaultdict[tuple[str, int], deque[int]] = defaultdict(deque)

    def run(self) -> Log:
        """Runs it until thread 0 ends, or nobody can run; the log."""
        while not self.deadlock and 0 not in self.done:
            next(self.runs[self.current], None)
        return self.log

    def _thread(self, me: int) -> Generator[None, None, None]:
        for number, (step, operand) in enumerate(self.script[me], start=1):
            done = yield from getattr(self, f"_{step.name.lower()}")(me, operand)
            self.log.append((me, number, done))
        self.done.add(me)
        if me in self.joiner:
            self.policy.ready(self.joiner[me])
        if me:
            self._pick()

    def _pick(self) -> None:
        if self.policy.queue:
            self.current = self.policy.queue.pop(0)
        else:
            self.deadlock = True

    def _others(self) -> Generator[None, None, None]:
        """Another thread runs, until this one is picked again."""
        self._pick()
        yield

    def _release(self, me: int) -> Generator[None, None, None]:
        if self.policy.preempts(me):
            self.policy.preempted(me)
            yield from self._others()

    def _yield(self, me: int, _: int) -> Run:
        self.policy.ready(me, is_running=True)
        yield from self._others()
        return Done.DID

    def _create(self, me: int, thread: int) -> Run:
        if thread in self.runs:
            return Done.LEFT_OUT
        self.runs[thread] = self._thread(thread)
        self.policy.ready(thread)
        yield from self._release(me)
        self.made.add(thread)
        return Done.DID

    def _join(self, me: int, thread: int) -> Run:
        if thread in (me, 0) or thread not in self.made or thread in self.joined:
            return Done.LEFT_OUT
        self.joined.add(thread)
        if thread not in self.done:
            self.joiner[thread] = me
            yield from self._others()
        return Done.DID

    def _lock(self, me: int, mutex: int) -> Run:
        if self.owner.get(mutex) == me:
            return Done.LEFT_OUT
        if mutex in self.owner:
            self.waiters["mutex", mutex].append(me)
            yield from self._others()
        else:
            self.owner[mutex] = me
        return Done.DID

    def _try_lock(self, me: int, mutex: int) -> Run:
        if mutex in self.owner:
            return Done.FAILED
        self.owner[mutex] = me
        return Done.DID
        yield

    def _pass(self, mutex: int) -> None:
        """The mutex goes to whoever has waited longest."""
        del self.owner[mutex]
        if waiters := self.waiters["mutex", mutex]:
            self.owner[mutex] = waiters.popleft()
            self.policy.ready(self.owner[mutex])

    def _unlock(self, me: int, mutex: int) -> Run:
        if self.owner.get(mutex) != me:
            return Done.LEFT_OUT
        self._pass(mutex)
        yield from self._release(me)
        return Done.DID

    def _wait(self, me: int, number: int) -> Run:
        if self.owner.get(number) != me:
            return Done.LEFT_OUT
        self.waiters["condition", number].append(me)
        self._pass(number)
        yield from self._others()
        return (yield from self._lock(me, number))

    def _signal(self, me: int, condition: int) -> Run:
        return (yield from self._wake(me, ("condition", condition), 1))

    def _broadcast(self, me: int, condition: int) -> Run:
        return (yield from self._wake(me, ("condition", condition), len(self.waiters["condition", condition])))

    def _wake(self, me: int, queue: tuple[str, int], most: int) -> Run:
        for _ in range(min(most, len(self.waiters[queue]))):
            self.policy.ready(self.waiters[queue].popleft())
        yield from self._release(me)
        return Done.DID

    def _down(self, me: int, semaphore: int) -> Run:
        if self.count[semaphore]:
            self.count[semaphore] -= 1
        else:
            self.waiters["semaphore", semaphore].append(me)
            yield from self._others()
        return Done.DID

    def _up(self, me: int, semaphore: int) -> Run:
        if not self.waiters["semaphore", semaphore]:
            self.count[semaphore] += 1
        return (yield from self._wake(me, ("semaphore", semaphore), 1))
