"""ExchangeRegisters: stopping a thread in whatever it is doing, setting it going, and who has the processor then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emu.result import Reason
from guest.abi.cpu import Flags
from guest.abi.micro import CallError, Exreg, ExregResult, IpcError, Kind, MicroMemory, MicroState, Preemption, ThreadId
from tests.guest.micro.puppets import ANY, ZERO, Failed, Message, Puppet, Stage, string

HALTED, RECEIVING, SENDING = (ExregResult.EXREG_WAS_HALTED, ExregResult.EXREG_WAS_RECEIVING,
                              ExregResult.EXREG_WAS_SENDING)
LINE = 5


@pytest.fixture
def thread(stage: Stage) -> Puppet:
    return stage.thread()


@pytest.fixture
def other(stage: Stage) -> Puppet:
    return stage.thread()


def was(stage: Stage, caller: Puppet, thread: Puppet) -> int:
    """What ExchangeRegisters says of a thread."""
    stage.let(caller).exchange(thread)
    assert caller.refused is None
    return caller.was


def test_a_thread_that_can_run_stops_and_goes_on(stage: Stage, thread: Puppet, other: Puppet) -> None:
    stage.let(thread).goes_on(ecx=0x1234)
    stage.let(other).halt(thread)
    assert other.refused is None and other.was == 0
    stage.direct()
    if stage.is_uls:
        stage.give(thread)                                  # its scheduler does not know, and replies
        assert not thread.is_current
        stage.direct()
    assert not thread.can_run and thread.state == MicroState.IS_HALTED
    assert was(stage, other, thread) == HALTED
    stage.let(other).unhalt(thread)
    assert other.was == HALTED
    assert stage.let(thread).register("ecx") == 0x1234
    assert was(stage, other, thread) == 0


def test_a_thread_can_stop_itself(stage: Stage, thread: Puppet, other: Puppet) -> None:
    stage.let(thread)
    assert thread.halt(thread) is not thread
    assert was(stage, other, thread) == HALTED
    stage.let(other).unhalt(thread)
    stage.let(thread)
    assert thread.refused is None


@pytest.mark.parametrize("way", ["fast", "slow"])
def test_a_receiver_that_is_stopped_gets_its_message_and_stops_then(stage: Stage, gate: str, thread: Puppet,
                                                                   other: Puppet, way: str) -> None:
    stage.gate = gate
    stage.let(thread).receive(other)
    stage.let(other).halt(thread)
    assert other.was == RECEIVING
    assert was(stage, other, thread) == HALTED | RECEIVING
    other.ipc(thread, thread if way == "fast" else 0, 1, 2)
    if thread.can_run:
        stage.give(thread)                                  # it stops when it gets the processor
    assert thread.state == MicroState.IS_HALTED
    assert thread.got == Message(other, 0, (1, 2))
    caller = stage.thread()
    stage.let(caller).unhalt(thread)
    assert stage.let(thread).got == Message(other, 0, (1, 2))


def test_a_sender_that_is_stopped_is_heard_and_stops_then(stage: Stage, thread: Puppet, other: Puppet) -> None:
    stage.let(thread).send(other, 4)
    assert was(stage, other, thread) == SENDING
    other.halt(thread)
    other.receive(thread)
    assert other.got == Message(thread, 0, (4,))
    assert was(stage, other, thread) == HALTED
    stage.let(other).unhalt(thread)
    assert stage.let(thread).got == Message(0)


def test_a_caller_that_is_stopped_between_its_phases_gets_its_answer(stage: Stage, thread: Puppet, other: Puppet
                                                                     ) -> None:
    stage.let(thread).call(other, 1)
    stage.let(other).halt(thread)
    other.receive(thread)
    assert was(stage, other, thread) == HALTED | RECEIVING
    other.send(thread, 2)
    assert was(stage, other, thread) == HALTED
    other.unhalt(thread)
    assert stage.let(thread).got == Message(other, 0, (2,))


def test_the_fast_path_works_again_when_the_thread_goes_on(stage: Stage, gate: str, thread: Puppet, other: Puppet
                                                           ) -> None:
    stage.gate = gate
    stage.let(thread).receive(ANY)
    stage.let(other).halt(thread)
    other.unhalt(thread)
    assert other.was == HALTED | RECEIVING
    for _ in range(2):
        assert other.call(thread, 7) is thread
        assert thread.got == Message(other, 0, (7,))
        assert thread.reply_and_wait(other) is other


def test_a_cancelled_ipc_of_a_stopped_thread_ends_and_the_thread_stops(stage: Stage, thread: Puppet, other: Puppet
                                                                       ) -> None:
    stage.let(thread).receive(ANY)
    stage.let(other).exchange(thread, Exreg.EXREG_SET_HALT | Exreg.EXREG_HALT | Exreg.EXREG_CANCEL_RECEIVE)
    assert other.was == RECEIVING
    assert was(stage, other, thread) == HALTED
    assert thread.got == Failed(IpcError.IPC_CANCELED | IpcError.IPC_RECEIVE_PHASE)


def test_who_is_stopped_amid_a_string_brings_it_to_its_end(stage: Stage, thread: Puppet, other: Puppet) -> None:
    handler = stage.thread()
    stage.attach(LINE, handler)
    stage.prefer(handler)
    stage.let(handler).receive(LINE << ThreadId.ID_SHIFT | 1)
    stage.let(other).accept(0, string(stage.page(8), 0x4000))
    other.receive(thread)
    stage.let(thread)
    stage.amid = "transfer_items", 3, LINE
    thread.send(other, typed=[string(stage.page(0), 0x4000)])
    assert thread.can_run and not other.can_run
    stage.let(handler).halt(thread)
    assert handler.was == SENDING
    handler.receive(ANY)
    stage.give(thread)
    assert other.can_run and other.got == Message(thread, 0, (), string(stage.page(0), 0x4000))
    assert was(stage, other, thread) == HALTED


def test_state_is_exchanged_amid_an_ipc(stage: Stage, thread: Puppet, other: Puppet) -> None:
    stage.let(thread).receive(other)
    control = Exreg.EXREG_SP | Exreg.EXREG_IP | Exreg.EXREG_FLAGS
    stage.let(other).exchange(thread, control, sp=0x1000, ip=stage.place("puppet_call"),
                              flags=0xFFFF_FFFF & ~Flags.FLAGS_TF)
    assert other.register("edx") == stage.stack(thread)
    assert other.register("edi") & Flags.FLAGS_USER == Flags.FLAGS_USER
    other.exchange(thread, 0)
    assert (other.register("edx"), other.register("esi")) == (0x1000, stage.place("puppet_call"))
    assert other.register("edi") == Flags.FLAGS_USER | Flags.FLAGS_PROGRAM & ~Flags.FLAGS_TF
    other.send(thread, 1)
    stage.let(thread)                                       # it has made the call whose number is in EAX: none
    assert (thread.register("esp"), thread.register("eax")) == (0x1000, 0)


def test_flags_that_are_set_amid_an_ipc_are_there_behind_it(stage: Stage, gate: str, thread: Puppet, other: Puppet
                                                            ) -> None:
    stage.gate = gate
    stage.let(thread).receive(other)
    stage.let(other).exchange(thread, Exreg.EXREG_FLAGS, flags=Flags.FLAGS_DF | Flags.FLAGS_ID)
    assert other.call(thread, 1) is thread
    assert thread.register("eflags") == Flags.FLAGS_USER | Flags.FLAGS_DF | Flags.FLAGS_ID
    # The next IPC can be on the short way again.
    thread.set_register("eflags", int(Flags.FLAGS_USER))
    assert thread.call(other, 2) is other and other.got == Message(thread, 0, (2,))
    assert other.call(thread, 3) is thread and thread.got == Message(other, 0, (3,))


def test_a_thread_may_be_sent_to_where_sysexit_comes_back_to(stages: Callable[..., Stage], variant: str) -> None:
    stage = stages(variant, cpu="p5-166")           # which has no SYSEXIT
    thread = stage.thread(space=True)
    other = stage.thread(space=thread)
    stage.let(thread).receive(other)
    stage.let(other).exchange(thread, Exreg.EXREG_IP, ip=MicroMemory.KIP_RETURN)
    stage.machine.cpu.registers.eip = stage.place("puppet_ipc")
    for name, value in (("eax", thread.id), ("edx", thread.id), ("ecx", 0), ("esi", 0)):
        other.set_register(name, value)
    result = stage.machine.run(until=int(MicroMemory.KIP_RETURN), max_instructions=1000)
    assert result.reason == Reason.UNTIL, f"{result}\n{stage.machine.console.decode()}"
    assert thread.is_current and stage.machine.cpu.cpl == 3


@pytest.mark.parametrize("which", ["other space", "other version", "nobody", "interrupt", "idle", "no pager yet"])
def test_threads_that_are_not_the_callers_to_change(stage: Stage, thread: Puppet, which: str) -> None:
    foreign, unborn = stage.thread(space=True), stage.new()
    root = stage.direct()
    root.control(unborn, root, root, 0)
    wrong = {"other space": foreign.id, "other version": thread.id + 1, "nobody": 0, "interrupt": 1 << 14 | 1,
             "idle": ThreadId.IDLE_THREAD << 14 | 1, "no pager yet": unborn.id}[which]
    stage.let(thread).exchange(wrong, Exreg.EXREG_SET_HALT | Exreg.EXREG_HALT)
    assert thread.refused == CallError.CALL_THREAD
    assert foreign.can_run


@pytest.mark.parametrize("bit", [6, 7, 9, *range(12, 32)])
def test_bits_without_a_meaning_are_refused(stage: Stage, thread: Puppet, other: Puppet, bit: int) -> None:
    stage.let(thread).exchange(other, 1 << bit | Exreg.EXREG_SET_HALT | Exreg.EXREG_HALT)
    assert thread.refused == CallError.CALL_PARAMETER
    assert other.can_run


# `uls`: the caller's choice (the paper's section 3.4.3)


@pytest.mark.parametrize("grant", [False, True])
@pytest.mark.parametrize("operation", ["resume", "cancel"])
def test_who_loses_the_choice_asks_its_scheduler(uls: Stage, operation: str, grant: bool) -> None:
    scheduler = uls.thread()
    caller, thread = uls.thread(scheduler=scheduler), uls.thread(scheduler=scheduler)
    quiet = uls.thread()
    uls.let(quiet).receive(quiet.id - (1 << ThreadId.ID_SHIFT))
    if operation == "resume":
        uls.let(thread).halt(thread)
    else:
        uls.let(thread).receive(ANY)
    uls.let(caller)
    uls.let(scheduler).ipc(caller, quiet)                   # the scheduler hears nothing now
    assert caller.is_current
    if operation == "resume":
        caller.unhalt(thread, grant)
    else:
        caller.cancel(thread, grant=grant)
    winner, loser = (thread, caller) if grant else (caller, thread)
    assert uls.current is winner
    assert scheduler.pending == [loser]
    assert (loser.field("kind"), loser.field("reason")) == (Kind.KIND_PREEMPTION, Preemption.PREEMPTED_CHOICE)
    assert loser.field("preempter") == winner.id


def test_nobody_loses_if_the_thread_cannot_run(uls: Stage) -> None:
    scheduler = uls.thread()
    caller, thread = uls.thread(scheduler=scheduler), uls.thread(scheduler=scheduler)
    uls.let(thread).receive(ANY)
    uls.let(caller)
    for grant in (False, True):
        assert caller.exchange(thread, Exreg.EXREG_GRANT if grant else 0) is caller
        assert caller.unhalt(thread, grant) is caller
    caller.exchange(caller, Exreg.EXREG_GRANT | Exreg.EXREG_SET_HALT)
    assert caller.is_current
    assert thread.field("wait") == ANY
    caller.receive(ANY, receive=ZERO)
    assert not scheduler.pending
