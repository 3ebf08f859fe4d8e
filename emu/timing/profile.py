"""Processor profiles: which processor the guest finds, and how fast its clock runs.

A profile is a TOML file in `profiles/`, every number with its source beside it. What an instruction costs is asked of
the profile, so that callers do not change when a profile learns more than one cycle an instruction.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from unicorn import x86_const

DIRECTORY = Path(__file__).with_name("profiles")

# CPUID leaf 1 EDX: the features that the machine has, by Intel's names (AP-485). What a real processor has beyond
# these (PAE, MTRR, APIC, machine check, ...) is not modelled, so no profile may claim it.
FEATURES = {
    "FPU": 0,       # x87 on chip
    "PSE": 3,       # 4 MiB pages
    "TSC": 4,       # RDTSC
    "MSR": 5,       # RDMSR, WRMSR
    "CX8": 8,       # CMPXCHG8B
    "SEP": 11,      # SYSENTER, SYSEXIT
    "PGE": 13,      # global pages
    "CMOV": 15,     # CMOVcc
    "MMX": 23,
    "FXSR": 24,     # FXSAVE, FXRSTOR
    "SSE": 25,
    "SSE2": 26,
}
ENGINES = {         # the model by which Unicorn decides which opcodes exist
    "pentium": x86_const.UC_CPU_X86_PENTIUM,
    "pentium2": x86_const.UC_CPU_X86_PENTIUM2,
    "pentium3": x86_const.UC_CPU_X86_PENTIUM3,
    "athlon": x86_const.UC_CPU_X86_ATHLON,
    "coreduo": x86_const.UC_CPU_X86_COREDUO,
}
KEYS = {"description": str, "clock": int, "engine": str, "vendor": str, "signature": int, "features": list,
        "brand": str, "leaf2": list}
OPTIONAL = {"brand", "leaf2"}
KINDS = {str: "a string", int: "a whole number", list: "a list"}
TRAP_COST = 1       # cycles of accepting an interrupt or exception where a cycle is an instruction; not 0, so that time
                    # passes even if a handler is interrupted before its first instruction


class ProfileError(Exception):
    """A profile that cannot be used: one line with file, key, value and what is allowed."""


@dataclass(frozen=True)
class Profile:
    """One processor."""

    name: str                       # of the file
    description: str                # one line
    clock: int                      # Hz
    engine: int                     # Unicorn's model number
    cpuid: tuple[int, ...]          # EAX EBX ECX EDX of each basic leaf, then of each extended one
    basic_leaves: int               # how many are basic
    has_sep: bool                   # SYSENTER and SYSEXIT exist

    @property
    def trap_cost(self) -> int:
        """Cycles of delivering an exception or interrupt, apart from the instructions of its handler."""
        return TRAP_COST

    @property
    def family(self) -> int:
        """The processor's family by its CPUID signature: 5 Pentium, 6 P6 and K7, 15 NetBurst."""
        return self.cpuid[4] >> 8 & 0xF

    def costs(self, instructions: Sequence[Any]) -> list[int]:
        """Price a block: cycles from its start to the end of each of its instructions."""
        return list(accumulate(1 for _ in instructions))


def profiles() -> list[str]:
    """The names of the profiles that come with the machine."""
    return sorted(path.stem for path in DIRECTORY.glob("*.toml"))


def load_profile(name: str | Path) -> Profile:
    """The profile called `name`, or the one in a file of your own (a path that ends in .toml). Raises ProfileError."""
    path = Path(name)
    if path.suffix != ".toml":
        path = DIRECTORY / f"{name}.toml"
        if not path.is_file():
            raise ProfileError(f"no processor is called {str(name)!r}; there are {', '.join(profiles())}")
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: not TOML: {error}") from None
    _check(path, values)
    features = sum(1 << FEATURES[feature] for feature in values["features"])
    cpuid, basic = _cpuid(values, features)
    return Profile(path.stem, values["description"], values["clock"], ENGINES[values["engine"]], cpuid, basic,
                   "SEP" in values["features"])


def _check(path: Path, values: dict[str, Any]) -> None:
    """Every key there, of its type, within what is allowed."""
    for key, value in values.items():
        if key not in KEYS:
            raise ProfileError(f"{path}: {key}: unknown key; allowed are {', '.join(KEYS)}")
        if type(value) is not KEYS[key]:
            raise ProfileError(f"{path}: {key} = {value!r}: must be {KINDS[KEYS[key]]}")
    for key in KEYS:
        if key not in values and key not in OPTIONAL:
            raise ProfileError(f"{path}: {key} is missing")
    if not 1_000_000 <= values["clock"] <= 100_000_000_000:
        raise ProfileError(f"{path}: clock = {values['clock']}: must be 1 MHz to 100 GHz, in Hz")
    if values["engine"] not in ENGINES:
        raise ProfileError(f"{path}: engine = {values['engine']!r}: must be one of {', '.join(ENGINES)}")
    vendor, brand = values["vendor"], values.get("brand", "")
    if len(vendor) != 12 or not vendor.isascii():
        raise ProfileError(f"{path}: vendor = {vendor!r}: must be 12 ASCII characters")
    if len(brand) > 47 or not brand.isascii():
        raise ProfileError(f"{path}: brand = {brand!r}: must be at most 47 ASCII characters")
    if not 0 <= values["signature"] < 1 << 32:
        raise ProfileError(f"{path}: signature = {values['signature']}: must be a 32-bit number")
    for feature in values["features"]:
        if feature not in list(FEATURES):                   # in a list: what TOML holds need not be hashable
            raise ProfileError(f"{path}: features: {feature!r} is not modelled; allowed are {', '.join(FEATURES)}")
        if values["features"].count(feature) > 1:
            raise ProfileError(f"{path}: features: {feature!r} stands twice")
    leaf2 = values.get("leaf2", [0] * 4)
    if len(leaf2) != 4 or not all(type(word) is int and 0 <= word < 1 << 32 for word in leaf2):
        raise ProfileError(f"{path}: leaf2 = {leaf2!r}: must be four 32-bit numbers, EAX EBX ECX EDX")


def _cpuid(values: dict[str, Any], features: int) -> tuple[tuple[int, ...], int]:
    """The CPUID leaves and how many of them are basic."""
    vendor = [int.from_bytes(values["vendor"].encode()[i:i + 4], "little") for i in (0, 4, 8)]
    basic = [[0, vendor[0], vendor[2], vendor[1]], [values["signature"], 0, 0, features]]
    if "leaf2" in values:
        basic.append(values["leaf2"])
    basic[0][0] = len(basic) - 1
    extended: list[list[int]] = []
    if "brand" in values:
        text = values["brand"].encode().ljust(48, b"\0")
        words = [int.from_bytes(text[i:i + 4], "little") for i in range(0, 48, 4)]
        extended = [[0x80000004, 0, 0, 0], [0, 0, 0, 0], words[0:4], words[4:8], words[8:12]]
    return tuple(word for leaf in basic + extended for word in leaf), len(basic)
