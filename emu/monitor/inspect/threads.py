"""The guest's threads and address spaces, read by the layouts of `guest.abi`.

A kernel is known if its image has the symbols of ours. A thread control block (TCB) lies at the bottom of an area of
TCB_AREA bytes, so there is one in a page frame or there is none: all frames are looked at. A frame that the kernel took
back is told by its first word, which is a link then and no stack pointer into the same area.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.machine import Machine
from emu.memory import PAGE
from emu.monitor.inspect.code import text
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.plain import Plain
from emu.monitor.inspect.tables import thread_key
from guest.abi.boot import MODULE
from guest.abi.kernel import SWITCH, TCB, ThreadState
from guest.abi.memory import Area, Memory

NEEDED = ("idle_thread", "tss", "switch_load", "trap_exit")     # symbols by which a kernel is known
SAVED = ("gs", "fs", "ebp", "edi", "esi", "ebx")                # registers of a SWITCH frame


class UnknownKernel(Exception):
    """The kernel is not one whose threads are known: one line."""


@dataclass(frozen=True)
class Thread(Plain):
    """A thread of the guest."""

    key: int                # ESP0 while it runs, which is the end of its area: as `thread` in records
    number: int             # the kernel's; 0 is the idle thread
    name: str               # of its program, or "idle"
    state: str              # "ready", "running", "sleeping"; "idle": the idle thread while another runs
    current: bool           # the processor runs it, in user or kernel mode
    tcb: int                # linear address of its control block
    directory: int          # physical address of its page directory
    stack: int              # kernel stack pointer: the saved one, or of the current thread ESP if it is in the kernel
    wake: int               # the tick that wakes it, while it sleeps


@dataclass(frozen=True)
class Space(Plain):
    """An address space, and who lives in it."""

    directory: int          # physical address of the page directory
    threads: list[str]      # as `thread_name` calls them
    current: bool           # loaded in CR3


def is_known(machine: Machine) -> bool:
    """True if the image is a kernel whose threads can be listed."""
    return machine.image is not None and all(name in machine.image.symbols for name in NEEDED)


def threads(machine: Machine) -> list[Thread]:
    """All threads by number; none before the kernel has set up the TSS. Raises UnknownKernel."""
    if not is_known(machine):
        name = machine.image.name if machine.image else "no image"
        raise UnknownKernel(f"{name}: threads are known only of kernels built on guest/abi "
                            f"(with the symbols {', '.join(NEEDED)})")
    key = thread_key(machine)
    if not key:
        return []
    space = AddressSpace(machine)
    blocks = {*_blocks(machine), key - Area.TCB_AREA, machine.address("idle_thread")}
    found = [_thread(machine, space, at) for at in blocks]
    return sorted((each for each in found if each), key=lambda each: (each.number, each.tcb))


def current(machine: Machine) -> Thread | None:
    """The running thread; None if the kernel is not known or has none yet."""
    key = thread_key(machine) if is_known(machine) else 0
    return _thread(machine, AddressSpace(machine), key - Area.TCB_AREA) if key else None


def on_stack(machine: Machine) -> Thread | None:
    """The thread whose kernel stack is in use: the current one, but for a few instructions of a switch."""
    running = current(machine)
    if running is None or machine.cpu.cpl:
        return running
    at = machine.cpu.registers.esp - 1 & ~(Area.TCB_AREA - 1)
    others = (each for each in threads(machine) if each.tcb == at) if at != running.tcb else ()
    return next(iter(others), running)


def thread_name(machine: Machine, key: int) -> str:
    """A thread by its key, as people read it: "ping (1)", "idle (0)"; the key in hexadecimal if that is not known."""
    known = key and is_known(machine)
    thread = _thread(machine, AddressSpace(machine), key - Area.TCB_AREA) if known else None
    return f"{thread.name} ({thread.number})" if thread else f"{key:#x}"


def find(machine: Machine, wanted: str) -> Thread:
    """The thread with that number, name or key (hexadecimal). Raises UnknownKernel, and KeyError with what there is."""
    found = threads(machine)
    for each in found:
        if wanted in (str(each.number), each.name, f"{each.key:#x}", f"{each.name} ({each.number})"):
            return each
    raise KeyError(f"no thread {wanted!r}: there are {', '.join(f'{each.number} {each.name}' for each in found)}")


def spaces(machine: Machine) -> list[Space]:
    """The address spaces of all threads, and the one that is loaded. Raises UnknownKernel."""
    loaded = machine.cpu.registers.cr3
    owners: dict[int, list[str]] = {}
    for each in threads(machine):
        owners.setdefault(each.directory, []).append(f"{each.name} ({each.number})")
    owners.setdefault(loaded, [])
    return [Space(directory, names, directory == loaded) for directory, names in sorted(owners.items())]


def saved_registers(machine: Machine, thread: Thread) -> dict[str, int]:
    """The registers of a thread that does not run, from its SWITCH frame: those kept, eip and esp behind the switch."""
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
    return Thread(key, int(tcb.number), _program(space, int(tcb.number), int(tcb.module)), state, running, at,
                  directory, stack, int(tcb.wake))


def _program(space: AddressSpace, number: int, module: int) -> str:
    """The name of a thread's program: its module's string up to the first blank."""
    if not module:
        return "idle" if not number else "kernel"
    entry = space.word(module + MODULE.offsets["string"])
    name = text(space, entry + Memory.KERNEL_BASE) if entry is not None else ""
    return name.split(" ", 1)[0] or "?"


