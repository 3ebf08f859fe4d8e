"""Upcalls, rule by rule: what an activation finds that makes one, and who runs when one blocks, unblocks or ends.

The tests are the program and its thread library at once; see stage.py.
"""

from __future__ import annotations

import pytest

from guest.abi.activations import (
    SA_INIT,
    UPCALL,
    ActCall,
    ActError,
    ActState,
    SaControl,
    SaFlag,
    SaLimit,
    UpcallKind,
)
from guest.abi.kernel import Error, Syscall, ThreadState
from guest.abi.memory import Memory
from tests.guest.activations.stage import BASE, IDLE, Stage, trap_frame

REGISTERS = {"eax": 0x11111111, "ebx": 0x22222222, "ecx": 0x33333333, "edx": 0x44444444, "esi": 0x55555555,
             "edi": 0x66666666, "ebp": 0x77777777, "eflags": 0x202 | 0x8D5 | 0x400}     # all arithmetic flags, and DF
TEXT = BASE + 0x100
WILD = (0, 4, TEXT, 0x7000_0000, Memory.USER_STACK_TOP + 4, Memory.KERNEL_BASE, Memory.KERNEL_BASE + 4,
        Memory.KERNEL_IMAGE, 0xFFFF_FFFC)      # null, near it, text, nothing, beyond the stack, the kernel's


def test_a_blocking_call_begins_a_new_activation_that_is_told_who_has_blocked() -> None:
    stage = Stage.of()
    first = stage.current
    assert stage.read() == "block_entry"
    upcall = stage.upcall()
    assert (upcall.vp, upcall.kind, upcall.blocked, upcall.ids) == (0, UpcallKind.UPCALL_NEW, first, ())
    assert upcall.current == stage.current != first
    assert (upcall.esp, upcall.eip) == (0, 0)
    assert stage.lock == 1
    assert stage.registers == {**dict.fromkeys(REGISTERS, 0), "esp": stage.stack(1) - UPCALL.size, "eflags": 0x202}
    assert stage.state(first) == ActState.THREAD_WAITING
    stage.end()


def test_what_has_unblocked_is_told_in_the_activation_that_runs_and_disturbs_nothing() -> None:
    stage = Stage.of()
    blocked = stage.block()
    stage.set_registers(**REGISTERS, esp=stage.stack(5) - 12)
    before = stage.registers
    assert stage.arrive() == "unblock_entry"
    upcall = stage.upcall()
    assert (upcall.vp, upcall.kind, upcall.blocked, upcall.ids) == (0, UpcallKind.UPCALL_UNBLOCK, 0, (blocked,))
    assert upcall.current == stage.current
    assert upcall.esp == before["esp"] - 4 and upcall.eip == stage.address("stands")
    assert stage.registers == before | {"esp": before["esp"] - 4 - UPCALL.size - 4}
    assert stage.lock == 1 and not stage.pending
    stage.unlock()
    assert stage.go_back(upcall) == "stands"
    assert stage.registers == before
    assert stage.state(blocked) == ActState.THREAD_UNBLOCKED
    assert stage.spin(100_000) == "stands"            # and it is told once
    stage.end()


def test_the_event_is_told_before_the_next_instruction_of_the_program() -> None:
    stage = Stage.of()
    stage.block()
    stage.machine.uart.receive(b"x")
    stage.machine.run(vectors=[0x24])
    assert stage.run() == "unblock_entry"              # and not `stands`, which was interrupted
    stage.end()


def test_the_state_of_what_has_blocked_stays_in_the_kernel() -> None:
    stage = Stage.of()
    stage.set_registers(esp=stage.stack(5))
    memory = bytes(stage.machine.ram.read(stage.physical(stage.stack(5) - 256), 256))
    blocked = stage.block(ebp=0x7777)
    stage.arrive()
    stage.handle()
    assert bytes(stage.machine.ram.read(stage.physical(stage.stack(5) - 256), 256)) == memory
    assert stage.restart(blocked) == 1
    assert stage.registers["ebp"] == 0x7777
    stage.end()


def test_a_restarted_activation_returns_from_its_call_and_who_restarted_it_is_gone() -> None:
    stage = Stage.of()
    first = stage.block()
    second = stage.current
    stage.arrive(b"R")
    stage.handle()
    assert stage.restart(first) == 1
    assert (stage.place, stage.current) == ("returned", first)
    assert stage.get(stage.address("buffers")) == ord("R")
    assert list(stage.threads()) == [first]
    assert stage.call(ActCall.SYS_SIGNAL_SEND, second, 10) == ActError.ERR_THREAD
    assert stage.restart(second) == ActError.ERR_ACTIVATION
    stage.end()


@pytest.mark.parametrize("lock", [0, 1])
def test_a_restart_leaves_the_lock_as_it_is_and_makes_no_upcall(lock: int) -> None:
    stage = Stage.of()
    first = stage.block()
    stage.arrive()
    stage.handle()
    stage.set_vp(lock=lock)
    assert stage.restart(first) == 1 and stage.place == "returned"
    assert (stage.lock, stage.pending) == (lock, 0)
    stage.end()


def test_a_system_call_by_sysenter_blocks_and_is_restarted_as_one_by_int() -> None:
    stage = Stage.of()
    first = stage.block(way="call_sysenter", ebp=77)
    stage.arrive()
    stage.handle()
    assert stage.restart(first) == 1
    assert stage.place == "returned" and stage.registers["ebp"] == 77
    assert stage.registers["esp"] == Memory.USER_ARGUMENTS
    stage.end()


def test_an_upcall_comes_on_the_way_back_from_a_system_call_whichever_way_it_came() -> None:
    for way in ("call_int", "call_sysenter"):
        stage = Stage.of()
        pipe = stage.call(ActCall.SYS_PIPE)
        blocked = stage.block(pipe=pipe)
        stage.call(ActCall.SYS_WRITE_PIPE, pipe, stage.address("buffers"), 1, way=way, ebp=77)
        upcall = stage.upcall()
        assert upcall.ids == (blocked,) and upcall.eip == stage.address("returned")
        assert stage.registers["eax"] == 1 and stage.registers["ebp"] == 77
        stage.unlock()
        assert stage.go_back(upcall) == "returned"
        stage.end()


# Several events

def test_events_that_come_together_make_one_upcall() -> None:
    stage = Stage.of()
    ids = []
    for slot in range(3):                              # all of them sleep until the same tick
        ids.append(stage.current)
        stage.set_vp(stack=stage.stack(slot + 1))
        stage.call(Syscall.SYS_SLEEP, 1)
        stage.handle()
    assert stage.tick() == "unblock_entry"
    assert stage.upcall().ids == tuple(ids)
    stage.handle()
    assert stage.spin(100_000) == "stands"
    stage.end()


def test_an_upcall_tells_of_so_many_and_the_next_of_the_others() -> None:
    stage = Stage.of()
    more = 3
    ids = []
    for slot in range(SaLimit.SA_EVENTS + more):
        ids.append(stage.current)
        stage.set_vp(stack=stage.stack(slot + 1))
        stage.call(Syscall.SYS_SLEEP, 1)
        stage.handle()
    stage.tick()
    upcall = stage.upcall()
    assert upcall.ids == tuple(ids[:SaLimit.SA_EVENTS])
    assert stage.pending == 1
    stage.set_vp(lock=0, pending=0)
    stage.go_back(upcall)
    stage.deliver()
    assert stage.handle().ids == tuple(ids[SaLimit.SA_EVENTS:])
    assert not stage.pending
    stage.end()


def test_a_block_upcall_tells_of_what_has_unblocked_too() -> None:
    stage = Stage.of()
    pipes = [stage.call(ActCall.SYS_PIPE) for _ in range(3)]
    ids = [stage.block(slot, pipe=pipe) for slot, pipe in enumerate(pipes)]
    stage.set_vp(lock=1)
    for pipe in pipes:
        stage.write(pipe)
    stage.unlock()
    current = stage.current
    stage.set_registers(esp=stage.stack(9))
    stage.call(ActCall.SYS_READ, 0, stage.address("buffers"), 1)
    upcall = stage.upcall()
    assert (upcall.kind, upcall.current, upcall.blocked) == (UpcallKind.UPCALL_RESTARTED, ids[0], current)
    assert upcall.ids == tuple(ids[1:])
    stage.end()


# The lock

def test_with_the_lock_held_an_upcall_is_delayed_and_the_pending_word_says_so() -> None:
    stage = Stage.of()
    blocked = stage.block()
    stage.set_vp(lock=1)
    stage.machine.uart.receive(b"x")
    assert stage.spin(1_000_000) == "stands"
    assert stage.pending == 1 and stage.vp().untold == [blocked]
    stage.set_vp(lock=0, pending=0)
    assert stage.deliver() == 0
    assert stage.place == "unblock_entry"
    assert stage.handle().ids == (blocked,)
    assert not stage.pending
    stage.end()


@pytest.mark.parametrize("call", [Syscall.SYS_YIELD, Syscall.SYS_SELF, 12345])
def test_a_delayed_upcall_comes_with_any_call_once_the_lock_is_free(call: int) -> None:
    stage = Stage.of()
    stage.block()
    stage.set_vp(lock=1)
    stage.machine.uart.receive(b"x")
    stage.spin(1_000_000)
    stage.call(call)
    assert stage.place == "returned"
    stage.unlock()
    stage.call(call)
    assert stage.place == "unblock_entry"
    stage.end()


def test_a_delayed_upcall_comes_with_the_next_interrupt_once_the_lock_is_free() -> None:
    stage = Stage.of()
    stage.block()
    stage.set_vp(lock=1)
    stage.machine.uart.receive(b"x")
    stage.spin(1_000_000)
    assert stage.tick() == "stands"
    stage.unlock()
    assert stage.tick() == "unblock_entry"
    stage.end()


def test_what_unblocks_while_an_earlier_upcall_is_delayed_is_told_with_it() -> None:
    stage = Stage.of()
    pipes = [stage.call(ActCall.SYS_PIPE) for _ in range(3)]
    ids = [stage.block(slot, pipe=pipe) for slot, pipe in enumerate(pipes)]
    stage.set_vp(lock=1)
    for pipe in reversed(pipes):
        assert stage.write(pipe) == 1 and stage.place == "returned"
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == tuple(reversed(ids))
    stage.end()


def test_a_block_with_the_lock_held_is_not_told_and_the_virtual_processor_waits() -> None:
    stage = Stage.of()
    first = stage.current
    stage.set_vp(lock=1)
    assert stage.read() == IDLE
    assert list(stage.threads()) == [first] and stage.vp().current == first
    assert stage.arrive() == "returned"                # as if nothing had been
    assert stage.current == first and stage.registers["eax"] == 1
    assert (stage.lock, stage.pending) == (1, 0)
    stage.end()


def test_others_that_unblock_while_the_virtual_processor_waits_with_the_lock_held_are_told_later() -> None:
    stage = Stage.of()
    other = stage.current
    stage.call(Syscall.SYS_SLEEP, 1)
    stage.handle()
    stage.set_vp(lock=1)
    assert stage.read() == IDLE
    stage.machine.run(max_cycles=stage.machine.clock.frequency // 5)
    assert stage.vp().untold == [other] and stage.place.startswith(IDLE)
    assert stage.arrive() == "returned"
    assert stage.pending == 1
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (other,)
    stage.end()


def test_a_lock_that_nobody_frees_stops_nobody_else() -> None:
    stage = Stage.of(beside=("witness",), kernel="parameters = { TICK_HZ = 100 }")
    blocked = stage.block()
    stage.set_vp(lock=1)
    stage.machine.uart.receive(b"x")
    stage.spin(stage.machine.clock.frequency // 4)
    assert "witness: still here" in stage.console
    assert stage.place == "stands" and stage.vp().untold == [blocked]
    stage.end()


def test_an_upcall_can_be_interrupted_by_the_next_once_it_has_freed_the_lock() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    first, second = stage.block(0, pipe=pipe), stage.block(1)
    before = stage.registers
    stage.write(pipe)
    outer = stage.upcall()
    assert outer.ids == (first,)
    stage.unlock()
    assert stage.arrive() == "unblock_entry"           # again, further down on the same stack
    inner = stage.upcall()
    assert inner.ids == (second,) and inner.eip == stage.address("unblock_entry")
    assert inner.esp == outer.esp - 4 - UPCALL.size - 4
    stage.unlock()
    assert stage.go_back(inner) == "unblock_entry"
    assert stage.upcall() == outer
    assert stage.go_back(outer) == "returned"
    assert stage.registers["esp"] == before["esp"]
    stage.end()


def test_an_upcall_that_blocks_with_the_lock_held_goes_on_as_if_nothing_had_been() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.block(pipe=pipe)
    stage.write(pipe)
    upcall = stage.upcall()
    assert stage.read(esp=stage.registers["esp"] - 64) == IDLE
    assert stage.arrive() == "returned"
    stage.unlock()
    assert stage.go_back(upcall) == "returned"
    stage.end()


# Who runs

def test_one_that_is_unblocked_goes_on_before_a_new_activation_is_made() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.set_registers(esp=stage.stack(7))
    first = stage.block(pipe=pipe)
    second = stage.current
    stage.write(pipe)
    stage.handle()
    assert stage.read() == "block_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.current, upcall.blocked) == (UpcallKind.UPCALL_RESTARTED, first, second)
    assert upcall.esp == stage.stack(7) - 4 and upcall.eip == stage.address("returned")
    assert stage.lock == 1 and len(stage.threads()) == 2
    assert stage.registers["eax"] == 1                 # what its own call has given
    stage.unlock()
    stage.go_back(upcall)
    assert stage.place == "returned" and stage.registers["esp"] == stage.stack(7)
    stage.end()


def test_the_oldest_of_those_that_are_unblocked_goes_on() -> None:
    stage = Stage.of()
    pipes = [stage.call(ActCall.SYS_PIPE) for _ in range(3)]
    ids = [stage.block(slot, pipe=pipe) for slot, pipe in enumerate(pipes)]
    for at in (1, 2, 0):
        stage.write(pipes[at])
        stage.handle()
    for at in (1, 2, 0):
        assert stage.read() == "block_entry"
        assert stage.handle().current == ids[at]
    stage.end()


def test_preemption_by_the_kernel_is_not_told() -> None:
    stage = Stage.of(beside=("hog",))
    stage.set_registers(**REGISTERS)
    before = stage.registers
    for _ in range(4):
        assert stage.tick() == stage.place
        while stage.place != "returned" or stage.machine.cpu.registers.cr3 != stage.process.space:
            stage.machine.run(until=stage.address("returned"), max_cycles=10_000_000)
        assert stage.registers == before
    assert not stage.lock and not stage.pending


def test_out_of_memory_the_call_fails_instead_of_blocking_and_nothing_changes() -> None:
    stage = Stage.of(memory=2 << 20)
    pipe = stage.call(ActCall.SYS_PIPE)
    blocked = stage.block()
    while stage.call(ActCall.SYS_MEMORY, 1) != ActError.ERR_MEMORY:
        pass
    before, threads = stage.vp(), list(stage.threads())
    assert stage.call(ActCall.SYS_READ, 0, stage.address("buffers"), 1) == ActError.ERR_MEMORY
    assert stage.place == "returned"
    assert stage.vp() == before and list(stage.threads()) == threads and stage.lock == 0
    assert stage.arrive() == "unblock_entry"           # one that is unblocked needs no memory
    stage.handle()
    assert stage.read(pipe) == "block_entry"
    assert stage.handle().current == blocked
    stage.end()


def test_without_memory_one_can_still_wait_with_the_lock_held() -> None:
    stage = Stage.of(memory=2 << 20)
    while stage.call(ActCall.SYS_MEMORY, 1) != ActError.ERR_MEMORY:
        pass
    stage.set_vp(lock=1)
    assert stage.read() == IDLE
    assert stage.arrive() == "returned" and stage.registers["eax"] == 1
    stage.end()


def test_when_an_activation_ends_one_that_is_unblocked_goes_on_and_is_told_so() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    first = stage.block(pipe=pipe)
    stage.write(pipe)
    stage.handle()
    stage.call(ActCall.SYS_THREAD_EXIT)
    upcall = stage.upcall()
    assert (upcall.kind, upcall.current, upcall.ids) == (UpcallKind.UPCALL_UNBLOCK, first, (first,))
    stage.unlock()
    assert stage.go_back(upcall) == "returned" and stage.registers["eax"] == 1
    assert stage.vp().current == first
    stage.end()


def test_when_the_last_that_can_run_has_ended_the_first_that_unblocks_goes_on_itself() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    ids = [stage.block(0), stage.block(1, pipe=pipe)]
    assert stage.go("call_int", eax=ActCall.SYS_THREAD_EXIT) == IDLE
    assert stage.vp().current == 0
    assert stage.arrive() == "unblock_entry"
    upcall = stage.upcall()
    assert (upcall.current, upcall.ids) == (ids[0], (ids[0],))
    stage.unlock()
    assert stage.go_back(upcall) == "returned"
    stage.write(pipe)
    assert stage.handle().ids == (ids[1],)
    stage.end()


def test_what_goes_on_because_another_has_ended_is_told_when_the_lock_is_free() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    first, second = stage.block(0, pipe=pipe), stage.block(1)
    stage.write(pipe)
    stage.handle()
    stage.set_vp(lock=1)
    stage.call(ActCall.SYS_THREAD_EXIT)
    assert (stage.place, stage.current, stage.pending) == ("returned", first, 1)
    stage.machine.uart.receive(b"x")
    stage.spin(1_000_000)
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (first, second)
    stage.end()


def test_the_last_activation_of_all_ends_the_process() -> None:
    stage = Stage.of()
    stage.go("call_int", eax=ActCall.SYS_THREAD_EXIT)
    assert stage.result is not None and stage.result.exit_code == 0
    stage.end()


# SYS_SA_CONTROL

def test_only_an_unblocked_activation_of_the_process_can_be_restarted() -> None:
    stage = Stage.of(beside=("witness",))
    pipe = stage.call(ActCall.SYS_PIPE)
    kernel_thread = stage.call(ActCall.SYS_THREAD_CREATE, stage.address("stands"), stage.stack(20))
    ended = stage.call(ActCall.SYS_THREAD_CREATE, stage.address("call_int"), stage.stack(21), ActCall.SYS_THREAD_EXIT)
    stage.call(Syscall.SYS_YIELD)
    stage.call(Syscall.SYS_YIELD)
    unblocked, blocked = stage.block(0, pipe=pipe), stage.block(1)
    witness = 2                                        # the number of its thread
    assert witness not in stage.threads()
    stage.write(pipe)
    stage.handle()
    before, threads = stage.vp(), {number: thread.state for number, thread in stage.threads().items()}
    for wrong in (stage.current, blocked, kernel_thread, ended, witness, 0, 1 << 18 | unblocked, 1 << 31 | unblocked,
                  -1, 0x3FFFF, 50):
        assert stage.restart(wrong) == ActError.ERR_ACTIVATION, wrong
        assert stage.place == "returned"
    assert stage.vp() == before
    assert {number: thread.state for number, thread in stage.threads().items()} == threads
    assert stage.restart(unblocked) == 1
    stage.end()


def test_an_activation_is_restarted_once() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    first, second = stage.block(0, pipe=pipe), stage.block(1)
    stage.write(pipe)
    stage.handle()
    assert stage.restart(first) == 1
    assert stage.restart(first) == ActError.ERR_ACTIVATION       # it runs
    stage.block(2)
    assert stage.restart(first) == ActError.ERR_ACTIVATION       # and now it has blocked again
    assert stage.restart(second) == ActError.ERR_ACTIVATION
    stage.end()


def test_what_is_delayed_can_be_restarted_and_is_not_told_any_more() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    first = stage.block(pipe=pipe)
    stage.set_vp(lock=1)
    stage.write(pipe)
    assert stage.restart(first) == 1
    stage.unlock()
    stage.deliver()
    assert stage.place == "returned"
    stage.end()


@pytest.mark.parametrize("operation", [0, 3, -1, 1 << 31])
def test_other_operations_are_refused(operation: int) -> None:
    stage = Stage.of()
    assert stage.call(ActCall.SYS_SA_CONTROL, operation, stage.current) == ActError.ERR_ARGUMENT
    stage.end()


def test_a_process_without_activations_and_a_kernel_thread_have_nothing_to_control() -> None:
    calls = ((ActCall.SYS_SA_CONTROL, SaControl.SA_DELIVER),
             (ActCall.SYS_SA_CONTROL, SaControl.SA_RESTART_UNBLOCKED, 1),
             (ActCall.SYS_SA_REVOKE,), (ActCall.SYS_SA_TIMER, 1000))
    stage = Stage.raw()
    for call in (*calls, (ActCall.SYS_SA_REQUEST, 0)):
        assert stage.call(*call) == ActError.ERR_ACTIVATION
    stage.settings()
    assert stage.call(ActCall.SYS_SA_INIT, stage.address("sa_init")) == 0
    stage.call(ActCall.SYS_THREAD_CREATE, stage.address("stands"), stage.stack(20))
    first = stage.current
    stage.call(Syscall.SYS_YIELD)
    assert stage.current != first
    for call in calls:
        assert stage.call(*call) == ActError.ERR_ACTIVATION
    stage.end()


def test_a_kernel_thread_of_the_same_process_blocks_without_a_word() -> None:
    stage = Stage.of()
    thread = stage.call(ActCall.SYS_THREAD_CREATE, stage.address("stands"), stage.stack(20))
    stage.call(Syscall.SYS_YIELD)
    assert stage.current == thread
    stage.read()                                       # the activation goes on
    assert (stage.place, stage.lock, len(stage.threads())) == ("returned", 0, 2)
    stage.end()


def test_a_new_activation_has_an_id_that_nobody_has_had() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    seen = {stage.current}
    for _ in range(50):
        blocked = stage.block(pipe=pipe)
        assert stage.current not in seen
        seen.add(stage.current)
        stage.write(pipe)
        stage.handle()
        assert stage.restart(blocked) == 1
    stage.end()


# SYS_SA_INIT

def test_init_refuses_what_makes_no_sense_and_changes_nothing() -> None:
    stage = Stage.raw()
    frames = stage.frames_used
    at = stage.address("sa_init")

    def init(**fields: int) -> int:
        stage.settings(2, original=fields.pop("original", 0))
        for name, value in fields.items():
            stage.put(at + SA_INIT.offsets[name], value)
        return stage.call(ActCall.SYS_SA_INIT, at)

    for address in (*WILD, stage.address("stacks") + 64 * 2048 + 0x1000):
        if address != TEXT:                            # text can be read
            assert stage.call(ActCall.SYS_SA_INIT, address) == Error.ERR_ADDRESS
        assert init(vps=address) == Error.ERR_ADDRESS
        assert init(original=4, stacks=address) == Error.ERR_ADDRESS
    for count in (0, SaLimit.SA_VP_MAX + 1, -1, 1 << 28, 1 << 31):
        assert init(count=count) == ActError.ERR_ARGUMENT
    for count in (0, SaLimit.SA_STACKS_MAX + 1, -1, 1 << 29):
        assert init(original=4, stack_count=count) == ActError.ERR_ARGUMENT
    assert init(original=4, second=1) == ActError.ERR_ARGUMENT
    assert init(flags=2) == ActError.ERR_ARGUMENT
    assert init(flags=-1) == ActError.ERR_ARGUMENT
    assert init(flags=SaFlag.SA_ORIGINAL) == ActError.ERR_ARGUMENT
    assert stage.frames_used == frames and not stage.process.sa
    assert init() == 0
    assert init() == ActError.ERR_ACTIVATION           # once in a process
    stage.end()


def test_init_without_memory_is_refused() -> None:
    stage = Stage.raw(memory=2 << 20)
    stage.settings()
    while stage.call(ActCall.SYS_MEMORY, 1) != ActError.ERR_MEMORY:
        pass
    assert stage.call(ActCall.SYS_SA_INIT, stage.address("sa_init")) == ActError.ERR_MEMORY
    stage.end()


# Stacks that cannot take an upcall, and the end

@pytest.mark.parametrize("esp", WILD, ids=hex)
@pytest.mark.parametrize("case", ["unblock", "new", "restarted"])
def test_without_a_stack_for_an_upcall_the_process_ends_as_by_its_own_page_fault(case: str, esp: int) -> None:
    stage = Stage.of(beside=("witness",))
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.block(pipe=pipe)
    if case == "unblock":
        stage.call(ActCall.SYS_WRITE_PIPE, pipe, stage.address("buffers"), 1, esp=esp)
    elif case == "new":
        stage.set_vp(stack=esp)
        stage.read()
    else:
        stage.set_vp(lock=1)
        stage.write(pipe)
        stage.unlock()
        blocked = stage.vp().untold[0]
        frame = stage.threads()[blocked].at + 4096 - 8
        stage.machine.ram.write(frame - Memory.KERNEL_BASE, esp.to_bytes(4, "little"))    # as if it had called so
        assert trap_frame(stage.threads()[blocked], stage).esp == esp
        stage.read()
    assert stage.result is not None
    assert "puppet: page fault (#PF), error code 0x" in stage.console
    assert "witness: still here" in stage.console
    stage.end(128 + 14)


def test_a_stack_that_ends_at_a_page_that_is_not_there_can_take_what_fits() -> None:
    for room, place in ((UPCALL.size + 8, "unblock_entry"), (UPCALL.size + 4, "end")):
        stage = Stage.of()
        stage.block()
        stage.set_registers(esp=Memory.USER_STACK_BASE + room)
        assert stage.arrive() == place
        stage.end(0 if place != "end" else 128 + 14)


def test_a_process_ends_with_activations_in_every_state() -> None:
    stage = Stage.of(2)
    pipes = [stage.call(ActCall.SYS_PIPE) for _ in range(4)]
    for slot, pipe in enumerate(pipes):
        stage.block(slot + 6, pipe=pipe)
    stage.write(pipes[0])
    stage.handle()                                     # one is told,
    stage.set_vp(lock=1)
    stage.write(pipes[1])                              # one is not,
    stage.call(ActCall.SYS_SA_REQUEST, 1)              # and two wait
    stage.call(Syscall.SYS_YIELD)
    assert stage.upcall().kind == UpcallKind.UPCALL_START
    assert {stage.state(number) for number in stage.threads()} == {
        ActState.THREAD_UNBLOCKED, ActState.THREAD_WAITING, ThreadState.THREAD_RUNNING, ThreadState.THREAD_READY}
    stage.call(ActCall.SYS_SA_REVOKE)
    stage.end(3)


def test_a_process_that_a_fault_ends_takes_its_activations_with_it() -> None:
    stage = Stage.of()
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.block(0, pipe=pipe)
    stage.block(1)
    stage.write(pipe)
    stage.handle()
    stage.set_registers(eip=0)
    stage.run()
    stage.end(128 + 14)


# Those that have to wait again: another thread has taken what they were woken for

def robbed(stage: Stage) -> tuple[int, int]:
    """An activation that was told to have unblocked, and has nothing to go on with; the pipe that it reads."""
    pipe = stage.call(ActCall.SYS_PIPE)
    blocked = stage.block(pipe=pipe)
    stage.write(pipe)
    assert stage.handle().ids == (blocked,)
    assert stage.read(pipe) == "returned"
    return blocked, pipe


@pytest.mark.parametrize("lock", [0, 1])
def test_one_that_waits_again_when_it_is_restarted_is_told_to_have_blocked_whatever_the_lock(lock: int) -> None:
    stage = Stage.of()
    blocked, pipe = robbed(stage)
    gone = stage.current
    stage.set_vp(lock=lock)
    stage.restart(blocked)
    upcall = stage.upcall()
    assert (upcall.kind, upcall.blocked) == (UpcallKind.UPCALL_NEW, blocked)
    assert gone not in stage.threads() and stage.lock == 1
    stage.handle()
    stage.write(pipe)
    assert stage.handle().ids == (blocked,)            # and told again
    assert stage.restart(blocked) == 1
    stage.end()


def test_one_that_waits_again_when_the_kernel_tries_it_never_ran_for_the_program() -> None:
    stage = Stage.of()
    blocked, pipe = robbed(stage)
    current = stage.current
    assert stage.read() == "block_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.blocked, upcall.ids) == (UpcallKind.UPCALL_NEW, current, ())
    stage.handle()
    assert stage.state(blocked) == ActState.THREAD_WAITING
    stage.write(pipe)
    assert stage.place == "returned"                   # the program thinks that it is unblocked all the time
    assert stage.vp().told == [blocked]
    assert stage.restart(blocked) == 1
    stage.end()


def test_one_that_the_kernel_has_tried_can_be_restarted_though_it_waits() -> None:
    stage = Stage.of()
    blocked, pipe = robbed(stage)
    stage.read()
    stage.handle()
    gone = stage.current
    assert stage.restart(blocked) != ActError.ERR_ACTIVATION
    upcall = stage.upcall()                            # as if it had run for a moment
    assert (upcall.kind, upcall.blocked) == (UpcallKind.UPCALL_NEW, blocked)
    assert gone not in stage.threads()
    stage.handle()
    assert stage.restart(blocked) == ActError.ERR_ACTIVATION      # now the program knows
    stage.write(pipe)
    assert stage.handle().ids == (blocked,)
    stage.end()


def test_without_memory_one_that_has_to_wait_again_fails_and_is_told_for_whom_it_goes_on() -> None:
    stage = Stage.of(memory=2 << 20)
    blocked, _ = robbed(stage)
    while stage.call(ActCall.SYS_MEMORY, 1) != ActError.ERR_MEMORY:
        pass
    current = stage.current
    assert stage.read() == "block_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.current, upcall.blocked) == (UpcallKind.UPCALL_RESTARTED, blocked, current)
    assert stage.registers["eax"] == ActError.ERR_MEMORY & 0xFFFF_FFFF
    stage.end()
