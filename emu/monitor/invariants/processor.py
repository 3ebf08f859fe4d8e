"""What holds of who runs: the processor's registers and the kernel's idea of it agree, and so does the policy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emu.monitor.invariants.state import IDLE, NOBODY, State
from guest.abi.micro import Kind, MicroState

RUNNING, USERS = int(MicroState.IS_RUNNING), int(Kind.KIND_USER)


def broken(state: State) -> Iterator[str]:
    """What does not hold."""
    current = state.current
    if current != IDLE and (current < 0 or not state.are_programs[current]):
        yield f"ESP0 belongs to KTCB {state.current_at:#x}, which is no program's"
        return
    yield from registers(state)
    yield from idle_thread(state)
    yield from (running_uls if state.uls else running_l4)(state)


def registers(state: State) -> Iterator[str]:
    """The address space and the UTCB are those of the thread that ESP0 belongs to."""
    block = state.idle if state.current == IDLE else state.threads[state.current]
    name = state.name(state.current)
    cr3 = state.machine.cpu.registers.cr3
    if cr3 != block["space"]:
        yield f"{name}: runs with CR3 {cr3:#x}, its space is {block['space']:#x}"
    if state.kip.utcb != block["utcb_user"]:
        yield f"{name}: runs with KIP_UTCB {state.kip.utcb:#x}, its UTCB is at {block['utcb_user']:#x}"
    if state.current == IDLE:
        return
    if block["state"] != RUNNING or block["kind"] != USERS:
        yield from state.each(np.arange(len(state.at)) == state.current, "runs, but is {state} with {kind}")
    if block["halted"]:
        yield f"{name}: runs, but was stopped"
    if block["resume"] != state.symbols["resume_user"]:
        yield f"{name}: runs, but would go on at {block['resume']:#x}"


def idle_thread(state: State) -> Iterator[str]:
    """The idle thread can always run, waits for nothing, and nobody waits for it in a ring."""
    idle = state.idle
    if idle["state"] != RUNNING or idle["kind"] != USERS:
        yield f"the idle thread is in state {idle['state']} with kind {idle['kind']}"
    if idle["wait"] or idle["kwait"] or idle["senders"] or idle["partner"]:
        yield "the idle thread waits for somebody, or somebody for it"


def running_uls(state: State) -> Iterator[str]:
    """`uls`: one thread can run, the current one; none while the processor is idle."""
    can_run = state.threads["state"] == RUNNING
    yield from state.each(can_run & (np.arange(len(can_run)) != state.current), "can run besides the current thread")


def running_l4(state: State) -> Iterator[str]:
    """`l4`: who can run is current or ready, and the idle thread runs only if nobody is."""
    threads = state.threads
    can_run, ready = threads["state"] == RUNNING, threads["l4s_ready"] != 0
    is_current = np.arange(len(ready)) == state.current
    yield from state.each(ready & ~can_run, "is ready, but {state}")
    yield from state.each(ready & is_current, "is current, and ready besides")
    yield from state.each(can_run & ~ready & ~is_current, "can run, but is neither current nor ready")
    if state.current == IDLE and ready.any():
        yield from state.each(ready, "is ready, but the processor is idle")
    if state.row(state.variable("sched_owner")) == NOBODY:
        yield f"sched_owner is {state.variable('sched_owner'):#x}, which is no thread"
