"""The threads of `activations`: as those of the first kernel, with more states. All stand in the table of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emu.machine import Machine
from emu.monitor.inspect import basic
from emu.monitor.inspect.kinds import Thread
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.tables import thread_key
from guest.abi.activations import ACT, NUMBER, VP, ActState, ThreadStore
from guest.abi.kernel import TCB
from guest.abi.memory import Area, Memory

NEEDED = (*basic.NEEDED, "number_frames", "number_next")        # symbols by which the kernel is known
STACK = None
EIP_AT = basic.EIP_AT

sysenter_return = basic.sysenter_return
saved_registers = basic.saved_registers


def listed(machine: Machine) -> list[Thread]:
    """All threads; with those that have ended and were not joined."""
    blocks = {*_blocks(machine), thread_key(machine) - Area.TCB_AREA, machine.address("idle_thread")}
    found = [of_key(machine, at + Area.TCB_AREA) for at in blocks]
    return [each for each in found if each]


def of_key(machine: Machine, key: int) -> Thread | None:
    """The thread whose area ends at `key`."""
    thread = basic.of_key(machine, key)
    if thread is None or thread.tcb == machine.address("idle_thread"):
        return thread
    space = AddressSpace(machine)
    state = space.word(thread.tcb + TCB.offsets["state"])
    named = {int(each): each.name.removeprefix("THREAD_").lower() for each in ActState}
    processor = space.word(thread.tcb + ACT.offsets["vp"])
    number = space.word(processor + VP.offsets["number"]) if processor else None
    rank = f"virtual processor {number}" if number is not None else ""
    return replace(thread, state=named.get(state or 0, thread.state), rank=rank)


def on_stack(machine: Machine, running: Thread) -> Thread:
    """The thread in whose area ESP points."""
    at = machine.cpu.registers.esp - 1 & ~(Area.TCB_AREA - 1)
    others = (each for each in listed(machine) if each.tcb == at) if at != running.tcb else ()
    return next(iter(others), running)


def _blocks(machine: Machine) -> list[int]:
    """Linear addresses of the control blocks of all threads that have a number."""
    ram = machine.ram.bytes[:machine.ram.size & ~3].view(np.uint32)

    def words(at: int, count: int) -> NDArray[np.uint32]:
        start = at - Memory.KERNEL_BASE >> 2
        return ram[start:start + count]

    used = int(words(machine.address("number_next"), 1)[0])
    count = -(-used // ThreadStore.NUMBER_ENTRIES)
    per_entry, at = NUMBER.size // 4, NUMBER.offsets["thread"] // 4
    found: list[int] = []
    for frame in words(machine.address("number_frames"), count):
        threads = words(int(frame), ThreadStore.NUMBER_ENTRIES * per_entry)[at::per_entry]
        found += threads[threads != 0].tolist()
    return found
