"""Programs with the thread library, built and booted; and what of a program's memory a test looks at."""

from __future__ import annotations

from pathlib import Path

from emu.machine import Machine
from emu.result import Reason, Result
from guest.abi.kernel import ExitCode
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST
from loader.symbols import SymbolTable

PROGRAMS = Path(__file__).with_name("threads")       # test programs
EXAMPLES = GUEST / "user" / "threads"                # and those that are for everybody
LIBRARY = GUEST / "lib" / "threads"
POLICIES = ("round_robin", "lifo", "fixed_priority", "earliest_deadline")
ENOUGH = 400_000_000                                 # cycles


def threads_image(directory: Path, program: str, *, face: str = "pm2", policy: str = "round_robin", arguments: str = "",
                  ticks: int = 1000) -> Image:
    """An image of a program with the library: `face` is a part's name, `ticks` how many come in a second."""
    source = next(path for place in (PROGRAMS, EXAMPLES) if (path := place / f"{program}.asm").is_file())
    sources = [str(source)] + ([] if face == "kernel" else [str(LIBRARY / f"policy_{policy}.asm")])
    manifest = directory / "test.toml"
    manifest.write_text("\n".join([
        "[image]", "description = 'a test'", "[kernel]", "variant = 'activations'",
        f"parameters = {{ TICK_HZ = {ticks} }}",
        "[[program]]", f"name = '{program}'", f"sources = {sources}", f"parts = ['{LIBRARY / face}.toml']",
        f"arguments = '{arguments}'"]))
    return build(manifest)


def end(machine: Machine, max_cycles: int = ENOUGH) -> Result:
    """Runs a machine to the guest's own end, which is no panic, and at which no frame of memory is left behind."""
    result = machine.run(max_cycles=max_cycles)
    report = f"{result}\n{console(machine)}"
    assert result.reason == Reason.EXIT and result.exit_code != ExitCode.EXIT_PANIC, report
    assert word(machine, "frames_used") == 0, f"frames are lost\n{report}"
    return result


def console(machine: Machine) -> str:
    """The console, without the kernel's banner."""
    return machine.console.decode("ascii", "replace").partition("\n")[2]


def place(machine: Machine, symbol: str) -> int:
    """The address of a symbol of the first program that has it, or else of the kernel."""
    assert machine.image is not None
    tables = [*machine.image.programs.values(), machine.image.symbols]
    return next(table.address(symbol) for table in tables if _has(table, symbol))


def _has(table: SymbolTable, symbol: str) -> bool:
    try:
        table.address(symbol)
    except KeyError:
        return False
    return True


def word(machine: Machine, symbol: str) -> int:
    """A doubleword, while its address space is the current one."""
    return int.from_bytes(machine.cpu.read_linear(place(machine, symbol), 4), "little")


def write(machine: Machine, symbol: str, data: bytes) -> None:
    """Puts bytes in place of a program's data, while its address space is the current one."""
    linear = place(machine, symbol)
    for at, byte in enumerate(data):
        physical = machine.cpu.translate(linear + at)
        assert physical is not None, f"{symbol} is not mapped"
        machine.ram.write(physical, bytes([byte]))
