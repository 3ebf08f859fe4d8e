"""The original model: every event in a fresh activation on a fresh stack, with the states of those that it stopped."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from guest.abi.activations import (
    REGS,
    SA_STATE,
    UPCALL,
    ActCall,
    ActError,
    ActState,
    SaLimit,
    StateEvent,
    UpcallKind,
)
from guest.abi.cpu import Flags, Selector
from guest.abi.kernel import Error, Syscall
from guest.abi.memory import Memory
from tests.guest.activations.stage import IDLE, Stage, State
from tests.guest.activations.test_upcalls import REGISTERS, TEXT, WILD

STACKS = 6


def stack_word(stage: Stage, number: int, name: str) -> int:
    """A word of an SA_STACK."""
    return stage.get(stage.address("sa_stacks") + 8 * number + {"busy": 0, "top": 4}[name])


def busy(stage: Stage) -> list[int]:
    """The stacks that the kernel has taken."""
    return [number for number in range(STACKS) if stack_word(stage, number, "busy")]


def free_all(stage: Stage) -> None:
    """The program has no use for them any more."""
    for number in range(STACKS):
        stage.put(stage.address("sa_stacks") + 8 * number, 0)


def put_regs(stage: Stage, regs: SimpleNamespace, **changed: int) -> int:
    """REGS in the program's memory; their address."""
    at = stage.address("buffers") + 1024
    for name, offset in REGS.offsets.items():
        stage.put(at + offset, changed.get(name, getattr(regs, name)))
    return at


def restore(stage: Stage, state: State, **changed: int) -> str:
    """SYS_SA_RESTORE; the place where that leads."""
    registers = stage.machine.cpu.registers
    stage.set_registers(eax=ActCall.SYS_SA_RESTORE, ebx=put_regs(stage, state.regs, **changed),
                        eip=stage.address("call_int"))
    stage.machine.run(until=state.regs.eip, max_cycles=1_000_000)
    assert registers.eip == state.regs.eip
    return stage.place


def blocked(stage: Stage, pipe: int, ebp: int = 0) -> int:
    """The running activation blocks; the fresh one stands somewhere, with the lock free and all stacks, too."""
    first = stage.current
    assert stage.read(pipe, ebp=ebp) == "block_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.blocked, upcall.states) == (UpcallKind.UPCALL_NEW, first, ())
    assert upcall.current == stage.current != first and upcall.esp == 0
    stage.unlock()
    free_all(stage)
    stage.set_registers(eip=stage.address("stands"), esp=stage.stack(20))
    return first


def test_a_block_is_told_in_a_fresh_activation_on_a_fresh_stack() -> None:
    stage = Stage.of(original=STACKS)
    first = stage.current
    assert stage.read() == "block_entry"
    assert stage.upcall().blocked == first
    taken = busy(stage)
    assert len(taken) == 1 and stage.lock == 1
    assert stage.registers == {**dict.fromkeys(REGISTERS, 0), "eflags": 0x202,
                               "esp": stack_word(stage, taken[0], "top") - UPCALL.size}
    stage.end()


def test_an_unblocked_activation_and_the_one_that_ran_are_handed_out_and_gone() -> None:
    stage = Stage.of(original=STACKS)
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.set_registers(esp=stage.stack(21))
    first = blocked(stage, 0, ebp=0xB10C)
    second = stage.current
    stage.set_registers(**REGISTERS, esp=stage.stack(22))
    before = stage.registers
    assert stage.arrive(b"O") == "unblock_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.blocked, upcall.esp) == (UpcallKind.UPCALL_UNBLOCK, 0, 0)
    assert upcall.current == stage.current not in (first, second)
    assert list(stage.threads()) == [stage.current]
    preempted, unblocked = upcall.states
    assert (preempted.activation, preempted.event) == (second, StateEvent.STOPPED_PREEMPTED)
    assert {name: getattr(preempted.regs, name) for name in before} == before
    assert preempted.regs.eip == stage.address("stands")
    assert (unblocked.activation, unblocked.event) == (first, StateEvent.STOPPED_UNBLOCKED)
    assert (unblocked.regs.eax, unblocked.regs.ebp, unblocked.regs.esp) == (1, 0xB10C, stage.stack(21))
    assert unblocked.regs.eip == stage.address("returned")
    assert stage.get(stage.address("buffers")) == ord("O")         # the call is done
    (taken,) = busy(stage)
    assert stage.registers == {**dict.fromkeys(REGISTERS, 0), "eflags": 0x202,
                               "esp": stack_word(stage, taken, "top") - UPCALL.size - 2 * SA_STATE.size}
    assert stage.lock == 1
    stage.unlock()
    assert stage.write(pipe) == 1 and stage.place == "returned"    # and nothing is left of it
    stage.end()


def test_segment_registers_belong_to_the_states_and_a_fresh_activation_has_none() -> None:
    stage = Stage.of(original=STACKS)
    stage.go("load_fs", eax=Selector.SEL_UDATA)
    blocked(stage, 0)
    registers = stage.machine.cpu.registers
    assert (registers.fs, registers.gs) == (0, 0)
    stage.go("load_gs", eax=Selector.SEL_UDATA)
    stage.arrive()
    preempted, unblocked = (state.regs for state in stage.upcall().states)
    assert (preempted.fs, preempted.gs) == (0, Selector.SEL_UDATA)
    assert (unblocked.fs, unblocked.gs) == (Selector.SEL_UDATA, 0)
    assert (registers.fs, registers.gs, registers.ds) == (0, 0, Selector.SEL_UDATA)
    stage.end()


@pytest.mark.parametrize("which", [0, 1])
def test_a_state_that_is_restored_goes_on_where_it_was_with_the_lock_free(which: int) -> None:
    stage = Stage.of(original=STACKS)
    stage.set_registers(esp=stage.stack(21))
    blocked(stage, 0, ebp=0xB10C)
    stage.set_registers(**REGISTERS, esp=stage.stack(22))
    stage.arrive()
    state = stage.upcall().states[which]
    current = stage.current
    place = restore(stage, state)
    assert place == ("stands", "returned")[which]
    assert stage.registers == {name: getattr(state.regs, name) for name in stage.registers}
    assert stage.current == current and stage.lock == 0
    stage.end()


def test_restore_believes_nothing_that_a_program_may_not_have() -> None:
    stage = Stage.of(original=STACKS)
    blocked(stage, 0)
    stage.arrive()
    state = stage.upcall().states[0]
    restore(stage, state, cs=Selector.SEL_KCODE, ss=Selector.SEL_KDATA, ds=Selector.SEL_KDATA, es=0xFFFF, fs=8,
            gs=0x1234, eflags=0xFFFF_FFFF)
    registers = stage.machine.cpu.registers
    assert (registers.cs, registers.ss) == (Selector.SEL_UCODE, Selector.SEL_UDATA)
    assert registers.eflags & ~(Flags.FLAGS_PROGRAM | Flags.FLAGS_NT) == Flags.FLAGS_USER
    assert (registers.ds, registers.es, registers.fs, registers.gs) == (0, 0, 0, 0)
    stage.end()


@pytest.mark.parametrize("address", [address for address in WILD if address != TEXT], ids=hex)
def test_restore_of_what_cannot_be_read_is_refused(address: int) -> None:
    stage = Stage.of(original=STACKS)
    assert stage.call(ActCall.SYS_SA_RESTORE, address) == Error.ERR_ADDRESS
    assert stage.place == "returned"
    stage.end()


def test_several_that_have_unblocked_are_handed_out_together() -> None:
    stage = Stage.of(original=STACKS)
    pipes = [stage.call(ActCall.SYS_PIPE) for _ in range(3)]
    ids = [blocked(stage, pipe, ebp=pipe) for pipe in pipes]
    ran = stage.current
    stage.set_vp(lock=1)
    for pipe in pipes:
        stage.write(pipe)
    assert stage.pending == 1
    stage.unlock()
    stage.deliver()
    states = stage.upcall().states
    assert [state.activation for state in states] == [ran, *ids]
    assert [state.regs.ebp for state in states[1:]] == pipes
    assert len(stage.threads()) == 1
    stage.end()


def test_an_upcall_hands_out_so_many_and_the_next_the_others() -> None:
    stage = Stage.of(original=STACKS)
    ids = []
    for _ in range(SaLimit.SA_EVENTS + 2):
        ids.append(stage.current)
        stage.call(Syscall.SYS_SLEEP, 1)
        stage.unlock()
        free_all(stage)
    stage.set_registers(eip=stage.address("stands"))
    ran = stage.current
    assert stage.tick() == "unblock_entry"
    first = stage.upcall()
    assert [state.activation for state in first.states] == [ran, *ids[:SaLimit.SA_EVENTS - 1]]
    assert stage.pending == 1
    stage.unlock()
    stage.deliver()
    second = stage.upcall()
    assert [state.activation for state in second.states] == [first.current, *ids[SaLimit.SA_EVENTS - 1:]]
    stage.end()


def test_a_block_upcall_hands_out_what_has_unblocked_too() -> None:
    stage = Stage.of(original=STACKS)
    pipe = stage.call(ActCall.SYS_PIPE)
    first = blocked(stage, pipe)
    stage.set_vp(lock=1)
    stage.write(pipe)
    stage.unlock()
    second = stage.current
    assert stage.read() == "block_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.blocked) == (UpcallKind.UPCALL_NEW, second)
    assert [(state.activation, state.event) for state in upcall.states] == [(first, StateEvent.STOPPED_UNBLOCKED)]
    stage.end()


def test_with_the_lock_held_events_are_delayed_and_blocks_not_told() -> None:
    stage = Stage.of(original=STACKS)
    first = blocked(stage, 0)
    second = stage.current
    stage.set_vp(lock=1)
    assert stage.arrive() == "stands" and stage.pending == 1
    assert stage.go("call_int", eax=Syscall.SYS_SLEEP, ebx=1) == IDLE
    assert stage.run() == "returned" and stage.current == second and stage.state(first) == ActState.THREAD_UNBLOCKED
    stage.unlock()
    stage.deliver()
    assert [state.activation for state in stage.upcall().states] == [second, first]
    stage.end()


def test_without_a_stack_a_block_fails_and_an_event_waits() -> None:
    stage = Stage.of(original=2)
    pipe = stage.call(ActCall.SYS_PIPE)
    first = stage.current
    assert stage.read(pipe) == "block_entry"
    stage.unlock()
    stage.set_registers(eip=stage.address("stands"))
    stage.put(stage.address("sa_stacks"), 1, stage.stack(5), 1, stage.stack(6))
    current, threads = stage.current, list(stage.threads())
    assert stage.call(ActCall.SYS_READ, 0, stage.address("buffers"), 1) == ActError.ERR_MEMORY
    assert (stage.current, list(stage.threads()), stage.lock) == (current, threads, 0)
    assert stage.write(pipe) == 1 and stage.place == "returned" and stage.pending == 1
    stage.put(stage.address("sa_stacks") + 8, 0)
    stage.deliver()
    assert [state.activation for state in stage.upcall().states] == [current, first]
    assert stage.registers["esp"] == stage.stack(6) - UPCALL.size - 2 * SA_STATE.size
    stage.end()


def test_stacks_are_taken_in_turn() -> None:
    stage = Stage.of(original=3)
    seen = []
    for _ in range(6):
        stage.read()
        stage.unlock()
        seen.append(next(number for number in range(3) if stack_word(stage, number, "busy")))
        stage.put(stage.address("sa_stacks") + 8 * seen[-1], 0)
    assert seen == [1, 2, 0, 1, 2, 0]
    stage.end()


def test_none_is_ever_restarted() -> None:
    stage = Stage.of(original=STACKS)
    first = blocked(stage, 0)
    stage.set_vp(lock=1)
    stage.arrive()
    assert stage.state(first) == ActState.THREAD_UNBLOCKED
    assert stage.restart(first) == ActError.ERR_ACTIVATION
    stage.end()


def test_when_the_activation_that_runs_ends_the_unblocked_are_handed_out_alone() -> None:
    stage = Stage.of(original=STACKS)
    pipe = stage.call(ActCall.SYS_PIPE)
    first = blocked(stage, pipe)
    stage.set_vp(lock=1)
    stage.write(pipe)
    stage.unlock()
    assert stage.call(ActCall.SYS_THREAD_EXIT) == 0 and stage.place == "unblock_entry"
    upcall = stage.upcall()
    assert [(state.activation, state.event) for state in upcall.states] == [(first, StateEvent.STOPPED_UNBLOCKED)]
    stage.end()


def test_when_nobody_runs_the_first_that_unblocks_is_handed_out_alone() -> None:
    stage = Stage.of(original=STACKS)
    first = blocked(stage, 0)
    assert stage.go("call_int", eax=ActCall.SYS_THREAD_EXIT) == IDLE
    assert stage.arrive() == "unblock_entry"
    upcall = stage.upcall()
    assert [(state.activation, state.event) for state in upcall.states] == [(first, StateEvent.STOPPED_UNBLOCKED)]
    assert upcall.states[0].regs.eax == 1 and list(stage.threads()) == [upcall.current]
    stage.end()


def test_a_virtual_processor_that_is_given_back_is_woken_and_handed_out_with_the_others() -> None:
    stage = Stage.of(original=STACKS)
    first = blocked(stage, 0)
    second = stage.current
    assert stage.go("call_int", eax=ActCall.SYS_SA_REVOKE) == IDLE
    assert stage.arrive() == "unblock_entry"
    states = stage.upcall().states
    assert [(state.activation, state.regs.eax) for state in states] == [(second, 0), (first, 1)]
    stage.end()


def test_one_that_is_woken_and_has_to_wait_again_is_blocked_still() -> None:
    stage = Stage.of(original=STACKS)
    pipe = stage.call(ActCall.SYS_PIPE)
    thief = stage.call(ActCall.SYS_THREAD_CREATE, stage.address("stands"), stage.stack(30))
    first = blocked(stage, pipe)
    second = stage.current
    stage.set_vp(lock=1)
    assert stage.read() == "stands" and stage.current == thief     # the current one waits, and nobody is told
    stage.write(pipe)
    assert stage.vp().woken == [first]
    assert stage.read(pipe) == "returned" and stage.current == thief       # a third thread takes the byte away
    stage.machine.uart.receive(b"x")
    stage.unlock()
    while stage.current == thief:
        stage.spin(100_000)
        stage.call(Syscall.SYS_YIELD)
    assert stage.current == second and stage.place == "returned"   # nothing to tell: the first waits again
    assert (stage.vp().woken, stage.vp().untold, stage.state(first)) == ([], [], ActState.THREAD_WAITING)
    stage.write(pipe)
    assert [state.activation for state in stage.upcall().states] == [second, first]
    stage.end()


def test_other_virtual_processors_go_on() -> None:
    stage = Stage.of(2, original=STACKS)
    zero = stage.current
    assert stage.call(ActCall.SYS_SA_REQUEST, 1) == 0
    stage.call(Syscall.SYS_YIELD)
    upcall = stage.upcall()
    assert (upcall.vp, upcall.kind, upcall.states) == (1, UpcallKind.UPCALL_START, ())
    one = upcall.current
    stage.unlock(1)
    assert stage.read() == "block_entry" and stage.upcall().vp == 1
    stage.unlock(1)
    new = stage.current
    stage.set_registers(eip=stage.address("stands"))
    assert stage.arrive() == "unblock_entry"
    assert [state.activation for state in stage.upcall().states] == [new, one]
    stage.unlock(1)
    stage.call(Syscall.SYS_YIELD)
    assert stage.current == zero and stage.place == "returned"
    stage.end()


def test_a_timer_upcall_hands_out_what_ran() -> None:
    stage = Stage.of(original=STACKS)
    current = stage.current
    stage.call(ActCall.SYS_SA_TIMER, 1)
    assert stage.tick() == "timer_entry"
    upcall = stage.upcall()
    assert upcall.kind == UpcallKind.UPCALL_TIMER
    assert [(state.activation, state.event) for state in upcall.states] == [(current, StateEvent.STOPPED_PREEMPTED)]
    stage.end()


def test_without_memory_events_are_told_all_the_same() -> None:
    stage = Stage.of(original=STACKS, memory=2 << 20)
    first = blocked(stage, 0)
    while stage.call(ActCall.SYS_MEMORY, 1) != ActError.ERR_MEMORY:
        pass
    current = stage.current
    assert stage.arrive() == "unblock_entry"
    assert [state.activation for state in stage.upcall().states] == [current, first]
    stage.end()


@pytest.mark.parametrize("top", WILD, ids=hex)
@pytest.mark.parametrize("case", ["block", "unblock"])
def test_with_a_wild_stack_the_process_ends_as_by_its_own_page_fault(case: str, top: int) -> None:
    stage = Stage.of(original=STACKS, beside=("witness",))
    pipe = stage.call(ActCall.SYS_PIPE)
    if case == "unblock":
        blocked(stage, pipe)
    for number in range(STACKS):
        stage.put(stage.address("sa_stacks") + 8 * number, 0, top)
    if case == "unblock":
        stage.write(pipe)
    else:
        stage.read(pipe)
    assert "puppet: page fault (#PF)" in stage.console
    stage.end(128 + 14)


def test_a_process_ends_with_activations_in_every_state() -> None:
    stage = Stage.of(2, original=STACKS)
    pipes = [stage.call(ActCall.SYS_PIPE) for _ in range(3)]
    for pipe in pipes:
        blocked(stage, pipe)
    stage.call(ActCall.SYS_SA_REQUEST, 1)
    stage.set_vp(lock=1)
    stage.write(pipes[0])
    stage.write(pipes[1])
    assert {stage.state(number) for number in stage.threads()} >= {ActState.THREAD_UNBLOCKED, ActState.THREAD_WAITING}
    stage.end(5)


def test_stacks_must_be_the_programs() -> None:
    stage = Stage.raw()
    stage.settings(original=STACKS)
    stage.put(stage.address("sa_init") + 32, Memory.KERNEL_IMAGE)
    assert stage.call(ActCall.SYS_SA_INIT, stage.address("sa_init")) == Error.ERR_ADDRESS
    stage.end()
