"""The processor's registers with their bits by Intel's names (manual volume 3, sections 2.3 and 2.5)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from emu.cpu import layout
from emu.cpu.registers import GENERAL, SELECTORS
from emu.cpu.x86 import IOPL_SHIFT
from emu.machine import Machine
from emu.monitor.inspect.plain import Plain
from emu.monitor.inspect.tables import Descriptor, describe_descriptor

FLAGS = {0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF", 14: "NT", 16: "RF",
         17: "VM", 18: "AC", 19: "VIF", 20: "VIP", 21: "ID"}
CONTROL = {
    "cr0": {0: "PE", 1: "MP", 2: "EM", 3: "TS", 4: "ET", 5: "NE", 16: "WP", 18: "AM", 29: "NW", 30: "CD", 31: "PG"},
    "cr4": {0: "VME", 1: "PVI", 2: "TSD", 3: "DE", 4: "PSE", 5: "PAE", 6: "MCE", 7: "PGE", 8: "PCE", 9: "OSFXSR",
            10: "OSXMMEXCPT"},
}


@dataclass(frozen=True)
class SegmentRegister(Plain):
    """A segment register, LDTR or TR: the selector, and the descriptor that it was loaded from."""

    name: str
    selector: int
    descriptor: Descriptor


@dataclass(frozen=True)
class View(Plain):
    """All registers at one moment."""

    general: dict[str, int]                 # eax ... edi
    eip: int
    linear_eip: int                         # where CS puts it
    cpl: int
    eflags: int
    flags: list[str]                        # those that are set
    iopl: int
    segments: list[SegmentRegister]         # ES CS SS DS FS GS LDTR TR
    control: dict[str, int]                 # cr0, cr2, cr3, cr4, dr6
    control_bits: dict[str, list[str]]      # of cr0 and cr4, those that are set
    tables: dict[str, tuple[int, int]]      # gdtr, idtr: base, limit
    sysenter: dict[str, int]                # the three MSRs


def view(machine: Machine) -> View:
    """The registers as they are now."""
    cpu = machine.cpu
    registers = cpu.registers
    eflags = registers.eflags
    control = {name: getattr(registers, name) for name in ("cr0", "cr2", "cr3", "cr4", "dr6")}
    segments = []
    for name in SELECTORS:
        cache = registers.segment(name)
        segments.append(SegmentRegister(name, cache.selector,
                                        describe_descriptor(cache.flags, cache.base, cache.limit)))
    return View({name: getattr(registers, name) for name in GENERAL}, registers.eip, cpu.linear_eip, cpu.cpl, eflags,
                names_of(eflags, FLAGS), eflags >> IOPL_SHIFT & 3, segments, control,
                {name: names_of(control[name], bits) for name, bits in CONTROL.items()},
                {name: registers.table(name) for name in ("gdtr", "idtr")}, sysenter(machine))


def names_of(value: int, bits: dict[int, str]) -> list[str]:
    """The names of the bits that are set."""
    return [name for bit, name in bits.items() if value >> bit & 1]


def sysenter(machine: Machine) -> dict[str, int]:
    """The MSRs of SYSENTER: "cs", "esp", "eip"; all 0 until software has set them."""
    env = machine.cpu.state.env
    places = {"cs": layout.SYSENTER_CS, "esp": layout.SYSENTER_ESP, "eip": layout.SYSENTER_EIP}
    return {name: int(ctypes.c_uint32.from_address(env + at).value) for name, at in places.items()}
