"""The processor's registers as gdb numbers and names them, and how they are read and written.

gdb knows the features org.gnu.gdb.i386.core and .sse and demands their registers by name (Debugging with GDB, appendix
G, "i386 Features"). What a kernel is debugged for beyond these is in a feature of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from unicorn import x86_const as uc_x86

from emu.machine import Machine
from emu.monitor.inspect.registers import sysenter

CORE, VECTORS, SYSTEM = "org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse", "org.trapline.i386.system"

ESP, EBP, EIP = 4, 5, 8     # numbers of the registers that gdb gets with every stop
GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
X87 = {"fctrl": "FPCW", "fstat": "FPSW", "ftag": "FPTAG", "fiseg": "FCS", "fioff": "FIP", "foseg": "FDS",
       "fooff": "FDP", "fop": "FOP"}                        # gdb's names and Unicorn's
SSE = 1 << 25               # CPUID leaf 1, EDX
TOP_SHIFT = 11              # of the field TOP in the x87 status word
EXPONENT_SHIFT = 64         # of sign and exponent in an x87 register, above the mantissa

Read = Callable[[Machine], int]
Write = Callable[[Machine, int], None]


@dataclass(frozen=True)
class Register:
    """One register: values are unsigned numbers of `bits` bits."""

    name: str
    bits: int
    type: str                       # gdb's
    feature: str                    # the part of the description that it stands in
    read: Read
    write: Write | None = None      # None: gdb cannot change it
    shared: bool = False            # the processor's, whatever thread is looked at

    def get(self, machine: Machine) -> bytes:
        """Its value as gdb sees bytes: lowest first."""
        return (self.read(machine) & (1 << self.bits) - 1).to_bytes(self.bits // 8, "little")

    def is_changed(self, machine: Machine, data: bytes) -> bool:
        """Whether that would be another value. Raises ValueError if it cannot be set: too many bytes, or read-only."""
        if len(data) != self.bits // 8:
            raise ValueError(f"register {self.name} has {self.bits // 8} bytes, not {len(data)}")
        if data == self.get(machine):
            return False
        if self.write is None:
            raise ValueError(f"register {self.name} cannot be changed from here: let the guest load it")
        return True

    def set(self, machine: Machine, data: bytes) -> None:
        """Change it: what `is_changed` has agreed to."""
        assert self.write
        self.write(machine, int.from_bytes(data, "little"))


def registers_of(machine: Machine) -> list[Register]:
    """All registers of that processor, by gdb's number. One without SSE has none of its registers."""
    sse = machine.profile.cpuid[7] & SSE
    return [*_core(), *(_sse() if sse else ()), *_system()]


def _core() -> Iterator[Register]:
    for name in GENERAL:
        yield _plain(name, "data_ptr" if name in ("esp", "ebp") else "int32", CORE)
    yield _plain("eip", "code_ptr", CORE)
    yield _plain("eflags", "i386_eflags", CORE)
    for name in SEGMENTS:
        yield _plain(name, "int32", CORE, fixed=True)
    for number in range(8):
        yield Register(f"st{number}", 80, "i387_ext", CORE, _read_stack(number), _write_stack(number))
    for name, engine in X87.items():
        yield _engine(name, engine, 32, "int", CORE)


def _sse() -> Iterator[Register]:
    for number in range(8):
        yield _engine(f"xmm{number}", f"XMM{number}", 128, "vec128", VECTORS)
    yield _engine("mxcsr", "MXCSR", 32, "i386_mxcsr", VECTORS)


def _system() -> Iterator[Register]:
    """Control registers, where descriptor tables and segments lie, and what SYSENTER loads."""
    for name in ("cr0", "cr2", "cr3", "cr4", "dr6"):
        register = _plain(name, f"i386_{name}" if name in ("cr0", "cr4") else "int32", SYSTEM)
        yield replace(register, shared=name != "cr3")
    for name in ("gdtr", "idtr"):
        for part, what in enumerate(("base", "limit")):
            yield Register(f"{name}_{what}", 32, "int32", SYSTEM, _read_table(name, part), shared=True)
    for name in ("ldtr", "tr"):
        yield replace(_plain(name, "int32", SYSTEM, fixed=True), shared=True)
    for name in (*SEGMENTS, "ldtr", "tr"):
        yield Register(f"{name}_base", 32, "int32", SYSTEM, _read_base(name))
    for name in ("cs", "esp", "eip"):
        yield Register(f"sysenter_{name}", 32, "int32", SYSTEM, _read_sysenter(name), shared=True)
    yield Register("cpl", 32, "int32", SYSTEM, lambda machine: machine.cpu.cpl)


def _plain(name: str, type: str, feature: str, fixed: bool = False) -> Register:
    """A register that `cpu.registers` has by this name."""
    def write(machine: Machine, value: int) -> None:
        setattr(machine.cpu.registers, name, value)

    def read(machine: Machine) -> int:
        return int(getattr(machine.cpu.registers, name))

    return Register(name, 32, type, feature, read, None if fixed else write)


def _engine(name: str, engine: str, bits: int, type: str, feature: str) -> Register:
    """A register that only Unicorn knows, by its name there."""
    number = getattr(uc_x86, f"UC_X86_REG_{engine}")
    return Register(name, bits, type, feature, lambda machine: int(machine.cpu.uc.reg_read(number)),
                    lambda machine, value: machine.cpu.uc.reg_write(number, value))


def _x87_register(machine: Machine, number: int) -> int:
    """Unicorn's number of the physical register behind ST(number)."""
    top = int(machine.cpu.uc.reg_read(uc_x86.UC_X86_REG_FPSW)) >> TOP_SHIFT
    return uc_x86.UC_X86_REG_FP0 + (top + number) % 8


def _read_stack(number: int) -> Read:
    def read(machine: Machine) -> int:
        mantissa, exponent = machine.cpu.uc.reg_read(_x87_register(machine, number))
        return int(mantissa | exponent << EXPONENT_SHIFT)

    return read


def _write_stack(number: int) -> Write:
    def write(machine: Machine, value: int) -> None:
        parts = value & (1 << EXPONENT_SHIFT) - 1, value >> EXPONENT_SHIFT
        machine.cpu.uc.reg_write(_x87_register(machine, number), parts)

    return write


def _read_table(name: str, part: int) -> Read:
    return lambda machine: machine.cpu.registers.table(name)[part]


def _read_base(name: str) -> Read:
    return lambda machine: machine.cpu.registers.segment(name).base


def _read_sysenter(name: str) -> Read:
    return lambda machine: sysenter(machine)[name]
