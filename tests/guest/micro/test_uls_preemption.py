"""`uls`: preemption messages and the replies to them, ThreadSwitch, the idle processor, and schedulers that go."""

from __future__ import annotations

import pytest

from emu.result import Reason
from guest.abi.cpu import Flags, Vector
from guest.abi.micro import STATE, IpcError, Kind, Label, MicroSize, MicroState, Preemption, ThreadId
from tests.guest.micro.puppets import ANY, GENERAL, NIL, ZERO, Failed, Message, Puppet, Stage

LINE = 5
IRQ = LINE << ThreadId.ID_SHIFT | 1
IDLE = ThreadId.IDLE_THREAD << ThreadId.ID_SHIFT | 1
WORDS = [name for name, _ in sorted(STATE.offsets.items(), key=lambda item: item[1])][:MicroSize.STATE_WORDS]
DISTINCT = {name: 0x1111_1111 * (number + 1) for number, name in enumerate(GENERAL)}
SETTABLE = int(Flags.FLAGS_PROGRAM & ~Flags.FLAGS_TF)           # all of them but the one that traps


def state(message: Message | Failed) -> dict[str, int]:
    """The STATE in a message."""
    assert isinstance(message, Message) and len(message.words) == MicroSize.STATE_WORDS and not message.typed
    return dict(zip(WORDS, message.words, strict=True))


def words(values: dict[str, int]) -> list[int]:
    """A STATE as message registers."""
    return [values[name] for name in WORDS]


@pytest.fixture
def handler(uls: Stage) -> Puppet:
    """A thread that waits for an interrupt."""
    thread = uls.thread()
    uls.attach(LINE, thread)
    uls.let(thread).receive(IRQ)
    return thread


@pytest.fixture
def scheduler(uls: Stage) -> Puppet:
    """A scheduler below the root scheduler."""
    return uls.thread()


@pytest.fixture(params=[False, True], ids=["same space", "other space"])
def victim(request: pytest.FixtureRequest, uls: Stage, scheduler: Puppet, handler: Puppet) -> Puppet:
    """A thread of that one's, which has the processor."""
    return uls.let(uls.thread(scheduler=scheduler, space=request.param))


def test_a_preemption_message_carries_the_whole_state(uls: Stage, scheduler: Puppet, handler: Puppet, victim: Puppet
                                                      ) -> None:
    flags = Flags.FLAGS_USER | SETTABLE
    uls.interrupt(LINE, **DISTINCT, eflags=flags)
    uls.let(scheduler)
    got = scheduler.got
    assert isinstance(got, Message) and got.sender is victim and got.label == Label.LABEL_PREEMPTION
    assert state(got) == {**DISTINCT, "eip": uls.place("puppet_stands"), "eflags": flags,
                          "vector": Preemption.PREEMPTED_INTERRUPT, "error": handler.id}


def test_a_reply_re_grants_the_processor_and_changes_nothing(uls: Stage, scheduler: Puppet, victim: Puppet) -> None:
    flags = Flags.FLAGS_USER | SETTABLE
    uls.interrupt(LINE, **DISTINCT, eflags=flags)
    for count in (0, 1, 11):
        uls.let(scheduler).reply_and_wait(victim, *[0xBAD] * count)
        assert victim.is_current
        assert {name: victim.register(name) for name in GENERAL} == DISTINCT
        assert victim.register("eflags") == flags
        victim.switch()
        for name in ("eax", "ebx"):
            victim.set_register(name, DISTINCT[name])


@pytest.mark.parametrize("count", [12, 13, 63])
def test_a_reply_can_change_the_whole_state(uls: Stage, scheduler: Puppet, victim: Puppet, count: int) -> None:
    uls.interrupt(LINE)
    uls.let(scheduler)
    values = {name: 0xA000_0000 + number for number, name in enumerate(WORDS)}
    values["eip"] = uls.place("puppet_stands")
    values["eflags"] = 0xFFFF_FFFF & ~Flags.FLAGS_TF
    assert scheduler.reply_and_wait(victim, *words(values), *[0] * (count - 12)) is victim
    assert {name: victim.register(name) for name in GENERAL} == {name: values[name] for name in GENERAL}
    assert victim.register("eflags") == Flags.FLAGS_USER | SETTABLE
    assert uls.machine.cpu.cpl == 3


@pytest.mark.parametrize("flags", [0, 0xFFFF_FFFF & ~Flags.FLAGS_TF, 0x3000, 0x2_0000, 0x4000, 0x10_8028])
def test_a_reply_cannot_give_flags_that_are_not_the_programs_to_set(uls: Stage, scheduler: Puppet, victim: Puppet,
                                                                   flags: int) -> None:
    uls.interrupt(LINE)
    got = uls.let(scheduler).got
    scheduler.reply_and_wait(victim, *words({**state(got), "eflags": flags}))
    assert victim.is_current
    assert victim.register("eflags") == flags & Flags.FLAGS_PROGRAM | Flags.FLAGS_USER


def test_a_reply_can_send_the_thread_to_another_place(uls: Stage, scheduler: Puppet, victim: Puppet) -> None:
    uls.interrupt(LINE, ebx=0)
    got = uls.let(scheduler).got
    target = uls.place("puppet_call")
    changed = {**state(got), "eip": target, "eax": 0x1000}           # a call that does not exist
    scheduler.reply_and_wait(victim, *words(changed))
    assert victim.is_current and victim.refused is not None


def test_a_thread_amid_an_ipc_keeps_its_registers(uls: Stage) -> None:
    scheduler, receiver, last = uls.thread(), uls.thread(), uls.thread()
    sender = uls.thread(scheduler=scheduler)
    uls.let(last).send(sender, 3)
    uls.let(sender).ipc(receiver, last, 2)
    uls.let(receiver).receive(sender)               # the sender can run, but is to receive first
    scheduler_got = uls.let(scheduler).got
    assert isinstance(scheduler_got, Message) and scheduler_got.sender is sender
    scheduler.reply_and_wait(sender, *words({name: 0xBAD for name in WORDS}))
    uls.let(sender)
    assert sender.got == Message(last, 0, (3,))


def test_nobody_but_the_scheduler_re_grants(uls: Stage, scheduler: Puppet, handler: Puppet, victim: Puppet) -> None:
    uls.interrupt(LINE)
    for other in (uls.root, handler):
        uls.let(other).send(victim, send=ZERO) if other is not uls.root else uls.direct().send(victim, send=ZERO)
        assert other.got == Failed(IpcError.IPC_TIMEOUT)
    uls.let(victim)


def test_a_message_to_a_preempted_thread_waits(uls: Stage, scheduler: Puppet, handler: Puppet, victim: Puppet) -> None:
    uls.interrupt(LINE)
    uls.let(handler).send(victim, 5)
    assert victim.field("kind") == Kind.KIND_PREEMPTION
    uls.let(victim).receive(handler)
    assert victim.got == Message(handler, 0, (5,))


def test_thread_switch_tells_the_scheduler(uls: Stage, scheduler: Puppet) -> None:
    thread = uls.thread(scheduler=scheduler)
    uls.let(thread)
    for to in (NIL, thread, uls.root, 0x1234_5678):
        assert thread.switch(to) is scheduler
        got = scheduler.got
        assert isinstance(got, Message) and got.sender is thread
        assert (state(got)["vector"], state(got)["error"]) == (Preemption.PREEMPTED_SWITCH, NIL)
        assert scheduler.reply_and_wait(thread) is thread


def test_thread_switch_of_the_root_scheduler_does_nothing(uls: Stage) -> None:
    uls.direct()
    assert uls.root.switch() is uls.root


def test_thread_switch_to_a_busy_scheduler_leaves_the_processor_idle(uls: Stage, scheduler: Puppet) -> None:
    thread, quiet = uls.thread(scheduler=scheduler), uls.thread()
    uls.let(quiet).receive(quiet.id - (1 << ThreadId.ID_SHIFT))
    uls.let(thread)
    uls.let(scheduler).ipc(thread, quiet)
    assert thread.switch() is uls.root
    assert uls.root.got == Message(IDLE, Label.LABEL_IDLE)
    assert scheduler.pending == [thread]


# The idle processor


def test_an_interrupt_ends_idleness_without_a_preemption(uls: Stage, handler: Puppet) -> None:
    uls.direct().receive(handler)
    assert uls.current is None
    assert uls.interrupt(LINE) is handler
    assert handler.got == Message(IRQ, Label.LABEL_INTERRUPT)
    assert not uls.root.pending


def halts(stage: Stage) -> None:
    """The root scheduler executes HLT, and the processor waits."""
    stage.machine.cpu.registers.eip = stage.place("puppet_halts")
    assert stage.machine.run(max_cycles=10_000).reason == Reason.CYCLES
    assert stage.machine.halted and stage.machine.cpu.cpl == 0


def test_hlt_of_the_root_scheduler_ends_with_the_next_interrupt(uls: Stage, handler: Puppet) -> None:
    uls.attach(LINE + 1, uls.root)
    halts(uls)
    # Its own interrupt: the message waits, and it goes on.
    assert uls.interrupt(LINE + 1) is uls.root
    uls.root.receive(ANY, receive=ZERO)
    assert uls.root.got == Message(LINE + 1 << ThreadId.ID_SHIFT | 1, Label.LABEL_INTERRUPT)
    # Another thread's: that one asks for the processor.
    halts(uls)
    assert uls.interrupt(LINE) is uls.root
    assert uls.root.pending == [handler]


def test_hlt_does_not_wait_if_a_message_does(uls: Stage, handler: Puppet) -> None:
    uls.attach(LINE, uls.root)
    assert uls.interrupt(LINE) is uls.root
    assert uls.root.goes_on("puppet_halts") is uls.root
    assert not uls.machine.halted


def test_hlt_of_anybody_else_is_an_exception(uls: Stage, scheduler: Puppet) -> None:
    thread = uls.let(uls.thread(scheduler=scheduler))
    thread.set_utcb("handler", scheduler.id)
    assert thread.goes_on("puppet_halts") is scheduler
    got = scheduler.got
    assert isinstance(got, Message) and got.label == Label.LABEL_EXCEPTION
    assert (state(got)["vector"], state(got)["eip"]) == (Vector.EXC_GP, uls.place("puppet_halts"))


def test_other_privileged_instructions_are_exceptions_for_the_root_scheduler_too(uls: Stage) -> None:
    handler = uls.thread()
    uls.let(handler).receive(ANY)
    uls.direct().set_utcb("handler", handler.id)
    assert uls.root.goes_on("puppet_undefined") is handler
    got = handler.got
    assert isinstance(got, Message) and got.sender is uls.root and state(got)["vector"] == Vector.EXC_UD
    assert handler.reply_and_wait(uls.root, *words({**state(got), "eip": uls.place("puppet_stands")})) is uls.root


# Schedulers that go, or fail


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.parametrize("way", ["replaced", "deleted", "another version"])
def test_a_preemption_message_goes_to_the_new_scheduler(uls: Stage, scheduler: Puppet, delivered: bool, way: str
                                                        ) -> None:
    thread, heir = uls.thread(scheduler=scheduler), uls.thread()
    uls.let(heir).receive(ANY)
    if delivered:
        uls.drain(uls.let(scheduler))
    assert thread.state == (MicroState.IS_RECEIVING if delivered else MicroState.IS_SENDING)
    root = uls.direct()
    if way == "deleted":
        root.delete(scheduler)
        assert (thread.state, thread.field("kind")) == (MicroState.IS_HALTED, Kind.KIND_PREEMPTION)
    if way == "another version":
        new = scheduler.id + 1
        root.control(new, root, NIL, NIL)
        assert root.refused is None
        scheduler.id = new
        heir = scheduler
        if delivered:
            assert heir.pending == [thread]
        uls.let(heir)
        uls.drain(heir)
    else:
        root.control(thread, thread, heir, NIL)
        assert root.refused is None
        uls.let(heir)
        got = heir.got
        assert isinstance(got, Message) and got.sender is thread and got.label == Label.LABEL_PREEMPTION
    assert heir.reply_and_wait(thread) is thread


def test_a_thread_whose_scheduler_has_gone_goes_on_until_it_loses_the_processor(uls: Stage, scheduler: Puppet,
                                                                                handler: Puppet) -> None:
    thread = uls.thread(scheduler=scheduler)
    uls.let(thread).switch()
    root = uls.direct()
    partner = uls.thread()
    uls.let(thread).receive(partner)
    uls.direct().delete(scheduler)
    uls.let(partner).call(thread, 1)
    assert thread.is_current
    assert uls.interrupt(LINE) is handler
    assert (thread.state, thread.field("kind")) == (MicroState.IS_HALTED, Kind.KIND_PREEMPTION)
    handler.receive(IRQ)
    uls.direct()
    root.control(thread, thread, root, NIL)
    assert root.refused is None
    assert uls.let(thread).got == Message(partner, 0, (1,))


def test_a_scheduler_whose_page_is_missing_is_no_deadlock(uls: Stage) -> None:
    # Its pager is one of its own threads.
    scheduler = uls.thread(space=True)
    pager, thread = uls.thread(scheduler=scheduler), uls.thread(scheduler=scheduler)
    scheduler.set_utcb("pager", pager.id)
    uls.let(pager).receive(ANY)
    uls.let(thread).switch()
    assert uls.current is scheduler
    assert scheduler.reads(0x5000) is pager
    got = pager.got
    assert isinstance(got, Message) and (got.sender, got.words[0]) == (scheduler, 0x5000)
    item = uls.page(0) | 12 << 4 | 7
    assert pager.reply_and_wait(scheduler, typed=[(0x5000 | 8, item)]) is scheduler
    assert scheduler.reply_and_wait(thread) is thread


def test_a_parent_takes_over_if_a_scheduler_waits_for_its_own_thread_and_that_one_for_it(uls: Stage, handler: Puppet
                                                                                         ) -> None:
    scheduler = uls.thread(space=True)
    pager = uls.thread(scheduler=scheduler)
    scheduler.set_utcb("pager", pager.id)
    uls.let(pager).receive(ANY)
    uls.let(scheduler).reads(0x5000)
    assert pager.is_current
    uls.interrupt(LINE)
    assert uls.current is handler
    assert scheduler.pending == [pager]                     # and the scheduler waits for the pager
    assert handler.receive(IRQ) is uls.root                 # the processor is idle, and the root scheduler hears of it
    uls.root.control(pager, pager, uls.root, NIL)
    assert uls.let(pager).reply_and_wait(scheduler, typed=[(0x5000 | 8, uls.page(0) | 12 << 4 | 7)]) is scheduler
