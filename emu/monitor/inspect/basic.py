"""The threads of the first kernel, `basic`.

A thread control block (TCB) lies at the bottom of an area of TCB_AREA bytes, so there is one in a page frame or there
is none: all frames are looked at. A frame that the kernel took back is told by its first word, which is a link then and
no stack pointer into the same area.
"""

from __future__ import annotations

import numpy as np

from emu.machine import Machine
from emu.memory import PAGE
from emu.monitor.inspect.code import text
from emu.monitor.inspect.kinds import Thread
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.tables import thread_key
from guest.abi.boot import MODULE
from guest.abi.kernel import SWITCH, TCB, ThreadState
from guest.abi.memory import Area, Memory

NEEDED = ("idle_thread", "tss", "switch_load", "trap_exit")     # symbols by which the kernel is known
STACK = None
EIP_AT = SWITCH.offsets["eip"]                                  # in what `stack` points to
SAVED = ("gs", "fs", "ebp", "edi", "esi", "ebx")                # registers of a SWITCH frame


def listed(machine: Machine) -> list[Thread]:
    """All threads."""
    space = AddressSpace(machine)
    blocks = {*_blocks(machine), thread_key(machine) - Area.TCB_AREA, machine.address("idle_thread")}
    found = [_thread(machine, space, at) for at in blocks]
    return [each for each in found if each]


def of_key(machine: Machine, key: int) -> Thread | None:
    """The thread whose area ends at `key`."""
    return _thread(machine, AddressSpace(machine), key - Area.TCB_AREA)


def on_stack(machine: Machine, running: Thread) -> Thread:
    """The thread in whose area ESP points."""
    at = machine.cpu.registers.esp - 1 & ~(Area.TCB_AREA - 1)
    others = (each for each in listed(machine) if each.tcb == at) if at != running.tcb else ()
    return next(iter(others), running)


def sysenter_return(machine: Machine) -> tuple[int, int]:
    """(address, stack pointer): as the program passes them to the kernel."""
    return machine.cpu.registers.edx, machine.cpu.registers.ecx


def saved_registers(machine: Machine, thread: Thread) -> dict[str, int]:
    """The registers of a SWITCH frame: those kept, eip and esp behind the switch."""
    data = AddressSpace(machine).read(thread.stack, SWITCH.size)
    if len(data) < SWITCH.size:
        return {}
    frame = SWITCH.decode(data)
    return {name: int(getattr(frame, name)) for name in (*SAVED, "eip")} | {"esp": thread.stack + SWITCH.size}


def _blocks(machine: Machine) -> list[int]:
    """Linear addresses of what may be control blocks: frames whose fields make sense together."""
    size = machine.ram.size
    words = machine.ram.bytes[:size // PAGE * PAGE].view(np.uint32).reshape(-1, PAGE // 4)[:, :TCB.size // 4]
    column = {name: words[:, offset // 4] for name, offset in TCB.offsets.items()}
    starts = np.arange(len(words), dtype=np.int64) * PAGE + Memory.KERNEL_BASE
    inside = column["stack"].astype(np.int64) - starts
    states = [int(state) for state in ThreadState]
    likely = ((inside >= TCB.size) & (inside <= Area.TCB_AREA - SWITCH.size) & (inside % 4 == 0)
              & np.isin(column["state"], states) & (column["space"] % PAGE == 0) & (column["space"] != 0)
              & (column["space"] < size) & (column["number"] < size // PAGE))
    found: list[int] = starts[likely].tolist()
    return found


def _thread(machine: Machine, space: AddressSpace, at: int) -> Thread | None:
    data = space.read(at, TCB.size)
    if len(data) < TCB.size:
        return None
    tcb = TCB.decode(data)
    key = at + Area.TCB_AREA
    running = key == thread_key(machine)
    registers = machine.cpu.registers
    stack = registers.esp if running and machine.cpu.cpl == 0 else int(tcb.stack)
    state = tcb.state.name.removeprefix("THREAD_").lower() if isinstance(tcb.state, ThreadState) else "starting"
    if at == machine.address("idle_thread"):                # which is in no queue, and its state is not kept
        state = "running" if running else "idle"
    directory = int(tcb.space) or registers.cr3
    wake = int(tcb.wake) if state == "sleeping" else 0
    return Thread(key, int(tcb.number), _program(space, int(tcb.number), int(tcb.module)), state, "", running, at,
                  directory, stack, wake)


def _program(space: AddressSpace, number: int, module: int) -> str:
    """The name of a thread's program: its module's string up to the first blank."""
    if not module:
        return "idle" if not number else "kernel"
    entry = space.word(module + MODULE.offsets["string"])
    name = text(space, entry + Memory.KERNEL_BASE) if entry is not None else ""
    return name.split(" ", 1)[0] or "?"
