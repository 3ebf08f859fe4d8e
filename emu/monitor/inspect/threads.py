"""The guest's threads and address spaces, read by the layouts of `guest.abi`.

A kernel is known if its image has the symbols of one of ours: `basic`, `activations` and `micro` have a file each that
says where its threads are.
"""

from __future__ import annotations

from emu.machine import Machine
from emu.monitor.inspect import activations, basic, micro
from emu.monitor.inspect.kinds import Kind, Space, Thread
from emu.monitor.inspect.tables import thread_key

__all__ = ["Space", "Thread", "UnknownKernel", "current", "find", "is_known", "kind", "on_stack", "saved_registers",
           "spaces", "sysenter_return", "thread_name", "threads"]

KINDS: tuple[Kind, ...] = (activations, basic, micro)      # the first that fits: one grew out of the other


class UnknownKernel(Exception):
    """The kernel is not one whose threads are known: one line."""


def kind(machine: Machine) -> Kind | None:
    """What kind of kernel the image has, None if its threads cannot be listed."""
    symbols = machine.image.symbols if machine.image else ()
    return next((each for each in KINDS if all(name in symbols for name in each.NEEDED)), None)


def is_known(machine: Machine) -> bool:
    """True if the image is a kernel whose threads can be listed."""
    return kind(machine) is not None


def threads(machine: Machine) -> list[Thread]:
    """All threads by number; none before the kernel has set up the TSS. Raises UnknownKernel."""
    known = kind(machine)
    if known is None:
        name = machine.image.name if machine.image else "no image"
        symbols = ", or ".join(", ".join(each.NEEDED) for each in KINDS)
        raise UnknownKernel(f"{name}: threads are known only of kernels built on guest/abi "
                            f"(with the symbols {symbols})")
    found = known.listed(machine) if thread_key(machine) else []
    return sorted(found, key=lambda each: (each.number, each.tcb))


def current(machine: Machine) -> Thread | None:
    """The running thread; None if the kernel is not known or has none yet."""
    known, key = kind(machine), thread_key(machine)
    return known.of_key(machine, key) if known and key else None


def on_stack(machine: Machine) -> Thread | None:
    """The thread whose kernel stack is in use: the current one, but for a few instructions of a switch."""
    known, running = kind(machine), current(machine)
    return running if known is None or running is None or machine.cpu.cpl else known.on_stack(machine, running)


def thread_name(machine: Machine, key: int) -> str:
    """A thread by its key, as people read it: "ping (1)", "idle (0)"; the key in hexadecimal if that is not known."""
    known = kind(machine)
    thread = known.of_key(machine, key) if known and key else None
    return _title(thread) if thread else f"{key:#x}"


def find(machine: Machine, wanted: str) -> Thread:
    """The thread with that number, name or key (hexadecimal). Raises UnknownKernel, and KeyError with what there is."""
    found = threads(machine)
    for each in found:
        if wanted in (str(each.number), each.name, f"{each.key:#x}", _title(each)):
            return each
    raise KeyError(f"no thread {wanted!r}: there are {', '.join(f'{each.number} {each.name}' for each in found)}")


def spaces(machine: Machine) -> list[Space]:
    """The address spaces of all threads, and the one that is loaded. Raises UnknownKernel."""
    loaded = machine.cpu.registers.cr3
    owners: dict[int, list[str]] = {}
    for each in threads(machine):
        if each.directory:                                  # threads that are in the kernel alone need none
            owners.setdefault(each.directory, []).append(_title(each))
    owners.setdefault(loaded, [])
    return [Space(directory, names, directory == loaded) for directory, names in sorted(owners.items())]


def saved_registers(machine: Machine, thread: Thread) -> dict[str, int]:
    """The registers that a thread has kept that does not run, by Intel's names; none if they are not to be found.

    Where the kernel keeps a stack for each thread, these are those of the kernel where the thread goes on in it; else,
    with `cs` and `ss` among them, those of the program.
    """
    known = kind(machine)
    return known.saved_registers(machine, thread) if known else {}


def sysenter_return(machine: Machine) -> tuple[int, int]:
    """(address, stack pointer) with which a program goes on that executes SYSENTER now; of a kernel that is not known,
    those in EDX and ECX, which SYSEXIT takes.
    """
    return (kind(machine) or basic).sysenter_return(machine)


def _title(thread: Thread) -> str:
    return f"{thread.name} ({thread.number})"
