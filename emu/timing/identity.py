"""Which processor the guest finds: clock, features and CPUID of a profile, checked."""

from __future__ import annotations

from typing import Any

from unicorn import x86_const

from emu.timing.errors import refuse, shown

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


def check_identity(path: object, values: dict[str, Any], sections: tuple[str, ...]) -> None:
    """Every key of the identity is there, of its type, within what is allowed; others the file may have: `sections`.

    Raises ProfileError.
    """
    for key, value in values.items():
        if key in sections:
            continue
        if key not in KEYS:
            refuse(path, key, f"unknown key; allowed are {', '.join([*KEYS, *sections])}")
        if type(value) is not KEYS[key]:
            refuse(path, f"{key} = {shown(value)}", f"must be {KINDS[KEYS[key]]}")
    for key in KEYS:
        if key not in values and key not in OPTIONAL:
            refuse(path, "", f"{key} is missing")
    if not 1_000_000 <= values["clock"] <= 100_000_000_000:
        refuse(path, f"clock = {shown(values['clock'])}", "must be 1 MHz to 100 GHz, in Hz")
    if values["engine"] not in ENGINES:
        refuse(path, f"engine = {shown(values['engine'])}", f"must be one of {', '.join(ENGINES)}")
    vendor, brand = values["vendor"], values.get("brand", "")
    if len(vendor) != 12 or not vendor.isascii():
        refuse(path, f"vendor = {shown(vendor)}", "must be 12 ASCII characters")
    if len(brand) > 47 or not brand.isascii():
        refuse(path, f"brand = {shown(brand)}", "must be at most 47 ASCII characters")
    if not 0 <= values["signature"] < 1 << 32:
        refuse(path, f"signature = {shown(values['signature'])}", "must be a 32-bit number")
    for feature in values["features"]:
        if feature not in list(FEATURES):                   # in a list: what TOML holds need not be hashable
            refuse(path, "features", f"{shown(feature)} is not modelled; allowed are {', '.join(FEATURES)}")
        if values["features"].count(feature) > 1:
            refuse(path, "features", f"{feature!r} stands twice")
    leaf2 = values.get("leaf2", [0] * 4)
    if len(leaf2) != 4 or not all(type(word) is int and 0 <= word < 1 << 32 for word in leaf2):
        refuse(path, f"leaf2 = {shown(leaf2)}", "must be four 32-bit numbers, EAX EBX ECX EDX")


def cpuid_of(values: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """The CPUID leaves and how many of them are basic."""
    vendor = [int.from_bytes(values["vendor"].encode()[i:i + 4], "little") for i in (0, 4, 8)]
    features = sum(1 << FEATURES[feature] for feature in values["features"])
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
