"""The threads of the microkernel.

A thread is its control block (KTCB), and all of these stand in `thread_table`. There is one kernel stack for all: what
a program had in its registers lies in its KTCB, whose end is ESP0 while it runs.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.machine import Machine
from emu.monitor.inspect.kinds import UNNAMED, Thread
from emu.monitor.inspect.programs import program_of
from emu.monitor.inspect.tables import thread_key, vector_name
from guest.abi.layout import Layout
from guest.abi.memory import Memory
from guest.abi.micro import (
    KIP,
    KTCB,
    L4S,
    ULS,
    Kind,
    KipFeature,
    MicroMemory,
    MicroSize,
    MicroState,
    ThreadId,
)

NEEDED = ("thread_table", "nil_ktcb", "idle_ktcb", "kip", "tss", "interrupt_handlers")     # by which it is known
FRAME_AT = KTCB.offsets["edi"]                                          # the frame in a KTCB
STACK = "kernel_stack_top"
EIP_AT = KTCB.offsets["eip"] - FRAME_AT
SAVED = ("edi", "esi", "ebp", "ebx", "edx", "ecx", "eax", "eip", "cs", "eflags", "esp", "ss")
MESSAGES = {int(Kind.KIND_PREEMPTION): "preempted", int(Kind.KIND_INTERRUPT): "interrupt",
            int(Kind.KIND_START): "not started", int(Kind.KIND_IDLE): "idle"}
KERNEL_BASE = int(Memory.KERNEL_BASE)

Blocks = NDArray[Any]       # of DTYPE


def _dtype() -> np.dtype[Any]:
    """A KTCB as NumPy sees it: its fields by name, and those of the policies as l4s_priority, uls_level."""
    offsets = {name: KTCB.offsets[name] for name in _words(KTCB)}
    for layout in (L4S, ULS):
        offsets |= {f"{layout.prefix.lower()}_{name}": KTCB.offsets["policy"] + layout.offsets[name]
                    for name in _words(layout)}
    return np.dtype({"names": list(offsets), "formats": ["<u4"] * len(offsets), "offsets": list(offsets.values()),
                     "itemsize": KTCB.size})


def _words(layout: Layout) -> list[str]:
    return [field.name for field in layout.fields if field.width == 4]


DTYPE = _dtype()


def page(machine: Machine) -> SimpleNamespace:
    """The kernel interface page; all 0 before the kernel has written it."""
    return KIP.decode(machine.ram.read(machine.address("kip") - KERNEL_BASE, KIP.size))


def table(machine: Machine) -> NDArray[np.uint32]:
    """`thread_table`: the linear address of each number's KTCB, that of `nil_ktcb` where there is none."""
    at = machine.address("thread_table") - KERNEL_BASE
    words: NDArray[np.uint32] = machine.ram.bytes[at:at + 4 * page(machine).threads].view(np.uint32)
    return words


def addresses(machine: Machine) -> NDArray[np.uint32]:
    """Linear addresses of all KTCBs that are in use, the idle thread's among them, ascending."""
    words = table(machine)
    used = words[(words != machine.address("nil_ktcb")) & (words >= KERNEL_BASE)]       # 0 before the table is made
    return np.union1d(used, np.array([machine.address("idle_ktcb")], np.uint32))


def blocks(machine: Machine, at: NDArray[np.uint32]) -> Blocks:
    """Copies of the KTCBs at these linear addresses. Raises IndexError for one outside RAM."""
    ram = machine.ram.bytes[:machine.ram.size & ~3].view(np.uint32)
    index = (at - np.uint32(KERNEL_BASE) >> 2).astype(np.int64)[:, None] + np.arange(KTCB.size // 4)
    found: Blocks = ram[index].view(DTYPE)[:, 0]
    return found


def identifier(word: int) -> str:
    """A thread identifier as people read it: "33.1" is number 33, version 1."""
    if word in (ThreadId.NIL_THREAD, ThreadId.ANY_THREAD & 0xFFFFFFFF):
        return "any" if word else "nobody"
    return f"{word >> ThreadId.ID_SHIFT}.{word & ThreadId.ID_VERSION}"


def listed(machine: Machine) -> list[Thread]:
    """All threads but those of interrupt lines to which nobody listens."""
    at = machine.address("interrupt_handlers") - KERNEL_BASE
    handlers = machine.ram.bytes[at:at + 4 * ThreadId.IRQ_THREADS].view(np.uint32)
    heard = [line for line in range(ThreadId.IRQ_THREADS) if handlers[line]]
    found = [_thread(machine, at, block) for at, block in _found(machine)]
    return [each for each in found if each.number >= ThreadId.IRQ_THREADS or each.number in heard]


def of_key(machine: Machine, key: int) -> Thread | None:
    """The thread whose frame ends at `key`."""
    wanted = key - MicroSize.KTCB_TOP
    return next((_thread(machine, int(at), block) for at, block in _found(machine) if at == wanted), None)


def on_stack(machine: Machine, running: Thread) -> Thread:
    """The current one: there is one kernel stack, and it is his."""
    return running


def sysenter_return(machine: Machine) -> tuple[int, int]:
    """(address, stack pointer): the one place there is, and what the program passes in EBP."""
    return int(MicroMemory.KIP_RETURN), machine.cpu.registers.ebp


def saved_registers(machine: Machine, thread: Thread) -> dict[str, int]:
    """The program's registers; none of a thread that has no program, or has not begun."""
    block = blocks(machine, np.array([thread.tcb], np.uint32))[0]
    return {name: int(block[name]) for name in SAVED} if block["cs"] else {}


def _found(machine: Machine) -> list[tuple[int, Any]]:
    """(linear address, KTCB) of all threads."""
    at = addresses(machine)
    return [(int(place), block) for place, block in zip(at, blocks(machine, at), strict=True) if block["id"]]


def _thread(machine: Machine, at: int, block: Any) -> Thread:
    key = at + MicroSize.KTCB_TOP
    running = key == thread_key(machine)
    number, directory = int(block["id"]) >> ThreadId.ID_SHIFT, int(block["space"])
    in_kernel = running and machine.cpu.cpl == 0
    stack = machine.cpu.registers.esp if in_kernel else at + FRAME_AT
    if page(machine).features & KipFeature.KIP_ULS:
        rank, wake = f"level {block['uls_level']}", 0
    else:
        rank, wake = f"priority {block['l4s_priority']}", int(block["l4s_wake"]) if block["l4s_pending"] else 0
    return Thread(key, number, _name(machine, number, directory), _state(machine, block, running), rank, running, at,
                  directory, stack, wake)


def _name(machine: Machine, number: int, directory: int) -> str:
    """What runs in a thread's space; UNNAMED if nothing is there that one knows."""
    if number < ThreadId.IRQ_THREADS:
        return f"irq{number}"
    if number == ThreadId.IDLE_THREAD:
        return "idle"
    return program_of(machine, directory) or UNNAMED


def _state(machine: Machine, block: Any, running: bool) -> str:
    """What a thread is doing. "to" somebody: he has not yet taken the message; "at" him: his reply is waited for."""
    state, kind = int(block["state"]), int(block["kind"])
    if running:
        return "running"
    if state == MicroState.IS_RUNNING:
        return "idle" if block["id"] >> ThreadId.ID_SHIFT == ThreadId.IDLE_THREAD else "ready"
    if state == MicroState.IS_DEAD:
        return "quiet" if kind == Kind.KIND_INTERRUPT else "not started"
    if state == MicroState.IS_TRANSFER:
        return f"exchanges a message with {_other(machine, block['peer'])}"
    if kind == Kind.KIND_USER:
        return _user_state(machine, block)
    if state == MicroState.IS_HALTED:
        return f"{_message(block)}, halted"
    if state == MicroState.IS_SENDING:
        return f"{_message(block)}, to {_other(machine, block['partner'])}"
    return f"{_message(block)}, at {identifier(int(block['kwait']))}"


def _user_state(machine: Machine, block: Any) -> str:
    """A thread in an IPC of its own, or in none."""
    if block["state"] == MicroState.IS_SENDING:
        return f"sending to {_other(machine, block['partner'])}"
    if block["state"] == MicroState.IS_RECEIVING:
        return f"receiving from {identifier(int(block['wait']) or int(block['kwait']))}"
    return "halted"


def _message(block: Any) -> str:
    """What the kernel tells somebody about a thread."""
    kind = int(block["kind"])
    if kind == Kind.KIND_PAGE_FAULT:
        return f"page fault at {block['fault_address']:#x}"
    if kind == Kind.KIND_EXCEPTION:
        vector = int(block["vector"])
        return vector_name(vector) or f"exception {vector:#x}"
    return MESSAGES.get(kind, f"message {kind}")


def _other(machine: Machine, at: int) -> str:
    """The thread whose KTCB lies at an address; the address, if that is no place for one."""
    if at < KERNEL_BASE or at + KTCB.size > KERNEL_BASE + machine.ram.size:
        return f"{at:#x}"
    return identifier(int(blocks(machine, np.array([at], np.uint32))[0]["id"]))
