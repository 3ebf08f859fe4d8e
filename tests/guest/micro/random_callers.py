"""The image of the random callers (random/random.inc says what is in it), and what the host sees of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emu.crossings import Kind
from emu.machine import Machine
from emu.monitor.inspect import threads
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.monitor import Monitor, Records
from emu.result import Reason
from guest.abi.memory import Memory
from guest.abi.micro import MicroMemory, ThreadId
from loader.build import build
from loader.image import Image

SOURCES = Path(__file__).with_name("random")
ROOT = int(ThreadId.FIRST_THREAD)           # the watchdog
WITNESSES = (ROOT + 1, ROOT + 2)
CALLS = (Kind.SOFTWARE, Kind.SYSENTER)
LINES = (3, 5, 9, 7, 10, 11, 15)            # interrupts that come from nowhere
APART = 70_000                              # cycles from one to the next
STRETCH = 50_000_000                        # cycles between two looks at the witnesses
BORN = 5_000_000                            # cycles in which all threads have been made
LITTLE = 0x540000                           # bytes of RAM with which the kernel's pool is too small for all threads


def image(folder: Path, variant: str, seed: int, **parameters: int) -> Image:
    """The image; `parameters` are the kernel's."""
    kernel = {"TICK_HZ": 2000, "MAX_THREADS": 64} | parameters
    manifest = folder / f"random-{variant}.toml"
    sources = [str(SOURCES / f"{name}.asm") for name in ("watchdog", "caller", "random", "witness")]
    manifest.write_text("\n".join([
        "[image]", "description = 'random callers'", "[kernel]", f"variant = '{variant}'",
        f"parameters = {{ {', '.join(f'{name} = {value}' for name, value in kernel.items())} }}",
        "[[program]]", "name = 'random'", f"base = {MicroMemory.ROOT_BASE:d}", f"sources = {sources}",
        f"parameters = {{ SEED = {seed} }}"]))
    return build(manifest)


def boot(folder: Path, variant: str, seed: int, *, memory: int = 16 << 20, cpu: str | None = None,
         **parameters: int) -> Machine:
    """A machine with it, and interrupts on lines where no device is, so that handlers have something to handle."""
    machine = Machine.boot(image(folder, variant, seed, **parameters), memory=memory, cpu=cpu)

    def interrupt() -> None:
        machine.pic.irq[LINES[machine.irqs[0] % len(LINES)]].pulse()
        noise.schedule(machine.clock.now + APART)

    noise = machine.clock.event("noise", interrupt)
    noise.schedule(APART)
    return machine


def word(machine: Machine, symbol: str) -> int:
    """A doubleword of the watchdog's memory."""
    assert machine.image
    space = AddressSpace(machine, machine.address("root_directory") - Memory.KERNEL_BASE)
    found = space.word(machine.image.programs["random"].address(symbol))
    assert found is not None, f"{symbol} is not mapped in the root task's space"
    return found


class _Counter:
    """A sink that counts the system calls of all threads but those that never end: the watchdog and the witnesses."""

    def __init__(self, others: set[int]) -> None:
        self._others = list(others)     # ESP0 of each
        self.calls = 0

    def crossings(self, records: Records) -> None:
        """Count."""
        is_call = np.isin(records["kind"], [int(kind) for kind in CALLS])
        self.calls += int((is_call & ~np.isin(records["thread"], self._others)).sum())

    def blocks(self, records: Records) -> None:
        """There are none."""


def run_calls(machine: Machine, wanted: int) -> int:
    """Run until the callers have made that many system calls, or somewhat more: how many they were.

    Fails if the machine ends, the watchdog or the witnesses stop, or the witnesses have found something wrong.
    """
    lasting = {each.key for each in threads.threads(machine) if each.number in (ROOT, *WITNESSES)}
    sink = _Counter(lasting)
    with Monitor(machine, sink=sink):
        while sink.calls < wanted:
            before = word(machine, "rounds"), word(machine, "witness_rounds")
            result = machine.run(max_cycles=STRETCH)
            assert result.reason == Reason.CYCLES, f"{result.reason} at {result.where}\n{console(machine)}"
            assert not word(machine, "witness_wrong"), \
                f"witness: number {word(machine, 'witness_wrong')}, UTCB_ERROR {word(machine, 'witness_error')}"
            after = word(machine, "rounds"), word(machine, "witness_rounds")
            assert after[0] > before[0], f"the watchdog has stopped:\n{states(machine)}"
            assert after[1] > before[1], f"the witnesses have stopped:\n{states(machine)}"
    return sink.calls


def console(machine: Machine) -> str:
    """The end of the console, without what callers wrote of their memory."""
    return "\n".join(line.strip("\0") for line in machine.console.decode("latin1").splitlines()[-12:])


def states(machine: Machine) -> str:
    """What the threads do."""
    return "\n".join(f"{each.number} {each.name}: {each.state}" for each in threads.threads(machine))
