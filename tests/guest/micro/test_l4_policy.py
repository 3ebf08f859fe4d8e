"""The policy of `l4` against a model of it in lists: random histories, compared after every step.

The kernel is guest/kernel/micro's policy and harness.asm around it. The host plays the rest of the kernel: it calls the
policy's routines as their contracts allow, and does in the control blocks what IPC would do there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from emu.machine import Machine
from emu.result import Reason
from guest.abi.hardware import Pit
from guest.abi.memory import Memory, Parameter
from guest.abi.micro import (
    KIP,
    KTCB,
    L4S,
    CallError,
    IpcError,
    MicroState,
    Preemption,
    ScheduleStart,
    ScheduleState,
    Timeout,
)
from loader.build import build
from loader.image import Image
from loader.manifest import VARIANTS

HARNESS = Path(__file__).with_name("l4") / "harness.asm"
SOURCES = ("boot", "gdt", "micro/ready_l4", "micro/sched_l4", "micro/schedule_l4", "micro/timeout_l4",
           "micro/clock_l4")
THREADS = 8                                   # of the harness
TICK_NS = round(Pit.PIT_HZ / Parameter.TICK_HZ) * Pit.PIT_PICOSECONDS // 1000
SLICE = ScheduleStart.SLICE_US * Parameter.TICK_HZ // 1_000_000
NO_END = 0xFFFF_FFFF
TIMEOUTS = (0, 1, 1, 500, 1000, 3 << 10 | 500, 5 << 10 | 1000, 31 << 10 | 1023, Timeout.TIMEOUT_POINT | 1)
LATE_US = 0xFFFF_8000                         # when a play begins: soon the clock needs its upper half
STATES = {MicroState.IS_RUNNING: ScheduleState.SCHEDULE_RUNNING, MicroState.IS_SENDING: ScheduleState.SCHEDULE_SENDING,
          MicroState.IS_RECEIVING: ScheduleState.SCHEDULE_RECEIVING,
          MicroState.IS_HALTED: ScheduleState.SCHEDULE_HALTED}


@dataclass(eq=False)
class Thread:
    """What the model knows of a thread."""

    number: int
    state: MicroState = MicroState.IS_DEAD
    scheduler: Thread | None = None
    priority: int = 0
    slice: int = 0                            # ticks, 0 for no end
    left: int = 0                             # of it
    quantum: int = NO_END                     # ticks
    wake: int | None = None                   # us, if it waits with a timeout
    failed: int = 0                           # IPC_ code of its last timeout


IDLE = Thread(-1, priority=-1)


@dataclass
class Model:
    """The policy, as its file describes it, in lists."""

    threads: list[Thread] = field(default_factory=lambda: [Thread(number) for number in range(THREADS)])
    queues: dict[int, list[Thread]] = field(default_factory=lambda: defaultdict(list))    # ready threads by priority
    timeouts: list[Thread] = field(default_factory=list)                                  # in the order of their ends
    current: Thread = IDLE                    # who runs
    owner: Thread = IDLE                      # on whose slice
    clock_ns: int = 0

    def ready(self, thread: Thread) -> bool:
        """Does it stand in a queue?"""
        return thread in self.queues[thread.priority]

    def queue(self, thread: Thread) -> None:
        """It can run and has not used up its slice."""
        if thread is self.current and thread is not IDLE:
            self.queues[thread.priority].insert(0, thread)
        elif thread is not IDLE:
            self.queues[thread.priority].append(thread)

    def leave(self, thread: Thread) -> None:
        """It leaves its queue, if it stands in one."""
        if self.ready(thread):
            self.queues[thread.priority].remove(thread)

    def decide(self) -> None:
        """The highest one gets the processor. Who has no quantum left gives it to its scheduler, if that waits."""
        while True:
            ready = [priority for priority, queue in self.queues.items() if queue]
            self.owner = self.queues[max(ready)].pop(0) if ready else IDLE
            if self.owner.quantum:
                self.current = self.owner
                return
            scheduler = self.owner.scheduler
            self.owner.state = MicroState.IS_SENDING if scheduler else MicroState.IS_HALTED
            if scheduler and scheduler.state == MicroState.IS_RECEIVING:
                self.unblock(scheduler)
                self.queues[scheduler.priority].append(scheduler)

    def unblock(self, thread: Thread) -> None:
        """Its wait is over."""
        thread.state, thread.wake = MicroState.IS_RUNNING, None
        if thread in self.timeouts:
            self.timeouts.remove(thread)

    def lose(self, other: Thread, one: Thread) -> None:
        """`one` gets the processor, unless `other` is higher."""
        self.queue(other)
        if other.priority > one.priority:
            self.queue(one)
            self.decide()
        else:
            self.current = one

    def start_timeout(self, thread: Thread, timeout: int) -> None:
        """`thread` begins to wait with a timeout of 16 bits."""
        us = (timeout & Timeout.TIMEOUT_MANTISSA) << (timeout >> Timeout.TIMEOUT_EXPONENT_SHIFT)
        thread.wake = us + self.clock_ns // 1000 + -(-TICK_NS // 1000)
        self.timeouts.append(thread)
        self.timeouts.sort(key=lambda one: one.wake or 0)

    def tick(self) -> None:
        """A tick: the owner pays, then whoever has waited long enough wakes."""
        self.clock_ns += TICK_NS
        self.charge()
        while self.timeouts and (self.timeouts[0].wake or 0) <= self.clock_ns // 1000:
            thread = self.timeouts[0]
            phase = 0 if thread.state == MicroState.IS_SENDING else IpcError.IPC_RECEIVE_PHASE
            thread.failed = IpcError.IPC_TIMEOUT | phase
            self.unblock(thread)
            self.lose(thread, self.current)

    def charge(self) -> None:
        """The owner pays for a tick."""
        if self.owner is IDLE:
            self.owner = self.current
        owner = self.owner
        if owner is IDLE:
            return
        if owner.quantum != NO_END:
            owner.quantum = max(owner.quantum - 1, 0)
        used_up = owner.slice and owner.left == 1
        if not owner.quantum:
            self.queue(self.current)
            self.decide()
        elif used_up:
            owner.left = owner.slice
            if owner is not self.current:
                if self.ready(owner):
                    self.leave(owner)
                    self.queues[owner.priority].append(owner)
                self.queue(self.current)
            else:
                self.queues[owner.priority].append(owner)
            self.decide()
        elif owner.slice:
            owner.left -= 1


class Play:
    """A machine and a model that do the same."""

    def __init__(self, image: Image) -> None:
        self.machine = machine = Machine.boot(image)
        self.model = Model()
        self.ends = [machine.address(name) for name in ("harness_stop", "run", "resume", "call_fail")]
        assert machine.run(until="harness_stop").reason == Reason.UNTIL
        self.call("sched_init")
        idle = [self.read(IDLE, name) for name in ("priority", "quantum", "state", "resume", "utcb")]
        assert idle == [NO_END, NO_END, MicroState.IS_RUNNING, machine.address("sched_wait"),
                        machine.address("nil_utcb")]
        self.model.clock_ns = LATE_US * 1000
        machine.ram.write(machine.address("kip") + KIP.offsets["clock_low"] - Memory.KERNEL_BASE,
                          LATE_US.to_bytes(4, "little"))
        for number in range(THREADS):
            self.create(number, 0)
        self.wake(0)

    def ktcb(self, thread: Thread) -> int:
        """The address of its control block."""
        if thread is IDLE:
            return self.machine.address("idle_ktcb")
        return self.machine.address("harness_threads") + thread.number * KTCB.size

    def thread(self, address: int) -> Thread:
        """Whose control block that is."""
        if address == self.machine.address("idle_ktcb"):
            return IDLE
        number, rest = divmod(address - self.machine.address("harness_threads"), KTCB.size)
        assert not rest
        return self.model.threads[number]

    def word(self, address: int) -> int:
        """A doubleword of the kernel's memory."""
        return int.from_bytes(self.machine.ram.read(address - Memory.KERNEL_BASE, 4), "little")

    def write(self, thread: Thread, name: str, value: int) -> None:
        """A field of a control block."""
        self.machine.ram.write(self.ktcb(thread) + KTCB.offsets[name] - Memory.KERNEL_BASE,
                               (value & 0xFFFF_FFFF).to_bytes(4, "little"))

    def read(self, thread: Thread, name: str) -> int:
        """A field of a control block, of the policy's if there is one of that name."""
        offset = KTCB.offsets["policy"] + L4S.offsets[name] if name in L4S.offsets else KTCB.offsets[name]
        return self.word(self.ktcb(thread) + offset)

    def call(self, routine: str, eax: int = 0, edx: int = 0, ecx: int = 0) -> str:
        """Run a routine with these registers and the current thread's EBP: where it ended."""
        machine, registers = self.machine, self.machine.cpu.registers
        stack = machine.address("boot_stack_top") - 4
        machine.ram.write(stack - Memory.KERNEL_BASE, self.ends[0].to_bytes(4, "little"))
        kept = [0x1111_1111, 0x2222_2222, 0x3333_3333]
        registers.eip, registers.esp, registers.ebp = machine.address(routine), stack, self.ktcb(self.model.current)
        registers.eax, registers.edx, registers.ecx = eax, edx, ecx
        registers.ebx, registers.esi, registers.edi = kept
        assert machine.run(until=self.ends, max_instructions=10_000).reason == Reason.UNTIL, machine.where()
        end = machine.where()
        if end == "harness_stop":
            assert [registers.ebx, registers.esi, registers.edi] == kept
            assert registers.ebp == self.ktcb(self.model.current)
            assert registers.esp == stack + 4
        return end

    def chosen(self) -> Thread:
        """Who gets the processor, as the routine says that was called last."""
        return self.thread(self.machine.cpu.registers.eax)

    # What happens

    def create(self, number: int, scheduler: int) -> None:
        """A new thread, which waits for its first message."""
        thread, model = self.model.threads[number], self.model
        above = model.threads[scheduler] if scheduler != number else None
        thread.__init__(number, MicroState.IS_RECEIVING, above)                        # type: ignore[misc]
        thread.priority = min(ScheduleStart.PRIORITY_NEW, above.priority) if above else ScheduleStart.PRIORITY_TOP
        thread.slice = thread.left = SLICE
        self.machine.ram.write(self.ktcb(thread) - Memory.KERNEL_BASE, bytes(KTCB.size))
        self.write(thread, "state", thread.state)
        self.write(thread, "id", number + 1)
        self.call("sched_born", self.ktcb(thread), self.ktcb(above) if above else 0)

    def delete(self, number: int) -> None:
        """A thread is deleted; if it is the current one, the next runs."""
        thread, model = self.model.threads[number], self.model
        self.call("sched_gone", self.ktcb(thread))
        self.write(thread, "state", MicroState.IS_DEAD)
        if thread in model.timeouts:
            model.timeouts.remove(thread)
        model.leave(thread)
        thread.state, thread.wake = MicroState.IS_DEAD, None
        if model.owner is thread:
            model.owner = IDLE
        for below in model.threads:
            if below.scheduler is thread:
                below.scheduler = None
                self.write(below, "scheduler", 0)
        if thread is model.current:
            self.call("sched_idle")
            model.decide()
            assert self.chosen() is model.current

    def block(self, timeout: int, state: MicroState) -> None:
        """The current thread waits, perhaps with a timeout."""
        thread, model = self.model.current, self.model
        self.write(thread, "state", state)
        thread.state = state
        if timeout:
            self.call("timeout_start", self.ktcb(thread), timeout)
            point = bool(timeout & Timeout.TIMEOUT_POINT)
            assert bool(self.machine.cpu.registers.eflags & 1) == point
            if not point:
                model.start_timeout(thread, timeout)
        self.call("sched_idle")
        model.decide()
        assert self.chosen() is model.current

    def unblock(self, number: int) -> Thread:
        """Somebody has a message for a thread that waits."""
        thread = self.model.threads[number]
        self.call("timeout_stop", self.ktcb(thread))
        self.write(thread, "state", MicroState.IS_RUNNING)
        self.model.unblock(thread)
        return thread

    def donate(self, number: int) -> None:
        """The current thread calls another one: nobody asks the policy."""
        caller = self.model.current
        self.model.current = self.unblock(number)
        caller.state = MicroState.IS_RECEIVING
        self.write(caller, "state", caller.state)

    def send(self, number: int, grant: bool) -> None:
        """The current thread sends to another one, and both can run."""
        model = self.model
        pair = [self.unblock(number), model.current]
        other, one = reversed(pair) if grant else pair
        self.call("sched_lose", self.ktcb(other), self.ktcb(one), Preemption.PREEMPTED_CHOICE)
        model.lose(other, one)
        assert self.chosen() is model.current

    def wake(self, number: int) -> None:
        """An interrupt wakes a thread."""
        thread, model = self.unblock(number), self.model
        self.call("sched_wake", self.ktcb(thread))
        model.lose(thread, model.current)
        assert self.chosen() is model.current

    def stop(self, number: int) -> None:
        """A ready thread is halted."""
        thread, model = self.model.threads[number], self.model
        self.call("sched_stop", self.ktcb(thread))
        self.write(thread, "state", MicroState.IS_HALTED)
        model.leave(thread)
        thread.state = MicroState.IS_HALTED

    def tick(self) -> None:
        """The timer interrupt."""
        self.call("sched_interrupt", 0)
        assert self.machine.cpu.registers.eflags & 1
        self.model.tick()
        assert self.chosen() is self.model.current

    def time(self) -> None:
        """The current thread asks for the time."""
        caller = self.model.current
        assert self.call("sys_clock") == "resume"
        assert self.read(caller, "eax") | self.read(caller, "edx") << 32 == self.model.clock_ns // 1000

    def other_line(self, line: int) -> None:
        """An interrupt that is not the policy's."""
        self.call("sched_interrupt", line)
        assert (self.machine.cpu.registers.eflags & 1, self.machine.cpu.registers.eax) == (0, line)

    def switch(self, identifier: int) -> None:
        """The current thread calls ThreadSwitch."""
        model = self.model
        caller = model.current
        self.write(caller, "ebx", identifier)
        assert self.call("sys_thread_switch") == "run"
        wanted = model.threads[identifier - 1] if 0 < identifier <= THREADS else None
        if wanted and model.ready(wanted):
            model.leave(wanted)
            model.queue(caller)
            model.current = wanted
        else:
            caller.left = caller.slice
            model.queues[caller.priority].append(caller)
            model.decide()
        assert self.chosen() is model.current

    def schedule(self, identifier: int, length: int, quantum: int, priority: int) -> None:
        """The current thread calls Schedule."""
        model = self.model
        caller = model.current
        for name, value in zip(("ebx", "ecx", "edx", "esi"), (identifier, length, quantum, priority), strict=True):
            self.write(caller, name, value)
        end = self.call("sys_schedule")
        thread = model.threads[identifier - 1] if 0 < identifier <= THREADS else None
        error = 0
        if not thread or thread.state == MicroState.IS_DEAD:
            error = CallError.CALL_THREAD
        elif thread.scheduler is not caller:
            error = CallError.CALL_PRIVILEGE
        elif length < -1 or quantum < -1 or not -1 <= priority <= 255:
            error = CallError.CALL_PARAMETER
        elif priority > caller.priority:
            error = CallError.CALL_PRIVILEGE
        if error or not thread:
            assert (end, self.machine.cpu.registers.eax) == ("call_fail", error)
            return
        assert end == "resume"
        assert self.read(caller, "eax") == STATES[thread.state]
        assert self.read(caller, "ecx") == (thread.left if thread.slice else NO_END)
        assert self.read(caller, "edx") == thread.quantum
        if length >= 0:
            thread.slice = thread.left = length
        if quantum >= 0:
            thread.quantum = quantum or NO_END
        if priority >= 0:
            was_ready = model.ready(thread)
            model.leave(thread)
            thread.priority = priority
            if was_ready:
                model.queues[priority].append(thread)

    # What must agree

    def compare(self) -> None:
        """The machine's queues, bits, timeouts, clock and fields are the model's."""
        machine, model = self.machine, self.model
        assert self.thread(self.word(machine.address("sched_owner"))) is model.owner
        rings, words = machine.address("ready_rings"), machine.address("ready_words")
        bits = int.from_bytes(machine.ram.read(words - Memory.KERNEL_BASE, 32), "little")
        assert bits == sum(1 << priority for priority, queue in model.queues.items() if queue)
        groups = self.word(machine.address("ready_groups"))
        assert groups == sum(1 << group for group in range(8) if bits >> 32 * group & 0xFFFF_FFFF)
        for priority in range(256):
            first = self.word(rings + 4 * priority)
            assert bool(first) == bool(bits >> priority & 1)
            if first:
                assert self.ring(first, "next", "prev") == model.queues[priority]
        assert self.ring(self.ktcb(IDLE), "wake_next", "wake_prev") == [IDLE, *model.timeouts]
        clock = machine.address("kip") + KIP.offsets["clock_low"]
        assert self.word(clock) | self.word(clock + 4) << 32 == model.clock_ns // 1000
        for thread in model.threads:
            if thread.state != MicroState.IS_DEAD:
                names = ("state", "priority", "slice", "quantum", "ready", "pending")
                fields = [self.read(thread, name) for name in names]
                assert fields == [thread.state, thread.priority, thread.slice, thread.quantum, model.ready(thread),
                                  thread.wake is not None]
                assert self.read(thread, "scheduler") == (self.ktcb(thread.scheduler) if thread.scheduler else 0)
                assert not thread.slice or self.read(thread, "left") == thread.left > 0
                if thread.failed:
                    assert self.read(thread, "fault_label") == thread.failed

    def ring(self, first: int, following: str, before: str) -> list[Thread]:
        """The threads of a ring, which is linked both ways."""
        ring = [self.thread(first)]
        while True:
            after = self.thread(self.read(ring[-1], following))
            assert self.thread(self.read(after, before)) is ring[-1]
            if after is ring[0]:
                return ring
            ring.append(after)
            assert len(ring) <= THREADS + 1


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The policy and the harness, as a kernel."""
    manifest = tmp_path_factory.mktemp("l4") / "harness.toml"
    sources = [str(VARIANTS / f"{name}.asm") for name in SOURCES] + [str(HARNESS)]
    manifest.write_text(f"[image]\ndescription = 'the policy alone'\nkernel = {sources}\n")
    return build(manifest)


def step(play: Play, random: Random) -> str:
    """Something that can happen now, happens: what it was."""
    model = play.model
    waiting = [one.number for one in model.threads
               if one.state in (MicroState.IS_RECEIVING, MicroState.IS_SENDING, MicroState.IS_HALTED)]
    ready = [one.number for one in model.threads if model.ready(one)]
    dead = [one.number for one in model.threads if one.state == MicroState.IS_DEAD]
    alive = [one.number for one in model.threads if one.state != MicroState.IS_DEAD]
    happenings = ["tick"] * 6 + ["wake"] * 3 * bool(waiting) + ["create"] * bool(dead) + ["other line"]
    if model.current is not IDLE:
        happenings += ["block"] * 3 + ["switch"] * 2 + ["schedule"] * 6 + ["delete", "time"]
        happenings += (["donate"] * 3 + ["send"] * 3) * bool(waiting) + ["stop"] * bool(ready)
    what = random.choice(happenings)
    if what == "tick":
        for _ in range(random.choice((1, 1, 2, 12))):
            play.tick()
    elif what == "wake":
        play.wake(random.choice(waiting))
    elif what == "create":
        number = random.choice(dead)
        play.create(number, random.choice(alive or [number]))
    elif what == "block":
        play.block(random.choice(TIMEOUTS), random.choice((MicroState.IS_SENDING, MicroState.IS_RECEIVING)))
    elif what == "donate":
        play.donate(random.choice(waiting))
    elif what == "send":
        play.send(random.choice(waiting), random.random() < 0.5)
    elif what == "time":
        play.time()
    elif what == "other line":
        play.other_line(random.randrange(1, 16))
    elif what == "stop":
        play.stop(random.choice(ready))
    elif what == "switch":
        play.switch(random.choice((0, *range(1, THREADS + 1))))
    elif what == "schedule":
        play.schedule(random.choice((0, THREADS + 1, *range(1, THREADS + 1))),
                      random.choice((-2, -1, -1, 0, 1, 2, 5, 0x7FFF_FFFF)),
                      random.choice((-0x8000_0000, -1, -1, 0, 1, 3, 30)),
                      random.choice((-2, -1, 0, 31, 32, 99, 100, 100, 101, 255, 256)))
    elif what == "delete" and random.random() < 0.3:
        play.delete(random.choice([*alive, *[one.number for one in model.threads if one is model.owner] * 8]))
    return what


@pytest.mark.parametrize("seed", range(4))
def test_the_policy_does_what_its_model_in_lists_does(seed: int, harness: Image) -> None:
    play, random = Play(harness), Random(seed)
    past = []
    for _ in range(1000):
        past.append(step(play, random))
        try:
            play.compare()
        except AssertionError as error:
            raise AssertionError(f"after {past[-8:]}: {error}") from error
