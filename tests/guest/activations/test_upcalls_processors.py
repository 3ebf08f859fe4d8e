"""Several virtual processors: each with its own activations, lock and upcalls; giving them back and asking for them."""

from __future__ import annotations

import pytest

from guest.abi.activations import ActCall, ActError, ActState, SaLimit, Signal, UpcallKind
from guest.abi.kernel import Syscall
from tests.guest.activations.stage import IDLE, Stage


def two() -> tuple[Stage, int, int]:
    """A stage with two virtual processors that run, and their activations; the first has the processor."""
    stage = Stage.of(2)
    zero = stage.current
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == 0
    stage.call(Syscall.SYS_YIELD)
    upcall = stage.upcall()
    assert (upcall.vp, upcall.kind, upcall.blocked, upcall.ids) == (1, UpcallKind.UPCALL_START, 0, ())
    assert stage.vp_word(1, "lock") == 1
    one = stage.handle(1).current
    to(stage, zero)
    return stage, zero, one


def to(stage: Stage, activation: int) -> str:
    """Yields until that one has the processor; where it is then."""
    for _ in range(4):
        if stage.current == activation:
            return stage.place
        stage.call(Syscall.SYS_YIELD)
    raise AssertionError(f"{activation} does not run")


def test_a_virtual_processor_begins_when_it_is_requested_with_an_upcall() -> None:
    stage, zero, one = two()
    assert stage.current == zero != one
    assert stage.vp(0).current == zero and stage.vp(1).current == one
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == 0             # it runs: nothing to do
    assert len(stage.threads()) == 2
    stage.end()


def test_a_block_concerns_one_virtual_processor() -> None:
    stage, zero, one = two()
    to(stage, one)
    stage.set_vp(1, stack=stage.stack(9))
    assert stage.read() == "block_entry"
    upcall = stage.upcall()
    assert (upcall.vp, upcall.blocked) == (1, one) and upcall.current == stage.vp(1).current
    assert (stage.vp_word(1, "lock"), stage.vp_word(0, "lock")) == (1, 0)
    assert stage.vp(0).current == zero
    stage.unlock(1)
    to(stage, zero)
    stage.end()


def test_what_unblocks_is_told_on_its_own_virtual_processor_when_that_next_runs() -> None:
    stage, zero, one = two()
    to(stage, one)
    stage.set_vp(1, stack=stage.stack(9))
    stage.read()
    stage.handle(1)
    other = stage.vp(1).current
    to(stage, zero)
    assert stage.arrive() == "returned" and stage.current == zero          # nothing for this one
    assert stage.vp(1).untold == [one]
    stage.call(Syscall.SYS_YIELD)
    upcall = stage.upcall()
    assert (upcall.vp, upcall.current, upcall.ids) == (1, other, (one,))
    assert (stage.vp_word(1, "lock"), stage.vp_word(0, "lock")) == (1, 0)
    stage.end()


    stage, zero, one = two()
    pipe = stage.call(ActCall.SYS_PIPE)
    to(stage, one)
    stage.set_vp(1, stack=stage.stack(9))
    stage.read(pipe)
    stage.handle(1)
    to(stage, zero)
    stage.set_vp(0, lock=1)
    stage.write(pipe)
    stage.call(Syscall.SYS_YIELD)
    assert stage.upcall().ids == (one,)
    assert not stage.pending
    stage.end()


def test_an_activation_can_be_restarted_on_another_virtual_processor() -> None:
    stage, zero, one = two()
    pipe = stage.call(ActCall.SYS_PIPE)
    to(stage, one)
    stage.set_vp(1, stack=stage.stack(9))
    stage.read(pipe)
    stage.handle(1)
    new = stage.vp(1).current
    to(stage, zero)
    stage.write(pipe)
    stage.call(Syscall.SYS_YIELD)
    stage.handle(1)
    to(stage, zero)
    assert stage.restart(one) == 1
    assert stage.current == one == stage.vp(0).current
    assert sorted(stage.threads()) == sorted([one, new]) and stage.vp(1).told == []
    assert stage.block(pipe=pipe) == one               # and from now on it is this one's
    stage.end()


def test_an_unblocked_activation_of_another_virtual_processor_goes_on_before_a_new_one_is_made() -> None:
    stage, zero, one = two()
    pipe = stage.call(ActCall.SYS_PIPE)
    to(stage, one)
    stage.set_vp(1, stack=stage.stack(9))
    stage.read(pipe)
    stage.handle(1)
    to(stage, zero)
    stage.write(pipe)                                  # not told yet: virtual processor 1 has not run since
    assert stage.read() == "block_entry"
    upcall = stage.upcall()
    assert (upcall.vp, upcall.kind, upcall.current, upcall.blocked) == (0, UpcallKind.UPCALL_RESTARTED, one, zero)
    assert stage.vp(1).untold == [] and len(stage.threads()) == 3
    stage.unlock()
    assert stage.go_back(upcall) == "returned" and stage.registers["eax"] == 1
    assert to(stage, stage.vp(1).current) == "returned"           # where nothing is told any more
    stage.end()


# Revoke and request

def test_a_virtual_processor_that_is_given_back_waits_until_something_unblocks() -> None:
    stage = Stage.of()
    blocked = stage.block()
    current = stage.current
    assert stage.go("call_int", eax=ActCall.SYS_SA_REVOKE) == IDLE
    assert stage.vp().revoked == [current]
    assert stage.arrive() == "unblock_entry"
    upcall = stage.upcall()
    assert (upcall.current, upcall.ids, upcall.eip) == (current, (blocked,), stage.address("returned"))
    assert stage.registers["eax"] == 0
    assert stage.vp().revoked == []
    stage.end()


def test_a_virtual_processor_that_is_given_back_waits_until_it_is_requested() -> None:
    stage, zero, one = two()
    to(stage, one)
    stage.call(ActCall.SYS_SA_REVOKE)
    assert stage.current == zero
    assert stage.vp(1).revoked == [one] and stage.state(one) == ActState.THREAD_WAITING
    stage.call(Syscall.SYS_YIELD)
    assert stage.current == zero                       # and it does not run
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == 0
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == 0  # once is enough
    stage.call(Syscall.SYS_YIELD)
    assert stage.current == one and stage.place == "returned" and stage.registers["eax"] == 0
    stage.end()


def test_a_virtual_processor_whose_activation_has_ended_begins_anew_when_it_is_requested() -> None:
    stage, zero, one = two()
    to(stage, one)
    stage.call(ActCall.SYS_THREAD_EXIT)
    assert stage.current == zero and stage.vp(1).current == 0
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == 0
    stage.call(Syscall.SYS_YIELD)
    upcall = stage.upcall()
    assert (upcall.vp, upcall.kind) == (1, UpcallKind.UPCALL_START) and upcall.current not in (zero, one)
    stage.end()


def test_to_give_it_back_while_something_is_to_be_told_returns_at_once() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    blocked = stage.block(pipe=pipe)
    stage.set_vp(lock=1)                               # as a library holds it when it finds nobody to run
    stage.write(pipe)
    assert stage.call(ActCall.SYS_SA_REVOKE) == 0 and stage.place == "returned"
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (blocked,)
    stage.end()


def test_what_unblocks_while_it_is_given_back_with_the_lock_held_wakes_it_and_is_told_later() -> None:
    stage = Stage.of()
    blocked = stage.block()
    stage.set_vp(lock=1)
    assert stage.go("call_int", eax=ActCall.SYS_SA_REVOKE) == IDLE
    assert stage.arrive() == "returned" and stage.registers["eax"] == 0
    assert stage.pending == 1
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (blocked,)
    stage.end()


def test_what_was_told_before_does_not_keep_a_virtual_processor() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.block(0, pipe=pipe)
    stage.block(1)
    stage.write(pipe)
    stage.handle()
    assert stage.go("call_int", eax=ActCall.SYS_SA_REVOKE) == IDLE
    assert stage.arrive() == "unblock_entry"
    stage.end()


def test_a_signal_ends_the_rest_of_a_virtual_processor() -> None:
    stage, zero, one = two()
    stage.call(ActCall.SYS_SIGNAL_ACTION, Signal.SIGUSR1, stage.address("handler_entry"), stage.address("stands"))
    to(stage, one)
    stage.call(ActCall.SYS_SA_REVOKE)
    assert stage.current == zero
    assert stage.call(ActCall.SYS_SIGNAL_SEND, one, Signal.SIGUSR1) == 0
    stage.call(Syscall.SYS_YIELD)
    assert stage.current == one and stage.place == "handler_entry"
    assert stage.vp(1).revoked == []
    stage.end()


@pytest.mark.parametrize("number", [2, SaLimit.SA_VP_MAX, 1 << 27, 1 << 31, -1])
def test_there_are_no_other_virtual_processors(number: int) -> None:
    stage = Stage.of(2)
    assert stage.call(ActCall.SYS_SA_REQUEST, number) == ActError.ERR_ARGUMENT
    stage.end()


def test_without_memory_none_can_begin() -> None:
    stage = Stage.of(2, memory=2 << 20)
    while stage.call(ActCall.SYS_MEMORY, 1) != ActError.ERR_MEMORY:
        pass
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == ActError.ERR_MEMORY
    assert stage.vp(1).current == 0
    stage.end()


def test_all_virtual_processors_run_and_take_turns_at_ticks() -> None:
    stage = Stage.of(SaLimit.SA_VP_MAX, kernel="parameters = { TICK_HZ = 1000 }")
    for number in range(1, SaLimit.SA_VP_MAX):
        stage.call(ActCall.SYS_SA_REQUEST, number)
    seen = set()
    for _ in range(4 * SaLimit.SA_VP_MAX):
        stage.machine.run(vectors=[0x20], max_cycles=10_000_000)
        stage.machine.run(until=list(stage._places), max_cycles=10_000_000)
        seen.add(stage.current)
    assert len(seen) == SaLimit.SA_VP_MAX
    stage.end()


def test_a_kernel_thread_of_the_process_may_ask_for_a_virtual_processor() -> None:
    stage = Stage.of(2)
    stage.call(ActCall.SYS_THREAD_CREATE, stage.address("stands"), stage.stack(20))
    stage.call(Syscall.SYS_YIELD)
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == 0
    assert stage.vp(1).current != 0
    stage.end()


def test_activations_and_signals_go_by_one_way_back() -> None:
    stage = Stage.of()
    stage.call(ActCall.SYS_SIGNAL_ACTION, Signal.SIGIO, stage.address("handler_entry"), stage.address("stands"))
    blocked = stage.block()
    stage.call(ActCall.SYS_SIGNAL_INPUT, 0, 1)
    assert stage.arrive() == "unblock_entry"           # the program sees the upcall first
    upcall = stage.upcall()
    assert upcall.ids == (blocked,) and upcall.eip == stage.address("handler_entry")
    stage.unlock()
    assert stage.go_back(upcall) == "handler_entry"    # in front of the handler
    stage.end()
