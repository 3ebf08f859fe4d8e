"""What goes beyond the paper: timer upcalls for a program that computes for long, and the second stack for when the
lock is held for long, or by an activation that blocks.
"""

from __future__ import annotations

import pytest

from guest.abi.activations import UPCALL, ActCall, ActError, ActState, UpcallKind
from guest.abi.kernel import Syscall, ThreadState
from tests.guest.activations.stage import IDLE, Stage
from tests.guest.activations.test_upcalls import REGISTERS, WILD

FAST = "parameters = { TICK_HZ = 1000 }"
SECOND = UpcallKind.UPCALL_SECOND
LONG = 1 << 30                     # cycles: a bound that no test reaches


def tick_cycles(stage: Stage) -> int:
    """Cycles from tick to tick."""
    return stage.machine.clock.frequency // 1000


# Timer upcalls

@pytest.mark.parametrize("ticks", [1, 3, 10])
def test_a_timer_upcall_comes_at_the_first_tick_after_the_budget(ticks: int) -> None:
    stage = Stage.of(kernel=FAST)
    stage.tick()
    budget = int((ticks - 0.5) * tick_cycles(stage))
    assert stage.call(ActCall.SYS_SA_TIMER, budget) == 0
    stage.set_registers(**REGISTERS)
    before = stage.registers
    for _ in range(ticks - 1):
        assert stage.tick() == "returned"
    assert stage.tick() == "timer_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.current, upcall.ids) == (UpcallKind.UPCALL_TIMER, stage.current, ())
    assert stage.lock == 1
    stage.unlock()
    stage.go_back(upcall)
    assert stage.registers == before
    for _ in range(ticks - 1):                         # and again
        assert stage.tick() == "returned"
    assert stage.tick() == "timer_entry"
    stage.end()


def test_another_upcall_and_a_restart_begin_the_budget_anew() -> None:
    stage = Stage.of(kernel=FAST)
    pipe = stage.call(ActCall.SYS_PIPE)
    first = stage.block(pipe=pipe)
    stage.tick()
    assert stage.call(ActCall.SYS_SA_TIMER, int(1.5 * tick_cycles(stage))) == 0
    stage.tick()
    stage.write(pipe)
    assert stage.handle().kind == UpcallKind.UPCALL_UNBLOCK
    assert stage.tick() == "returned"
    assert stage.restart(first) == 1
    assert stage.tick() == "returned"
    assert stage.tick() == "timer_entry"
    stage.end()


def test_a_timer_upcall_is_delayed_by_the_lock_and_dropped_when_another_one_comes() -> None:
    stage = Stage.of(kernel=FAST)
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.block(pipe=pipe)
    assert stage.call(ActCall.SYS_SA_TIMER, 1) == 0
    stage.set_vp(lock=1)
    assert stage.tick() == "returned" and stage.pending == 1
    stage.write(pipe)
    stage.unlock()
    stage.deliver()
    assert stage.handle().kind == UpcallKind.UPCALL_UNBLOCK
    assert stage.place == "returned"
    assert stage.tick() == "timer_entry"
    stage.end()


def test_a_budget_of_0_ends_timer_upcalls() -> None:
    stage = Stage.of(kernel=FAST)
    stage.call(ActCall.SYS_SA_TIMER, 1)
    assert stage.tick() == "timer_entry"
    stage.handle()
    assert stage.call(ActCall.SYS_SA_TIMER, 0) == 0
    for _ in range(3):
        assert stage.tick() == "returned"
    stage.end()


def test_only_the_time_in_which_it_runs_is_charged() -> None:
    stage = Stage.of(kernel=FAST)
    stage.call(ActCall.SYS_THREAD_CREATE, stage.address("stands"), stage.stack(20))
    first = stage.current
    stage.tick()
    while stage.current != first:
        stage.tick()
    stage.call(ActCall.SYS_SA_TIMER, int(2.5 * tick_cycles(stage)))
    ran = 0
    while stage.place != "timer_entry":
        ran += stage.current == first
        stage.tick()
    assert ran == 3                                    # the other thread has had as many in between
    stage.end()


def test_a_timer_upcall_needs_an_entry() -> None:
    stage = Stage.of(timer=False)
    assert stage.call(ActCall.SYS_SA_TIMER, 1000) == ActError.ERR_ARGUMENT
    assert stage.call(ActCall.SYS_SA_TIMER, 0) == 0
    stage.end()


# The second stack: a lock that is held for too long

def test_an_event_that_waits_for_the_lock_too_long_is_told_on_the_second_stack() -> None:
    stage = Stage.of(kernel=FAST)
    bound = 5 * tick_cycles(stage) // 2
    stage = Stage.of(second=True, kernel=FAST, bound=bound)
    pipe = stage.call(ActCall.SYS_PIPE)
    blocked = stage.block(pipe=pipe)
    stage.set_vp(lock=1)
    stage.set_registers(esp=stage.stack(9))
    stage.tick()
    stage.write(pipe)
    stage.set_registers(**REGISTERS)
    before = stage.registers
    assert [stage.tick() for _ in range(3)] == ["returned", "returned", "second_entry"]
    upcall = stage.upcall()
    assert (upcall.kind, upcall.ids) == (UpcallKind.UPCALL_UNBLOCK | SECOND, (blocked,))
    assert stage.registers == before | {"esp": stage.stack(2) - UPCALL.size - 4}
    assert upcall.esp == stage.stack(9) - 4 and upcall.eip == stage.address("returned")
    assert (stage.lock, stage.pending, stage.vp_word(0, "second")) == (1, 1, 0)
    stage.go_back(upcall)
    assert stage.registers == before
    assert [stage.tick() for _ in range(4)] == ["returned"] * 4   # the second stack is in use
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (blocked,)            # now it is told for good
    stage.end()


def test_while_the_lock_stays_held_it_is_told_again_after_another_bound() -> None:
    stage = Stage.of(second=True, kernel=FAST, bound=3 * tick_cycles(Stage.of(kernel=FAST)) // 2)
    pipe = stage.call(ActCall.SYS_PIPE)
    stage.block(pipe=pipe)
    stage.set_vp(lock=1)
    stage.set_registers(esp=stage.stack(9))
    stage.tick()
    stage.write(pipe)
    for _ in range(3):
        while stage.tick() == "returned":
            pass
        upcall = stage.upcall()
        stage.go_back(upcall)
        stage.set_vp(second=stage.stack(2))
        assert stage.tick() == "returned"
    stage.end()


def test_a_bound_of_0_tells_at_once() -> None:
    stage = Stage.of(second=True, bound=0)
    stage.block()
    stage.set_vp(lock=1)
    assert stage.arrive() == "second_entry"
    stage.end()


def test_a_timer_upcall_goes_to_the_second_stack_too() -> None:
    stage = Stage.of(second=True, bound=0, kernel=FAST)
    stage.call(ActCall.SYS_SA_TIMER, 1)
    stage.set_vp(lock=1)
    assert stage.tick() == "second_entry"
    assert stage.upcall().kind == UpcallKind.UPCALL_TIMER | SECOND
    stage.end()


def test_with_the_lock_free_the_second_stack_is_not_used() -> None:
    stage = Stage.of(second=True, bound=0)
    stage.block()
    assert stage.arrive() == "unblock_entry"
    stage.end()


@pytest.mark.parametrize("esp", WILD, ids=hex)
@pytest.mark.parametrize("case", ["own stack", "second stack", "second stack of a new one"])
def test_without_a_place_for_it_the_process_ends_as_by_its_own_page_fault(case: str, esp: int) -> None:
    stage = Stage.of(second=True, bound=0, beside=("witness",))
    if case != "own stack" and not esp:
        pytest.skip("0 is no second stack")
    if case == "second stack of a new one":
        stage.set_vp(lock=1, second=esp)
        stage.read()
    else:
        pipe = stage.call(ActCall.SYS_PIPE)
        stage.block(pipe=pipe)
        stage.set_vp(lock=1, **({} if case == "own stack" else {"second": esp}))
        stage.call(ActCall.SYS_WRITE_PIPE, pipe, stage.address("buffers"), 1,
                   esp=esp if case == "own stack" else stage.stack(9))
    assert "puppet: page fault (#PF)" in stage.console
    stage.end(128 + 14)


# The second stack: an activation that blocks with the lock held

def blocked_with_the_lock() -> tuple[Stage, int, int]:
    """A stage, the activation that waits for the UART with the lock held, and the one on the second stack."""
    stage = Stage.of(second=True, bound=LONG)
    holder = stage.current
    stage.set_vp(lock=1)
    stage.set_registers(esp=stage.stack(9))
    assert stage.read() == "second_entry"
    upcall = stage.upcall()
    assert (upcall.kind, upcall.blocked, upcall.ids) == (UpcallKind.UPCALL_NEW | SECOND, holder, ())
    assert (upcall.esp, upcall.current) == (0, stage.current) and upcall.current != holder
    assert stage.registers == {**dict.fromkeys(REGISTERS, 0), "esp": stage.stack(2) - UPCALL.size, "eflags": 0x202}
    assert (stage.lock, stage.vp_word(0, "second")) == (1, 0)
    vp = stage.vp()
    assert (vp.holder, vp.current) == (holder, stage.current)
    return stage, holder, stage.current


def test_when_one_blocks_with_the_lock_held_a_new_one_runs_on_the_second_stack_until_it_wakes() -> None:
    stage, holder, second = blocked_with_the_lock()
    assert stage.arrive() == "returned"
    assert (stage.current, stage.registers["eax"], stage.registers["esp"]) == (holder, 1, stage.stack(9))
    assert (stage.lock, stage.vp().holder, stage.vp().current) == (1, 0, holder)
    assert stage.state(second) == ActState.THREAD_UNBLOCKED
    stage.unlock()
    stage.deliver()
    upcall = stage.handle()                            # both are told: one runs, the other can be restarted
    assert (upcall.kind, upcall.current, upcall.ids) == (UpcallKind.UPCALL_UNBLOCK, holder, (holder, second))
    stage.go("stands", edi=99)
    stage.restart(second)
    assert stage.current == second and stage.place == "second_entry"
    stage.end()


def test_the_one_on_the_second_stack_may_give_the_processor_back() -> None:
    stage, holder, second = blocked_with_the_lock()
    assert stage.go("call_int", eax=ActCall.SYS_SA_REVOKE) == IDLE
    assert stage.arrive() == "returned" and stage.current == holder
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (holder, second)
    assert stage.restart(second) == 0 and stage.place == "returned"
    stage.end()


def test_the_one_on_the_second_stack_may_end() -> None:
    stage, holder, second = blocked_with_the_lock()
    assert stage.go("call_int", eax=ActCall.SYS_THREAD_EXIT) == IDLE
    assert stage.arrive() == "returned" and stage.current == holder
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (holder,)
    assert second not in stage.threads()
    stage.end()


def test_the_one_on_the_second_stack_may_block_and_then_nobody_runs() -> None:
    stage, holder, second = blocked_with_the_lock()
    assert stage.call(Syscall.SYS_SLEEP, 2) is not None and stage.place == IDLE
    assert stage.arrive() == "returned" and stage.current == holder
    assert stage.state(second) == ActState.THREAD_WAITING
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (holder,)
    stage.machine.run(max_cycles=stage.machine.clock.frequency // 5, until=stage.address("unblock_entry"))
    assert stage.handle().ids == (second,)
    stage.end()


def test_while_the_holder_waits_nobody_is_restarted() -> None:
    stage = Stage.of(second=True, bound=LONG)
    pipe = stage.call(ActCall.SYS_PIPE)
    first = stage.block(pipe=pipe)
    stage.write(pipe)
    stage.handle()
    stage.set_vp(lock=1)
    holder = stage.current
    stage.read()
    assert stage.place == "second_entry"
    assert stage.restart(first) == ActError.ERR_ACTIVATION
    assert stage.arrive() == "returned" and stage.current == holder
    stage.unlock()
    assert stage.restart(first) == 1
    stage.end()


def test_with_the_second_stack_in_use_or_no_memory_the_virtual_processor_waits() -> None:
    stage = Stage.of(second=True, bound=LONG)
    stage.set_vp(lock=1, second=0)
    assert stage.read() == IDLE
    assert stage.arrive() == "returned"
    stage.set_vp(second=stage.stack(2))
    stage.end()
    stage = Stage.of(second=True, bound=LONG, memory=2 << 20)
    while stage.call(ActCall.SYS_MEMORY, 1) != ActError.ERR_MEMORY:
        pass
    stage.set_vp(lock=1)
    assert stage.read() == IDLE
    assert stage.vp_word(0, "second") == stage.stack(2)
    assert stage.arrive() == "returned"
    stage.end()


def test_a_wake_by_the_one_on_the_second_stack_itself_takes_the_processor_from_it_on_its_way_back() -> None:
    stage = Stage.of(second=True, bound=LONG)
    pipe = stage.call(ActCall.SYS_PIPE)
    holder = stage.current
    stage.set_vp(lock=1)
    stage.read(pipe)
    second = stage.current
    assert stage.write(pipe) == 1 and stage.place == "returned"
    assert stage.current == holder and stage.state(second) == ActState.THREAD_UNBLOCKED
    stage.unlock()
    assert stage.restart(second) == 1                  # what its write has returned
    stage.end()


@pytest.mark.parametrize("free_first", [False, True])
def test_a_process_ends_with_a_holder(free_first: bool) -> None:
    stage, _, _ = blocked_with_the_lock()
    if free_first:
        stage.unlock()                                 # it is not its own, but it does
        stage.set_vp(stack=stage.stack(11))
        assert stage.call(Syscall.SYS_SLEEP, 1) == 0 and stage.place == "block_entry"
        assert stage.arrive() == "returned"
    stage.end()


def test_the_bound_counts_from_when_an_upcall_is_delayed_not_from_an_earlier_one() -> None:
    stage = Stage.of(second=True, kernel=FAST, bound=3 * tick_cycles(Stage.of(kernel=FAST)) // 2)
    pipes = [stage.call(ActCall.SYS_PIPE) for _ in range(2)]
    ids = [stage.block(slot + 4, pipe=pipe) for slot, pipe in enumerate(pipes)]
    for pipe, blocked in zip(pipes, ids, strict=True):
        stage.set_vp(lock=1)
        stage.write(pipe)
        assert stage.place == "returned"
        stage.unlock()
        stage.deliver()
        assert stage.handle().ids == (blocked,)
        for _ in range(3):
            stage.tick()
    stage.end()


def test_one_from_the_second_stack_can_be_restarted_on_another_virtual_processor() -> None:
    stage = Stage.of(2, second=True, bound=LONG)
    holder = stage.current
    stage.set_vp(lock=1)
    stage.set_registers(esp=stage.stack(9))
    stage.read()
    second = stage.current
    stage.call(ActCall.SYS_SA_REQUEST, 1)
    assert stage.arrive() == "block_entry"
    assert stage.handle(1).kind == UpcallKind.UPCALL_START
    stage.restart(second)
    assert (stage.current, stage.place) == (second, "returned")
    assert (stage.vp(0).current, stage.vp(1).current) == (holder, second)
    stage.end()


def test_the_holder_may_end_before_the_one_from_the_second_stack_is_back_in_the_program() -> None:
    stage = Stage.of(second=True, bound=LONG, kernel=FAST)
    stage.set_vp(lock=1)
    stage.set_registers(esp=stage.stack(9))
    holder = stage.current
    stage.read()
    second = stage.current
    stage.machine.uart.receive(b"x")                   # comes while the other one writes to the console
    assert stage.call(Syscall.SYS_WRITE, stage.address("buffers"), 250) == 1 and stage.current == holder
    assert stage.state(second) == ThreadState.THREAD_READY
    stage.go("call_int", eax=ActCall.SYS_THREAD_EXIT)
    assert (stage.current, stage.place, stage.registers["eax"]) == (second, "returned", 250)
    assert stage.vp().current == second and stage.pending == 1
    stage.unlock()
    stage.deliver()
    assert stage.handle().ids == (second,)
    stage.end()
