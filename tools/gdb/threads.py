"""The guest's threads as gdb numbers them: 1 is the idle thread, which also boots the kernel; others follow.

A kernel whose threads are not known (emu.monitor.inspect.threads) has one thread, the processor, with number 1.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from emu.machine import Machine
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.inspect.threads import Thread, UnknownKernel, current, saved_registers, threads
from tools.gdb.registers import Register

PROCESSOR = 1               # the number of the only thread, if threads are not known
UNKNOWN = b"xx"             # a byte of a register whose value nobody has kept

Threads = dict[int, Thread | None]


def threads_of(machine: Machine) -> Threads:
    """All threads by gdb's number; None stands for the processor itself."""
    try:
        found = threads(machine)
    except UnknownKernel:
        found = []
    return {_id(thread): thread for thread in found} or {PROCESSOR: None}


def running(machine: Machine) -> int:
    """The number of the thread that has the processor."""
    thread = current(machine)
    return _id(thread) if thread else PROCESSOR


def register_bytes(machine: Machine, registers: list[Register], thread: Thread | None) -> list[bytes]:
    """The registers of a thread in hexadecimal; of one that does not run, those that are kept."""
    runs = thread is None or thread.current
    kept: dict[str, int] = {}
    if thread and not thread.current:
        kept = saved_registers(machine, thread)
        kept |= {"cr3": thread.directory, "cpl": kept.get("cs", 0) & 3}

    def value(register: Register) -> bytes:
        if runs or register.shared:
            return register.get(machine).hex().encode()
        if register.name in kept:
            return kept[register.name].to_bytes(4, "little").hex().encode()
        return UNKNOWN * (register.bits // 8)

    return [value(register) for register in registers]


def resumes_at(machine: Machine, thread: Thread) -> tuple[int, int] | None:
    """EIP and ESP with which a thread that does not run goes on; None if its stack does not tell."""
    kept = saved_registers(machine, thread)
    return (kept["eip"], kept["esp"]) if kept else None


def space_of(machine: Machine, thread: Thread | None) -> AddressSpace:
    """Linear memory as that thread sees it."""
    return AddressSpace(machine, thread.directory if thread and not thread.current else None)


def label(thread: Thread | None) -> str:
    """What gdb shows beside a thread's number."""
    return f"{thread.name} ({thread.number}), {thread.state}" if thread else "the processor"


def thread_list(machine: Machine) -> str:
    """All threads, for qXfer:threads:read (Debugging with GDB, appendix E, "Thread List Format")."""
    lines = [f'<thread id="{number:x}" core="0" name={quoteattr(label(thread))}/>'
             for number, thread in threads_of(machine).items()]
    return "\n".join(('<?xml version="1.0"?>', "<threads>", *lines, "</threads>", ""))


def _id(thread: Thread) -> int:
    return thread.number + 1
